/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How a frame ends: each way has one named counter in this CPU's row. */
#ifndef WEIR_GATE_COUNT_H
#define WEIR_GATE_COUNT_H

#include "gate.h"
#include "gate_trace.h"

static __always_inline void gate_count(struct gate *g, enum weir_counter c)
{
	g->row->v[c]++;
}

static __always_inline int gate_pass(struct gate *g)
{
	gate_count(g, WEIR_C_pass_not_ours);
	return XDP_PASS;
}

/* To a service, without a flow: the state it met is LISTEN. */
static __always_inline int gate_drop(struct gate *g, enum weir_counter why)
{
	if (why >= WEIR_C_MAX) /* known here, but not to the verifier */
		return XDP_DROP;
	gate_count(g, why);
	gate_trace(g, GATE_TRACE(WEIR_TRACE_IN, WEIR_LISTEN, WEIR_LISTEN, why));
	return XDP_DROP;
}

#endif
