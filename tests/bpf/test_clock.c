/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's clock against the host's: pairing, and following a wall clock that jumps.
 *
 * exclusive: its clocks agree as well as the machine serves its ticks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/clock.h"
#include "control/gate.h"

static struct gate *gate;
static struct clock_sync sync_;

static void no_log(int level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static int setup(void **state)
{
	(void)state;
	return clock_calibrate(&sync_, gate->clock_fd, &gate->cfg->clock);
}

static int64_t tick_ms(void)
{
	return 1 + (int64_t)(sync_.tick_ns / 1000000);
}

static int64_t wall_error_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)clock_gate_wall_ms(&sync_, &gate->cfg->clock) -
	       ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static void both_clocks_agree_to_some_jiffies(void **state)
{
	int64_t drift, least = 0, most = INT64_MIN;
	int i;

	(void)state;
	/* 1/HZ of every kernel there is: 100, 250, 300, 1000. */
	assert_in_range(sync_.tick_ns, 999000, 10100000);
	for (i = 0; i < 300; i++) {
		assert_int_equal(clock_drift(&sync_, &gate->cfg->clock, &drift), 0);
		least = drift < least ? drift : least;
		most = drift > most ? drift : most;
		usleep(777);
	}
	/*
	 * Where ticks are served in time the gate is behind by at most a jiffy, and
	 * never ahead. A virtual machine serves them late: during calibration that
	 * puts the gate ahead, afterwards behind, by as much.
	 */
	assert_true(least >= -4 * tick_ms());
	assert_true(most <= 4 * tick_ms());
}

static struct weir_gate_clock *gate_clock(void)
{
	return &gate->cfg->clock;
}

/* One look at the machine's clock, at this moment of CLOCK_MONOTONIC. */
static bool follow_at(uint64_t now_us)
{
	return clock_follow(&sync_, gate_clock(), clock_ahead(&sync_, gate_clock()), now_us);
}

static void the_wall_clock_is_the_systems(void **state)
{
	(void)state;
	assert_true(llabs(wall_error_ms()) <= tick_ms() + 1);
	assert_int_equal(clock_ahead(&sync_, gate_clock()), 0);
	assert_false(follow_at(1));
}

static void a_small_step_ahead_is_followed_at_once(void **state)
{
	(void)state;
	gate_clock()->wall_offset_ms -=
		CLOCK_STEP_MS - 100; /* seen from here: the system's jumped */
	assert_false(follow_at(1));
	assert_true(llabs(wall_error_ms()) <= tick_ms() + 1);
}

static void a_large_step_ahead_waits_for_the_handshakes(void **state)
{
	const int64_t hour = 3600000;

	(void)state;
	gate_clock()->wall_offset_ms -= hour;
	assert_true(follow_at(1000000));
	assert_true(follow_at(1000000 + CLOCK_HOLD_US - 1));
	assert_true(llabs(wall_error_ms() + hour) <= tick_ms() + 1);
	assert_false(follow_at(1000000 + CLOCK_HOLD_US));
	assert_true(llabs(wall_error_ms()) <= tick_ms() + 1);
	/* And the next one waits as long. */
	gate_clock()->wall_offset_ms -= hour;
	assert_true(follow_at(9000000));
}

static void a_step_that_was_taken_back_is_none(void **state)
{
	(void)state;
	gate_clock()->wall_offset_ms -= 3600000;
	assert_true(follow_at(1000000));
	gate_clock()->wall_offset_ms += 3600000;
	assert_false(follow_at(2000000));
	gate_clock()->wall_offset_ms -= 3600000;
	assert_true(follow_at(1000000 + CLOCK_HOLD_US));
}

static void a_clock_set_back_is_followed_slowly(void **state)
{
	uint64_t last = 0;
	int i;

	(void)state;
	gate_clock()->wall_offset_ms += 10000;
	for (i = 0; i < 20; i++) {
		int64_t ahead = clock_ahead(&sync_, gate_clock());
		uint64_t wall;

		assert_false(clock_follow(&sync_, gate_clock(), ahead, 1));
		wall = clock_gate_wall_ms(&sync_, gate_clock());
		assert_true(ahead > 9900 && ahead <= 10000 + tick_ms());
		assert_true(wall >= last);
		last = wall;
		usleep(1500);
	}
	assert_true(wall_error_ms() >= 10000 - 20 - tick_ms() - 1);
	assert_true(wall_error_ms() <= 10000 - 20 + tick_ms() + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(both_clocks_agree_to_some_jiffies, setup),
		cmocka_unit_test_setup(the_wall_clock_is_the_systems, setup),
		cmocka_unit_test_setup(a_small_step_ahead_is_followed_at_once, setup),
		cmocka_unit_test_setup(a_large_step_ahead_waits_for_the_handshakes, setup),
		cmocka_unit_test_setup(a_step_that_was_taken_back_is_none, setup),
		cmocka_unit_test_setup(a_clock_set_back_is_followed_slowly, setup),
	};
	struct weir_err err;
	int failed;

	if (geteuid()) {
		fprintf(stderr, "skipped: loading the gate needs root\n");
		return 77;
	}
	if (gate_open(&gate, 16, no_log, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	gate_close(gate);
	return failed;
}
