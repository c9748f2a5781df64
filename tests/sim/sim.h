/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network under virtual time: events in a heap, frames, and the nodes that they
 * pass. Integer arithmetic and seeded generators only, so that a run is the same
 * on every machine, bit by bit.
 *
 *     end ──► node ──► node ──► … ──► end          each node: a table of two calls
 *
 * A frame belongs to the node that has it, until that passes it on or drops it.
 * Times are nanoseconds; the ends divide by 1000 for the core. What comes due at
 * the same time comes in the order in which it was scheduled.
 *
 * The first thing that is found wrong ends the run: sim_fail().
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_US	  1000ull
#define SIM_MS	  1000000ull
#define SIM_SEC	  1000000000ull
#define SIM_NEVER UINT64_MAX

#define SIM_MTU	   1500
#define SIM_IP	   20 /* bytes of the IP header, and of Ethernet's: no frame carries them, */
#define SIM_ETHER  14 /* but rates and queues count them */
#define SIM_CE	   3
#define SIM_PSEUDO 0x1234

struct sim_frame {
	struct sim_frame *next; /* while free */
	uint64_t sent;
	uint64_t id;			      /* counts the frames of the run */
	uint32_t len;			      /* of bytes: TCP header and payload */
	uint32_t data;			      /* of that, payload */
	uint8_t ecn;			      /* the IP header's codepoint */
	uint8_t flow, side;		      /* who sent it: side 0 opened the flow */
	bool damaged;			      /* by a node: no end may take it */
	uint8_t bytes[SIM_MTU - SIM_IP + 40]; /* what tcp_output() asks for */
};

struct sim;
struct sim_node;

struct sim_node_ops {
	const char *name;
	void (*arrive)(struct sim_node *n, struct sim_frame *f);
	/* What sim_at() asked for; a NULL frame is a timer. */
	void (*due)(struct sim_node *n, struct sim_frame *f);
};

struct sim_node { /* first in each kind of node */
	const struct sim_node_ops *ops;
	struct sim *sim;
	struct sim_node *to;
	uint64_t rng;
	uint64_t dropped;
};

struct sim_event {
	uint64_t at, order;
	struct sim_node *node;
	struct sim_frame *frame;
};

struct sim {
	uint64_t now;
	uint64_t rng; /* of who builds the world; each node has its own */
	uint64_t order, frames, steps;
	uint64_t hash; /* over every frame that was sent: time, header, payload */
	struct sim_event *heap;
	size_t nheap, heap_cap;
	struct sim_frame *free;
	size_t in_flight; /* frames that somebody has */
	bool verbose, failed;
	char why[256];
};

void sim_init(struct sim *s, uint64_t seed);
void sim_free(struct sim *s);
/* Runs until `end`, until nothing is left to happen, or until a failure. */
void sim_run(struct sim *s, uint64_t end);
void sim_at(struct sim_node *n, uint64_t at, struct sim_frame *f);
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct sim_frame *sim_frame_new(struct sim *s);
struct sim_frame *sim_frame_copy(struct sim *s, const struct sim_frame *f);
void sim_frame_free(struct sim *s, struct sim_frame *f);
void sim_hash(struct sim *s, const void *p, size_t len);

void sim_node_init(struct sim_node *n, struct sim *s, const struct sim_node_ops *ops);
void sim_pass(struct sim_node *n, struct sim_frame *f);
void sim_drop(struct sim_node *n, struct sim_frame *f, const char *why);
/* For --seed N -v: one line for what happens to a frame. */
void sim_trace(struct sim *s, const char *who, const struct sim_frame *f, const char *what);

/* 64 bits of a generator; one below n; whether something of n in a million happens. */
uint64_t sim_rand(uint64_t *rng);
uint64_t sim_below(uint64_t *rng, uint64_t n);
bool sim_chance(uint64_t *rng, uint32_t ppm);

static inline uint64_t sim_us(const struct sim *s)
{
	return s->now / SIM_US;
}

static inline uint32_t sim_wire_len(const struct sim_frame *f)
{
	return f->len + SIM_IP + SIM_ETHER;
}

#endif
