/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Layer 3 by include/weir/packet.h, its rare part, the walk over extension
 * headers, in a function of its own: the verifier sees it once and takes for
 * unknown what comes back, instead of following each chain to the program's end.
 */
#ifndef WEIR_GATE_PARSE_H
#define WEIR_GATE_PARSE_H

#include "gate.h"

#define GATE_MAX_L3 (WEIR_ETH_HLEN + 2 * WEIR_VLAN_HLEN)
#define GATE_MAX_L4 0x3fff /* past IPv6 and all its extension headers */

__noinline int gate_ext(struct xdp_md *ctx, struct weir_ext *e)
{
	if (!e || e->off > GATE_MAX_L4 + 48)
		return WEIR_PKT_BAD_EXT;
	return weir_pkt_ext((void *)(long)ctx->data, (void *)(long)ctx->data_end, e);
}

__noinline int gate_ip4_options(struct xdp_md *ctx, __u32 off, __u32 len)
{
	const void *data = (void *)(long)ctx->data;

	if (off > GATE_MAX_L4 || len > 40)
		return WEIR_PKT_BAD_IP;
	return weir_pkt_ip4_options(data + off, len, (void *)(long)ctx->data_end);
}

static __always_inline enum weir_pkt_verdict gate_parse_ip(struct xdp_md *ctx, struct weir_pkt *p,
							   const int family)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;
	enum weir_pkt_verdict v;
	struct weir_ext e = {};

	if (family == 4)
		return weir_pkt_ip4(data, data_end, p);
	v = weir_pkt_ip6(data, data_end, p);
	if (v || p->proto == WEIR_PROTO_TCP)
		return v;
	e.off = p->l4_off;
	e.proto = p->proto;
	v = gate_ext(ctx, &e);
	p->proto = e.proto;
	p->fragment = e.fragment;
	p->l4_off = e.off & GATE_MAX_L4;
	return v;
}

#endif
