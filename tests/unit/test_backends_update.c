/* SPDX-License-Identifier: BSD-2-Clause */
/* Another configuration for a pool in use, and picks of other threads meanwhile. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool_fixture.h"

static void removed_ones_drain(void **state)
{
	socklen_t len;
	int held;

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	held = pool_pick(5);
	assert_int_equal(held, 1);
	pool_update("127.0.0.1:1,127.0.0.1:3");
	pool_expect_share(10, '1', 5);
	pool_expect_share(10, '3', 5);
	assert_int_equal(pool_row("127.0.0.1:2")->state, BACKEND_DRAINING);
	assert_int_equal(pool_row("127.0.0.1:2")->in_use, 1);
	assert_string_equal(backends_name(pool.b, (unsigned)held), "127.0.0.1:2");
	/* Its slot is nobody else's until its connection has ended. */
	pool_update("127.0.0.1:1,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5*2");
	assert_string_equal(backends_name(pool.b, (unsigned)held), "127.0.0.1:2");
	assert_non_null(backends_addr(pool.b, (unsigned)held, &len));
	assert_int_equal(backends_status(pool.b, pool.rows, BACKENDS_MAX), 5);
	/* Configured again: the same, with what it holds. */
	pool_update("127.0.0.1:2,127.0.0.1:1");
	assert_int_equal(pool_row("127.0.0.1:2")->in_use, 1);
	assert_int_equal(pool_row("127.0.0.1:2")->state, BACKEND_UP);
	backends_done(pool.b, (unsigned)held);
	assert_int_equal(pool_row("127.0.0.1:2")->in_use, 0);
	pool_update("127.0.0.1:1");
	assert_int_equal(backends_status(pool.b, pool.rows, BACKENDS_MAX), 1);
	pool_expect_change("");
	pool_close();
}

static char *many(char *text, unsigned from)
{
	char *p = text;

	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		p += sprintf(p, "%s127.0.0.1:%u", i ? "," : "", from + i);
	return text;
}

static void all_replaced_while_all_are_in_use(void **state)
{
	char text[PROXY_MAX_BACKENDS * 24], err[256];

	(void)state;
	pool_open(many(text, 1000));
	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		assert_int_equal(pool_pick(~(1ull << i)), i);
	pool_update(many(text, 2000));
	assert_int_equal(backends_status(pool.b, pool.rows, BACKENDS_MAX), BACKENDS_MAX);
	pool_configure(many(text, 3000));
	/* Those of the second are idle, but they are what is there. */
	assert_int_equal(backends_update(pool.b, &pool.cfg, err, sizeof(err)), -EAGAIN);
	assert_non_null(strstr(err, "still have connections"));
	assert_memory_equal(backends_name(pool.b, (unsigned)pool_pick(0)), "127.0.0.1:2", 11);
	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		backends_done(pool.b, i);
	assert_int_equal(backends_update(pool.b, &pool.cfg, err, sizeof(err)), 0);
	assert_memory_equal(backends_name(pool.b, (unsigned)pool_pick(0)), "127.0.0.1:3", 11);
	pool_close();
}

static void settings_change_live(void **state)
{
	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2");
	pool_update("127.0.0.1:1,127.0.0.1:2*3,eject-failures=1");
	pool_expect_share(8, '1', 2);
	pool_expect_share(8, '2', 6);
	pool_fail_at(0, 1, BACKEND_REFUSED);
	pool_pass(200);
	pool_expect_change("127.0.0.1:1 up>ejected 1/2 connection refused");
	/* What stays keeps its state. */
	pool_update("127.0.0.1:2,127.0.0.1:1,balance=least");
	assert_int_equal(pool_row("127.0.0.1:1")->state, BACKEND_EJECTED);
	for (int n = 0; n < 9; n++)
		assert_string_equal(backends_name(pool.b, (unsigned)pool_pick(0)), "127.0.0.1:2");
	pool_close();
}

/* ---- threads ------------------------------------------------------------------------ */

static bool stop;

/* Picks, and what it got stays what it is for as long as it is held. */
static void *worker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct weir_addr a = pool_client_of(rand_r(&seed) % 5000);
		int i = backends_pick(pool.b, &a, 0);
		char name[PROXY_NAME_LEN];

		if (i < 0)
			abort();
		snprintf(name, sizeof(name), "%s", backends_name(pool.b, (unsigned)i));
		if (rand_r(&seed) % 4)
			backends_connected(pool.b, (unsigned)i, 100);
		else
			backends_failed(pool.b, (unsigned)i, BACKEND_REFUSED);
		for (int k = rand_r(&seed) % 16; k; k--)
			sched_yield();
		if (strcmp(name, backends_name(pool.b, (unsigned)i)))
			abort();
		backends_done(pool.b, (unsigned)i);
		n++;
	}
	return (void *)(uintptr_t)n;
}

static void picks_while_all_changes(void **state)
{
	static const char *const how[] = {"rr", "least", "hash"};
	pthread_t t[3];
	char spec[200], err[256];

	(void)state;
	pool_open("127.0.0.1:1,127.0.0.1:2");
	backends_on_change(pool.b, NULL, NULL);
	stop = false;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned k = 0; k < 3000; k++) {
		snprintf(spec, sizeof(spec),
			 "127.0.0.1:%u*%u,127.0.0.1:%u,127.0.0.1:%u,balance=%s,eject-failures=1,"
			 "eject-time=200ms",
			 1 + k % 7, 1 + k % 5, 10 + k % 11, 30 + k % 3, how[k / 8 % 3]);
		pool_configure(spec);
		assert_int_equal(backends_update(pool.b, &pool.cfg, err, sizeof(err)), 0);
		backends_step(pool.b, pool.now += 100000);
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++) {
		void *n;

		pthread_join(t[i], &n);
		assert_true((uintptr_t)n > 0);
	}
	/* Every pick was counted out again. */
	for (unsigned i = 0, n = backends_status(pool.b, pool.rows, BACKENDS_MAX); i < n; i++) {
		assert_int_equal(pool.rows[i].in_use, 0);
		assert_int_not_equal(pool.rows[i].state, BACKEND_DRAINING);
	}
	pool_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_ones_drain),
		cmocka_unit_test(all_replaced_while_all_are_in_use),
		cmocka_unit_test(settings_change_live),
		cmocka_unit_test(picks_while_all_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
