/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The two answers to a segment of no flow, for the usual frame and for any: what makes
 * a SYN-ACK, and what becomes of an ACK.
 */
#ifndef WEIR_GATE_ANSWER_H
#define WEIR_GATE_ANSWER_H

#include "gate.h"
#include "gate_count.h"
#include "gate_csum.h"
#include "gate_flow.h"
#include "gate_refuse.h"
#include "gate_reply.h"

/* Why a SYN is not welcome now: nobody would serve it. 0: it is. */
static __always_inline enum weir_counter gate_closed(const struct gate *g)
{
	__u32 queue = g->ctx->rx_queue_index;
	__u32 closed = weir_cfg.flags & WEIR_CFG_CLOSED;

	if (closed & WEIR_CFG_DRAINING)
		return WEIR_C_drop_draining;
	if (closed)
		return closed & WEIR_CFG_FLOWS_FULL ? WEIR_C_drop_flows_full
						    : WEIR_C_drop_clock_step;
	if (!weir_cfg.heartbeat_max_ms)
		return WEIR_C_NONE;
	/* Signed: the host's clock may be a jiffy ahead of ours. */
	if (queue >= WEIR_MAX_QUEUES ||
	    (__s64)(g->mono_ms - weir_heartbeat[queue]) > (__s64)(__u64)weir_cfg.heartbeat_max_ms)
		return WEIR_C_drop_heartbeat;
	return WEIR_C_NONE;
}

/* RFC 3168 6.1.1: both bits on a SYN offer ECN, one alone means nothing. */
static __always_inline void gate_offers_ecn(const struct gate *g, struct weir_syn_opts *o)
{
	if ((g->pkt.flags & (WEIR_TH_ECE | WEIR_TH_CWR)) == (WEIR_TH_ECE | WEIR_TH_CWR))
		o->flags |= WEIR_OPT_ECN;
}

static __always_inline void gate_make_cookie(const struct gate *g, const struct weir_syn_opts *o,
					     struct weir_cookie *c, const int family)
{
	if (family == 4) {
		struct weir_flow_key4 k = weir_tuple_key4(&g->pkt.tuple);

		weir_cookie_make4(&weir_cfg, g->wall_ms, &k, g->pkt.seq, o, c);
	} else {
		weir_cookie_make6(&weir_cfg, g->wall_ms, &g->pkt.tuple, g->pkt.seq, o, c);
	}
}

/*
 * Neither flow nor cookie: after a restart a client learns it by an RST, so long
 * as those are few. Only then is the sum over its data worth its price.
 */
static __always_inline int gate_refuse(struct gate *g, const int family)
{
	return gate_may_reset(g, family) ? GATE_RESET : gate_drop(g, WEIR_C_drop_ack_cookie);
}

/* The final ACK, or the first data, whole as far as it is ours to check: or GATE_RESET. */
static __always_inline int gate_judge_ack(struct gate *g, const struct weir_cookie_ack *a,
					  const int family)
{
	struct weir_flow f;
	int valid, why;

	if (family == 4) {
		struct weir_flow_key4 k = weir_tuple_key4(&g->pkt.tuple);

		valid = weir_cookie_check4(&weir_cfg, g->wall_ms, &k, a, &f);
	} else {
		valid = weir_cookie_check6(&weir_cfg, g->wall_ms, &g->pkt.tuple, a, &f);
	}
	if (!valid)
		f.mss = 0;
	why = gate_ask_ack(g, family, &f);
	if (why)
		return gate_drop(g, why);
	return valid ? gate_enter(g, family, &f) : gate_refuse(g, family);
}

#endif
