/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Checksums of what the gate answers or lets in without the worker's look at it.
 *
 * bpf_csum_diff() is of no use: it wants a constant readable length, and differs
 * between kernels from 512 bytes on. So we sum ourselves, in a function that is
 * not inlined: the verifier walks its loops once instead of once for each
 * combination of header lengths that leads to it.
 */
#ifndef WEIR_GATE_CSUM_H
#define WEIR_GATE_CSUM_H

#include "gate.h"
#include "gate_count.h"
#include "gate_parse.h"

#define GATE_MAX_SUM 1560 /* a TCP header and 1500 bytes of data */

static __always_inline __u64 gate_sum20(const void *p)
{
	const __u32 *w = p;

	return (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
}

/* `len` bytes at `off`, folded; negative when that is more than the gate sums. */
__noinline int gate_sum(struct xdp_md *ctx, __u32 off, __u32 len)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *p = (void *)(long)ctx->data;
	__u64 sum = 0;
	__u32 i;

	if (off > GATE_MAX_L4 || len > GATE_MAX_SUM)
		return -1;
	p += off;
	for (i = 0; i < GATE_MAX_SUM / 20 && len >= 20; i++, p += 20, len -= 20) {
		weir_opaque(data_end); /* else clang compares with data_end + 1 */
		if (!weir_pkt_fits(p, 20, data_end))
			return -1;
		sum += gate_sum20(p);
	}
	for (i = 0; i < 4 && len >= 4; i++, p += 4, len -= 4) {
		if (!weir_pkt_fits(p, 4, data_end))
			return -1;
		sum += weir_load32(p);
	}
	if (len >= 2) {
		if (!weir_pkt_fits(p, 2, data_end))
			return -1;
		sum += weir_load16(p);
		p += 2;
		len -= 2;
	}
	if (len) {
		if (!weir_pkt_fits(p, 1, data_end))
			return -1;
		sum += weir_le16(*(const __u8 *)p);
	}
	return weir_csum_fold(sum);
}

/* IPv4 header, options included. 0, or the counter to drop under. */
static __always_inline enum weir_counter gate_check_ip(struct gate *g, const int family)
{
	const void *data_end = gate_data_end(g);
	const void *ip = gate_data(g) + g->pkt.l3_off;
	__u32 hlen = g->pkt.l4_off - g->pkt.l3_off;
	__u32 sum;

	if (family == 6)
		return WEIR_C_NONE;
	if (hlen == 20 && weir_pkt_fits(ip, 20, data_end))
		sum = weir_csum_fold(gate_sum20(ip));
	else
		sum = gate_sum(g->ctx, g->pkt.l3_off, hlen);
	return sum == 0xffff ? WEIR_C_NONE : WEIR_C_drop_ip_csum;
}

/* The whole TCP segment. 0, or the counter to drop under. */
static __always_inline enum weir_counter gate_check_tcp(struct gate *g, const int family)
{
	__u32 len = g->pkt.tcp_hlen + g->pkt.payload_len;
	__u64 pseudo = weir_csum_addr(&g->pkt.tuple, family) + weir_csum_proto(len);
	int sum = gate_sum(g->ctx, g->pkt.l4_off, len);

	if (sum < 0)
		return WEIR_C_drop_payload_long;
	switch (weir_csum_judge(pseudo, sum, g->pkt.check)) {
	case WEIR_CSUM_GOOD:
		return WEIR_C_NONE;
	case WEIR_CSUM_BAD:
		return WEIR_C_drop_tcp_csum;
	default:
		break;
	}
	if (!(weir_cfg.flags & WEIR_CFG_ACCEPT_PARTIAL_CSUM))
		return WEIR_C_drop_csum_partial;
	gate_count(g, WEIR_C_csum_partial_accepted);
	return WEIR_C_NONE;
}

#endif
