/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's own. One turn (worker_poll):
 *
 *     mailbox ─► RX of each queue ─► hand-over rings ─► timers
 *        ─► run list: callbacks and output ─► [the application's loop, the run list again]
 *        ─► flush ─► deletes, sweep, heartbeat
 *
 * All of it belongs to the worker's thread except where a member says otherwise.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <stdatomic.h>

#include <weir/loop.h>
#include "engine/conn.h"
#include "engine/engine.h"
#include "engine/frame.h"
#include "engine/handover.h"
#include "engine/list.h"
#include "engine/listener.h"
#include "engine/residue.h"
#include "engine/slab.h"
#include "engine/table.h"
#include "engine/trace.h"
#include "engine/tx.h"
#include "engine/wheel.h"
#include "tcp/pool.h"

#define WORKER_ROWS 256 /* rows of a snapshot in one turn */

enum worker_ask { ASK_NONE, ASK_ROWS };

/* A question of the controlling thread; `asked` > `answered` while it is open. */
struct mailbox {
	_Atomic uint32_t asked;
	_Atomic uint32_t answered;
	uint64_t cursor; /* in: where to start; out: where to go on */
	unsigned max;
	unsigned n;
	struct engine_conn_row rows[WORKER_ROWS];
};

/* Read by any thread. */
struct gauges {
	_Atomic uint64_t states[WEIR_TCP_NSTATES];
	_Atomic uint64_t conns, tombstones, closing, blocks_used;
	_Atomic bool drained;
};

/* Of a queue, for readers in other threads. */
struct queue_told {
	uint64_t rx_frames, tx_frames, rx_dropped, rx_ring_full, rx_fill_empty;
};

struct sweep {
	uint64_t cursor;
	uint64_t next_us;
};

struct worker {
	struct engine *e;
	const struct engine_config *cfg;
	const struct engine_env *env;
	unsigned index;

	uint64_t now_us;
	uint64_t gate_ms; /* the gate's mono_ms */
	uint64_t skew_us; /* time the process was stopped, which connections do not see */

	struct txq tx[WEIR_MAX_QUEUES];
	unsigned nio;
	unsigned queues_seen; /* of the engine's, ours or not */

	struct table table;
	struct slab conns;
	struct residue_pool timewaits, tombs;
	struct closing closing;
	struct wheel wheel; /* connections */
	struct listeners listeners;
	struct engine_batch *batch; /* the last one taken */
	struct list run;
	struct list resolving;		 /* active opens that wait for the way to their peer */
	uint64_t resolve_us;		 /* when to ask again for it */
	const struct weir_conn *current; /* whose callbacks run */
	struct list stalled;		 /* more to send, in the next turn */
	unsigned unfinished; /* connections on it that the device would have taken more of */
	unsigned aborted;    /* connections, as the engine stopped */
	size_t state_off;    /* of the application's state in a slot */

	struct weir_loop *loop; /* the application's descriptors; NULL: none */

	struct tcp_pool pool;
	void *pool_mem;
	size_t pool_len;
	struct tcp_env tcp;

	struct sweep sweep;
	uint64_t heartbeat_us; /* next */
	uint32_t drain_pos;
	uint64_t rng;
	uint32_t cookies_seen; /* those that could be timed */
	bool tracing;	       /* one branch per frame when off */
	uint32_t trace_gen;
	struct weir_trace_filter trace_filter;
	struct trace_ring trace;

	struct {
		uint32_t gen, done; /* the question at work on, and the last one answered */
		uint32_t at;
	} purge;

	struct handover *in[WEIR_MAX_QUEUES]; /* by the worker they come from */
	bool kick[WEIR_MAX_QUEUES];	      /* workers to wake after this batch */

	/* shared with other threads */
	int wake_fd;
	_Atomic bool asleep __attribute__((aligned(64)));
	struct mailbox box;
	struct gauges gauges __attribute__((aligned(64)));
	uint64_t counters[WEIR_C_MAX] __attribute__((aligned(64)));
	struct queue_told told[WEIR_MAX_QUEUES]; /* of tx[], at each heartbeat */
	struct engine_times times __attribute__((aligned(64)));
};

static inline void worker_count(struct worker *w, enum weir_counter c)
{
	/* One writer; relaxed so that readers in other threads see whole words. */
	__atomic_store_n(&w->counters[c], w->counters[c] + 1, __ATOMIC_RELAXED);
}

static inline void gauge_add(_Atomic uint64_t *g, int64_t n)
{
	uint64_t v = atomic_load_explicit(g, memory_order_relaxed);

	atomic_store_explicit(g, v + (uint64_t)n, memory_order_relaxed);
}

/* A connection was used: outside of its own callbacks, its turn has to come. */
static inline void conn_touch(struct weir_conn *c)
{
	if (c->w->current != c)
		conn_wake(c->w, c);
}

/* Those of the engine's queues that are ours and that we have not got yet. */
void worker_take_queues(struct worker *w);

size_t worker_conn_size(const struct engine_config *cfg); /* of a connection, its state with it */
int worker_init(struct worker *w, struct engine *e, unsigned index);
void worker_fini(struct worker *w);
void worker_run(struct worker *w); /* the thread: until the engine stops */
void worker_wake(struct worker *w);
uint32_t worker_random(struct worker *w);
void worker_abort_all(struct worker *w);

/* rx.c: one frame; counts what it drops. */
void worker_frame(struct worker *w, unsigned io, const struct pktio_frame *f,
		  const struct rx_hint *hint);
unsigned worker_handed(struct worker *w);
/* Ours to refuse, counted as `why`, unless the flow is another worker's. */
int rx_hand_over(struct worker *w, struct rx_pkt *p, int why);

/* batch.c: received frames of one queue, one after the other, their memory fetched before. */
void worker_batch(struct worker *w, unsigned io, const struct pktio_frame *f, unsigned n);

/* icmp_in.c: as dispatching a segment: 0 or the drop's counter. */
int icmp_frame(struct worker *w, struct rx_pkt *p);

/* upkeep.c: what a turn does besides frames and timers */
void upkeep(struct worker *w);
uint64_t upkeep_next(const struct worker *w);
bool upkeep_drains(const struct worker *w); /* connections are still to be asked to end */
void upkeep_publish(struct worker *w);

/* purge.c: 1 while there may be more to go through. */
unsigned purge_step(struct worker *w);

/* snapshot.c */
void snapshot_answer(struct worker *w);

/* One record, when tracing is on and the filter lets it through. */
void worker_trace(struct worker *w, const weir_tuple *t, const struct weir_trace_rec *meta,
		  const uint8_t *frame);

#endif
