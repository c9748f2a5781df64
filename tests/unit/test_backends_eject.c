/* SPDX-License-Identifier: BSD-2-Clause */
/* Backends whose connects fail are left out for a while, but never the last. */
#include "pool_fixture.h"

static void failures_in_a_row_eject(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	pool_fail_at(1, 2, BACKEND_REFUSED);
	assert_int_equal(pool_pick(5), 1);
	backends_connected(pool.b, 1, 300);
	backends_done(pool.b, 1);
	pool_fail_at(1, 2, BACKEND_TIMEOUT);
	pool_pass(200);
	pool_expect_change("");
	pool_fail_at(1, 1, BACKEND_UNREACHABLE);
	/* At once, not with the next step. */
	pool_expect_share(10, '2', 0);
	pool_pass(200);
	pool_expect_change("127.0.0.1:2 up>ejected 2/3 unreachable");
	pool_expect_share(10, '1', 5);
	pool_expect_share(10, '3', 5);
	assert_int_equal(pool_row("127.0.0.1:2")->state, BACKEND_EJECTED);
	assert_in_range(pool_row("127.0.0.1:2")->back_ms, 4000, 5000);
	assert_int_equal(pool_row("127.0.0.1:2")->failures, 5);
	assert_int_equal(pool_row("127.0.0.1:2")->ejections, 1);
	assert_string_equal(pool_row("127.0.0.1:2")->last_error, "unreachable");
	pool_close();
}

static void what_is_not_its_fault_ejects_nobody(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2");
	pool_fail_at(1, 50, BACKEND_LOCAL);
	pool_fail_at(1, 50, BACKEND_RESET);
	pool_pass(200);
	pool_expect_change("");
	assert_int_equal(pool_row("127.0.0.1:2")->failures, 100);
	pool_close();
	pool_open("127.0.0.1:1,127.0.0.1:2,eject-failures=0");
	pool_fail_at(1, 50, BACKEND_REFUSED);
	pool_pass(200);
	pool_expect_change("");
	pool_close();
}

static void longer_each_time_then_forgotten(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,eject-failures=2,eject-time=1s,eject-max=3s");
	pool_fail_at(1, 2, BACKEND_REFUSED);
	pool_pass(200);
	pool_expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	pool_pass(600);
	pool_expect_change("");
	pool_pass(200);
	pool_expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	/* On probation: once is enough, and it is out for twice as long, but no longer than the
	 * longest. */
	pool_fail_at(1, 1, BACKEND_REFUSED);
	pool_pass(1800);
	pool_expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	pool_expect_change("");
	pool_pass(200);
	pool_expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	pool_fail_at(1, 1, BACKEND_REFUSED);
	pool_pass(2800);
	pool_expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	pool_expect_change("");
	pool_pass(200);
	pool_expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	/* A success ends the probation; the doublings go when it has stayed for long enough. */
	assert_int_equal(pool_pick(1), 1);
	backends_connected(pool.b, 1, 100);
	backends_done(pool.b, 1);
	pool_pass(3200);
	pool_fail_at(1, 1, BACKEND_REFUSED);
	pool_pass(200);
	pool_expect_change("");
	pool_fail_at(1, 1, BACKEND_REFUSED);
	pool_pass(1000);
	pool_expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	pool_expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	pool_close();
}

static void the_last_one_stays(void **state)
{
	uint64_t kept = pool_counter(WEIR_C_backend_kept);

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,eject-failures=1");
	pool_fail_at(0, 1, BACKEND_REFUSED);
	pool_fail_at(1, 5, BACKEND_REFUSED);
	pool_pass(200);
	pool_expect_change("127.0.0.1:1 up>ejected 1/2 connection refused");
	pool_expect_change("");
	assert_int_equal(pool_counter(WEIR_C_backend_kept), kept + 5);
	pool_expect_turns("222");
	/* One whose first choice failed gets the one that is out rather than none. */
	assert_int_equal(pool_pick(2), 0);
	/* When a reload takes the last one away, the ejected one is back. */
	pool_update("127.0.0.1:1,eject-failures=1");
	pool_pass(200);
	pool_expect_change("127.0.0.1:1 ejected>up 1/1 its time is over");
	pool_close();
	pool_open("127.0.0.1:1");
	pool_fail_at(0, 100, BACKEND_TIMEOUT);
	pool_pass(200);
	pool_expect_change("");
	assert_int_equal(pool_pick(0), 0);
	pool_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_in_a_row_eject),
		cmocka_unit_test(what_is_not_its_fault_ejects_nobody),
		cmocka_unit_test(longer_each_time_then_forgotten),
		cmocka_unit_test(the_last_one_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
