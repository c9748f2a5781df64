/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker does besides frames and timers, a bounded piece each turn: the
 * heartbeat, the sweep of flows that nobody claimed, the drain, the settings of
 * the trace, and what it publishes for other threads to read.
 */
#include <string.h>

#include <weir/cookie.h>
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define HEARTBEAT_US  100000
#define SWEEP_BATCH   256
#define SWEEP_GAP_US  20000   /* between batches of one walk: an idle worker sleeps */
#define SWEEP_REST_US 1000000 /* between walks */
/* An unclaimed flow's cookie is dead, and no frame with it is on its way any more. */
#define SWEEP_AGE_MS (WEIR_COOKIE_LIFE_MS + 5000)
#define DRAIN_BATCH  256

static bool unclaimed(struct worker *w, const weir_tuple *t, const struct weir_flow *f)
{
	uint32_t ref;

	if (engine_owner_of(w->e, f->owner) != w->index)
		return false;
	if (f->created_ms + SWEEP_AGE_MS > w->gate_ms)
		return false;
	return table_find(&w->table, table_hash(&w->table, t), t, &ref) != 0;
}

/* Flows are let in by the gate; if then no frame reaches the worker, they stay. */
static void sweep(struct worker *w)
{
	struct flowmap *m = w->env->flows;
	weir_tuple t[SWEEP_BATCH];
	struct weir_flow f[SWEEP_BATCH];
	unsigned old = 0;
	int n = m->ops->walk(m, &w->sweep.cursor, t, f, SWEEP_BATCH);

	for (int i = 0; i < n; i++) {
		if (unclaimed(w, &t[i], &f[i]))
			t[old++] = t[i];
	}
	if (n < 0 || (old && m->ops->remove(m, t, old))) {
		worker_count(w, WEIR_C_flowmap_errors);
		old = 0;
	}
	for (; old; old--)
		worker_count(w, WEIR_C_flow_swept);
	if (n <= 0)
		w->sweep.cursor = 0;
	w->sweep.next_us = w->now_us + (w->sweep.cursor ? SWEEP_GAP_US : SWEEP_REST_US);
}

/* An application that can end what it is at is asked to; any other is cut off in order. */
static void drain_conn(struct worker *w, struct weir_conn *c)
{
	const struct weir_app *app = conn_app(c);

	if (!(c->flags & CONN_OPENED)) {
		/* Nobody waits for it yet, or only to hear that it failed. */
		if (tcp_get_state(conn_tcp(c)) != WEIR_CLOSED)
			tcp_abort(conn_tcp(c), TCP_END_SHUTDOWN);
	} else if (!(c->flags & CONN_SHUT) && app->on_drain) {
		app->on_drain(c);
	} else {
		c->flags |= CONN_SHUT;
		tcp_close(conn_tcp(c), w->now_us);
	}
	conn_wake(w, c);
}

static void drain(struct worker *w)
{
	uint32_t end = w->drain_pos + DRAIN_BATCH;

	for (; w->drain_pos < w->conns.fresh && w->drain_pos < end; w->drain_pos++) {
		if (slab_in_use(&w->conns, w->drain_pos))
			drain_conn(w, slab_at(&w->conns, w->drain_pos));
	}
	if (w->conns.used)
		return;
	w->drain_pos = w->conns.fresh;
	atomic_store_explicit(&w->gauges.drained, true, memory_order_release);
}

static void trace_settings(struct worker *w)
{
	struct engine *e = w->e;
	uint32_t gen = atomic_load_explicit(&e->trace_gen, memory_order_acquire);

	if (gen == w->trace_gen || pthread_mutex_trylock(&e->trace_lock))
		return;
	w->tracing = e->trace_on;
	w->trace_filter = e->trace_filter;
	w->trace_gen = atomic_load_explicit(&e->trace_gen, memory_order_relaxed);
	pthread_mutex_unlock(&e->trace_lock);
}

static void tell(struct queue_told *t, const struct pktio_stats *s)
{
	__atomic_store_n(&t->rx_frames, s->rx_frames, __ATOMIC_RELAXED);
	__atomic_store_n(&t->tx_frames, s->tx_frames, __ATOMIC_RELAXED);
	__atomic_store_n(&t->rx_dropped, s->rx_dropped, __ATOMIC_RELAXED);
	__atomic_store_n(&t->rx_ring_full, s->rx_ring_full, __ATOMIC_RELAXED);
	__atomic_store_n(&t->rx_fill_empty, s->rx_fill_empty, __ATOMIC_RELAXED);
}

static void io_counters(struct worker *w)
{
	uint64_t v[10] = {0};
	static const enum weir_counter c[10] = {
		WEIR_C_xsk_rx_dropped,
		WEIR_C_xsk_rx_ring_full,
		WEIR_C_xsk_fill_empty,
		WEIR_C_xsk_rx_invalid_desc,
		WEIR_C_xsk_tx_invalid_desc,
		WEIR_C_tx_full,
		WEIR_C_tx_bytes,
		WEIR_C_tx_bursts,
		WEIR_C_tx_burst_failed,
		WEIR_C_rx_bytes,
	};

	for (unsigned q = 0; q < w->nio; q++) {
		struct pktio_stats s = {0};

		w->tx[q].io->ops->stats(w->tx[q].io, &s);
		tell(&w->told[q], &s);
		v[0] += s.rx_dropped;
		v[1] += s.rx_ring_full;
		v[2] += s.rx_fill_empty;
		v[3] += s.rx_invalid_descs;
		v[4] += s.tx_invalid_descs;
		v[5] += s.tx_full;
		v[6] += s.tx_bytes;
		v[7] += s.tx_bursts;
		v[8] += s.tx_burst_failed;
		v[9] += s.rx_bytes;
	}
	for (int i = 0; i < 10; i++)
		__atomic_store_n(&w->counters[c[i]], v[i], __ATOMIC_RELAXED);
}

void upkeep_publish(struct worker *w)
{
	io_counters(w);
	atomic_store_explicit(&w->gauges.blocks_used, w->pool.in_use, memory_order_relaxed);
}

static void heartbeat(struct worker *w)
{
	for (unsigned q = 0; w->env->heartbeat && q < w->nio; q++)
		__atomic_store_n(&w->env->heartbeat[w->tx[q].queue], w->gate_ms, __ATOMIC_RELAXED);
	upkeep_publish(w);
	w->heartbeat_us = w->now_us + HEARTBEAT_US;
}

void upkeep(struct worker *w)
{
	trace_settings(w);
	worker_take_queues(w);
	if (w->now_us >= w->heartbeat_us)
		heartbeat(w);
	if (w->now_us >= w->sweep.next_us)
		sweep(w);
	if (engine_draining(w->e)) {
		drain(w);
	} else if (w->drain_pos) {
		w->drain_pos = 0;
		atomic_store_explicit(&w->gauges.drained, false, memory_order_release);
	}
}

bool upkeep_drains(const struct worker *w)
{
	return engine_draining(w->e) && w->drain_pos < w->conns.fresh;
}

uint64_t upkeep_next(const struct worker *w)
{
	return w->heartbeat_us < w->sweep.next_us ? w->heartbeat_us : w->sweep.next_us;
}
