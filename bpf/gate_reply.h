/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers, made in the frame that asked: Ethernet addresses swapped, tags kept,
 * IP and TCP headers written anew, and the frame cut (or grown) to their length.
 *
 * gate_reply() is not inlined: the verifier takes struct reply for unknown and
 * walks the writing once, not for every combination of options that leads to it.
 */
#ifndef WEIR_GATE_REPLY_H
#define WEIR_GATE_REPLY_H

#include "gate.h"
#include "gate_count.h"
#include "gate_parse.h"
#include "gate_trace.h"

#define GATE_MAX_OPT_WORDS 5 /* MSS, SACK-permitted and timestamps, window scale */

struct reply {
	struct weir_flow_key6 tuple; /* as it came: we are its local end */
	__u32 family;
	__u32 l3_off;
	__u32 seq, ack;
	__u32 tsval, tsecr;
	__u16 window;
	__u16 mss;    /* 0: no options */
	__u8 flags;   /* WEIR_TH_* */
	__u8 offered; /* WEIR_OPT_*: what the client can do */
	__u8 scaled;  /* it scales windows */
};

static __always_inline void gate_swap_macs(void *eth)
{
	__u32 dst4 = weir_load32(eth);
	__u16 dst2 = weir_load16(eth + 4);

	weir_store16(eth, weir_load16(eth + 6));
	weir_store32(eth + 2, weir_load32(eth + 8));
	weir_store32(eth + 6, dst4);
	weir_store16(eth + 10, dst2);
}

/* No options, DF, identification 0 (RFC 6864 4.1), DSCP and ECN 0. */
static __always_inline void gate_write_ip4(void *ip, const struct reply *r, __u32 tcp_len)
{
	__be32 *w = ip;
	__u64 sum;

	w[0] = weir_htonl(0x45000000 | (20 + tcp_len));
	w[1] = weir_htonl(0x4000);
	w[2] = weir_htonl((__u32)weir_cfg.ttl << 24 | WEIR_PROTO_TCP << 16);
	w[3] = r->tuple.laddr[3];
	w[4] = r->tuple.raddr[3];
	sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
	weir_store16(ip + 10, ~weir_csum_fold(sum));
}

static __always_inline void gate_write_ip6(void *ip, const struct reply *r, __u32 tcp_len)
{
	__be32 *w = ip;
	__u32 i;

	w[0] = weir_htonl(0x60000000);
	w[1] = weir_htonl(tcp_len << 16 | WEIR_PROTO_TCP << 8 | weir_cfg.ttl);
#pragma unroll
	for (i = 0; i < 4; i++) {
		w[2 + i] = r->tuple.laddr[i];
		w[6 + i] = r->tuple.raddr[i];
	}
}

/* In the order of Linux, four bytes at a time; each option only when offered. */
static __always_inline __u32 gate_reply_options(const struct reply *r, __be32 *opt)
{
	const __be32 scale = weir_htonl(0x01030300 | weir_cfg.wscale);
	const int sack = r->offered & WEIR_OPT_SACK;

	if (!r->mss)
		return 0;
	opt[0] = weir_htonl(0x02040000 | r->mss);
	if (r->offered & WEIR_OPT_TS) {
		opt[1] = weir_htonl(sack ? 0x0402080a : 0x0101080a);
		opt[2] = weir_htonl(r->tsval);
		opt[3] = weir_htonl(r->tsecr);
		opt[4] = scale;
		return r->scaled ? 5 : 4;
	}
	opt[1] = sack ? weir_htonl(0x01010402) : scale;
	opt[2] = scale;
	return 1 + !!sack + !!r->scaled;
}

/* All but options and checksum; its sum, pseudo-header included. */
static __always_inline __u64 gate_write_tcp_head(void *th, const struct reply *r, __u32 tcp_len)
{
	__be32 *w = th;

	w[0] = (__u32)r->tuple.lport | (__u32)r->tuple.rport << 16;
	w[1] = weir_htonl(r->seq);
	w[2] = weir_htonl(r->ack);
	w[3] = weir_htonl((tcp_len / 4) << 28 | (__u32)r->flags << 16 | r->window);
	w[4] = 0;
	return weir_csum_addr(&r->tuple, r->family) + weir_csum_proto(tcp_len) + w[0] + w[1] +
	       w[2] + w[3];
}

/* The frame has the right length; what is checked here is for the verifier. */
static __always_inline int gate_write_tcp(void *th, const void *data_end, const struct reply *r,
					  const __be32 *opt, __u32 nopt)
{
	__be32 *w = th;
	__u64 sum;
	__u32 i;

	if (!weir_pkt_fits(th, 20, data_end))
		return -1;
	sum = gate_write_tcp_head(th, r, 20 + 4 * nopt);
#pragma unroll
	for (i = 0; i < GATE_MAX_OPT_WORDS; i++) {
		if (i < nopt && weir_pkt_fits(w + 5 + i, 4, data_end)) {
			w[5 + i] = opt[i];
			sum += opt[i];
		}
	}
	weir_store16(th + 16, ~weir_csum_fold(sum));
	return 0;
}

static __always_inline int gate_write(struct xdp_md *ctx, __u32 l3_off, const struct reply *r,
				      const __be32 *opt, __u32 nopt)
{
	const void *data_end = (void *)(long)ctx->data_end;
	void *eth = (void *)(long)ctx->data;
	void *ip;

	weir_opaque(l3_off);
	if (l3_off > GATE_MAX_L3)
		return -1;
	ip = eth + l3_off;
	if (!weir_pkt_fits(eth, WEIR_ETH_HLEN, data_end))
		return -1;
	gate_swap_macs(eth);
	if (r->family == 4) {
		if (!weir_pkt_fits(ip, 20, data_end))
			return -1;
		gate_write_ip4(ip, r, 20 + 4 * nopt);
		return gate_write_tcp(ip + 20, data_end, r, opt, nopt);
	}
	if (!weir_pkt_fits(ip, 40, data_end))
		return -1;
	gate_write_ip6(ip, r, 20 + 4 * nopt);
	return gate_write_tcp(ip + 40, data_end, r, opt, nopt);
}

/* 0, or -1 when the frame is too short. One that is too long is cut. */
__noinline int gate_reply(struct xdp_md *ctx, const struct reply *r)
{
	__be32 opt[GATE_MAX_OPT_WORDS] = {};
	__u32 len, nopt;
	int cut;

	if (!r)
		return -1;
	nopt = gate_reply_options(r, opt);
	len = r->l3_off + (r->family == 4 ? 20 : 40) + 20 + 4 * nopt;
	cut = (int)(len - weir_frame_len((void *)(long)ctx->data, (void *)(long)ctx->data_end));
	if (cut < 0 && bpf_xdp_adjust_tail(ctx, cut))
		return -1;
	return gate_write(ctx, r->l3_off, r, opt, nopt);
}

/*
 * How many bytes the frame lacks for this answer; a sum, not a choice, so that
 * the verifier has one case.
 */
static __always_inline int gate_lacks(const struct gate *g, const struct reply *r, const int family)
{
	__u32 ts = (r->offered & WEIR_OPT_TS) / WEIR_OPT_TS;
	__u32 sack = (r->offered & WEIR_OPT_SACK) / WEIR_OPT_SACK;
	__u32 nopt = !r->mss ? 0 : 1 + 3 * ts + (sack & ~ts) + r->scaled;
	__u32 len = g->pkt.l3_off + (family == 4 ? 20 : 40) + 20 + 4 * nopt;

	return (int)(len - weir_frame_len(gate_data(g), gate_data_end(g)));
}

/* `in`, `out`: GATE_TRACE() of the frame that asked, as it came, and of the answer. */
static __always_inline int gate_send(struct gate *g, struct reply *r, const int family, __u32 in,
				     __u32 out)
{
	__u32 len = weir_frame_len(gate_data(g), gate_data_end(g));
	int lacks = gate_lacks(g, r, family);

	r->tuple = g->pkt.tuple;
	r->family = family;
	r->l3_off = g->pkt.l3_off;
	if (lacks > 0 && bpf_xdp_adjust_tail(g->ctx, lacks))
		return gate_drop(g, WEIR_C_drop_tailroom);
	if (gate_tracing())
		gate_trace_write(g->ctx, in, len);
	if (gate_reply(g->ctx, r))
		return gate_drop(g, WEIR_C_drop_tailroom);
	gate_trace(g, out);
	return XDP_TX;
}

static __always_inline struct reply gate_syn_ack(const struct gate *g,
						 const struct weir_syn_opts *o,
						 const struct weir_cookie *c, const int family)
{
	struct reply r = {
		.seq = c->iss,
		.ack = g->pkt.seq + 1, /* data on a SYN is left for the client to repeat */
		.tsval = c->tsval,
		.tsecr = o->tsval,
		.window = weir_cfg.window,
		.mss = family == 4 ? weir_cfg.mss4 : weir_cfg.mss6,
		/* RFC 3168 6.1.1: ECE alone accepts what ECE and CWR offered */
		.flags = WEIR_TH_SYN | WEIR_TH_ACK | (o->flags & WEIR_OPT_ECN ? WEIR_TH_ECE : 0),
		.offered = o->flags,
		.scaled = o->wscale != WEIR_WSCALE_NONE,
	};

	return r;
}

static __always_inline int gate_send_syn_ack(struct gate *g, const struct weir_syn_opts *o,
					     const struct weir_cookie *c, const int family)
{
	struct reply r = gate_syn_ack(g, o, c, family);
	int act = gate_send(g, &r, family, GATE_TRACE(WEIR_TRACE_IN, WEIR_LISTEN, WEIR_LISTEN, 0),
			    GATE_TRACE(WEIR_TRACE_OUT, WEIR_LISTEN, WEIR_LISTEN, 0));

	if (act == XDP_TX)
		gate_count(g, WEIR_C_syn_answered);
	return act;
}

/* RFC 9293 3.10.7.1: an ACK to nothing is answered by <SEQ=SEG.ACK><CTL=RST>. */
static __always_inline int gate_send_rst(struct gate *g, const int family)
{
	struct reply r = {
		.seq = g->pkt.ack,
		.flags = WEIR_TH_RST,
	};
	int act = gate_send(g, &r, family,
			    GATE_TRACE(WEIR_TRACE_IN, WEIR_CLOSED, WEIR_CLOSED, WEIR_C_rst_sent),
			    GATE_TRACE(WEIR_TRACE_OUT, WEIR_CLOSED, WEIR_CLOSED, 0));

	if (act == XDP_TX)
		gate_count(g, WEIR_C_rst_sent);
	return act;
}

#endif
