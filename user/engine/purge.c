/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that are not wanted any more, reset by their owners: the controlling thread
 * says which, each worker goes through its own, some in each turn.
 */
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define SCAN_MAX 1024 /* slots looked at in one turn */

void engine_reset_if(struct engine *e, engine_unwanted which, void *arg)
{
	unsigned i;

	e->purge.which = which;
	e->purge.arg = arg;
	/* release: what to ask before the number that says that there is something */
	atomic_fetch_add_explicit(&e->purge.gen, 1, memory_order_release);
	for (i = 0; i < e->cfg.workers && e->workers[i]; i++)
		worker_wake(e->workers[i]);
}

static void purge_conn(struct worker *w, struct weir_conn *c)
{
	const struct engine *e = w->e;
	struct weir_addr local, remote;

	if (c->flags & CONN_ACTIVE)
		return;
	tuple_local(&c->tuple, &local);
	tuple_remote(&c->tuple, &remote);
	if (!e->purge.which(e->purge.arg, &local, &remote))
		return;
	worker_count(w, WEIR_C_conn_unwanted);
	weir_abort(c);
}

unsigned purge_step(struct worker *w)
{
	uint32_t gen = atomic_load_explicit(&w->e->purge.gen, memory_order_acquire);
	unsigned scan;

	if (gen == w->purge.done)
		return 0;
	if (gen != w->purge.gen) {
		w->purge.gen = gen;
		w->purge.at = 0;
	}
	for (scan = 0; scan < SCAN_MAX && w->purge.at < w->conns.fresh; scan++, w->purge.at++)
		if (slab_in_use(&w->conns, w->purge.at))
			purge_conn(w, slab_at(&w->conns, w->purge.at));
	if (w->purge.at >= w->conns.fresh)
		w->purge.done = gen;
	return 1;
}
