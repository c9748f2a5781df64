/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control socket in a directory of its own, over a source in memory, and a client's
 * words. The server steps while an answer is waited for.
 */
#ifndef TESTS_UNIT_CTL_FIXTURE_H
#define TESTS_UNIT_CTL_FIXTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/ctl_server.h"
#include "control/ctl_source.h"

#define FAKE_WORKERS 3
#define FAKE_RING    2000

struct ctl_fake {
	unsigned rows[FAKE_WORKERS]; /* connections of each worker */
	int silent;		     /* this worker does not answer; -1: all do */
	unsigned asked;		     /* calls of conns() */
	bool tracing;
	int trace_rc;
	struct weir_trace_filter filter;
	unsigned starts, stops;
	unsigned records; /* in the ring, FAKE_RING at most */
	uint64_t lost;
	enum weir_mode modes[2]; /* of the services */
	int mode_rc;
	struct history *history;    /* the test's */
	const char *ill;	    /* why clients should not come here */
	const struct key_set *keys; /* NULL: random ones */
	const char *keys_error;
	struct backends *backends; /* of the second service; the test's */
	struct drain drain;
};

struct ctl_bed {
	char dir[64], path[96];
	struct ctl_fake fake;
	struct ctl *ctl;
	uint64_t now_us;
};

/* A test's set-up and tear-down. */
int bed_open(void **state);
int bed_close(void **state);

struct ctl_source bed_source(struct ctl_bed *b);
void bed_step(struct ctl_bed *b);
int bed_dial(struct ctl_bed *b);
void bed_say(int fd, const char *text);
/* A line of the reply; NULL at its end. Free it. */
char *bed_hear(struct ctl_bed *b, int fd);
json_t *bed_hear_json(struct ctl_bed *b, int fd);
json_t *bed_ask(struct ctl_bed *b, int fd, const char *request);
void bed_expect_error(struct ctl_bed *b, int fd, const char *request, const char *part);

#endif
