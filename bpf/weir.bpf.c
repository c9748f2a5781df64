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
#include "gate_any.h"
#include "gate_count.h"
#include "gate_usual.h"

SEC("xdp")
int weir_gate(struct xdp_md *ctx)
{
	struct gate g = {.ctx = ctx, .row = gate_row()};
	int act;

	gate_count(&g, WEIR_C_rx_frames);
	act = gate_usual(&g);
	return act < 0 ? gate_any(&g, act) : act;
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
