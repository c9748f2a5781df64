/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine looked at from outside: status, counters, connections, trace. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "engine/engine_priv.h"

static uint64_t gauge(const _Atomic uint64_t *g)
{
	return atomic_load_explicit(g, memory_order_relaxed);
}

static void add_worker(struct engine_status *s, const struct worker *w)
{
	for (int i = 0; i < WEIR_TCP_NSTATES; i++)
		s->states[i] += gauge(&w->gauges.states[i]);
	if (gauge(&w->gauges.conns) >= s->conns_used) {
		s->conns_used = gauge(&w->gauges.conns);
		s->conns_max = w->conns.cap;
	}
	s->tombstones += gauge(&w->gauges.tombstones);
	s->closing += gauge(&w->gauges.closing);
	/* The table as a whole is counted to the connections, tombstones being few. */
	s->per_connection_bytes = w->conns.slot_size + table_bytes(&w->table) / w->conns.cap;
	s->conn_memory_bytes += w->conns.slot_size * w->conns.cap +
				w->timewaits.slab.slot_size * w->timewaits.slab.cap +
				w->tombs.slab.slot_size * w->tombs.slab.cap +
				table_bytes(&w->table);
	s->buffer_bytes_used += gauge(&w->gauges.blocks_used) * TCP_BLOCK_SIZE;
	s->buffer_bytes_total += w->pool_len;
}

void engine_get_status(const struct engine *e, struct engine_status *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++)
		add_worker(s, e->workers[i]);
}

void engine_get_counters(const struct engine *e, uint64_t *v)
{
	memset(v, 0, sizeof(*v) * WEIR_C_MAX);
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		for (int c = 0; c < WEIR_C_MAX; c++)
			v[c] += __atomic_load_n(&e->workers[i]->counters[c], __ATOMIC_RELAXED);
	}
}

const uint64_t *engine_worker_counters(const struct engine *e, unsigned worker)
{
	return e->workers[worker]->counters;
}

static void add_hist(struct tcp_hist *sum, const struct tcp_hist *h)
{
	sum->sum_us += __atomic_load_n(&h->sum_us, __ATOMIC_RELAXED);
	for (unsigned b = 0; b < TCP_HIST_BUCKETS; b++)
		sum->n[b] += __atomic_load_n(&h->n[b], __ATOMIC_RELAXED);
}

void engine_get_times(const struct engine *e, struct engine_times *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		const struct engine_times *own = &e->workers[i]->times;

		add_hist(&t->rtt, &own->rtt);
		add_hist(&t->handshake, &own->handshake);
		add_hist(&t->cookie, &own->cookie);
	}
}

static uint64_t told(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

void engine_get_queue(const struct engine *e, unsigned queue, struct engine_queue_status *s)
{
	unsigned worker = engine_owner_of(e, queue);
	/* Dealt out in turn, so it is this one of its worker's. */
	const struct queue_told *io = &e->workers[worker]->told[queue / e->cfg.workers];

	*s = (struct engine_queue_status){
		.worker = worker,
		.mode = e->env.queues[queue]->mode,
		.rx_frames = told(&io->rx_frames),
		.tx_frames = told(&io->tx_frames),
		.rx_dropped = told(&io->rx_dropped),
		.rx_ring_full = told(&io->rx_ring_full),
		.rx_fill_empty = told(&io->rx_fill_empty),
	};
}

/* Read by the caller, as of now: a worker that spins is not asked. */
static uint64_t cpu_us(const struct engine *e, unsigned worker)
{
	struct timespec ts;
	clockid_t id;

	if (worker >= e->nthreads || pthread_getcpuclockid(e->threads[worker], &id) ||
	    clock_gettime(id, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void engine_get_worker(const struct engine *e, unsigned worker, struct engine_worker_status *s)
{
	const struct worker *w = e->workers[worker];

	*s = (struct engine_worker_status){
		.conns = gauge(&w->gauges.conns),
		.rx_frames = told(&w->counters[WEIR_C_worker_rx_frames]),
		.tx_frames = told(&w->counters[WEIR_C_worker_tx_frames]),
		.handover_sent = told(&w->counters[WEIR_C_handover_sent]),
		.handover_received = told(&w->counters[WEIR_C_handover_received]),
		.cpu_us = cpu_us(e, worker),
	};
}

unsigned engine_workers(const struct engine *e)
{
	return e->cfg.workers;
}

/* ---- connections ------------------------------------------------------------------ */

static uint64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Until the worker has answered what was asked; without threads, answers itself. */
static int await(struct engine *e, struct worker *w, uint64_t until_ms)
{
	const struct timespec nap = {.tv_nsec = 200000};

	if (!e->nthreads)
		snapshot_answer(w);
	while (atomic_load_explicit(&w->box.answered, memory_order_acquire) !=
	       atomic_load_explicit(&w->box.asked, memory_order_relaxed)) {
		if (mono_ms() >= until_ms)
			return -ETIMEDOUT;
		nanosleep(&nap, NULL);
	}
	return 0;
}

int engine_conns(struct engine *e, unsigned worker, uint64_t *cursor, struct engine_conn_row *rows,
		 unsigned max, int timeout_ms)
{
	struct worker *w = worker < e->cfg.workers ? e->workers[worker] : NULL;
	uint64_t until = mono_ms() + (uint64_t)timeout_ms;
	int err;

	if (!w)
		return -EINVAL;
	if (*cursor == UINT64_MAX)
		return 0;
	/* The box may still be the worker's, from a question that timed out. */
	err = await(e, w, until);
	if (err)
		return err;
	w->box.cursor = *cursor;
	w->box.max = max;
	atomic_fetch_add_explicit(&w->box.asked, 1, memory_order_release);
	worker_wake(w);
	err = await(e, w, until);
	if (err)
		return err;
	memcpy(rows, w->box.rows, w->box.n * sizeof(*rows));
	*cursor = w->box.cursor;
	return (int)w->box.n;
}

/* ---- trace -------------------------------------------------------------------------- */

void engine_trace(struct engine *e, bool on, const struct weir_trace_filter *filter)
{
	pthread_mutex_lock(&e->trace_lock);
	e->trace_on = on;
	memset(&e->trace_filter, 0, sizeof(e->trace_filter));
	if (filter)
		e->trace_filter = *filter;
	atomic_fetch_add_explicit(&e->trace_gen, 1, memory_order_release);
	pthread_mutex_unlock(&e->trace_lock);
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++)
		worker_wake(e->workers[i]);
}

unsigned engine_trace_read(struct engine *e, unsigned worker, struct weir_trace_rec *recs,
			   unsigned max, uint64_t *lost)
{
	struct worker *w = worker < e->cfg.workers ? e->workers[worker] : NULL;

	if (!w)
		return 0;
	if (lost)
		*lost = atomic_load_explicit(&w->trace.lost, memory_order_relaxed);
	return trace_read(&w->trace, recs, max);
}
