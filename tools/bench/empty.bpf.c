// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Nothing: what it costs to run a program and to time it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
