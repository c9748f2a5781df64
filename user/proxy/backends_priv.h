/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the pool share. Words that workers write or read are used by __atomic
 * calls alone; the rest belongs to the main thread.
 *
 * A slot may be given to another backend when its bit in `present` is off and nobody uses
 * it. pick() counts itself in before it looks at `present` once more, the main thread clears
 * the bit before it looks at in_use, both sequentially consistent: one of them sees the other.
 */
#ifndef WEIR_PROXY_BACKENDS_PRIV_H
#define WEIR_PROXY_BACKENDS_PRIV_H

#include <weir/abi.h>
#include "proxy/backends.h"

#define SEQUENCE_MAX	(PROXY_MAX_BACKENDS * PROXY_MAX_WEIGHT)
#define EJECT_DOUBLINGS 20

/* What went wrong last: a kind, and a detail of 16 bits. */
enum backend_error {
	ERROR_NONE,
	ERROR_CONNECT,	     /* enum backend_failure */
	ERROR_CHECK_CONNECT, /* errno */
	ERROR_CHECK_TIMEOUT,
	ERROR_CHECK_CLOSED,
	ERROR_CHECK_STATUS, /* HTTP status */
	ERROR_CHECK_ANSWER, /* not HTTP */
};

struct health {
	int fd; /* -1: no check is under way */
	enum { HEALTH_CONNECTING, HEALTH_READING } stage;
	uint64_t next_us, began_us;
	unsigned row; /* checks in a row that contradict `well` */
	bool well;    /* what they say of the backend; true until they say otherwise */
	uint64_t checks, failed, rtt_us;
	size_t got;
	char answer[16]; /* the head of a status line */
};

struct slot {
	/* workers and main */
	uint64_t in_use; /* survives another backend in the slot: a pick may be counting itself out
			  */
	uint64_t total, failures, ejections;
	uint64_t ejected_until_us; /* 0: it is not */
	uint64_t connect_us;
	uint64_t error_us;
	uint32_t error;	   /* enum backend_error << 16 | detail */
	uint32_t in_a_row; /* failed connects since the last good one */
	uint32_t level;	   /* doublings of the next ejection */
	uint32_t weight;
	/* written by main while nobody can pick it */
	struct proxy_backend conf;
	uint64_t seed;
	/* main */
	enum backend_state state; /* as last told */
	uint64_t since_us;
	struct health health;
} __attribute__((aligned(64)));

struct backends {
	uint64_t present; /* configured */
	uint64_t up;	  /* gets new connections; within `present`, but for a moment */
	uint64_t now_us;  /* of the last step: workers need no clock */
	uint64_t turn;	  /* of round-robin */
	uint32_t balance, all_down;
	uint32_t eject_failures;
	uint64_t eject_us, eject_max_us;
	/*
	 * The order of round-robin, made anew by the main thread when something changed. A reader
	 * that meets the change takes an old or a new entry, and looks whether it may.
	 */
	uint32_t nsequence;
	uint8_t sequence[SEQUENCE_MAX];
	uint64_t sequence_of; /* main: the bits it was made of */

	struct proxy_config cfg;
	backend_change_fn on_change;
	void *on_change_arg;
	struct slot slot[BACKENDS_MAX];
};

static inline uint64_t backend_bit(unsigned i)
{
	return 1ull << i;
}

static inline uint64_t backends_now(const struct backends *b)
{
	return __atomic_load_n(&b->now_us, __ATOMIC_RELAXED);
}

void slot_error(struct backends *b, struct slot *s, enum backend_error kind, unsigned detail);
void slot_error_text(const struct slot *s, char *buf, size_t len);
void backends_count(enum weir_counter which); /* any thread */

/* ---- balance.c ---- */
/* One of the set bits of `cand`, which is not 0. Any thread. */
unsigned balance_choose(struct backends *b, uint64_t cand, const struct weir_addr *client);
/* What balance_choose() knows a backend by in PROXY_HASH: the same wherever it is configured. */
uint64_t balance_seed(const char *name);
/* The order of round-robin over `set`. Main thread. */
void balance_sequence(struct backends *b, uint64_t set);

/* ---- eject.c ---- */
/* A failed connect was counted: takes the backend out if that was one too many. Any thread. */
void eject_maybe(struct backends *b, unsigned i);
/* Takes slot i out of `up`; false: it is the last there. Any thread. */
bool eject_leave(struct backends *b, unsigned i);
/* Main thread: ejections that are over. */
void eject_step(struct backends *b);

/* ---- health.c: main thread ---- */
void health_step(struct backends *b);
void health_start(struct backends *b, unsigned i);
/* Ends a check that is under way; the slot counts as well. */
void health_stop(struct slot *s);

#endif
