/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker has of the proxy: the relays of its connections, the loop that moves their
 * bytes, and its row of counters. Made with the worker's first connection.
 *
 * A relay has something to do when it is *due*: it is on the worker's list then, and has its
 * turn in the next turn of the loop.
 *
 *     callbacks, notices ─► due ─► a batch of reads and writes ─► due again, or waits
 */
#ifndef WEIR_PROXY_WORKER_H
#define WEIR_PROXY_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/loop.h>
#include "app/app.h"
#include "proxy/backends.h"
#include "proxy/bio.h"
#include "proxy/pp2.h"

#define RELAY_BATCH 64 /* relays to one batch */
#define RELAY_IOV   16 /* pieces of one read or write: 32 KiB */

/* A service, as its workers use it; the main thread may change `set` meanwhile. */
struct proxy_service {
	struct backends *backends;
	struct proxy_settings {
		_Atomic uint64_t connect_ms, idle_ms;
		_Atomic unsigned retries;
		_Atomic enum proxy_protocol protocol;
		_Atomic enum proxy_on_failure on_failure;
	} set;
	struct proxy_config cfg; /* the main thread's */
	weir_app_log_fn log;
};

enum relay_state {
	RELAY_FREE,
	RELAY_CONNECTING,
	RELAY_AGAIN, /* a UNIX socket's queue is full: to be tried again */
	RELAY_OPEN,
	RELAY_DONE, /* the backend's side is over, the client's may not be yet */
};

/* relay.flags */
#define RELAY_IN     0x001 /* the backend may have bytes */
#define RELAY_OUT    0x002 /* it may take some */
#define RELAY_HUP    0x004 /* its end is behind what it has */
#define RELAY_B_EOF  0x008 /* its end has come */
#define RELAY_B_END  0x010 /* and was passed on */
#define RELAY_C_END  0x020 /* the client's was */
#define RELAY_DUE    0x040
#define RELAY_HEARD  0x080 /* it has sent something */
#define RELAY_DRAIN  0x100
#define RELAY_ANSWER 0x200  /* the last bytes came from the backend */
#define RELAY_PICKED 0x400  /* it counts as a user of `backend` */
#define RELAY_ERR    0x800  /* the backend has an error to tell */
#define RELAY_LOST   0x1000 /* its descriptor is to be watched again */

struct relay {
	struct weir_conn *c; /* NULL: free */
	struct proxy_service *s;
	struct relay *next; /* due, or free */
	uint64_t tried;	    /* backends, a bit each */
	uint64_t since_us;  /* of the attempt; then of the last byte */
	uint32_t index, gen;
	int fd;
	uint16_t flags;
	uint8_t state, backend, tries;
	uint8_t head, head_sent; /* PROXY header: its length, what of it is out */
	uint8_t pieces;		 /* of a read, as the last ones were */
};

struct proxy_worker {
	struct weir_loop loop;
	struct bio *bio;
	struct relay **chunks;
	unsigned nchunks;
	struct relay *free;
	struct relay *due, **due_end;
	struct relay *batch[RELAY_BATCH * 2]; /* of each op */
	struct bio_op op[RELAY_BATCH * 2];
	struct iovec iov[RELAY_BATCH * 2][RELAY_IOV + 1];
	uint8_t head[RELAY_BATCH][PP2_MAX];
	unsigned nops, nheads;
	int fd_max; /* relays leave the descriptors from here on to the rest of weir */
	struct proxy_worker *others; /* of the process, for those who add up counters */
	uint64_t counts[WEIR_C_MAX] __attribute__((aligned(64)));
};

/* Of the connection's worker; NULL where none could be made (counted). */
struct proxy_worker *proxy_worker_of(struct weir_conn *c);

struct relay *relay_new(struct proxy_worker *w); /* NULL: no memory */
void relay_free(struct proxy_worker *w, struct relay *r);
struct relay *relay_next(struct proxy_worker *w); /* that is due; NULL: none */

static inline uint64_t relay_token(const struct relay *r)
{
	return (uint64_t)(r->gen & 0x3fffffff) << 32 | r->index;
}

static inline void relay_due(struct proxy_worker *w, struct relay *r)
{
	if (r->flags & RELAY_DUE)
		return;
	r->flags |= RELAY_DUE;
	r->next = NULL;
	*w->due_end = r;
	w->due_end = &r->next;
}

static inline void proxy_add(struct proxy_worker *w, enum weir_counter c, uint64_t n)
{
	/* One writer; relaxed so that readers in other threads see whole words. */
	__atomic_store_n(&w->counts[c], w->counts[c] + n, __ATOMIC_RELAXED);
}

static inline void proxy_count(struct proxy_worker *w, enum weir_counter c)
{
	proxy_add(w, c, 1);
}

/* Adds those of all workers, of those that have ended, too. */
void proxy_counters(uint64_t *v);

/*
 * Finds out what proxy_set_io() comes to on this machine; says so the first time. 0, or
 * -errno and why. `log` (may be NULL) is kept, for the workers.
 */
int proxy_io_choose(weir_app_log_fn log, char *why, size_t len);

/* ---- relay_io.c ------------------------------------------------------------------------ */

/* One batch: of the relays that are due, as many as fit. How many had their turn. */
unsigned relay_turn(struct proxy_worker *w);

/* ---- relay.c, for relay_io.c ------------------------------------------------------------- */

/* The connect is over: error 0, or why it failed. */
void relay_connected(struct proxy_worker *w, struct relay *r, int error);
/* The backend's side is gone, by an error; the client gets what it would have seen of it. */
void relay_broken(struct proxy_worker *w, struct relay *r, int error);
/* Both ends were passed on. */
void relay_finished(struct proxy_worker *w, struct relay *r);
/* An error that the descriptor has to tell, 0: none. */
int relay_error(const struct relay *r);

#endif
