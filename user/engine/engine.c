/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/engine_priv.h"
#include "engine/listen_batch.h"

#define LOG_INFO_LEVEL 6

void engine_config_default(struct engine_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->workers = 1;
	cfg->conns = 131072;
	cfg->timewaits = 65536;
	cfg->tombstones = 262144;
	cfg->buffer_bytes = 256ULL << 20;
	cfg->handover_slots = 1024;
	cfg->backlog = 1024;
	cfg->state_max = 64;
	tcp_config_default(&cfg->tcp);
}

static int check_config(const struct engine_config *cfg, const struct engine_env *env)
{
	if (!env->nqueues || env->nqueues > WEIR_MAX_QUEUES || !env->flows || !env->gate)
		return -EINVAL;
	if (!cfg->workers || cfg->workers > env->nqueues)
		return -EINVAL;
	if (!cfg->conns || !cfg->timewaits || !cfg->tombstones)
		return -EINVAL;
	if (cfg->buffer_bytes < TCP_BLOCK_SIZE)
		return -EINVAL;
	return 0;
}

int engine_create(struct engine **out, const struct engine_config *cfg,
		  const struct engine_env *env)
{
	struct engine *e;
	int err = check_config(cfg, env);

	if (err)
		return err;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	if (getrandom(e->hash_key, sizeof(e->hash_key), 0) != sizeof(e->hash_key) ||
	    getrandom(e->iss_key, sizeof(e->iss_key), 0) != sizeof(e->iss_key)) {
		free(e);
		return -EIO;
	}
	e->cfg = *cfg;
	e->env = *env;
	e->batches = batch_none();
	if (!e->batches) {
		free(e);
		return -ENOMEM;
	}
	atomic_init(&e->nqueues, env->nqueues);
	pthread_mutex_init(&e->trace_lock, NULL);
	*out = e;
	return 0;
}

int engine_listen(struct engine *e, const struct weir_addr *a, const struct weir_app *app,
		  void *arg)
{
	const struct worker_listen l = {.addr = *a, .app = app, .arg = arg};

	return engine_serve(e, &l);
}

int engine_serve(struct engine *e, const struct worker_listen *l)
{
	unsigned i;
	int err;

	if (e->nthreads)
		return -EBUSY;
	if (!e->workers[0])
		return listeners_add(&e->listeners, l, NULL);
	for (i = 0; i < e->cfg.workers; i++) {
		err = worker_listen(e->workers[i], l);
		if (err)
			goto fail;
	}
	return 0;
fail:
	while (i)
		worker_unlisten(e->workers[--i], &l->addr);
	return err;
}

/* ---- the workers, made once all listeners are known ------------------------------ */

static uint32_t frame_max(const struct engine *e)
{
	uint32_t mtu = 0;

	for (unsigned q = 0; q < e->env.nqueues; q++) {
		if (e->env.queues[q]->mtu > mtu)
			mtu = e->env.queues[q]->mtu;
	}
	return mtu + L2_MAX;
}

static int make_rings(struct engine *e)
{
	unsigned n = e->cfg.workers;

	if (n == 1)
		return 0;
	e->rings = aligned_alloc(64, sizeof(*e->rings) * n * n);
	if (!e->rings)
		return -ENOMEM;
	memset(e->rings, 0, sizeof(*e->rings) * n * n);
	for (unsigned i = 0; i < n * n; i++) {
		int err = 0;

		if (i / n != i % n)
			err = handover_init(&e->rings[i], e->cfg.handover_slots, frame_max(e));
		if (err)
			return err;
	}
	return 0;
}

static void unmake_workers(struct engine *e)
{
	for (unsigned i = 0; i < e->cfg.workers; i++) {
		if (!e->workers[i])
			continue;
		worker_fini(e->workers[i]);
		free(e->workers[i]);
		e->workers[i] = NULL;
	}
	for (unsigned i = 0; e->rings && i < e->cfg.workers * e->cfg.workers; i++)
		handover_fini(&e->rings[i]);
	free(e->rings);
	e->rings = NULL;
}

static int make_workers(struct engine *e)
{
	int err;

	if (e->workers[0])
		return 0;
	if (e->listeners.state_max > e->cfg.state_max)
		e->cfg.state_max = (unsigned)e->listeners.state_max;
	err = make_rings(e);
	for (unsigned i = 0; !err && i < e->cfg.workers; i++) {
		struct worker *w = aligned_alloc(64, sizeof(*w));

		if (!w) {
			err = -ENOMEM;
			break;
		}
		memset(w, 0, sizeof(*w));
		e->workers[i] = w;
		err = worker_init(w, e, i);
	}
	if (err)
		unmake_workers(e);
	return err;
}

struct worker *engine_worker(struct engine *e, unsigned i)
{
	if (i >= e->cfg.workers || make_workers(e))
		return NULL;
	return e->workers[i];
}

/* ---- starting and stopping ---------------------------------------------------------- */

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	/* Its own name: another thread's would be written to a file. */
	snprintf(name, sizeof(name), "weir-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	worker_run(w);
	return NULL;
}

static int start_threads(struct engine *e)
{
	for (unsigned i = 0; i < e->cfg.workers; i++) {
		int err = pthread_create(&e->threads[i], NULL, thread_main, e->workers[i]);

		if (err)
			return -err;
		e->nthreads++;
	}
	return 0;
}

int engine_start(struct engine *e)
{
	sigset_t all, old;
	int err = make_workers(e);

	if (err)
		return err;
	/* Signals are for the controlling thread, but one that a filter of system calls sends. */
	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = start_threads(e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		engine_stop(e);
	else if (e->env.log)
		e->env.log(LOG_INFO_LEVEL, "%u worker(s) on %u queue(s), %u connections each",
			   e->cfg.workers, e->env.nqueues, e->cfg.conns);
	return err;
}

static void wake_all(struct engine *e)
{
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++)
		worker_wake(e->workers[i]);
}

void engine_add_queue(struct engine *e)
{
	/* release: the socket before the number that says it is there */
	atomic_fetch_add_explicit(&e->nqueues, 1, memory_order_release);
	wake_all(e);
}

void engine_drain(struct engine *e)
{
	atomic_store_explicit(&e->draining, true, memory_order_release);
	wake_all(e);
}

void engine_undrain(struct engine *e)
{
	atomic_store_explicit(&e->draining, false, memory_order_release);
}

bool engine_drained(const struct engine *e)
{
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		if (!atomic_load_explicit(&e->workers[i]->gauges.drained, memory_order_acquire))
			return false;
	}
	return true;
}

void engine_stop(struct engine *e)
{
	atomic_store_explicit(&e->stopping, true, memory_order_release);
	wake_all(e);
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		if (i < e->nthreads)
			pthread_join(e->threads[i], NULL);
		else
			worker_abort_all(e->workers[i]);
	}
	e->nthreads = 0;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	unmake_workers(e);
	listeners_free(&e->listeners);
	batches_free(e);
	pthread_mutex_destroy(&e->trace_lock);
	free(e);
}
