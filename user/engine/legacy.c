/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/legacy.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/conn.h"
#include "engine/conn_api.h"
#include "engine/engine_priv.h"

_Static_assert(sizeof(struct engine_legacy) == 64, "nothing in it is left unset");

uint64_t engine_leave(struct engine *e)
{
	uint64_t reset = 0;

	atomic_store_explicit(&e->leaving, true, memory_order_relaxed);
	engine_stop(e);
	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++)
		reset += e->workers[i]->aborted;
	return reset;
}

/* Nothing was sent or received, and the next engine would begin it with the same numbers. */
static bool is_new(const struct worker *w, const struct weir_conn *c)
{
	struct flowmap *m = w->env->flows;
	struct tcp_info info;
	struct weir_flow f;

	if (c->flags & CONN_ACTIVE || tcp_get_state(conn_tcp(c)) != WEIR_ESTABLISHED ||
	    c->dead_ms <= w->gate_ms)
		return false;
	tcp_get_info(conn_tcp(c), &info);
	return info.snd_nxt == info.iss + 1 && info.rcv_nxt == info.irs + 1 &&
	       !m->ops->lookup(m, &c->tuple, &f) && f.iss == info.iss && f.irs == info.irs;
}

bool legacy_leave(struct worker *w, struct weir_conn *c)
{
	if (c->flags & CONN_HALF)
		return true;
	if (!is_new(w, c))
		return false;
	conn_forget(w, c);
	return true;
}

/* ---- what there is -------------------------------------------------------------- */

struct list_of {
	struct engine_legacy *v;
	size_t n;
};

/* False: nothing that a cookie could repeat. */
static bool from_conn(const struct worker *w, const struct weir_conn *c, struct engine_legacy *l)
{
	struct tcp_info info;

	if (c->flags & (CONN_ACTIVE | CONN_FRESH))
		return false;
	tcp_get_info(conn_tcp(c), &info);
	*l = (struct engine_legacy){.tuple = c->tuple,
				    .queue = w->tx[c->io].queue,
				    .dead_ms = c->dead_ms,
				    .irs = info.irs,
				    .snd_nxt = info.snd_nxt,
				    .rcv_nxt = info.rcv_nxt};
	/* Re-opened by a SYN that is going to come again: it is no repetition. */
	if (c->flags & CONN_HALF)
		l->irs ^= 1u << 31;
	return true;
}

static bool from_residue(const struct residue *r, uint32_t snd_nxt, uint32_t rcv_nxt,
			 struct engine_legacy *l)
{
	if (r->active)
		return false;
	*l = (struct engine_legacy){.tuple = r->tuple,
				    .queue = LEGACY_QUEUE_UNKNOWN,
				    .dead_ms = r->dead_ms,
				    .irs = r->irs,
				    .snd_nxt = snd_nxt,
				    .rcv_nxt = rcv_nxt};
	return true;
}

static void of_worker(const struct worker *w, struct list_of *to)
{
	uint32_t i;

	for (i = 0; i < w->conns.fresh; i++) {
		if (slab_in_use(&w->conns, i))
			to->n += from_conn(w, slab_at(&w->conns, i), &to->v[to->n]);
	}
	for (i = 0; i < w->timewaits.slab.fresh; i++) {
		const struct timewait *t = slab_at(&w->timewaits.slab, i);

		if (slab_in_use(&w->timewaits.slab, i))
			to->n += from_residue(&t->r, t->tw.snd_nxt, t->tw.rcv_nxt, &to->v[to->n]);
	}
	for (i = 0; i < w->tombs.slab.fresh; i++) {
		const struct tombstone *t = slab_at(&w->tombs.slab, i);

		if (slab_in_use(&w->tombs.slab, i))
			to->n += from_residue(&t->r, t->snd_nxt, t->rcv_nxt, &to->v[to->n]);
	}
}

int engine_legacy(const struct engine *e, struct engine_legacy **out, size_t *n)
{
	struct list_of list = {NULL, 0};
	size_t max = 1; /* for malloc(0) */
	unsigned i;

	for (i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		const struct worker *w = e->workers[i];

		max += w->conns.used + w->timewaits.slab.used + w->tombs.slab.used;
	}
	list.v = malloc(max * sizeof(*list.v));
	if (!list.v)
		return -ENOMEM;
	for (i = 0; i < e->cfg.workers && e->workers[i]; i++)
		of_worker(e->workers[i], &list);
	*out = list.v;
	*n = list.n;
	return 0;
}

/* ---- what the next one makes of it ------------------------------------------------- */

/* NULL: nobody's; without an entry no frame of it comes. */
static struct worker *heir(struct engine *e, const struct engine_legacy *l)
{
	struct flowmap *m = e->env.flows;
	struct weir_flow f;

	if (e->cfg.workers == 1)
		return e->workers[0];
	if (l->queue != LEGACY_QUEUE_UNKNOWN)
		return e->workers[engine_owner_of(e, l->queue)];
	if (m->ops->lookup(m, &l->tuple, &f))
		return NULL;
	return e->workers[engine_owner_of(e, f.owner)];
}

int engine_inherit(struct engine *e, const struct engine_legacy *l, size_t n, uint64_t now_us)
{
	unsigned i;

	if (!engine_worker(e, 0))
		return -ENOMEM;
	for (i = 0; i < e->cfg.workers; i++)
		worker_clock(e->workers[i], now_us);
	for (; n; n--, l++) {
		struct worker *w = heir(e, l);

		if (w)
			residue_inherit(w, l);
	}
	return 0;
}
