/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client of the control socket: its request lines in, its replies out.
 *
 *     bytes ─► in[] ─► a line ─► request ─► job ─► out[] ─► bytes
 *
 * out[] is bounded. A job (rows of conns, records of a trace) writes only while
 * there is room: rows wait, records are counted as lost. No call blocks.
 * Lines that came behind a running job wait until it is done.
 */
#ifndef WEIR_CONTROL_CTL_CLIENT_H
#define WEIR_CONTROL_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/ctl_request.h"
#include "control/ctl_source.h"

#define CTL_OUT_MAX   262144
#define CTL_ROW_MAX   1024 /* bytes of a row of conns */
#define CTL_ROW_BATCH 64

enum ctl_job { CTL_JOB_NONE, CTL_JOB_CONNS, CTL_JOB_TRACE };

struct ctl_client {
	int fd;		/* -1: the slot is free */
	uint32_t armed; /* epoll events asked for */
	bool eof;	/* the client sends nothing more */
	bool broken;	/* a malformed stream: close once out[] is empty */
	enum ctl_job job;
	struct ctl_request req; /* of the job */
	uint64_t active_us;	/* last time it sent or took something */
	struct {
		unsigned worker;
		uint64_t cursor;
		bool any;	     /* a row was written: the next needs a comma */
		uint64_t unanswered; /* bit per worker */
	} conns;
	uint64_t lost; /* trace events not told of yet */
	size_t in_len, out_at, out_len;
	char *in;  /* CTL_REQUEST_MAX */
	char *out; /* out_cap: CTL_OUT_MAX, more for a reply about many services */
	size_t out_cap;
};

/* Takes over `fd`. 0 or -ENOMEM (the fd stays the caller's). */
int ctl_client_init(struct ctl_client *c, int fd, uint64_t now_us);
void ctl_client_free(struct ctl_client *c); /* closes the fd */

/* Reads what is there. False: the client is gone. */
bool ctl_client_read(struct ctl_client *c);
/* Sends what it can. False: the client is gone. */
bool ctl_client_write(struct ctl_client *c);

/*
 * Takes the next request line out of in[]: 1 with *req filled, 0 when there is
 * none, -EINVAL when it was answered with an error.
 */
int ctl_client_request(struct ctl_client *c, struct ctl_request *req);

/*
 * Bytes that may be put into out[] up to CTL_OUT_MAX, and the ways in. What a job puts
 * beyond is an error; a reply gets the room it needs, as the next request waits for it.
 */
size_t ctl_client_room(const struct ctl_client *c);
void ctl_client_put(struct ctl_client *c, const char *data, size_t len);
void ctl_client_reply(struct ctl_client *c, json_t *reply); /* takes the reference */

/* One more step of a conns job. */
void ctl_client_conns_start(struct ctl_client *c);
void ctl_client_conns_step(struct ctl_client *c, const struct ctl_source *src);

/* A record for a client that traces: written, or counted as lost. */
void ctl_client_trace(struct ctl_client *c, const struct weir_trace_rec *rec);
/* `n` more are lost; says so as soon as there is room. */
void ctl_client_trace_lost(struct ctl_client *c, uint64_t n);

#endif
