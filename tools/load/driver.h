/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver: decides when a connection is opened, what it sends and what must come
 * back, and takes the times. driver.c is the loop and its clock, conn.c the life of one
 * connection, requests.c what goes over it.
 *
 *              arrival, or a free one in a closed loop
 *     FREE ──────────► OPENING ──► BUSY ──► FREE        connect, request, slow
 *
 *     FREE ──────────► OPENING ──► READY ◄──► BUSY      kept connections; BUSY for good
 *       ▲  set-up                   │                   when streaming
 *       └── RESTING ◄── failed ─────┘
 *
 * A connection is in one list at a time: free, ready, resting, or under way, which is in
 * the order of deadlines.
 */
#ifndef LOAD_DRIVER_H
#define LOAD_DRIVER_H

#include "args.h"
#include "result.h"

#include <weir/sized.h>

#define LOAD_BUF (64 * 1024)

enum conn_state { CONN_FREE, CONN_OPENING, CONN_READY, CONN_BUSY, CONN_RESTING, CONN_DONE };

struct conn {
	struct be_conn be;
	struct conn *prev, *next;
	uint64_t intended; /* when what is under way should have begun */
	uint64_t deadline; /* or the end of its rest */
	uint64_t send_at;  /* next byte to send, header included */
	uint64_t recv_at;  /* next byte of the response */
	uint8_t state;
	uint8_t phase;	 /* of what is under way */
	bool in_attempt; /* a failure now is a failed attempt, which is not yet counted */
	bool reading;	 /* slow: between its ticks */
	bool fin;	 /* stream: our end is sent */
	bool end;	 /* BE_END has come */
	uint8_t again;	 /* BE_IN, BE_OUT: could go on, but others had their turn first */
};

struct conn_list {
	struct conn *head, *tail;
};

struct driver {
	const struct load_args *a;
	const struct backend *be;
	void *ctx;
	struct result *r;
	struct sched sched;
	struct conn *conns;
	struct conn_list free, ready, resting, busy;
	unsigned int alive; /* connections that the back end knows */
	unsigned int opening;
	unsigned int again; /* connections that could go on */
	unsigned int local; /* the next of the source addresses */
	union be_addr *locals;
	uint32_t round;
	unsigned int now_phase; /* by the clock; r->phases: all are over */
	bool running;		/* the phases have begun */
	bool draining;		/* nothing new begins */
	uint64_t ended_at;	/* draining since */
	uint64_t started;	/* attempts, for --count */
	uint64_t send_len;	/* bytes of a request, header included */
	uint64_t recv_len;	/* bytes of a response */
	size_t head_len;	/* of `request`, which begins with the header */
	unsigned char *table;
	unsigned char *request;
	unsigned char *buf;
	uint64_t blocked_at; /* arrivals due by then found no connection */
	bool counted_out;    /* --count is reached */
	uint64_t slow_at;    /* the next tick of slow readers */
	struct hist course;  /* responses (or connects) since the last sample */
	uint64_t course_failed, course_at, tick_at;
	void (*progress)(const struct driver *d, const struct sample *s);
};

/* Runs it all; *stop: 1 ends it early with what there is, 2 at once. `why` as elsewhere. */
int driver_run(struct driver *d, const struct backend *be, const struct load_args *a,
	       struct result *r, const volatile int *stop, const char **why);
void driver_result_free(struct result *r);

/* ---- driver.c, for conn.c */

void list_add(struct conn_list *l, struct conn *c);
void list_del(struct conn_list *l, struct conn *c);
/* Into the order of deadlines. */
void list_insert(struct conn_list *l, struct conn *c);
struct tally *driver_tally(struct driver *d, unsigned int phase);

/* ---- conn.c */

/* Opens a connection from a free slot, for an attempt that was due at `intended`. */
void conn_open(struct driver *d, struct conn *c, uint64_t intended, unsigned int phase);
/* Begins a request on a ready connection. */
void conn_request(struct driver *d, struct conn *c, uint64_t intended, unsigned int phase);
void conn_event(struct driver *d, struct conn *c, unsigned int events);
/* What is under way has failed; the connection, if there is one, is reset. */
void conn_fail(struct driver *d, struct conn *c, enum load_failure why);
/* Closes a ready connection in order. */
void conn_hangup(struct driver *d, struct conn *c);
/* Ends a stream: our end, then the server's. */
void conn_finish_stream(struct driver *d, struct conn *c);
void conn_succeed(struct driver *d, struct conn *c);

/* ---- requests.c */

int requests_init(struct driver *d);
void requests_free(struct driver *d);
/* Go on until it would block, or others are to have their turn. */
void requests_send(struct driver *d, struct conn *c);
void requests_recv(struct driver *d, struct conn *c);
/* A slow reader's next piece. */
void requests_slow_tick(struct driver *d, struct conn *c);

#define SLOW_TICK_NS 50000000ull

#endif
