// SPDX-License-Identifier: BSD-2-Clause
/* weir-load's histogram against the sorted samples themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../tools/load/hist.h"
#include "../random.h"

static struct hist h, g;
static uint64_t seed = 88172645463325252u;

static uint64_t rnd(void)
{
	return xorshift64(&seed);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Every quantile of n samples within the bound that hist.h states. */
static void check(uint64_t *v, size_t n)
{
	static const double q[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	uint64_t exact, got;
	double sum = 0;
	size_t rank;

	hist_clear(&h);
	for (size_t i = 0; i < n; i++) {
		hist_add(&h, v[i]);
		sum += (double)v[i];
	}
	qsort(v, n, sizeof(*v), by_value);
	assert_int_equal(h.n, n);
	assert_true(h.min == v[0] && h.max == v[n - 1]);
	assert_true(fabs(hist_mean(&h) - sum / (double)n) <= 1e-9 * sum);
	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		rank = (size_t)ceil(q[i] * (double)n - 1e-6);
		exact = v[rank ? rank - 1 : 0];
		got = hist_quantile(&h, q[i]);
		assert_true(got >= h.min && got <= h.max);
		assert_true(fabs((double)got - (double)exact) <= (double)exact / (2 * HIST_SUB));
	}
}

static void test_distributions(void **state)
{
	static uint64_t v[20000];

	(void)state;
	for (size_t n = 1; n <= 20000; n = n < 20 ? n + 1 : n * 10) {
		for (size_t i = 0; i < n; i++)
			v[i] = rnd() % 1000;
		check(v, n);
		for (size_t i = 0; i < n; i++)
			v[i] = rnd() >> (24 + rnd() % 40); /* all magnitudes below 2^40 */
		check(v, n);
		for (size_t i = 0; i < n; i++)
			v[i] = 100000 + (rnd() % 50 ? rnd() % 20000 : rnd() % 100000000);
		check(v, n);
	}
}

/* Buckets follow each other without a gap, and none is wider than allowed. */
static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(hist_bucket(0), 0);
	for (unsigned int e = 0; e < HIST_TOP; e++) {
		uint64_t low = 1ull << e, high = (low - 1) * 2 + 1;

		assert_int_equal(hist_bucket(low), hist_bucket(low - 1) + 1);
		for (int i = 0; i < 1000; i++) {
			uint64_t a = low + rnd() % (high - low + 1);
			unsigned int step = hist_bucket(a + 1) - hist_bucket(a);

			assert_true(step <= 1);
		}
	}
	assert_int_equal(hist_bucket((1ull << HIST_TOP) - 1), HIST_SIZE - 2);
	assert_int_equal(hist_bucket(1ull << HIST_TOP), HIST_SIZE - 1);
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_SIZE - 1);
}

static void test_extremes(void **state)
{
	(void)state;
	hist_clear(&h);
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_true(hist_mean(&h) == 0);
	hist_add(&h, 0);
	assert_int_equal(hist_quantile(&h, 0), 0);
	assert_int_equal(hist_quantile(&h, 1), 0);
	hist_add(&h, UINT64_MAX);
	hist_add(&h, UINT64_MAX - 1);
	assert_int_equal(h.n, 3);
	assert_true(h.min == 0 && h.max == UINT64_MAX);
	assert_true(hist_quantile(&h, 1) == UINT64_MAX);
	assert_int_equal(h.count[HIST_SIZE - 1], 2);
}

static void test_merge(void **state)
{
	uint64_t counted = 0;

	(void)state;
	hist_clear(&h);
	hist_clear(&g);
	hist_merge(&h, &g);
	assert_int_equal(h.n, 0);
	for (int i = 0; i < 1000; i++)
		hist_add(&g, 1000 + rnd() % 1000);
	hist_merge(&h, &g);
	assert_true(h.min == g.min && h.max == g.max);
	hist_clear(&g);
	hist_add(&g, 5);
	hist_add(&g, 1ull << 50);
	hist_merge(&h, &g);
	assert_true(h.n == 1002 && h.min == 5 && h.max == 1ull << 50);
	for (unsigned int i = 0; i < HIST_SIZE; i++)
		counted += h.count[i];
	assert_int_equal(counted, h.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_distributions),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
