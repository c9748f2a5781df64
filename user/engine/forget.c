/* SPDX-License-Identifier: BSD-2-Clause */
/* The flows of an engine that has stopped, all at once. */
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define BATCH 256

static int remove_flows(struct worker *w, const weir_tuple *t, unsigned n)
{
	struct flowmap *m = w->env->flows;

	return n ? m->ops->remove(m, t, n) : 0;
}

/* Whatever the table refers to has an entry in the map, or had. */
static int forget(struct worker *w)
{
	const struct table *table = &w->table;
	weir_tuple t[BATCH];
	unsigned n = 0;
	int rc = 0, err;

	for (uint64_t i = 0; i <= table->mask; i++) {
		if (!table->slots[i].ref1)
			continue;
		t[n++] = *table->tuple_of(table->ctx, table->slots[i].ref1 - 1);
		if (n < BATCH)
			continue;
		err = remove_flows(w, t, n);
		rc = rc ? rc : err;
		n = 0;
	}
	err = remove_flows(w, t, n);
	return rc ? rc : err;
}

int engine_forget_flows(struct engine *e)
{
	int rc = 0;

	for (unsigned i = 0; i < e->cfg.workers && e->workers[i]; i++) {
		int err = forget(e->workers[i]);

		rc = rc ? rc : err;
	}
	return rc;
}
