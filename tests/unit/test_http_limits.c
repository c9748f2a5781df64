// SPDX-License-Identifier: BSD-2-Clause
/* http against clients that hold on: slow heads, idle, readers that stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app/http.h"
#include "http_site.h"

#define GET_FILE "GET /file.txt HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_BIG	 "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"

static uint64_t counter(enum weir_counter which)
{
	uint64_t v[WEIR_C_MAX] = {0};

	weir_app_counters(v);
	return v[which];
}

static void start(struct weir_conn *c)
{
	fx_open(c, &weir_app_http, site.arg);
}

/* A client that says nothing is aborted when the header limit has passed. */
static void test_silent(void **state)
{
	uint64_t before = counter(WEIR_C_http_header_timeout);
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_advance(&c, 9999);
	assert_false(c.aborted);
	fx_advance(&c, 1);
	assert_true(c.timed_out);
	assert_int_equal(counter(WEIR_C_http_header_timeout), before + 1);
	fx_free(&c);
}

/* Bytes do not buy time: the limit is for the whole head. */
static void test_dribble(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 9; i++) {
		fx_advance(&c, 1000);
		fx_feed_str(&c, "A: b\r\n");
	}
	assert_false(c.aborted);
	fx_advance(&c, 1000);
	assert_true(c.timed_out);
	assert_int_equal(c.out_len, 0);
	fx_free(&c);
}

/* Half a head and the end of the stream: nothing more will come. */
static void test_half_a_head(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, "GET / HT");
	assert_false(c.closed);
	fx_fin(&c);
	assert_int_equal(c.out_len, 0);
	assert_true(c.closed);
	assert_false(c.aborted);
	fx_free(&c);
}

/* The same for the second request: its limit starts with its first byte. */
static void test_dribble_later(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, GET_FILE);
	fx_ack_all(&c);
	fx_advance(&c, 25000);
	for (int i = 0; i < 10; i++) {
		fx_feed_str(&c, "G");
		fx_advance(&c, 999);
	}
	assert_false(c.aborted);
	fx_advance(&c, 10);
	assert_true(c.timed_out);
	fx_free(&c);
}

static void test_slow_body(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
	fx_ack_all(&c);
	for (int i = 0; i < 9; i++) {
		fx_advance(&c, 1000);
		fx_feed_str(&c, "x");
	}
	assert_false(c.aborted);
	fx_advance(&c, 1000);
	assert_true(c.timed_out);
	fx_free(&c);
	/* one that comes in time leaves the connection merely idle */
	start(&c);
	fx_feed_str(&c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n");
	fx_ack_all(&c);
	fx_advance(&c, 9000);
	fx_feed_str(&c, "xx");
	fx_advance(&c, 29999);
	assert_false(c.aborted || c.closed);
	fx_advance(&c, 1);
	assert_true(c.closed);
	fx_free(&c);
}

static void test_idle(void **state)
{
	uint64_t before = counter(WEIR_C_http_idle_closed);
	struct weir_conn c;

	(void)state;
	start(&c);
	for (int i = 0; i < 3; i++) {
		fx_feed_str(&c, GET_FILE);
		fx_ack_all(&c);
		fx_advance(&c, 29999);
		assert_false(c.shut);
	}
	fx_feed_str(&c, "\r\n"); /* an empty line is no request: RFC 9112 2.2 */
	fx_advance(&c, 1);
	assert_true(c.closed);
	assert_false(c.aborted);
	assert_int_equal(counter(WEIR_C_http_idle_closed), before + 1);
	fx_feed_str(&c, GET_FILE); /* too late */
	assert_int_equal(c.timer_at, 0);
	fx_free(&c);
}

/* One that stops reading in the middle of a file. */
static void test_stalled(void **state)
{
	uint64_t before = counter(WEIR_C_http_stalled);
	struct weir_conn c;

	(void)state;
	start(&c);
	c.sndbuf = 10000;
	fx_feed_str(&c, GET_BIG);
	fx_advance(&c, 100000);
	fx_ack(&c, 1);
	fx_advance(&c, 119999);
	fx_feed_str(&c, GET_FILE); /* asking for more is not reading */
	assert_false(c.aborted);
	fx_advance(&c, 1);
	assert_true(c.timed_out);
	assert_int_equal(counter(WEIR_C_http_stalled), before + 1);
	fx_free(&c);
}

/* A short answer that is never read: idle, but not to be closed in order yet. */
static void test_unread_answer(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, GET_FILE);
	fx_advance(&c, 30000);
	assert_false(c.shut || c.aborted);
	fx_ack(&c, 5); /* slow, but reading */
	fx_advance(&c, 120000);
	assert_false(c.shut || c.aborted);
	fx_advance(&c, 120000);
	assert_true(c.timed_out);
	fx_free(&c);
	/* read to the end meanwhile: idle, closed in order */
	start(&c);
	fx_feed_str(&c, GET_FILE);
	fx_advance(&c, 30000);
	fx_ack_all(&c);
	fx_advance(&c, 120000);
	assert_true(c.closed);
	assert_false(c.aborted);
	fx_free(&c);
}

static void test_starved(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	c.starved = true;
	fx_feed_str(&c, GET_FILE);
	fx_advance(&c, 60000);
	assert_false(c.shut || c.aborted);
	assert_int_equal(c.out_len, 0);
	c.starved = false;
	fx_advance(&c, APP_RETRY_MS);
	assert_non_null(strstr((char *)c.out, "\r\n\r\n0123456789"));
	fx_free(&c);
}

/* After the last response: read on for a while, then close. */
static void test_linger(void **state)
{
	static char junk[HTTP_DRAIN_MAX];
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, "junk\r\n\r\n");
	assert_true(c.shut);
	fx_feed(&c, junk, 5000);
	assert_int_equal(c.in_pos, c.in_len);
	assert_false(c.closed);
	fx_advance(&c, 1999);
	assert_false(c.closed);
	fx_advance(&c, 1);
	assert_true(c.closed);
	fx_free(&c);
	/* no more than so much */
	start(&c);
	fx_feed_str(&c, "junk\r\n\r\n");
	fx_feed(&c, junk, sizeof(junk));
	assert_false(c.closed);
	fx_feed(&c, junk, 1);
	assert_true(c.closed);
	fx_free(&c);
}

static void test_limits_can_be_set(void **state)
{
	struct weir_app_limits l;
	struct weir_conn c;

	(void)state;
	weir_app_limits_default(&l);
	l.header_ms = 50;
	l.idle_ms = 0; /* none */
	weir_app_set_limits(site.arg, &l);
	start(&c);
	fx_advance(&c, 50);
	assert_true(c.timed_out);
	fx_free(&c);
	start(&c);
	fx_feed_str(&c, GET_FILE);
	fx_ack_all(&c);
	assert_int_equal(c.timer_at, 0);
	fx_free(&c);
	weir_app_limits_default(&l);
	weir_app_set_limits(site.arg, &l);
}

/* weir stops: who waits is closed, who is being served gets all of the response. */
static void test_drain(void **state)
{
	struct weir_conn c;

	(void)state;
	start(&c);
	fx_feed_str(&c, GET_FILE);
	fx_ack_all(&c);
	fx_drain(&c);
	assert_true(c.closed);
	fx_free(&c);

	start(&c);
	c.sndbuf = 10000;
	fx_feed_str(&c, GET_BIG);
	fx_drain(&c);
	assert_false(c.shut);
	fx_ack_all(&c);
	assert_true(c.shut);
	assert_true(c.out_len > SITE_BIG);
	for (size_t i = 0; i < SITE_BIG; i++)
		assert_int_equal(c.out[c.out_len - SITE_BIG + i], site_big(i));
	fx_free(&c);

	/* a request half said is answered, and told that it is the last */
	start(&c);
	fx_feed_str(&c, "GET /file.txt HTTP/1.1\r\n");
	fx_drain(&c);
	assert_false(c.shut);
	fx_feed_str(&c, "Host: x\r\n\r\n");
	assert_non_null(strstr((char *)c.out, "Connection: close"));
	assert_true(c.shut);
	fx_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_a_head),	  cmocka_unit_test(test_silent),
		cmocka_unit_test(test_dribble),		  cmocka_unit_test(test_dribble_later),
		cmocka_unit_test(test_slow_body),	  cmocka_unit_test(test_idle),
		cmocka_unit_test(test_stalled),		  cmocka_unit_test(test_unread_answer),
		cmocka_unit_test(test_starved),		  cmocka_unit_test(test_linger),
		cmocka_unit_test(test_limits_can_be_set), cmocka_unit_test(test_drain),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
