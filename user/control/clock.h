/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calibration of the gate's clock (weir/clock.h, struct weir_gate_clock).
 *
 * The gate counts jiffies; the host reads CLOCK_MONOTONIC. Once, before the gate
 * is attached, the two are paired at the edge of a jiffy:
 *
 *     gate mono_ms(t)  in  (host mono_ms(t) - 1 jiffy, host mono_ms(t)]
 *
 * The wall clock is mono_ms plus an offset. With keys of its own a weir leaves the
 * offset as it was at the start: nobody else's cookies are to be understood, and
 * whatever becomes of the machine's clock, no cookie ages by it. Nodes that share a
 * key must agree on the epoch, so theirs follows CLOCK_REALTIME (clock_follow()):
 *
 *   - back by at most a millisecond per call, which no epoch notices: a cookie must
 *     not be made in one epoch and checked in the one before it;
 *   - ahead at once, if by less than CLOCK_STEP_MS, for which every cookie lives on
 *     afterwards;
 *   - further ahead after CLOCK_HOLD_US in which no SYN is answered: who holds a
 *     cookie uses it meanwhile, and who comes meanwhile sends its SYN again.
 */
#ifndef WEIR_CONTROL_CLOCK_H
#define WEIR_CONTROL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>

struct clock_sync {
	int prog_fd; /* weir_clock_now */
	uint64_t tick_ns;
	uint64_t base_mono_ns; /* CLOCK_MONOTONIC at mono_ms 0 */
	uint64_t step_us;      /* CLOCK_MONOTONIC when a step ahead is due; 0: none is */
};

/* Sets base, tick and wall offset. Takes some jiffies' time. 0 or -errno. */
int clock_calibrate(struct clock_sync *s, int prog_fd, struct weir_gate_clock *c);

/* The clock of another weir, whose struct weir_gate_clock is copied, goes on in this one. */
void clock_continue(struct clock_sync *s, int prog_fd, uint64_t tick_ns, uint64_t base_mono_ns);

#define CLOCK_STEP_MS 4096    /* a quarter of an epoch: of a cookie's life at least half is left */
#define CLOCK_HOLD_US 3000000 /* two retransmissions of a SYN (RFC 6298: after 1 and 3 s) */

/*
 * By how many ms the gate's wall clock is ahead of the machine's, beyond what the
 * granularity explains.
 */
int64_t clock_ahead(const struct clock_sync *s, const struct weir_gate_clock *c);

/*
 * Follows the wall clock by what clock_ahead() said; call it about once a second while
 * the gate runs. True while a step ahead is due: SYNs are not to be answered.
 */
bool clock_follow(struct clock_sync *s, struct weir_gate_clock *c, int64_t ahead, uint64_t now_us);

/* How far the gate's mono clock and the host's have drifted apart, ms. 0 or -errno. */
int clock_drift(const struct clock_sync *s, const struct weir_gate_clock *c, int64_t *drift_ms);

uint64_t clock_mono_ns(void);
/* The gate's clocks as the host knows them now. */
uint64_t clock_gate_mono_ms(const struct clock_sync *s, const struct weir_gate_clock *c);
uint64_t clock_gate_wall_ms(const struct clock_sync *s, const struct weir_gate_clock *c);

#endif
