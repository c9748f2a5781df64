// SPDX-License-Identifier: BSD-2-Clause
/* The sized protocol: header, pattern, and weir's application of that name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/sized.h>

#include "app/app.h"
#include "app/app_arg.h"
#include "app_fixture.h"

static unsigned char table[SIZED_TABLE];

static void feed_header(struct weir_conn *c, uint32_t flags, uint64_t in, uint64_t out)
{
	unsigned char h[SIZED_HEADER_LEN];

	sized_put(h, &(struct sized_header){.flags = flags, .in = in, .out = out});
	fx_feed(c, h, sizeof(h));
}

static void expect_pattern(const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++)
		assert_int_equal(p[k], sized_byte(k));
}

static void test_header(void **state)
{
	struct sized_header h = {.flags = SIZED_STREAM, .in = 0x0102030405060708, .out = 9}, g;
	unsigned char p[SIZED_HEADER_LEN];

	(void)state;
	sized_put(p, &h);
	assert_memory_equal(p, "WEIR\0\0\0\1\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\11", sizeof(p));
	assert_int_equal(sized_get(p, &g), 0);
	assert_true(g.flags == h.flags && g.in == h.in && g.out == h.out);
	p[4] = 0x80;
	assert_int_equal(sized_get(p, &g), -1);
	p[4] = 0;
	p[3] ^= 1;
	assert_int_equal(sized_get(p, &g), -1);
}

/* A piece that is lost, doubled or moved by any power of two is seen. */
static void test_pattern(void **state)
{
	(void)state;
	for (uint32_t by = 1; by <= 1 << 20; by *= 2)
		assert_memory_not_equal(sized_at(table, by), table, 64);
	assert_memory_equal(sized_at(table, 3ull * SIZED_PERIOD), table, SIZED_WINDOW);
	for (uint64_t k = 1ull << 40; k < (1ull << 40) + 5000; k++)
		assert_int_equal(*sized_at(table, k), sized_byte(k));
}

static void test_request(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	feed_header(&c, 0, 5000, 10000);
	for (size_t sent = 0; sent < 5000; sent += 1000) {
		assert_int_equal(c.out_len, 0);
		fx_feed(&c, table, 1000);
	}
	assert_int_equal(c.out_len, 10000);
	expect_pattern(c.out, 10000);
	feed_header(&c, 0, 0, 10);
	assert_int_equal(c.out_len, 10010);
	expect_pattern(c.out + 10000, 10);
	assert_false(c.shut);
	fx_fin(&c);
	assert_true(c.closed);
	fx_free(&c);
}

/* Byte by byte, and all at once with the next request behind it. */
static void test_pieces(void **state)
{
	unsigned char h[SIZED_HEADER_LEN], all[3 * (SIZED_HEADER_LEN + 7)];
	struct weir_conn c;

	(void)state;
	sized_put(h, &(struct sized_header){.in = 7, .out = 3});
	for (int i = 0; i < 3; i++) {
		memcpy(all + i * 31, h, sizeof(h));
		memcpy(all + i * 31 + sizeof(h), table, 7);
	}
	fx_open(&c, &weir_app_sized, NULL);
	for (size_t i = 0; i < 31; i++)
		fx_feed(&c, all + i, 1);
	assert_int_equal(c.out_len, 3);
	c.piece = 5;
	fx_feed(&c, all, sizeof(all));
	assert_int_equal(c.out_len, 12);
	for (int i = 0; i < 4; i++)
		expect_pattern(c.out + 3 * i, 3);
	fx_free(&c);
}

/* What is asked for and does not fit waits for room, and the next request behind it. */
static void test_back_pressure(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	c.sndbuf = 1000;
	feed_header(&c, 0, 0, 30000);
	feed_header(&c, 0, 0, 1);
	assert_int_equal(c.in_pos, SIZED_HEADER_LEN);
	fx_fin(&c);
	assert_false(c.shut);
	fx_ack_all(&c);
	assert_int_equal(c.out_len, 30001);
	expect_pattern(c.out, 30000);
	assert_true(c.max_queued <= 1000);
	assert_true(c.closed);
	fx_free(&c);
}

static void test_stream(void **state)
{
	struct weir_conn c;
	size_t at;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	c.sndbuf = 8192;
	feed_header(&c, SIZED_STREAM, SIZED_ENDLESS, SIZED_ENDLESS);
	assert_int_equal(c.out_len, 8192);
	fx_feed(&c, table, 16000);
	assert_int_equal(c.in_pos, c.in_len);
	fx_ack(&c, 5000);
	assert_int_equal(c.out_len, 13192);
	fx_fin(&c);
	assert_true(c.closed);
	at = c.out_len;
	fx_ack_all(&c);
	assert_int_equal(c.out_len, at);
	expect_pattern(c.out, at);
	fx_free(&c);
}

static void test_not_the_protocol(void **state)
{
	uint64_t v[WEIR_C_MAX] = {0};
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	fx_feed_str(&c, "GET / HTTP/1.1\r\nHost: x\r\n");
	assert_true(c.aborted);
	fx_free(&c);
	fx_open(&c, &weir_app_sized, NULL);
	feed_header(&c, SIZED_STREAM, 2, SIZED_ENDLESS);
	fx_feed(&c, table, 3);
	assert_true(c.aborted);
	fx_free(&c);
	weir_app_counters(v);
	assert_int_equal(v[WEIR_C_sized_bad], 2);
}

static void test_idle_and_starved(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	fx_advance(&c, 250000);
	feed_header(&c, 0, 0, 10);
	fx_advance(&c, 299000);
	assert_false(c.aborted);
	fx_ack_all(&c);
	c.starved = true;
	feed_header(&c, 0, 0, 10);
	fx_advance(&c, APP_RETRY_MS);
	assert_int_equal(c.out_len, 10);
	c.starved = false;
	fx_advance(&c, APP_RETRY_MS);
	assert_int_equal(c.out_len, 20);
	fx_ack_all(&c);
	fx_advance(&c, 601000); /* the first look finds the ACK */
	assert_true(c.timed_out);
	fx_free(&c);
}

/* The client has gone in the middle of its request: nothing is owed to it. */
static void test_cut_request(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_sized, NULL);
	feed_header(&c, 0, 100, 10);
	fx_feed(&c, table, 50);
	fx_fin(&c);
	assert_true(c.closed);
	assert_int_equal(c.out_len, 0);
	fx_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),		 cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_request),		 cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_back_pressure),	 cmocka_unit_test(test_stream),
		cmocka_unit_test(test_not_the_protocol), cmocka_unit_test(test_idle_and_starved),
		cmocka_unit_test(test_cut_request),
	};

	sized_fill(table);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
