/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is left of a connection: TIME_WAIT, then a tombstone until its cookie can
 * no longer validate, then closing while its flow entry is being deleted.
 *
 *     conn ─► timewait ─► tombstone ─► closing ─► gone
 *       └────────────────────┘
 *
 * A cookie opens at most one connection: as long as it validates, the table
 * knows its tuple. An active open has no cookie and goes without tombstone; its port
 * is given back with its flow entry. Both kinds are bounded; at the bound the oldest go first,
 * counted. `closing` is a tombstone's slot: at most RESIDUE_CLOSING at once.
 */
#ifndef WEIR_RESIDUE_H
#define WEIR_RESIDUE_H

#include <stdint.h>

#include "engine/engine.h"
#include "engine/frame.h"
#include "engine/slab.h"
#include "engine/wheel.h"

#define RESIDUE_CLOSING 256

/* The part that both kinds have. */
struct residue {
	struct slab_hdr hdr;
	struct wheel_node timer;
	uint32_t older, newer;
	weir_tuple tuple;
	uint32_t hash;
	uint64_t dead_ms;
	uint32_t irs;
	bool active; /* holds a local port */
};

struct timewait {
	struct residue r;
	struct tcp_timewait tw;
	const struct weir_app *app;
};

struct tombstone {
	struct residue r;
	uint32_t snd_nxt, rcv_nxt;
};

struct residue_pool {
	struct slab slab;
	struct wheel wheel;
	uint32_t oldest, newest;
	uint32_t queued; /* of them in the order of age: all but those closing */
	uint32_t max;
};

struct closing {
	uint32_t index[RESIDUE_CLOSING]; /* slots in the tombstones' slab */
	unsigned n;
	uint64_t retry_us; /* after a delete failed */
};

struct engine_legacy;
struct weir_conn;
struct worker;

int residue_init(struct worker *w);
void residue_fini(struct worker *w);
/* Turns the table's entry of an ended connection into what is to be left of it. */
void residue_bury(struct worker *w, const struct weir_conn *c);
/* A tombstone of another engine's connection (legacy.h). */
void residue_inherit(struct worker *w, const struct engine_legacy *l);
/* Frames of a tuple that has no connection any more; 0 or the drop's counter. */
int residue_timewait_input(struct worker *w, uint32_t ref, struct rx_pkt *p);
int residue_tombstone_input(struct worker *w, uint32_t ref, struct rx_pkt *p);
/*
 * Whether an active open may have the tuple of this entry (RFC 6191 from the other side),
 * and its having it: the port is given back, the table's entry becomes `c`'s, the flow
 * stays. Returns the ISS, which is above all that was sent before.
 */
bool residue_reusable(const struct worker *w, uint32_t ref);
bool residue_waits(const struct worker *w, uint32_t ref); /* it will be */
uint32_t residue_reuse(struct worker *w, uint32_t ref, uint32_t conn_ref);
unsigned residue_timers(struct worker *w, unsigned max);
uint64_t residue_next_timeout(const struct worker *w);
/* Deletes the batch of closing flows; all of them leave the table. */
void residue_flush(struct worker *w);
const weir_tuple *residue_tuple(const struct worker *w, uint32_t ref);

#endif
