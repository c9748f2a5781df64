/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <weir/clock.h>

#include "control/clock.h"

#define EDGES	4 /* jiffies over which an edge is looked for */
#define SLEW_MS 1 /* backwards, per call */

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

/* The coarse clock moves once per jiffy: its resolution is the tick, 1/HZ. */
static uint64_t tick_ns(void)
{
	struct timespec ts;

	clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int sample(int prog_fd, struct weir_clock_sample *s)
{
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts), .ctx_in = s, .ctx_size_in = sizeof(*s)};
	int rc;

	memset(s, 0, sizeof(*s));
	rc = bpf_prog_test_run_opts(prog_fd, &opts);
	if (rc)
		return rc;
	return s->mono_ns && s->jiffies ? 0 : -EIO;
}

static uint64_t wall_ms_now(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

/*
 * Of samples (jiffies j, time t) the one with the least t - j * tick was taken
 * closest to the edge at which j began. A tick that is late makes it larger,
 * never smaller.
 */
int clock_calibrate(struct clock_sync *s, int prog_fd, struct weir_gate_clock *c)
{
	struct weir_clock_sample first, now;
	int64_t best = INT64_MAX;
	int rc;

	memset(s, 0, sizeof(*s));
	s->prog_fd = prog_fd;
	s->tick_ns = tick_ns();
	rc = sample(prog_fd, &first);
	if (rc)
		return rc;
	do {
		int64_t off;

		rc = sample(prog_fd, &now);
		if (rc)
			return rc;
		off = (int64_t)(now.mono_ns - first.mono_ns) -
		      (int64_t)((now.jiffies - first.jiffies) * s->tick_ns);
		if (off < best)
			best = off;
	} while (now.mono_ns - first.mono_ns < EDGES * s->tick_ns);

	s->base_mono_ns = first.mono_ns + (uint64_t)best;
	c->base_jiffies = first.jiffies;
	c->tick_mult = (s->tick_ns << 20) / 1000000;
	c->fixed = 0;
	c->wall_offset_ms = wall_ms_now() - clock_gate_mono_ms(s, c);
	return 0;
}

void clock_continue(struct clock_sync *s, int prog_fd, uint64_t tick_ns, uint64_t base_mono_ns)
{
	memset(s, 0, sizeof(*s));
	s->prog_fd = prog_fd;
	s->tick_ns = tick_ns;
	s->base_mono_ns = base_mono_ns;
}

uint64_t clock_gate_mono_ms(const struct clock_sync *s, const struct weir_gate_clock *c)
{
	return weir_clock_mono_ms(c, s->base_mono_ns / 1000, clock_mono_ns() / 1000);
}

uint64_t clock_gate_wall_ms(const struct clock_sync *s, const struct weir_gate_clock *c)
{
	return weir_clock_wall_ms(c, clock_gate_mono_ms(s, c));
}

int64_t clock_ahead(const struct clock_sync *s, const struct weir_gate_clock *c)
{
	int64_t slack = 1 + (int64_t)(s->tick_ns / 1000000);
	int64_t ahead = (int64_t)(clock_gate_wall_ms(s, c) - wall_ms_now());

	return ahead >= -slack && ahead <= slack ? 0 : ahead;
}

static void move(struct weir_gate_clock *c, int64_t by)
{
	__atomic_store_n(&c->wall_offset_ms, c->wall_offset_ms + (uint64_t)by, __ATOMIC_RELAXED);
}

bool clock_follow(struct clock_sync *s, struct weir_gate_clock *c, int64_t ahead, uint64_t now_us)
{
	if (ahead > -CLOCK_STEP_MS) {
		s->step_us = 0;
		if (ahead)
			move(c, ahead < 0 ? -ahead : -SLEW_MS);
		return false;
	}
	if (!s->step_us)
		s->step_us = now_us + CLOCK_HOLD_US;
	if (now_us < s->step_us)
		return true;
	s->step_us = 0;
	move(c, -ahead);
	return false;
}

int clock_drift(const struct clock_sync *s, const struct weir_gate_clock *c, int64_t *drift_ms)
{
	struct weir_clock_sample now;
	int rc = sample(s->prog_fd, &now);

	if (rc)
		return rc;
	*drift_ms = (int64_t)(weir_clock_ticks_ms(c, now.jiffies) -
			      weir_clock_mono_ms(c, s->base_mono_ns / 1000, now.mono_ns / 1000));
	return 0;
}
