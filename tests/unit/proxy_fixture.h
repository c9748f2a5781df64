/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proxy between a client in memory and a backend of the kernel: two engines joined by
 * a wire, the second with the proxy, and real sockets on the loopback behind it. Time is
 * the test's for the engines; the kernel is waited for (PX_UNTIL).
 *
 *     client (struct cl, engine a) ═ wire ═ proxy (engine b) ─ kernel ─ backend (a descriptor)
 *
 * Streams are patterns by offset, checked byte for byte on both sides.
 */
#ifndef TESTS_PROXY_FIXTURE_H
#define TESTS_PROXY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bio_both.h"
#include "engine_fixture.h"
#include "fds.h"
#include "proxy/proxy.h"

struct px {
	struct pair p;
	enum bio_kind io;
	void *arg;
	int listener;
	char where[64]; /* of it, as a spec has it */
	unsigned fds;	/* descriptors of the process before */
	uint64_t before[WEIR_C_MAX];
};

/* A client's end. */
struct cl {
	struct weir_conn *c; /* NULL: not open (any more) */
	uint64_t sent, got;
	unsigned opens, closes;
	int reason;
	bool eof, hold; /* hold: reads nothing */
};

/*
 * `options`: behind the backend, as ",connect-timeout=1s". where NULL: a listener on
 * 127.0.0.1, which PX_UNIX makes one of a UNIX socket; else the spec's backends.
 */
#define PX_UNIX "unix"
void px_open(struct px *x, enum bio_kind io, const char *where, const char *options);
void px_close(struct px *x); /* and all that was opened is closed */
/* With another configuration of the proxy's engine. */
void px_open_cfg(struct px *x, enum bio_kind io, const char *where, const char *options,
		 const struct rig_config *b);

int listen_on(const char *path, int backlog, char *where, size_t len);

void px_step(struct px *x); /* both engines, until they have nothing to say */
void px_pass(struct px *x, uint64_t us);
uint64_t px_count(struct px *x, enum weir_counter c);

/* Until it is true; a millisecond of the test's clock for each of the kernel's. */
#define PX_UNTIL(x, cond)                                                                          \
	do {                                                                                       \
		bool px_is = false;                                                                \
		for (int px_i = 0; px_i < 5000 && !(px_is = (cond)); px_i++)                       \
			px_nap(x, px_i);                                                           \
		if (!px_is)                                                                        \
			fail_msg("%s:%d: not: %s", __FILE__, __LINE__, #cond);                     \
	} while (0)
void px_nap(struct px *x, int i);

void cl_open(struct px *x, struct cl *cl);
size_t cl_send(struct cl *cl, size_t n); /* taken of it */
void cl_read(struct cl *cl);		 /* what there is, checked */
#define REASON(cl, name) assert_string_equal(weir_reason_name((cl)->reason), name)

int be_accept(struct px *x); /* waits for one */
/* Bytes taken; of the pattern from *at on. -errno. */
ssize_t be_send(int fd, uint64_t *at, size_t n);
/* Bytes read and checked; 0 at the end, -errno. */
ssize_t be_recv(int fd, uint64_t *at, size_t n);
void be_reset(int fd); /* closes it with an RST */

/* A test of both ways to wait (bio_both.h), of a function (struct px *). */
#define PX_TEST(name, where, options)                                                              \
	static void name##_by(enum bio_kind io)                                                    \
	{                                                                                          \
		struct px x;                                                                       \
                                                                                                   \
		px_open(&x, io, where, options);                                                   \
		name(&x);                                                                          \
		px_close(&x);                                                                      \
	}                                                                                          \
	BIO_BOTH_OF(name, name##_by)

/* Whether this machine has io_uring; the tests of it are skipped where not. */
bool px_uring(void);

#endif
