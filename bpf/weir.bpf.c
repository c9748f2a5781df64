// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The gate: what meets a frame first.
 *
 *	parse		Ethernet, tags, IP, TCP (include/weir/packet.h)
 *	not ours	no service at its port: the host's stack
 *	flow		an entry for its 4-tuple: the worker's socket
 *	SYN		a SYN-ACK with a cookie, nothing remembered; or, by the service's
 *			mode, the worker's socket
 *	ACK		a cookie that is valid opens a flow; else an RST or nothing
 *	ICMP		errors that quote a flow: the worker's socket
 *
 * The program is a plain "xdp" one, without frags: on 6.1 AF_XDP hands only the
 * linear part of a multi-buffer frame to its socket, which would cut a segment
 * unnoticed. The kernel thus refuses to attach where frames do not fit one
 * buffer (veth: an MTU of about 3500), which is the clearer answer.
 *
 * It keeps to what Linux 6.1 verifies: no dynptr, no iterator, no kfunc.
 */
#include "gate.h"
#include "gate_admit.h"
#include "gate_auto.h"
#include "gate_count.h"
#include "gate_csum.h"
#include "gate_flow.h"
#include "gate_icmp.h"
#include "gate_opts.h"
#include "gate_parse.h"
#include "gate_refuse.h"
#include "gate_reply.h"
#include "gate_trace.h"

/* Why a SYN is not welcome now: nobody would serve it. 0: it is. */
static __always_inline enum weir_counter gate_closed(const struct gate *g)
{
	__u32 queue = g->ctx->rx_queue_index;

	if (weir_cfg.flags & WEIR_CFG_DRAINING)
		return WEIR_C_drop_draining;
	if (weir_cfg.flags & WEIR_CFG_FLOWS_FULL)
		return WEIR_C_drop_flows_full;
	if (!weir_cfg.heartbeat_max_ms)
		return WEIR_C_NONE;
	/* Signed: the host's clock may be a jiffy ahead of ours. */
	if (queue >= WEIR_MAX_QUEUES ||
	    (__s64)(g->mono_ms - weir_heartbeat[queue]) > (__s64)(__u64)weir_cfg.heartbeat_max_ms)
		return WEIR_C_drop_heartbeat;
	return WEIR_C_NONE;
}

static __always_inline int gate_syn(struct gate *g, const int family)
{
	struct weir_syn_opts o;
	struct weir_cookie c;
	enum weir_counter why;

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
	if (!gate_by_cookie(g))
		return gate_redirect_as(g, WEIR_C_syn_to_worker);

	if (family == 4) {
		struct weir_flow_key4 k = gate_key4(&g->pkt.tuple);

		weir_cookie_make4(&weir_cfg, g->wall_ms, &k, g->pkt.seq, &o, &c);
	} else {
		weir_cookie_make6(&weir_cfg, g->wall_ms, &g->pkt.tuple, g->pkt.seq, &o, &c);
	}
	return gate_send_syn_ack(g, &o, &c, family);
}

/*
 * Neither flow nor cookie: after a restart a client learns it by an RST, so long
 * as those are few. Only then is the sum over its data worth its price.
 */
static __always_inline int gate_refuse(struct gate *g, const int family)
{
	enum weir_counter why = WEIR_C_NONE;

	if (!gate_may_reset(g, family))
		return gate_drop(g, WEIR_C_drop_ack_cookie);
	if (g->pkt.payload_len)
		why = gate_check_tcp(g, family);
	if (why)
		return gate_drop(g, why);
	return gate_send_rst(g, family);
}

/* The final ACK, or the first data: with data the sum is the worker's to check. */
static __always_inline int gate_ack(struct gate *g, const int family)
{
	struct weir_cookie_ack a = {
		.seq = g->pkt.seq,
		.ack = g->pkt.ack,
	};
	struct weir_flow f;
	enum weir_counter why = gate_check_ip(g, family);
	int valid;

	if (!why && !g->pkt.payload_len)
		why = gate_check_tcp(g, family);
	if (why)
		return gate_drop(g, why);

	gate_clock(g);
	gate_ack_timestamps(g, &a);
	if (family == 4) {
		struct weir_flow_key4 k = gate_key4(&g->pkt.tuple);

		valid = weir_cookie_check4(&weir_cfg, g->wall_ms, &k, &a, &f);
	} else {
		valid = weir_cookie_check6(&weir_cfg, g->wall_ms, &g->pkt.tuple, &a, &f);
	}
	return valid ? gate_enter(g, family, &f) : gate_refuse(g, family);
}

/* To a service and whole, but of no flow: by its flags (RFC 9293 3.10.7.2). */
static __always_inline int gate_segment(struct gate *g, const int family)
{
	enum weir_counter why = gate_admit(g, family);

	if (why)
		return gate_drop(g, why);
	switch (g->pkt.flags & (WEIR_TH_SYN | WEIR_TH_ACK | WEIR_TH_RST | WEIR_TH_FIN)) {
	case WEIR_TH_SYN:
		return gate_syn(g, family);
	case WEIR_TH_ACK:
	case WEIR_TH_ACK | WEIR_TH_FIN:
		return gate_ack(g, family);
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
	return port & WEIR_PORT_ACTIVE && gate_flow_exists(&g->pkt.tuple, family);
}

static __always_inline int gate_frame(struct gate *g, const int family)
{
	enum weir_pkt_verdict v;
	__u32 port;

	v = gate_parse_ip(g->ctx, &g->pkt, family);
	if (v == WEIR_PKT_NOT_TCP)
		return gate_icmp_is_ours(g, family) ? gate_redirect_as(g, WEIR_C_icmp_redirected)
						    : gate_pass(g);
	if (!v)
		v = weir_pkt_tcp(gate_data(g), gate_data_end(g), &g->pkt);
	if (!(g->pkt.have & WEIR_HAVE_PORTS))
		return gate_portless(g, v);

	port = weir_ports[weir_ntohs(g->pkt.tuple.lport)];
	if (!port)
		return gate_pass(g);
	if (v)
		return gate_keeps_out(g, port, family) ? gate_drop(g, gate_malformed(v))
						       : gate_pass(g);

	if (gate_flow_exists(&g->pkt.tuple, family))
		return gate_redirect(g);
	if (!gate_is_service(g, port))
		return gate_pass(g);
	return gate_segment(g, family);
}

SEC("xdp")
int weir_gate(struct xdp_md *ctx)
{
	struct gate g = {.ctx = ctx, .row = gate_row()};

	gate_count(&g, WEIR_C_rx_frames);
	if (weir_pkt_eth(gate_data(&g), gate_data_end(&g), &g.pkt))
		return gate_pass(&g);
	return g.pkt.family == 4 ? gate_frame(&g, 4) : gate_frame(&g, 6);
}

/* Both clocks at once, for the host's calibration (include/weir/clock.h). */
SEC("syscall")
int weir_clock_now(struct weir_clock_sample *s)
{
	s->jiffies = bpf_jiffies64();
	s->mono_ns = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
