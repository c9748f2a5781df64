/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether clients may be sent here: for load balancers and routing daemons that ask. */
#include "control/gate.h"
#include "control/instance_priv.h"

/* The time since the worker of that queue last showed that it lives. */
static uint64_t silent_ms(const struct weir_instance *inst, unsigned q, uint64_t now)
{
	uint64_t beat = __atomic_load_n(&inst->gate->heartbeat[q], __ATOMIC_RELAXED);

	return now > beat ? now - beat : 0;
}

void instance_health(const struct weir_instance *inst, struct instance_health *h)
{
	const struct weir_gate_config *c = inst->gate->cfg;
	uint64_t now = clock_gate_mono_ms(&inst->priv->clock, &c->clock);
	unsigned q;

	*h = (struct instance_health){
		.draining = inst->draining,
		.full = __atomic_load_n(&c->flags, __ATOMIC_RELAXED) & WEIR_CFG_FLOWS_FULL,
	};
	for (q = 0; q < inst->queues; q++) {
		uint64_t silent = silent_ms(inst, q, now);

		if (silent > h->heartbeat_age_ms)
			h->heartbeat_age_ms = silent;
	}
	if (h->draining)
		h->why = "draining";
	else if (h->heartbeat_age_ms > c->heartbeat_max_ms)
		h->why = "a worker is silent";
	else if (attach_look(&inst->priv->at, &inst->nif) != 1)
		h->why = "off the XDP hook";
}
