/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <weir/clock.h>
#include "engine/conn_api.h"
#include "engine/engine_priv.h"
#include "engine/legacy.h"
#include "engine/listen_batch.h"
#include "engine/mem.h"

#define TIMERS_MAX   1024 /* in one turn */
#define RX_ROUNDS    4	  /* batches of one queue in one turn */
#define RUN_MAX	     512  /* connections in one turn, for each queue: twice what a turn receives */
#define SLEEP_MAX_US 200000
/*
 * A worker turns at least every SLEEP_MAX_US. When a second passed without one,
 * the process was stopped: the peers' answers of that time wait in the rings or
 * were lost, so the connections' clock does not count it.
 */
#define PAUSE_US 1000000

uint32_t worker_random(struct worker *w)
{
	/* xorshift64* (Vigna); the seed is the kernel's */
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return (uint32_t)((w->rng * 0x2545f4914f6cdd1dULL) >> 32);
}

void worker_wake(struct worker *w)
{
	eventfd_write(w->wake_fd, 1);
}

void worker_trace(struct worker *w, const weir_tuple *t, const struct weir_trace_rec *meta,
		  const uint8_t *frame)
{
	struct weir_trace_rec rec = *meta;
	struct timespec ts;

	if (!trace_matches(&w->trace_filter, t))
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	rec.mono_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	rec.source = w->index;
	rec.where = WEIR_TRACE_WORKER;
	trace_write(&w->trace, &rec, frame);
}

/* ---- one turn ----------------------------------------------------------------- */

static void set_time(struct worker *w, uint64_t now_us)
{
	w->now_us = now_us;
	w->gate_ms =
		weir_clock_mono_ms(&w->env->gate->clock, w->env->base_mono_us, now_us + w->skew_us);
}

static unsigned receive(struct worker *w)
{
	struct pktio_frame f[PKTIO_BATCH];
	unsigned total = 0;

	for (unsigned q = 0; q < w->nio; q++) {
		struct pktio *io = w->tx[q].io;

		for (int round = 0; round < RX_ROUNDS; round++) {
			unsigned n = io->ops->rx(io, f, PKTIO_BATCH);

			worker_batch(w, q, f, n);
			io->ops->release(io, f, n);
			total += n;
			if (n < PKTIO_BATCH)
				break;
		}
	}
	__atomic_store_n(&w->counters[WEIR_C_worker_rx_frames],
			 w->counters[WEIR_C_worker_rx_frames] + total, __ATOMIC_RELAXED);
	return total;
}

static void kick_others(struct worker *w)
{
	for (unsigned i = 0; i < w->cfg->workers; i++) {
		if (!w->kick[i])
			continue;
		w->kick[i] = false;
		/* The frame must be visible before `asleep` is read: see sleep_until(). */
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load_explicit(&engine_worker_at(w->e, i)->asleep, memory_order_relaxed))
			worker_wake(engine_worker_at(w->e, i));
	}
}

static unsigned run_timers(struct worker *w)
{
	struct wheel_node *n;
	unsigned done = 0;

	for (; done < TIMERS_MAX && (n = wheel_pop(&w->wheel, w->now_us)); done++)
		conn_timer(w, CONTAINER_OF(n, struct weir_conn, timer));
	return done + residue_timers(w, TIMERS_MAX);
}

/*
 * What is left waits for the next turn, so that what the first ones' peers answer does
 * not overrun the RX rings meanwhile: a hundred thousand may be closed at once.
 */
static void run_conns(struct worker *w)
{
	unsigned left = RUN_MAX * w->nio;
	struct list *n;

	/* Who waited for room to send comes first. */
	list_splice_tail(&w->stalled, &w->run);
	list_splice_tail(&w->run, &w->stalled);
	w->unfinished = 0;
	for (; left && (n = list_pop(&w->run)); left--) {
		struct weir_conn *c = CONTAINER_OF(n, struct weir_conn, run);

		/* Its events wait inside it, too, until it can answer them. */
		if (w->tx[c->io].dry)
			list_add_tail(&w->stalled, n);
		else
			conn_run(w, c);
	}
	w->unfinished += !list_empty(&w->run);
}

static void flush(struct worker *w)
{
	for (unsigned q = 0; q < w->nio; q++)
		tx_flush(&w->tx[q]);
}

/* What the application's descriptors have brought leaves in the same turn. */
static unsigned run_loop(struct worker *w)
{
	unsigned done = w->loop->turn(w->loop, w->now_us);

	if (done)
		run_conns(w);
	return done;
}

void worker_clock(struct worker *w, uint64_t now_us)
{
	if (now_us > w->now_us)
		set_time(w, now_us);
}

unsigned worker_poll(struct worker *w, uint64_t now_us)
{
	unsigned done;

	set_time(w, now_us);
	snapshot_answer(w);
	done = receive(w);
	done += worker_handed(w);
	/* After the frames: their connections were let in by who listened before. */
	batch_take(w);
	if (w->cfg->workers > 1)
		kick_others(w);
	/* After the frames: an ACK that is already here keeps its timer from firing. */
	done += run_timers(w);
	done += purge_step(w);
	connect_resolve(w);
	upkeep(w);
	run_conns(w);
	if (w->loop)
		done += run_loop(w);
	flush(w);
	residue_flush(w);
	return done + w->unfinished;
}

uint64_t worker_next_timeout(const struct worker *w)
{
	uint64_t at = wheel_next(&w->wheel), residue = residue_next_timeout(w);

	if (!list_empty(&w->run) || upkeep_drains(w))
		return w->now_us;
	if (residue < at)
		at = residue;
	if (!list_empty(&w->resolving) && w->resolve_us < at)
		at = w->resolve_us;
	if (!list_empty(&w->stalled) && w->now_us + WHEEL_TICK_US < at)
		at = w->now_us + WHEEL_TICK_US;
	return at;
}

/* ---- the thread ------------------------------------------------------------------ */

static uint64_t mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool handed_waiting(const struct worker *w)
{
	uint32_t len;

	for (unsigned i = 0; i < w->cfg->workers; i++) {
		if (w->in[i] && handover_peek(w->in[i], &len))
			return true;
	}
	return false;
}

static void sleep_until(struct worker *w, uint64_t at_us)
{
	struct pollfd fds[WEIR_MAX_QUEUES + 2];
	nfds_t n = 0;
	uint64_t us = at_us > w->now_us ? at_us - w->now_us : 0;

	if (us > SLEEP_MAX_US)
		us = SLEEP_MAX_US;
	for (unsigned q = 0; q < w->nio; q++) {
		int fd = w->tx[q].io->ops->fd(w->tx[q].io);

		if (fd >= 0)
			fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	if (w->loop && w->loop->fd >= 0)
		fds[n++] = (struct pollfd){.fd = w->loop->fd, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
	atomic_store_explicit(&w->asleep, true, memory_order_relaxed);
	/* Pairs with kick_others(): either it sees `asleep`, or we see its frame. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!handed_waiting(w) && poll(fds, n, (int)((us + 999) / 1000)) > 0 &&
	    fds[n - 1].revents) {
		eventfd_t v;

		eventfd_read(w->wake_fd, &v);
	}
	atomic_store_explicit(&w->asleep, false, memory_order_relaxed);
}

void worker_run(struct worker *w)
{
	uint64_t last = mono_us();

	while (!atomic_load_explicit(&w->e->stopping, memory_order_acquire)) {
		uint64_t real = mono_us(), at, up;

		if (real - last > PAUSE_US) {
			w->skew_us += real - last;
			worker_count(w, WEIR_C_worker_paused);
		}
		last = real;
		if (worker_poll(w, real - w->skew_us) || w->cfg->busy_poll)
			continue;
		at = worker_next_timeout(w);
		up = upkeep_next(w);
		sleep_until(w, at < up ? at : up);
	}
	worker_abort_all(w);
}

/* The engine stops: RST to everyone, as far as the device takes them. */
void worker_abort_all(struct worker *w)
{
	bool leaving = atomic_load_explicit(&w->e->leaving, memory_order_relaxed);
	struct list *n;

	while ((n = list_pop(&w->resolving)))
		connect_resolved(CONTAINER_OF(n, struct weir_conn, run));
	for (uint32_t i = 0; i < w->conns.fresh; i++) {
		struct weir_conn *c = slab_at(&w->conns, i);

		if (!slab_in_use(&w->conns, i))
			continue;
		if (leaving && legacy_leave(w, c))
			continue;
		if (tcp_get_state(conn_tcp(c)) != WEIR_CLOSED) {
			tcp_abort(conn_tcp(c), TCP_END_SHUTDOWN);
			w->aborted++;
		}
		conn_wake(w, c);
	}
	for (int stuck = 0; stuck < 100;) {
		run_conns(w);
		if (w->loop)
			run_loop(w);
		flush(w);
		if (!list_empty(&w->stalled)) {
			usleep(1000);
			stuck++;
		} else if (list_empty(&w->run)) {
			break;
		}
	}
	residue_flush(w);
	upkeep_publish(w);
}

/* ---- making one -------------------------------------------------------------------- */

static const weir_tuple *tuple_of(const void *ctx, uint32_t ref)
{
	const struct worker *w = ctx;

	if (REF_TYPE(ref) == REF_CONN)
		return &((const struct weir_conn *)slab_at(&w->conns, REF_INDEX(ref)))->tuple;
	return residue_tuple(w, ref);
}

void worker_take_queues(struct worker *w)
{
	/* Pairs with engine_add_queue(). */
	unsigned n = atomic_load_explicit(&w->e->nqueues, memory_order_acquire), q;

	for (q = w->queues_seen; q < n; q++) {
		if (engine_owner_of(w->e, q) != w->index)
			continue;
		w->tx[w->nio].io = w->env->queues[q];
		w->tx[w->nio++].queue = q;
	}
	w->queues_seen = n;
}

/* Behind the connection's own part and the core's. */
static size_t state_off(void)
{
	return CONN_TCP_OFF + ((tcp_conn_size() + 15) & ~(size_t)15);
}

size_t worker_conn_size(const struct engine_config *cfg)
{
	return state_off() + ((cfg->state_max + (size_t)15) & ~(size_t)15);
}

static int init_pools(struct worker *w)
{
	const struct engine_config *cfg = w->cfg;
	int err;

	w->state_off = state_off();
	err = slab_init(&w->conns, worker_conn_size(cfg), cfg->conns);
	if (err)
		return err;
	err = residue_init(w);
	if (err)
		return err;
	w->pool_len = cfg->buffer_bytes / TCP_BLOCK_SIZE * TCP_BLOCK_SIZE;
	w->pool_mem = mem_map(w->pool_len);
	if (!w->pool_mem)
		return -ENOMEM;
	tcp_pool_init(&w->pool, w->pool_mem, w->pool_len / TCP_BLOCK_SIZE);
	return table_init(&w->table,
			  cfg->conns + cfg->timewaits + cfg->tombstones + RESIDUE_CLOSING,
			  engine_hash_key(w->e), tuple_of, w);
}

int worker_listen(struct worker *w, const struct worker_listen *l)
{
	struct listener *ls = NULL;
	int err;

	if (l->app->conn_size > w->cfg->state_max)
		return -EINVAL;
	err = listeners_add(&w->listeners, l, &ls);
	if (err)
		return err;
	if (!ls->l.backlog)
		ls->l.backlog = w->cfg->backlog;
	return 0;
}

void worker_unlisten(struct worker *w, const struct weir_addr *a)
{
	listeners_remove(&w->listeners, a);
}

void worker_listen_opts(struct worker *w, const struct weir_addr *a, const struct tcp_opts *opts)
{
	listeners_set_opts(&w->listeners, a, opts);
}

/* Each worker counts the connections of its own. */
static int copy_listener(void *w, const struct worker_listen *l)
{
	return worker_listen(w, l);
}

int worker_init(struct worker *w, struct engine *e, unsigned index)
{
	int err;

	w->e = e;
	w->index = index;
	w->wake_fd = -1;
	w->cfg = &e->cfg;
	w->env = &e->env;
	w->rng = (e->hash_key[0] ^ (e->hash_key[1] + index)) | 1;
	list_init(&w->run);
	list_init(&w->stalled);
	list_init(&w->resolving);
	wheel_init(&w->wheel, 0);
	wheel_init(&w->timewaits.wheel, 0);
	wheel_init(&w->tombs.wheel, 0);
	worker_take_queues(w);
	w->batch = e->batches;
	for (unsigned i = 0; i < e->cfg.workers; i++)
		w->in[i] = i == index ? NULL : &e->rings[index * e->cfg.workers + i];
	w->tcp = (struct tcp_env){.cfg = &e->cfg.tcp,
				  .pool = &w->pool,
				  .counters = w->counters,
				  .rtt = &w->times.rtt,
				  .handshake = &w->times.handshake};
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0)
		return -errno;
	err = init_pools(w);
	if (!err)
		err = listeners_init(&w->listeners);
	if (err)
		return err;
	err = listeners_each(&e->listeners, copy_listener, w);
	if (err)
		return err;
	return trace_init(&w->trace);
}

static void drop_listeners(struct worker *w)
{
	for (uint32_t i = 0; i < w->conns.fresh; i++) {
		struct weir_conn *c = slab_at(&w->conns, i);

		if (slab_in_use(&w->conns, i) && !(c->flags & CONN_ACTIVE))
			listener_put(c->from.ls);
	}
	listeners_free(&w->listeners);
}

void worker_fini(struct worker *w)
{
	drop_listeners(w);
	if (w->loop)
		w->loop->end(w->loop);
	trace_fini(&w->trace);
	table_fini(&w->table);
	mem_unmap(w->pool_mem, w->pool_len);
	residue_fini(w);
	slab_fini(&w->conns);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
}
