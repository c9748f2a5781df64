/* SPDX-License-Identifier: BSD-2-Clause */
/* Which backend a connection gets: in turn, the least used, by its client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pool_fixture.h"

static void in_turn(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	pool_expect_turns("1231231");
	pool_close();
}

static void in_turn_by_weight_and_spread_out(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1*4,127.0.0.1:2*2,127.0.0.1:3*2");
	pool_expect_turns("1231"
			  "1231");
	pool_close();
}

static void to_the_least_used(void **state)
{
	unsigned held[3] = {0};

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3,balance=least");
	for (int n = 0; n < 50; n++)
		held[pool_pick(0)]++;
	assert_int_equal(held[0], 10);
	assert_int_equal(held[1], 30);
	assert_int_equal(held[2], 10);
	for (int n = 0; n < 5; n++)
		backends_done(pool.b, 2);
	for (int n = 0; n < 5; n++)
		assert_int_equal(pool_pick(0), 2);
	assert_int_equal(pool_row("127.0.0.1:3")->in_use, 10);
	assert_int_equal(pool_row("127.0.0.1:3")->total, 15);
	pool_close();
}

/* Where one connection ends before the next, all are equal each time. */
static void the_equally_used_take_turns(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,balance=least");
	for (int n = 0; n < 99; n++)
		backends_done(pool.b, (unsigned)pool_pick(0));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pool_row(pool.cfg.backend[i].name)->total, 33);
	pool_close();
}

#define CLIENTS 20000

static char where[CLIENTS][PROXY_NAME_LEN];

static void pick_all(unsigned *count)
{
	memset(count, 0, BACKENDS_MAX * sizeof(*count));
	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = pool_client_of(n);
		int i = backends_pick(pool.b, &a, 0);

		assert_true(i >= 0);
		count[i]++;
		snprintf(where[n], sizeof(where[n]), "%s", backends_name(pool.b, (unsigned)i));
		backends_done(pool.b, (unsigned)i);
	}
}

/* How many clients go elsewhere than pick_all() had them: from `gone`, or to `come`. */
static unsigned moved(const char *gone, const char *come)
{
	unsigned m = 0;

	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = pool_client_of(n);
		int i = backends_pick(pool.b, &a, 0);
		const char *name = backends_name(pool.b, (unsigned)i);

		if (strcmp(name, where[n])) {
			m++;
			assert_true((gone && !strcmp(where[n], gone)) ||
				    (come && !strcmp(name, come)));
		}
		backends_done(pool.b, (unsigned)i);
	}
	return m;
}

/* Only the clients of the one that goes or comes move, and they are its share. */
static void by_client_and_few_move(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	pick_all(count);
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], CLIENTS / 4 * 95 / 100, CLIENTS / 4 * 105 / 100);
	assert_int_equal(moved(NULL, NULL), 0);
	pool_update("127.0.0.1:1,127.0.0.1:2,127.0.0.1:4,balance=hash");
	assert_int_equal(moved("127.0.0.1:3", NULL), count[2]);
	/* Back, in another slot or place, with a newcomer that takes its fifth. */
	pool_update("127.0.0.1:9,127.0.0.1:4,127.0.0.1:3,127.0.0.1:1,127.0.0.1:2,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:9"), CLIENTS / 5 * 95 / 100,
			CLIENTS / 5 * 105 / 100);
	pool_close();
}

static void by_client_with_weights(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*6,balance=hash");
	pick_all(count);
	for (unsigned i = 0; i < 3; i++) {
		unsigned want = CLIENTS / 10 * pool.cfg.backend[i].weight;

		assert_in_range(count[i], want * 92 / 100, want * 108 / 100);
	}
	/* More weight draws clients in and moves nobody between the others. */
	pool_update("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*9,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:3"), 1, CLIENTS / 6);
	pool_close();
}

/* A client's second choice is the same each time as well: what it gets when the first is out. */
static void by_client_when_tried(void **state)
{
	struct weir_addr a6 = {6, 1, {0x20, 1, 13}};

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	for (unsigned n = 0; n < 50; n++) {
		struct weir_addr a = pool_client_of(n);
		int first = backends_pick(pool.b, &a, 0);
		int second = backends_pick(pool.b, &a, 1ull << first);

		assert_int_not_equal(first, second);
		a.port++;
		assert_int_equal(backends_pick(pool.b, &a, 0), first);
		assert_int_equal(backends_pick(pool.b, &a, 1ull << first), second);
	}
	assert_int_equal(backends_pick(pool.b, &a6, 0), backends_pick(pool.b, &a6, 0));
	pool_close();
}

static void none_twice_for_a_connection(void **state)
{
	static const char *const how[] = {"rr", "least", "hash"};
	char spec[100];

	(void)state;
	for (int k = 0; k < 3; k++) {
		uint64_t tried = 0;

		sprintf(spec, "127.0.0.1:1*7,127.0.0.1:2,127.0.0.1:3,balance=%s", how[k]);
		pool_open(spec);
		for (int n = 0; n < 3; n++) {
			int i = pool_pick(tried);

			assert_in_range(i, 0, 2);
			assert_int_equal(tried & 1ull << i, 0);
			tried |= 1ull << i;
		}
		assert_int_equal(pool_pick(tried), -EHOSTUNREACH);
		pool_close();
	}
}

/* The clock is the machine's, which has run for long when a pool begins. */
static void as_they_are_since_the_start(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1");
	assert_int_equal(pool_row("127.0.0.1:1")->for_ms, 0);
	pool_pass(1500);
	assert_int_equal(pool_row("127.0.0.1:1")->for_ms, 1500);
	pool_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn),
		cmocka_unit_test(in_turn_by_weight_and_spread_out),
		cmocka_unit_test(to_the_least_used),
		cmocka_unit_test(the_equally_used_take_turns),
		cmocka_unit_test(by_client_and_few_move),
		cmocka_unit_test(by_client_with_weights),
		cmocka_unit_test(by_client_when_tried),
		cmocka_unit_test(none_twice_for_a_connection),
		cmocka_unit_test(as_they_are_since_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
