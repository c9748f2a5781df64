/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Time in the gate and the same time on the host.
 *
 * The gate reads bpf_jiffies64(): 2 ns, against 15 for the coarse and 37 for
 * the exact clock. struct weir_gate_clock (abi.h) says how jiffies become
 * milliseconds since the gate's start (mono) and since the Unix epoch (wall);
 * the host gets the same numbers from CLOCK_MONOTONIC and the microseconds that
 * it showed at the gate's mono 0. Both agree to about a jiffy.
 *
 * To calibrate, the host runs the program weir_clock_now (BPF_PROG_TEST_RUN),
 * whose context (ctx_in, written back in place) is a struct weir_clock_sample:
 * pairs of both clocks, taken some jiffies apart.
 */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <weir/abi.h>
#include <weir/seq.h>

/* Context of the program weir_clock_now, filled by it. */
struct weir_clock_sample {
	__u64 jiffies; /* bpf_jiffies64() */
	__u64 mono_ns; /* CLOCK_MONOTONIC */
};

weir_inline __u64 weir_clock_ticks_ms(const struct weir_gate_clock *c, __u64 jiffies)
{
	if (c->fixed)
		return c->fixed_ms;
	return ((jiffies - c->base_jiffies) * c->tick_mult) >> 20;
}

weir_inline __u64 weir_clock_wall_ms(const struct weir_gate_clock *c, __u64 mono_ms)
{
	return mono_ms + c->wall_offset_ms;
}

#ifndef __bpf__
/* The gate's mono_ms on the host; base: CLOCK_MONOTONIC in us at mono 0. */
static inline __u64 weir_clock_mono_ms(const struct weir_gate_clock *c, __u64 base_mono_us,
				       __u64 now_us)
{
	if (c->fixed)
		return c->fixed_ms;
	return (now_us - base_mono_us) / 1000;
}
#endif

#endif
