/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of what is listened on, on their way to the workers: a list that the controlling
 * thread appends to and each worker follows at its own pace, a load a turn.
 *
 *     e->batches ─► taken by all ─► taken by worker 1 ─► posted last ─► NULL
 *                                        w1->batch
 *
 * The oldest is freed when all have passed it; there always is one, the first of which is
 * empty, so that each worker stands somewhere.
 */
#ifndef WEIR_LISTEN_BATCH_H
#define WEIR_LISTEN_BATCH_H

#include <stdatomic.h>

#include "engine/engine_priv.h"

struct engine_batch {
	_Atomic(struct engine_batch *) next;
	_Atomic unsigned left; /* workers that have not taken it */
	unsigned workers, nlisten, ngone;
	struct listener **listen; /* [workers][nlisten]; NULL: left out, or taken */
	struct weir_addr *gone;
};

struct engine_batch *batch_none(void);
void batches_free(struct engine *e);
void batch_apply(struct worker *w, struct engine_batch *b);

static inline void batch_take(struct worker *w)
{
	struct engine_batch *b = atomic_load_explicit(&w->batch->next, memory_order_acquire);

	if (__builtin_expect(b != NULL, 0))
		batch_apply(w, b);
}

#endif
