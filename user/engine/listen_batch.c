/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/listen_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 200

struct engine_batch *batch_none(void)
{
	return calloc(1, sizeof(struct engine_batch));
}

void engine_batch_drop(struct engine_batch *b)
{
	if (!b)
		return;
	for (unsigned i = 0; b->listen && i < b->workers * b->nlisten; i++) {
		if (b->listen[i])
			listener_put(b->listen[i]);
	}
	free(b->listen);
	free(b->gone);
	free(b);
}

static int fill(struct engine_batch *b, const struct engine *e, const struct worker_listen *listen)
{
	for (unsigned w = 0; w < b->workers; w++) {
		for (unsigned i = 0; i < b->nlisten; i++) {
			struct listener *l = listener_new(&listen[i]);

			if (!l)
				return -ENOMEM;
			if (!l->l.backlog)
				l->l.backlog = e->cfg.backlog;
			b->listen[w * b->nlisten + i] = l;
		}
	}
	return 0;
}

int engine_batch(struct engine_batch **out, struct engine *e, const struct worker_listen *listen,
		 unsigned nlisten, const struct weir_addr *gone, unsigned ngone)
{
	struct engine_batch *b;

	for (unsigned i = 0; i < nlisten; i++) {
		if (listen[i].app->conn_size > e->cfg.state_max)
			return -EINVAL;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->workers = e->cfg.workers;
	b->nlisten = nlisten;
	b->ngone = ngone;
	atomic_init(&b->left, b->workers);
	b->listen = calloc((size_t)b->workers * nlisten + 1, sizeof(struct listener *));
	b->gone = calloc(ngone + 1, sizeof(*b->gone));
	if (!b->listen || !b->gone || fill(b, e, listen)) {
		engine_batch_drop(b);
		return -ENOMEM;
	}
	if (ngone)
		memcpy(b->gone, gone, ngone * sizeof(*gone));
	*out = b;
	return 0;
}

size_t engine_state_max(const struct engine *e)
{
	return e->cfg.state_max;
}

void engine_batch_skip(struct engine_batch *b, unsigned i)
{
	for (unsigned w = 0; w < b->workers; w++) {
		listener_put(b->listen[w * b->nlisten + i]);
		b->listen[w * b->nlisten + i] = NULL;
	}
}

/* ---- the workers' side ------------------------------------------------------------- */

void batch_apply(struct worker *w, struct engine_batch *b)
{
	for (; b; b = atomic_load_explicit(&b->next, memory_order_acquire)) {
		struct listener **mine = &b->listen[w->index * b->nlisten];

		for (unsigned i = 0; i < b->nlisten; i++) {
			if (mine[i])
				listeners_put(&w->listeners, mine[i]);
			mine[i] = NULL;
		}
		for (unsigned i = 0; i < b->ngone; i++)
			worker_unlisten(w, &b->gone[i]);
		w->batch = b;
		/* release: nobody touches it once it reads 0, but its `next` */
		atomic_fetch_sub_explicit(&b->left, 1, memory_order_release);
	}
}

/* ---- the controlling thread's ------------------------------------------------------- */

/* The last one is where the workers stand. */
static void forget_old(struct engine *e)
{
	struct engine_batch *b = e->batches, *next;

	for (;; b = next) {
		next = atomic_load_explicit(&b->next, memory_order_relaxed);
		/* Who has taken the next one stands there, or beyond. */
		if (!next || atomic_load_explicit(&next->left, memory_order_acquire))
			break;
		engine_batch_drop(b);
	}
	e->batches = b;
}

bool engine_batch_post(struct engine *e, struct engine_batch *b, int timeout_ms)
{
	struct engine_batch *last = e->batches, *next;
	bool all;

	while ((next = atomic_load_explicit(&last->next, memory_order_relaxed)))
		last = next;
	/* release: what is in it */
	atomic_store_explicit(&last->next, b, memory_order_release);
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++)
		worker_wake(e->workers[i]);
	for (int us = 0;; us += LOOK_US) {
		all = !atomic_load_explicit(&b->left, memory_order_acquire);
		if (all || us >= timeout_ms * 1000)
			break;
		usleep(LOOK_US);
	}
	forget_old(e);
	return all;
}

void batches_free(struct engine *e)
{
	struct engine_batch *b;

	while ((b = e->batches)) {
		e->batches = atomic_load_explicit(&b->next, memory_order_relaxed);
		engine_batch_drop(b);
	}
}
