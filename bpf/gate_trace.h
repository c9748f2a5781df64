/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Trace: headers of real frames, copied to a ring. Off costs one branch.
 *
 * The gate records what it ends itself and what it sends; a redirected frame is
 * the worker's to record. The recorder parses the frame once more for its
 * filter, so that the untraced way carries nothing for it. It is a function of
 * its own (not inlined, verified once), called from many places.
 */
#ifndef WEIR_GATE_TRACE_H
#define WEIR_GATE_TRACE_H

#include "gate.h"
#include "gate_parse.h"

/* What a record says beside the frame, in one argument. */
#define GATE_TRACE(dir, before, after, outcome)                                                    \
	((__u32)(outcome) | (dir) << 16 | (before) << 20 | (after) << 24)

static __always_inline int gate_trace_addr(const struct weir_trace_filter *f, const __be32 *a,
					   int family)
{
	if (family == 4)
		return f->addr[0] == a[3];
	return f->addr[0] == a[0] && f->addr[1] == a[1] && f->addr[2] == a[2] && f->addr[3] == a[3];
}

static __always_inline int gate_trace_wants(const struct weir_pkt *p)
{
	const struct weir_trace_filter *f = &weir_cfg.trace_filter;
	int any = !(f->addr[0] | f->addr[1] | f->addr[2] | f->addr[3]);

	if (f->port && f->port != p->tuple.rport && f->port != p->tuple.lport)
		return 0;
	if (!f->family)
		return 1;
	if (f->family != p->family)
		return 0;
	return any || gate_trace_addr(f, p->tuple.raddr, p->family) ||
	       gate_trace_addr(f, p->tuple.laddr, p->family);
}

static __always_inline void gate_trace_parse(struct xdp_md *ctx, struct weir_pkt *p)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;

	if (!weir_pkt_eth(data, data_end, p) && !gate_parse_ip(ctx, p, p->family))
		weir_pkt_tcp(data, data_end, p);
}

/* len: what the frame had on the wire, should its buffer have grown since. */
__noinline int gate_trace_write(struct xdp_md *ctx, __u32 what, __u32 len)
{
	struct weir_trace_rec *r;
	struct weir_pkt p = {};
	unsigned long cap = len;

	gate_trace_parse(ctx, &p);
	if (!gate_trace_wants(&p))
		return 0;
	r = bpf_ringbuf_reserve(&trace, sizeof(*r), 0);
	if (!r) {
		gate_row()->v[WEIR_C_trace_lost]++;
		return 0;
	}
	r->mono_ns = bpf_ktime_get_ns();
	r->source = bpf_get_smp_processor_id();
	r->outcome = what & 0xffff;
	r->where = WEIR_TRACE_GATE;
	r->dir = what >> 16 & 15;
	r->state_before = what >> 20 & 15;
	r->state_after = what >> 24 & 15;
	r->pad[0] = r->pad[1] = 0;
	r->len = len;
	if (cap > WEIR_TRACE_SNAP)
		cap = WEIR_TRACE_SNAP;
	weir_opaque(cap);
	if (cap < WEIR_ETH_HLEN || cap > WEIR_TRACE_SNAP ||
	    bpf_xdp_load_bytes(ctx, 0, r->data, cap))
		cap = 0;
	r->caplen = cap;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

static __always_inline int gate_tracing(void)
{
	return __builtin_expect(!!weir_cfg.trace, 0);
}

static __always_inline void gate_trace(const struct gate *g, __u32 what)
{
	if (gate_tracing())
		gate_trace_write(g->ctx, what, weir_frame_len(gate_data(g), gate_data_end(g)));
}

#endif
