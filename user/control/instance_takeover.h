/* SPDX-License-Identifier: BSD-2-Clause */
/* An instance's part in a hand-over (takeover.h), on either side. */
#ifndef WEIR_CONTROL_INSTANCE_TAKEOVER_H
#define WEIR_CONTROL_INSTANCE_TAKEOVER_H

#include "control/instance_priv.h"
#include "engine/legacy.h"

/* ---- taker: within instance_open(), cfg.takeover being there ------------------------- */

/* Once the interface is known: whether it is the one, and what must be as it is there. */
int instance_accept_offer(struct weir_instance *inst, struct weir_err *err);
int instance_open_gate(struct weir_instance *inst, struct weir_err *err);
int instance_choose_given(struct weir_instance *inst, struct weir_err *err);
/* The clock goes on, and flows are counted in what the other does not count in. */
void instance_continue_clock(struct weir_instance *inst);
/*
 * A socket and its frames in place of instance_bind_queue(); for new queues that, after all.
 * None, and priv->anew, where the kernel does not let it be had: it is opened after GO.
 */
instance_queue_fn instance_adopt_queue;

/* ---- giver ---------------------------------------------------------------------------- */

/* The workers stop, with RSTs; the gate goes on by itself. How many connections were reset. */
uint64_t instance_leave(struct weir_instance *inst);
void instance_drop_engine(struct weir_instance *inst);
/* The gate finds none for flows' frames then, and drops them. */
void instance_drop_sockets(struct weir_instance *inst);
/* Nobody has taken it; `taken`: or somebody who is dead had. */
int instance_resume(struct weir_instance *inst, const struct engine_legacy *l, size_t n, bool taken,
		    struct weir_err *err);

#endif
