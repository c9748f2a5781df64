/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors about our flows (include/weir/icmp.h) go to the worker: the host's
 * stack knows no such connection. All other ICMP is the host's, what is truncated,
 * fragmented or of a wrong checksum included: it refuses that itself.
 *
 * The parsing is a function of its own, which the verifier sees once.
 */
#ifndef WEIR_GATE_ICMP_H
#define WEIR_GATE_ICMP_H

#include <weir/icmp.h>

#include "gate.h"
#include "gate_admit.h"
#include "gate_csum.h"
#include "gate_flow.h"
#include "gate_parse.h"

/* Where the message is; what it quotes. */
struct gate_icmp {
	__u32 off, end;
	struct weir_icmp m;
};

static __always_inline int gate_icmp_quoted(struct xdp_md *ctx, struct gate_icmp *i, __u32 off,
					    const int family)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;
	struct weir_ext e = {};
	__u32 hlen;

	if (family == 4) {
		hlen = weir_icmp_quoted4(data, data_end, off, i->end, &i->m);
		return hlen ? weir_icmp_quoted_tcp(data, data_end, off + hlen, i->end, &i->m) : -1;
	}
	if (weir_icmp_quoted6(data, data_end, off, i->end, &i->m, &e))
		return -1;
	if (e.proto != WEIR_PROTO_TCP && gate_ext(ctx, &e) != WEIR_PKT_OK)
		return -1;
	if (e.fragment == 2 || i->m.quoted_len < e.off - off + 20)
		return -1;
	off = e.off;
	weir_opaque(off);
	if (off > 2 * GATE_MAX_L4)
		return -1;
	return weir_icmp_quoted_tcp(data, data_end, off, i->end, &i->m);
}

/* 0: an error that quotes a TCP segment. i->m.family says in which kind of IP it came. */
__noinline int gate_icmp_parse(struct xdp_md *ctx, struct gate_icmp *i)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;
	__u32 off;

	if (!i || i->end > weir_frame_len(data, data_end))
		return -1;
	off = i->off;
	weir_opaque(off);
	if (off > GATE_MAX_L4)
		return -1;
	if (i->m.family == 4) {
		if (!weir_icmp_head(data, data_end, off, i->end, 4, &i->m))
			return -1;
		return gate_icmp_quoted(ctx, i, off + WEIR_ICMP_HLEN, 4);
	}
	if (!weir_icmp_head(data, data_end, off, i->end, 6, &i->m))
		return -1;
	return gate_icmp_quoted(ctx, i, off + WEIR_ICMP_HLEN, 6);
}

static __always_inline int gate_icmp_csum_ok(struct gate *g, const int family)
{
	__u32 len = g->pkt.end - g->pkt.l4_off;
	int sum = gate_sum(g->ctx, g->pkt.l4_off, len);
	__u64 pseudo = 0;

	if (gate_check_ip(g, family) || sum < 0)
		return 0;
	if (family == 6)
		pseudo = weir_csum_addr(&g->pkt.tuple, 6) + weir_htonl(len) +
			 weir_htonl(WEIR_PROTO_ICMPV6);
	return weir_csum_fold(pseudo + (__u32)sum) == 0xffff;
}

static __always_inline int gate_icmp_flow(const struct gate_icmp *i, const int family)
{
	struct weir_flow_key4 k = weir_tuple_key4(&i->m.tuple);

	return gate_flow_exists(&i->m.tuple, family == 4 ? (const void *)&k : &i->m.tuple, family);
}

/* A frame that is not TCP. The dear checks come last, for those of a live flow alone. */
static __always_inline int gate_icmp_is_ours(struct gate *g, const int family)
{
	struct gate_icmp i = {
		.off = g->pkt.l4_off,
		.end = g->pkt.end,
		.m.family = family,
	};

	if (!weir_icmp_carried(gate_data(g), gate_data_end(g), &g->pkt, family))
		return 0;
	if (gate_icmp_parse(g->ctx, &i))
		return 0;
	if (!weir_icmp_is_for(&i.m, &g->pkt.tuple) || !gate_icmp_flow(&i, family))
		return 0;
	if (!gate_mac_is_ours(g) && !gate_in_services(g, 0))
		return 0;
	return gate_icmp_csum_ok(g, family);
}

#endif
