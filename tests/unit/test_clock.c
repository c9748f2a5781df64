/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate's clock and the host's show the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <weir/clock.h>

static void both_clocks_agree_to_a_tick(void **state)
{
	static const unsigned hz[] = {100, 250, 300, 1000};
	const uint64_t base_us = 123456789;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct weir_gate_clock c = {
			.base_jiffies = 4294937296ULL, /* as at boot: 5 minutes before 2^32 */
			.tick_mult = ((uint64_t)1000 << 20) / hz[i],
			.wall_offset_ms = 1700000000000ULL,
		};
		uint64_t s;

		for (s = 0; s < 400ULL * 86400; s += 12345) {
			uint64_t gate = weir_clock_ticks_ms(&c, c.base_jiffies + s * hz[i]);
			uint64_t host = weir_clock_mono_ms(&c, base_us, base_us + s * 1000000);

			/* 300 Hz is no whole number of ms: a millionth of drift is allowed */
			assert_in_range(host - gate, 0, s / 1000 + 1);
			assert_true(weir_clock_wall_ms(&c, gate) == gate + c.wall_offset_ms);
		}
	}
}

static void ticks_become_milliseconds(void **state)
{
	struct weir_gate_clock c = {.base_jiffies = 1000, .tick_mult = 4 << 20};

	(void)state;
	assert_true(weir_clock_ticks_ms(&c, 1000) == 0);
	assert_true(weir_clock_ticks_ms(&c, 1001) == 4);
	assert_true(weir_clock_ticks_ms(&c, 1250) == 1000);
}

static void a_test_stops_both(void **state)
{
	struct weir_gate_clock c = {
		.base_jiffies = 7,
		.tick_mult = 4 << 20,
		.wall_offset_ms = 5,
		.fixed_ms = 99,
		.fixed = 1,
	};

	(void)state;
	assert_true(weir_clock_ticks_ms(&c, 123456) == 99);
	assert_true(weir_clock_mono_ms(&c, 0, 777) == 99);
	assert_true(weir_clock_wall_ms(&c, 99) == 104);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_clocks_agree_to_a_tick),
		cmocka_unit_test(ticks_become_milliseconds),
		cmocka_unit_test(a_test_stops_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
