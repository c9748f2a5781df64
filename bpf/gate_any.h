/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Any frame: tags, IPv4 options, IPv6 extension headers, every option layout, and every
 * reason to drop one, named by its counter.
 *
 * Each step is a function of its own (gate_tcp4(), gate_syn4(), ...) that begins with the
 * frame, instead of one that holds them all: on 6.1 three functions deep may have no more
 * than 512 bytes of stack, and the verifier walks each once. The frame is parsed again at
 * each step; it is in the cache, and few frames come this way.
 */
#ifndef WEIR_GATE_ANY_H
#define WEIR_GATE_ANY_H

#include "gate.h"
#include "gate_admit.h"
#include "gate_answer.h"
#include "gate_auto.h"
#include "gate_csum.h"
#include "gate_flow.h"
#include "gate_icmp.h"
#include "gate_opts.h"
#include "gate_parse.h"
#include "gate_reply.h"

/* ---- of no flow ----------------------------------------------------------------- */

static __always_inline int gate_syn(struct gate *g, const int family)
{
	struct weir_syn_opts o;
	struct weir_cookie c;
	enum weir_counter why;
	int verdict;

	gate_clock(g);
	why = gate_closed(g);
	if (!why)
		why = gate_check_ip(g, family);
	if (!why)
		why = gate_check_tcp(g, family);
	if (!why && gate_syn_options(g, &o))
		why = WEIR_C_drop_tcp_header;
	if (why)
		return gate_drop(g, why);
	verdict = gate_judge_syn(g, family);
	if (verdict)
		return gate_syn_otherwise(g, verdict);

	gate_make_cookie(g, &o, &c, family);
	return gate_send_syn_ack(g, &o, &c, family);
}

/* The final ACK, or the first data: with data the sum is the worker's to check. */
static __always_inline int gate_ack(struct gate *g, const int family)
{
	struct weir_cookie_ack a = {
		.seq = g->pkt.seq,
		.ack = g->pkt.ack,
	};
	enum weir_counter why = gate_check_ip(g, family);

	if (!why && !g->pkt.payload_len)
		why = gate_check_tcp(g, family);
	if (why)
		return gate_drop(g, why);
	gate_clock(g);
	gate_ack_timestamps(g, &a);
	return gate_judge_ack(g, &a, family);
}

/* To a service and whole, but of no flow: by its flags (RFC 9293 3.10.7.2). */
static __always_inline int gate_segment(struct gate *g, const int family)
{
	enum weir_counter why = gate_admit_addr(g, family);

	if (!why && family == 4)
		why = gate_admit_options(g);
	if (why)
		return gate_drop(g, why);
	switch (g->pkt.flags & (WEIR_TH_SYN | WEIR_TH_ACK | WEIR_TH_RST | WEIR_TH_FIN)) {
	case WEIR_TH_SYN:
		return GATE_SYN;
	case WEIR_TH_ACK:
	case WEIR_TH_ACK | WEIR_TH_FIN:
		return GATE_ACK;
	case WEIR_TH_SYN | WEIR_TH_ACK:
		return gate_drop(g, WEIR_C_drop_syn_ack);
	case WEIR_TH_FIN:
		return gate_drop(g, WEIR_C_drop_fin);
	case 0:
		return gate_drop(g, WEIR_C_drop_null);
	}
	if (!(g->pkt.flags & WEIR_TH_SYN))
		return gate_drop(g, WEIR_C_drop_rst);
	return gate_drop(g, g->pkt.flags & WEIR_TH_RST ? WEIR_C_drop_syn_rst : WEIR_C_drop_syn_fin);
}

static __always_inline enum weir_counter gate_malformed(enum weir_pkt_verdict v)
{
	switch (v) {
	case WEIR_PKT_BAD_IP_LEN:
		return WEIR_C_drop_ip_length;
	case WEIR_PKT_BAD_EXT:
		return WEIR_C_drop_ip_ext;
	case WEIR_PKT_MANY_EXT:
		return WEIR_C_drop_ip_ext_many;
	case WEIR_PKT_ROUTED:
		return WEIR_C_drop_ip_routed;
	case WEIR_PKT_FRAGMENT:
		return WEIR_C_drop_fragment;
	case WEIR_PKT_BAD_TCP:
		return WEIR_C_drop_tcp_header;
	default:
		return WEIR_C_drop_ip_header;
	}
}

/* TCP, but the port is out of reach: ours when its address is a service's own. */
static __always_inline int gate_portless(struct gate *g, enum weir_pkt_verdict v)
{
	if (!(g->pkt.have & WEIR_HAVE_ADDR) || !gate_in_services(g, 0))
		return gate_pass(g);
	return gate_drop(g, gate_malformed(v));
}

/*
 * Whether a malformed frame is kept from the host's stack: a service's always, an
 * active open's when it is of a flow. A first fragment for one: the host would put
 * the segment together and reset a connection that it does not know.
 */
static __always_inline int gate_keeps_out(struct gate *g, __u32 port, const int family)
{
	if (gate_is_service(g, port))
		return 1;
	return port & WEIR_PORT_ACTIVE && gate_flow_exists(&g->pkt.tuple, g->key, family);
}

/* What was read of the tuple, as a key on the stack. */
static __always_inline void gate_make_key(struct gate *g, struct weir_flow_key6 *key,
					  const int family)
{
	g->key = key;
	if (family == 4)
		*(struct weir_flow_key4 *)key = weir_tuple_key4(&g->pkt.tuple);
	else
		*key = g->pkt.tuple;
}

static __always_inline int gate_frame(struct gate *g, struct weir_flow_key6 *key, const int family)
{
	enum weir_pkt_verdict v;
	__u32 port;

	v = gate_parse_ip(g->ctx, &g->pkt, family);
	if (v == WEIR_PKT_NOT_TCP)
		return GATE_NOT_TCP;
	if (!v)
		v = weir_pkt_tcp(gate_data(g), gate_data_end(g), &g->pkt);
	if (!(g->pkt.have & WEIR_HAVE_PORTS))
		return gate_portless(g, v);
	gate_make_key(g, key, family);

	port = weir_ports[weir_ntohs(g->pkt.tuple.lport)];
	if (!port)
		return gate_pass(g);
	if (v)
		return gate_keeps_out(g, port, family) ? gate_drop(g, gate_malformed(v))
						       : gate_pass(g);

	if (gate_flow_exists(&g->pkt.tuple, g->key, family))
		return gate_redirect(g);
	if (!gate_is_service(g, port))
		return gate_pass(g);
	return gate_segment(g, family);
}

/*
 * Any frame with IP: functions of their own that each begin with the frame, so that
 * none has more stack than 6.1 allows, nor the verifier much to follow.
 */
static __always_inline int gate_tcp(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row(), .pkt.l3_off = l3_off};
	struct weir_flow_key6 key;

	return l3_off > GATE_MAX_L3 ? XDP_DROP : gate_frame(&g, &key, family);
}

__noinline int gate_tcp4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_tcp(ctx, l3_off, 4);
}

__noinline int gate_tcp6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_tcp(ctx, l3_off, 6);
}

/* Once more what gate_frame() has read and found to be a service's. */
static __always_inline int gate_again(struct gate *g, const int family)
{
	return g->pkt.l3_off <= GATE_MAX_L3 && !gate_parse_ip(g->ctx, &g->pkt, family) &&
	       !weir_pkt_tcp(gate_data(g), gate_data_end(g), &g->pkt) &&
	       gate_is_service(g, weir_ports[weir_ntohs(g->pkt.tuple.lport)]);
}

static __always_inline int gate_any_syn(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row(), .pkt.l3_off = l3_off};

	return gate_again(&g, family) ? gate_syn(&g, family) : XDP_DROP;
}

__noinline int gate_syn4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_any_syn(ctx, l3_off, 4);
}

__noinline int gate_syn6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_any_syn(ctx, l3_off, 6);
}

static __always_inline int gate_any_ack(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row(), .pkt.l3_off = l3_off};
	struct weir_flow_key6 key;

	if (!gate_again(&g, family))
		return XDP_DROP;
	gate_make_key(&g, &key, family);
	return gate_ack(&g, family);
}

__noinline int gate_ack4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_any_ack(ctx, l3_off, 4);
}

__noinline int gate_ack6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_any_ack(ctx, l3_off, 6);
}

static __always_inline int gate_reset(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row(), .pkt.l3_off = l3_off};
	enum weir_counter why = WEIR_C_NONE;

	if (!gate_again(&g, family))
		return XDP_DROP;
	if (g.pkt.payload_len)
		why = gate_check_tcp(&g, family);
	return why ? gate_drop(&g, why) : gate_send_rst(&g, family);
}

__noinline int gate_reset4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_reset(ctx, l3_off, 4);
}

__noinline int gate_reset6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_reset(ctx, l3_off, 6);
}

static __always_inline int gate_icmp(struct xdp_md *ctx, __u32 l3_off, const int family)
{
	struct gate g = {.ctx = ctx, .row = gate_row(), .pkt.l3_off = l3_off};

	if (l3_off > GATE_MAX_L3)
		return XDP_DROP;
	gate_parse_ip(ctx, &g.pkt, family);
	return gate_icmp_is_ours(&g, family) ? gate_redirect_as(&g, WEIR_C_icmp_redirected)
					     : gate_pass(&g);
}

__noinline int gate_icmp4(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_icmp(ctx, l3_off, 4);
}

__noinline int gate_icmp6(struct xdp_md *ctx, __u32 l3_off)
{
	return gate_icmp(ctx, l3_off, 6);
}

/* ---- the steps ------------------------------------------------------------------ */

static __always_inline int gate_any4(struct xdp_md *ctx, __u32 l3_off, int act)
{
	if (act == GATE_UNUSUAL)
		act = gate_tcp4(ctx, l3_off);
	if (act == GATE_NOT_TCP)
		return gate_icmp4(ctx, l3_off);
	if (act == GATE_SYN)
		return gate_syn4(ctx, l3_off);
	if (act == GATE_ACK)
		act = gate_ack4(ctx, l3_off);
	return act == GATE_RESET ? gate_reset4(ctx, l3_off) : act;
}

static __always_inline int gate_any6(struct xdp_md *ctx, __u32 l3_off, int act)
{
	if (act == GATE_UNUSUAL)
		act = gate_tcp6(ctx, l3_off);
	if (act == GATE_NOT_TCP)
		return gate_icmp6(ctx, l3_off);
	if (act == GATE_SYN)
		return gate_syn6(ctx, l3_off);
	if (act == GATE_ACK)
		act = gate_ack6(ctx, l3_off);
	return act == GATE_RESET ? gate_reset6(ctx, l3_off) : act;
}

/* What the usual way left to do, for any frame. */
static __always_inline int gate_any(struct gate *g, int act)
{
	if (weir_pkt_eth(gate_data(g), gate_data_end(g), &g->pkt))
		return gate_pass(g);
	return g->pkt.family == 4 ? gate_any4(g->ctx, g->pkt.l3_off, act)
				  : gate_any6(g->ctx, g->pkt.l3_off, act);
}

#endif
