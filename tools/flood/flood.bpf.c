// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * weir-flood's sender: writes one frame from a template with random fields, and
 * redirects it out of the interface. Run by BPF_PROG_TEST_RUN with live frames.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "flood_fill.h"

/* One thread sends at a time, so plain variables will do. */
struct flood_config config;
__u64 rng;
__u64 at; /* frames so far: the next slot, and the place in a group */
__u64 next_ns;
__u64 sent[FLOOD_TEMPLATES];
__u64 unsent; /* no room for the frame, or no template at its slot */

#define SPINS 1024

/*
 * A batch is handed over as fast as this program writes it: quicker than a receiver
 * on another CPU empties a ring of 256. Spinning here is the only place to hold the
 * groups apart. What a busy machine delayed is not caught up with.
 */
static __always_inline void pace(void)
{
	__u64 now = bpf_ktime_get_ns();
	int i;

	for (i = 0; i < SPINS && now < next_ns; i++)
		now = bpf_ktime_get_ns();
	next_ns = now + config.gap_ns;
}

static __always_inline int refuse(void)
{
	unsent++;
	return XDP_ABORTED;
}

SEC("xdp")
int flood_send(struct xdp_md *ctx)
{
	const struct flood_template *t;
	__u64 n = at++;
	__u32 i = config.slot[n % FLOOD_SLOTS];

	if (i >= FLOOD_TEMPLATES)
		return refuse();
	t = &config.tpl[i];
	if (t->len != config.len && bpf_xdp_adjust_tail(ctx, (int)(t->len - config.len)))
		return refuse();
	if (flood_fill(&config, t, &rng, (void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return refuse();
	if (config.gap_ns && n % FLOOD_GROUP == 0)
		pace();
	sent[i]++;
	return bpf_redirect(config.ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
