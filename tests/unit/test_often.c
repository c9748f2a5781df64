/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of what happens again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/often.h"

#define WITHIN 60

/* A machine that was booted just now has seen nothing before its time 0. */
static void the_first_is_the_first_at_any_time(void **state)
{
	(void)state;
	for (uint64_t now = 0; now < 3 * WITHIN; now++) {
		struct often o = {0};

		assert_int_equal(often_again(&o, now, WITHIN), 1);
		assert_int_equal(often_again(&o, now, WITHIN), 2);
	}
}

static void a_row_goes_on_within_the_bound(void **state)
{
	struct often o = {0};

	(void)state;
	for (unsigned n = 1; n < 10; n++)
		assert_int_equal(often_again(&o, (uint64_t)n * (WITHIN - 1), WITHIN), n);
}

static void a_pause_begins_a_new_row(void **state)
{
	struct often o = {0};

	(void)state;
	assert_int_equal(often_again(&o, 1000, WITHIN), 1);
	assert_int_equal(often_again(&o, 1000 + WITHIN - 1, WITHIN), 2);
	assert_int_equal(often_again(&o, 1000 + 2 * WITHIN - 1, WITHIN), 1);
	assert_int_equal(often_again(&o, 1000 + 2 * WITHIN, WITHIN), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_first_at_any_time),
		cmocka_unit_test(a_row_goes_on_within_the_bound),
		cmocka_unit_test(a_pause_begins_a_new_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
