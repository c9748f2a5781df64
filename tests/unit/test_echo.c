// SPDX-License-Identifier: BSD-2-Clause
/* echo and discard: every byte, back-pressure, half-close, idle clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "app/app.h"
#include "app/app_arg.h"
#include "app/discard.h"
#include "app_fixture.h"

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static uint8_t *random_bytes(size_t n)
{
	uint8_t *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(256);
	return p;
}

/* Sends `len` bytes in random pieces while the peer reads in random pieces. */
static void echo_once(size_t len, size_t sndbuf, size_t piece, uint32_t max_chunk)
{
	uint8_t *data = random_bytes(len);
	struct weir_conn c;
	size_t sent = 0;

	fx_open(&c, &weir_app_echo, NULL);
	c.sndbuf = sndbuf;
	c.piece = piece;
	while (c.out_len < len) {
		if (sent < len && rnd(2)) {
			size_t n = 1 + rnd(max_chunk);

			n = n < len - sent ? n : len - sent;
			fx_feed(&c, data + sent, n);
			sent += n;
		}
		fx_ack(&c, rnd(max_chunk + 1));
	}
	assert_false(c.shut);
	fx_fin(&c);
	assert_true(c.shut);
	assert_int_equal(c.out_len, len);
	assert_memory_equal(c.out, data, len);
	assert_true(c.max_queued <= sndbuf);
	fx_free(&c);
	free(data);
}

static void test_echo_random(void **state)
{
	(void)state;
	for (seed = 1; seed < 60;) {
		uint32_t s = seed;

		echo_once(1 + rnd(50000), 1 + rnd(5000), 1 + rnd(2032), 1 + rnd(4000));
		seed = s + 1;
	}
}

static void test_echo_one_byte_window(void **state)
{
	(void)state;
	seed = 7;
	echo_once(3000, 1, 1, 1);
}

static void test_echo_large(void **state)
{
	(void)state;
	seed = 9;
	echo_once(4 << 20, 65536, 2032, 40000);
}

/* A client that does not read keeps its bytes in our receive buffer. */
static void test_echo_back_pressure(void **state)
{
	uint8_t *data = random_bytes(5000);
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	c.sndbuf = 1000;
	fx_feed(&c, data, 5000);
	assert_int_equal(c.out_len, 1000);
	assert_int_equal(c.in_pos, 1000);
	fx_fin(&c); /* the end waits for what is before it */
	assert_false(c.shut);
	fx_ack(&c, 400);
	assert_int_equal(c.in_pos, 1400);
	assert_false(c.shut);
	fx_ack_all(&c);
	assert_true(c.shut);
	assert_int_equal(c.timer_at, 0);
	assert_int_equal(c.out_len, 5000);
	assert_memory_equal(c.out, data, 5000);
	fx_free(&c);
	free(data);
}

static void test_echo_empty(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	fx_fin(&c);
	assert_true(c.shut);
	assert_int_equal(c.out_len, 0);
	fx_feed(&c, "", 0); /* late calls change nothing */
	fx_free(&c);
}

/*
 * Idle from the last byte on, not from the opening. When acknowledgements came is
 * not known, only that they did: what was read since the last look counts from now.
 */
static void test_echo_idle(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	fx_advance(&c, 299000);
	fx_feed(&c, "x", 1);
	fx_ack_all(&c);
	fx_advance(&c, 300999);
	assert_false(c.aborted);
	fx_advance(&c, 1);
	assert_true(c.timed_out);
	fx_free(&c);
}

/* One who reads slowly moves bytes; one who stops reading is idle. */
static void test_echo_slow_reader(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	fx_feed(&c, "0123456789", 10);
	for (int i = 0; i < 9; i++) {
		fx_advance(&c, 200000);
		fx_ack(&c, 1);
	}
	assert_false(c.aborted);
	fx_advance(&c, 900000);
	assert_true(c.timed_out);
	fx_free(&c);
}

/* No buffer in the worker: nothing in flight will wake us, the timer does. */
static void test_echo_starved(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_echo, NULL);
	c.starved = true;
	fx_feed(&c, "hello", 5);
	fx_advance(&c, 3 * APP_RETRY_MS);
	assert_int_equal(c.out_len, 0);
	c.starved = false;
	fx_advance(&c, APP_RETRY_MS);
	assert_string_equal(c.out, "hello");
	fx_free(&c);
}

static void test_discard(void **state)
{
	uint8_t *data = random_bytes(100000);
	const struct discard_conn *d;
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_discard, NULL);
	d = c.state;
	for (size_t at = 0, n; at < 100000; at += n) {
		n = 1 + rnd(3000);
		n = n < 100000 - at ? n : 100000 - at;
		fx_feed(&c, data + at, n);
		assert_int_equal(c.in_pos, at + n);
	}
	assert_int_equal(d->bytes, 100000);
	assert_false(c.shut);
	fx_fin(&c);
	assert_true(c.closed);
	assert_int_equal(c.timer_at, 0);
	assert_int_equal(c.out_len, 0);
	fx_free(&c);
	free(data);
}

static void test_discard_idle(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_discard, NULL);
	fx_advance(&c, 250000);
	fx_feed(&c, "x", 1);
	fx_advance(&c, 299999);
	assert_false(c.aborted);
	fx_advance(&c, 1);
	assert_true(c.timed_out);
	fx_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_random),
		cmocka_unit_test(test_echo_one_byte_window),
		cmocka_unit_test(test_echo_large),
		cmocka_unit_test(test_echo_back_pressure),
		cmocka_unit_test(test_echo_empty),
		cmocka_unit_test(test_echo_idle),
		cmocka_unit_test(test_echo_slow_reader),
		cmocka_unit_test(test_echo_starved),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
