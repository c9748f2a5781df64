/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Worlds drawn from seeds: byte-exact delivery, no rule of the tap broken, no
 * timer out of bounds, both sides CLOSED, no block left. WEIR_SEEDS=N runs more
 * or fewer; `sim --seed N -v` shows one.
 */
#include "check.h"
#include "random.h"

static uint64_t seeds(void)
{
	const char *n = getenv("WEIR_SEEDS");

	return n ? strtoull(n, NULL, 0) : 20000;
}

static void every_world_delivers_and_closes(void **state)
{
	uint64_t bad = 0, dropped = 0, rejected = 0, again = 0;
	struct sim_verdict v;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		sim_random(seed, false, &v);
		if (v.failed)
			print_error("seed %llu: %s\n  build/tests/sim/sim --seed %llu -v\n",
				    (unsigned long long)seed, v.why, (unsigned long long)seed);
		bad += v.failed;
		dropped += v.dropped;
		rejected += v.rejected;
		again += v.retransmits;
	}
	assert_int_equal(bad, 0);
	/* The worlds were not all fair ones. */
	CHECK(dropped > seeds() && rejected && again, "%llu dropped, %llu rejected, %llu again",
	      (unsigned long long)dropped, (unsigned long long)rejected, (unsigned long long)again);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
	struct sim_verdict v, again;
	uint64_t different = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds() / 20; seed++) {
		uint64_t hash;

		sim_random(seed, false, &v);
		sim_random(seed, false, &again);
		CHECK(v.hash == again.hash, "seed %llu: two runs differ", (unsigned long long)seed);
		hash = v.hash;
		sim_random(seed + seeds(), false, &v);
		different += v.hash != hash;
	}
	assert_int_equal(different, seeds() / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_world_delivers_and_closes),
		cmocka_unit_test(the_same_seed_gives_the_same_trace),
	};

	return cmocka_run_group_tests_name("sim_random", tests, NULL, NULL);
}
