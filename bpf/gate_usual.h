/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The usual frame, in few steps: Ethernet with one tag or none, IP without options or
 * extension headers, whole, TCP. Everything in it has a constant place.
 *
 * What is done for it is what gate_any() does, with the same functions. Whatever is
 * not as usual, and whatever is to be dropped for more than a wrong cookie, is left to
 * gate_any(), which begins anew and knows the reason: so nothing may have been done yet
 * when this returns GATE_UNUSUAL. A traced frame is left to it, too.
 *
 * SYN and ACK are functions of their own: the verifier sees each once, whatever came
 * before, and each has the registers to itself.
 */
#ifndef WEIR_GATE_USUAL_H
#define WEIR_GATE_USUAL_H

#include "gate.h"
#include "gate_admit.h"
#include "gate_answer.h"
#include "gate_auto.h"
#include "gate_csum.h"
#include "gate_flow.h"
#include "gate_reply.h"

static __always_inline __u32 gate_ip_hlen(const int family)
{
	return family == 4 ? 20 : 40;
}

/* A header of the usual length, its TCP following and not in pieces. */
static __always_inline int gate_usual_ip(const void *ip, const int family)
{
	const __u8 *b = ip;

	if (family == 6)
		return (b[0] & 0xf0) == 0x60 && b[6] == WEIR_PROTO_TCP;
	return b[0] == 0x45 && b[9] == WEIR_PROTO_TCP &&
	       !(weir_load16(ip + 6) & weir_htons(0x3fff));
}

/* Addresses and ports lie side by side, and so they do in the flow maps' keys. */
static __always_inline void gate_usual_tuple(struct gate *g, const void *ip, const int family)
{
	const void *th = ip + gate_ip_hlen(family);
	struct weir_flow_key6 *t = &g->pkt.tuple;
	int i;

	g->key = ip + (family == 4 ? 12 : 8);

	if (family == 4) {
		t->raddr[3] = weir_load32(ip + 12);
		t->laddr[3] = weir_load32(ip + 16);
		t->raddr[0] = t->raddr[1] = t->laddr[0] = t->laddr[1] = 0;
		t->raddr[2] = t->laddr[2] = weir_htonl(0xffff);
	} else {
#pragma unroll
		for (i = 0; i < 4; i++) {
			t->raddr[i] = weir_load32(ip + 8 + 4 * i);
			t->laddr[i] = weir_load32(ip + 24 + 4 * i);
		}
	}
	t->rport = weir_load16(th);
	t->lport = weir_load16(th + 2);
}

/* TCP's header and data, as the IP header says; what it says may be wrong. */
static __always_inline __u32 gate_usual_len(const void *ip, const int family)
{
	if (family == 4)
		return weir_ntohs(weir_load16(ip + 2)) - 20;
	return weir_ntohs(weir_load16(ip + 4));
}

/* The rest of the packet view. 0: a length lies. */
static __always_inline int gate_usual_tcp(struct gate *g, const void *ip, const int family)
{
	const __u8 *th = ip + gate_ip_hlen(family);
	__u32 len = gate_usual_len(ip, family);
	struct weir_pkt *p = &g->pkt;

	p->l4_off = p->l3_off + gate_ip_hlen(family);
	p->end = p->l4_off + len;
	p->tcp_hlen = (th[12] >> 4) * 4;
	if (p->tcp_hlen < 20 || (int)(len - p->tcp_hlen) < 0 ||
	    p->end > weir_frame_len(gate_data(g), gate_data_end(g)))
		return 0;
	p->seq = weir_ntohl(weir_load32(th + 4));
	p->ack = weir_ntohl(weir_load32(th + 8));
	p->flags = th[13];
	p->check = weir_load16(th + 16);
	p->payload_off = p->l4_off + p->tcp_hlen;
	p->payload_len = len - p->tcp_hlen;
	return 1;
}

static __always_inline int gate_usual_ip_csum(const void *ip, const int family)
{
	return family == 6 || weir_csum_fold(gate_sum20(ip)) == 0xffff;
}

/* tcp: the sum of the header, which has no data behind it. */
static __always_inline int gate_usual_tcp_csum(const struct gate *g, __u64 tcp, const int family)
{
	__u64 pseudo = weir_csum_addr(&g->pkt.tuple, family) + weir_csum_proto(g->pkt.tcp_hlen);

	return weir_csum_fold(pseudo + tcp) == 0xffff;
}

/*
 * The IP header. What was known of l3_off is lost where 6.1's verifier finds it spilled, so
 * it is bounded where it is used: 14 or 18, below 32.
 */
static __always_inline void *gate_usual_l3(const struct gate *g)
{
	__u32 off = g->pkt.l3_off;

	weir_opaque(off);
	return gate_data(g) + (off & 31);
}

/* Where SYN and ACK begin: a frame to a service, from where frames may come. */
static __always_inline const void *gate_usual_begin(struct gate *g, __u32 l3_off, const int family)
{
	const void *ip;

	if (gate_tracing())
		return NULL;
	g->pkt.l3_off = l3_off;
	ip = gate_usual_l3(g);
	if (!weir_pkt_fits(ip, gate_ip_hlen(family) + 20, gate_data_end(g)))
		return NULL;
	gate_usual_tuple(g, ip, family);
	if (!gate_usual_tcp(g, ip, family))
		return NULL;
	if (!gate_is_service(g, weir_ports[weir_ntohs(g->pkt.tuple.lport)]))
		return NULL;
	return gate_admit_addr(g, family) ? NULL : ip;
}

/* ---- SYN ------------------------------------------------------------------------ */

/* The options' sum as well. 0: a layout that has to be walked. */
static __always_inline int gate_usual_options(const struct gate *g, const void *opts,
					      struct weir_tcp_opts *o, __u64 *sum)
{
	const void *end = gate_data_end(g);
	const __u32 *w = opts;

	switch (g->pkt.tcp_hlen) {
	case 20:
		o->syn.wscale = WEIR_WSCALE_NONE;
		return 1;
	case 20 + 12:
		if (!weir_tcp_opts_windows(opts, 12, end, o))
			return 0;
		*sum += (__u64)w[0] + w[1] + w[2];
		return 1;
	case 20 + 20:
		if (!weir_tcp_opts_linux(opts, 20, end, o))
			return 0;
		*sum += (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
		return 1;
	case 20 + 24:
		if (!weir_tcp_opts_macos(opts, 24, end, o))
			return 0;
		*sum += (__u64)w[0] + w[1] + w[2] + w[3] + w[4] + w[5];
		return 1;
	}
	return 0;
}

/*
 * The answer with `nopt` words of options, all known to the compiler, into a frame that
 * has room for it. 0: it has not. Written first and cut then: a cut invalidates pointers.
 */
static __always_inline int gate_place(struct gate *g, struct reply *r, const __u32 nopt,
				      const int family)
{
	const __u32 tcp_len = 20 + 4 * nopt;
	const void *end = gate_data_end(g);
	void *eth = gate_data(g), *ip = gate_usual_l3(g), *th = ip + gate_ip_hlen(family);
	__u32 had = weir_frame_len(eth, end);
	__be32 opt[GATE_MAX_OPT_WORDS] = {};
	__u64 sum;
	__u32 i;

	if (!weir_pkt_fits(eth, WEIR_ETH_HLEN, end) || !weir_pkt_fits(th, tcp_len, end))
		return 0;
	r->tuple = g->pkt.tuple;
	r->family = family;
	gate_swap_macs(eth);
	if (family == 4)
		gate_write_ip4(ip, r, tcp_len);
	else
		gate_write_ip6(ip, r, tcp_len);
	gate_reply_options(r, opt);
	sum = gate_write_tcp_head(th, r, tcp_len);
#pragma unroll
	for (i = 0; i < nopt; i++) {
		weir_store32(th + 20 + 4 * i, opt[i]);
		sum += opt[i];
	}
	weir_store16(th + 16, ~weir_csum_fold(sum));
	had -= g->pkt.l3_off + gate_ip_hlen(family) + tcp_len;
	if (had) /* what could not be cut would be padding */
		bpf_xdp_adjust_tail(g->ctx, -(int)had);
	return 1;
}

/* The layouts of gate_usual_options() have SACK with timestamps, and scale with SACK. */
static __always_inline int gate_usual_answer(struct gate *g, const struct weir_syn_opts *o,
					     const struct weir_cookie *c, const int family)
{
	struct reply r = gate_syn_ack(g, o, c, family);
	int placed;

	if (o->flags & WEIR_OPT_TS) {
		r.offered = WEIR_OPT_TS | WEIR_OPT_SACK;
		r.scaled = 1;
		placed = gate_place(g, &r, 5, family);
	} else if (o->flags & WEIR_OPT_SACK) {
		r.offered = WEIR_OPT_SACK;
		r.scaled = 1;
		placed = gate_place(g, &r, 3, family);
	} else {
		r.offered = 0;
		r.scaled = 0;
		placed = gate_place(g, &r, 1, family);
	}
	if (!placed)
		return gate_send_syn_ack(g, o, c, family);
	gate_count(g, WEIR_C_syn_answered);
	return XDP_TX;
}

static __always_inline int gate_usual_syn(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row()};
	const void *ip = gate_usual_begin(&g, l3_off, family), *th;
	struct weir_tcp_opts o = {};
	struct weir_cookie c;
	__u64 sum;
	int verdict;

	if (!ip || g.pkt.payload_len)
		return GATE_UNUSUAL;
	th = ip + gate_ip_hlen(family);
	sum = gate_sum20(th);
	if (!gate_usual_options(&g, th + 20, &o, &sum) || !gate_usual_ip_csum(ip, family) ||
	    !gate_usual_tcp_csum(&g, sum, family))
		return GATE_UNUSUAL;
	gate_offers_ecn(&g, &o.syn);
	gate_clock(&g);
	if (gate_closed(&g))
		return GATE_UNUSUAL;
	verdict = gate_judge_syn(&g, family);
	if (verdict)
		return gate_syn_otherwise(&g, verdict);
	gate_make_cookie(&g, &o.syn, &c, family);
	return gate_usual_answer(&g, &o.syn, &c, family);
}

__noinline int gate_usual_syn4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_usual_syn(ctx, l3_off, 4);
}

__noinline int gate_usual_syn6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_usual_syn(ctx, l3_off, 6);
}

/* ---- ACK ------------------------------------------------------------------------ */

/* With timestamps where nearly all put them, or without options. */
static __always_inline int gate_usual_ack(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row()};
	const void *ip = gate_usual_begin(&g, l3_off, family);
	struct weir_cookie_ack a = {};
	const __u32 *w;
	__u64 sum;

	if (!ip)
		return GATE_UNUSUAL;
	a.seq = g.pkt.seq;
	a.ack = g.pkt.ack;
	w = ip + gate_ip_hlen(family);
	sum = gate_sum20(w);
	if (g.pkt.tcp_hlen == 32) {
		if (!weir_tcp_ts_aligned(w + 5, 12, gate_data_end(&g), &a.tsval, &a.tsecr))
			return GATE_UNUSUAL;
		a.has_ts = 1;
		sum += (__u64)w[5] + w[6] + w[7];
	} else if (g.pkt.tcp_hlen != 20) {
		return GATE_UNUSUAL;
	}
	if (!gate_usual_ip_csum(ip, family) ||
	    (!g.pkt.payload_len && !gate_usual_tcp_csum(&g, sum, family)))
		return GATE_UNUSUAL;
	gate_clock(&g);
	return gate_judge_ack(&g, &a, family);
}

__noinline int gate_usual_ack4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_usual_ack(ctx, l3_off, 4);
}

__noinline int gate_usual_ack6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_usual_ack(ctx, l3_off, 6);
}

/* ---- all of them ------------------------------------------------------------------ */

/* Of no flow: by its flags. */
static __always_inline int gate_usual_segment(struct xdp_md *ctx, __u32 l3_off, __u8 flags,
					      const int family)
{
	switch (flags & (WEIR_TH_SYN | WEIR_TH_ACK | WEIR_TH_RST | WEIR_TH_FIN)) {
	case WEIR_TH_SYN:
		return family == 4 ? gate_usual_syn4(ctx, l3_off) : gate_usual_syn6(ctx, l3_off);
	case WEIR_TH_ACK:
		return family == 4 ? gate_usual_ack4(ctx, l3_off) : gate_usual_ack6(ctx, l3_off);
	}
	return GATE_UNUSUAL;
}

static __always_inline int gate_usual_frame(struct gate *g, __u32 l3_off, const int family)
{
	const void *ip = gate_data(g) + l3_off;

	if (!weir_pkt_fits(ip, gate_ip_hlen(family) + 20, gate_data_end(g)) ||
	    !gate_usual_ip(ip, family))
		return GATE_UNUSUAL;
	g->pkt.l3_off = l3_off;
	gate_usual_tuple(g, ip, family);
	if (!weir_ports[weir_ntohs(g->pkt.tuple.lport)])
		return gate_pass(g);
	if (!gate_usual_tcp(g, ip, family))
		return GATE_UNUSUAL;
	if (gate_flow_exists(&g->pkt.tuple, g->key, family))
		return gate_redirect(g);
	return gate_usual_segment(g->ctx, l3_off, g->pkt.flags, family);
}

static __always_inline int gate_usual(struct gate *g)
{
	const void *eth = gate_data(g);
	__u32 l3_off = WEIR_ETH_HLEN;
	__be16 type;

	if (!weir_pkt_fits(eth, WEIR_ETH_HLEN + WEIR_VLAN_HLEN, gate_data_end(g)))
		return GATE_UNUSUAL;
	type = weir_load16(eth + 12);
	if (type == weir_htons(WEIR_ETH_P_8021Q)) {
		type = weir_load16(eth + 16);
		l3_off = WEIR_ETH_HLEN + WEIR_VLAN_HLEN;
	}
	if (type == weir_htons(WEIR_ETH_P_IP))
		return gate_usual_frame(g, l3_off, 4);
	if (type == weir_htons(WEIR_ETH_P_IPV6))
		return gate_usual_frame(g, l3_off, 6);
	return GATE_UNUSUAL;
}

#endif
