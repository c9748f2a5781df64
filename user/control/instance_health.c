/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether clients may be sent here: for load balancers and routing daemons that ask. */
#include "control/gate.h"
#include "control/instance_priv.h"

/* The time since the worker that has been silent longest showed that it lives. */
static uint64_t silent_ms(const struct weir_instance *inst)
{
	uint64_t now = clock_gate_mono_ms(&inst->priv->clock, &inst->gate->cfg->clock), most = 0;

	for (unsigned q = 0; q < inst->queues; q++) {
		uint64_t beat = __atomic_load_n(&inst->gate->heartbeat[q], __ATOMIC_RELAXED);

		if (beat < now && now - beat > most)
			most = now - beat;
	}
	return most;
}

bool instance_alive(const struct weir_instance *inst)
{
	return silent_ms(inst) <= inst->gate->cfg->heartbeat_max_ms;
}

void instance_health(const struct weir_instance *inst, struct instance_health *h)
{
	const struct weir_gate_config *c = inst->gate->cfg;

	*h = (struct instance_health){
		.draining = inst->draining,
		.full = __atomic_load_n(&c->flags, __ATOMIC_RELAXED) & WEIR_CFG_FLOWS_FULL,
		.heartbeat_age_ms = silent_ms(inst),
	};
	if (h->draining)
		h->why = "draining";
	else if (h->heartbeat_age_ms > c->heartbeat_max_ms)
		h->why = "a worker is silent";
	else if (attach_look(&inst->priv->at, &inst->nif) != 1)
		h->why = "off the XDP hook";
}
