/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine as its own files see it. Written before start, then read by workers. */
#ifndef WEIR_ENGINE_PRIV_H
#define WEIR_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/listener.h"
#include "engine/worker.h"

struct engine {
	struct engine_config cfg;
	struct engine_env env;
	struct listeners listeners; /* until the workers have theirs */
	struct worker *workers[WEIR_MAX_QUEUES];
	pthread_t threads[WEIR_MAX_QUEUES];
	unsigned nthreads;
	struct handover *rings;	      /* workers x workers */
	struct engine_batch *batches; /* the oldest that is kept (listen_batch.h) */
	__u64 hash_key[2], iss_key[2];
	_Atomic unsigned nqueues; /* of env.queues; those from env.nqueues on came later */
	_Atomic bool stopping;
	_Atomic bool leaving; /* and another engine has what is left (legacy.h) */
	_Atomic bool draining;
	struct {
		engine_unwanted which;
		void *arg;
		_Atomic uint32_t gen; /* of the question: workers go through theirs once for each */
	} purge;
	/* The trace's settings: the lock is held for a copy, and only tried by workers. */
	pthread_mutex_t trace_lock;
	_Atomic uint32_t trace_gen;
	bool trace_on;
	struct weir_trace_filter trace_filter;
};

/* RX queues are dealt out to the workers in turn. */
static inline unsigned engine_owner_of(const struct engine *e, unsigned queue)
{
	return queue % e->cfg.workers;
}

static inline const __u64 *engine_hash_key(const struct engine *e)
{
	return e->hash_key;
}

static inline bool engine_draining(const struct engine *e)
{
	return atomic_load_explicit(&e->draining, memory_order_relaxed);
}

static inline struct worker *engine_worker_at(const struct engine *e, unsigned i)
{
	return e->workers[i];
}

#endif
