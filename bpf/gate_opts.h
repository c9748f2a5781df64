/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * TCP options. The walk is a function of its own, which the verifier sees once;
 * ACKs with timestamps where nearly all stacks put them never call it.
 */
#ifndef WEIR_GATE_OPTS_H
#define WEIR_GATE_OPTS_H

#include "gate.h"
#include "gate_answer.h"
#include "gate_parse.h"

/* `len` bytes of options at `off`. */
__noinline int gate_options(struct xdp_md *ctx, __u32 off, __u32 len, struct weir_tcp_opts *out)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;

	if (!out || off > GATE_MAX_L4 || len > 40)
		return -1;
	weir_tcp_opts_walk(data + off, len, data_end, out);
	return 0;
}

static __always_inline int gate_syn_options(const struct gate *g, struct weir_syn_opts *o)
{
	const void *opts = gate_data(g) + g->pkt.l4_off + 20;
	struct weir_tcp_opts all = {};
	int err = 0;

	if (weir_tcp_opts_linux(opts, g->pkt.tcp_hlen - 20, gate_data_end(g), &all)) {
		*o = all.syn;
	} else {
		struct weir_tcp_opts walked = {};

		err = gate_options(g->ctx, g->pkt.l4_off + 20, g->pkt.tcp_hlen - 20, &walked);
		*o = walked.syn;
	}
	gate_offers_ecn(g, o);
	return err;
}

static __always_inline void gate_ack_timestamps(const struct gate *g, struct weir_cookie_ack *a)
{
	const void *opts = gate_data(g) + g->pkt.l4_off + 20;
	struct weir_tcp_opts all = {};

	if (g->pkt.tcp_hlen < 20 + 10)
		return;
	if (weir_tcp_ts_aligned(opts, g->pkt.tcp_hlen - 20, gate_data_end(g), &a->tsval,
				&a->tsecr)) {
		a->has_ts = 1;
		return;
	}
	gate_options(g->ctx, g->pkt.l4_off + 20, g->pkt.tcp_hlen - 20, &all);
	a->has_ts = !!(all.syn.flags & WEIR_OPT_TS);
	a->tsval = all.syn.tsval;
	a->tsecr = all.tsecr;
}

#endif
