/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calibration of the gate's clock (weir/clock.h, struct weir_gate_clock).
 *
 * The gate counts jiffies; the host reads CLOCK_MONOTONIC. Once, before the gate
 * is attached, the two are paired at the edge of a jiffy:
 *
 *     gate mono_ms(t)  in  (host mono_ms(t) - 1 jiffy, host mono_ms(t)]
 *
 * The wall clock is mono_ms plus an offset, which follows CLOCK_REALTIME for as
 * long as weir runs, because nodes that share a key must agree on the epoch. It
 * jumps ahead at once when the machine's clock does, and falls back by at most a
 * millisecond per call, which no epoch notices: a cookie must not be made in one
 * epoch and checked in the one before it.
 */
#ifndef WEIR_CONTROL_CLOCK_H
#define WEIR_CONTROL_CLOCK_H

#include <stdint.h>

#include <weir/abi.h>

struct clock_sync {
	int prog_fd; /* weir_clock_now */
	uint64_t tick_ns;
	uint64_t base_mono_ns; /* CLOCK_MONOTONIC at mono_ms 0 */
};

/* Sets base, tick and wall offset. Takes some jiffies' time. 0 or -errno. */
int clock_calibrate(struct clock_sync *s, int prog_fd, struct weir_gate_clock *c);

/*
 * Follows the wall clock; call it about once a second while the gate runs.
 * Returns by how many ms the gate's wall clock is ahead of the machine's beyond
 * what the granularity explains: other than 0 only after somebody set that back.
 */
int64_t clock_follow(const struct clock_sync *s, struct weir_gate_clock *c);

/* How far the gate's mono clock and the host's have drifted apart, ms. 0 or -errno. */
int clock_drift(const struct clock_sync *s, const struct weir_gate_clock *c, int64_t *drift_ms);

uint64_t clock_mono_ns(void);
/* The gate's clocks as the host knows them now. */
uint64_t clock_gate_mono_ms(const struct clock_sync *s, const struct weir_gate_clock *c);
uint64_t clock_gate_wall_ms(const struct clock_sync *s, const struct weir_gate_clock *c);

#endif
