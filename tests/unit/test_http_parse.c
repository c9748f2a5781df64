// SPDX-License-Identifier: BSD-2-Clause
/* The pure parts of http: the scanner, the parser, ranges, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "app/http_date.h"
#include "app/http_parse.h"

/* ---- the scanner ---------------------------------------------------------- */

/* Feeds `n` bytes in pieces of `step`; the result, or MORE. */
static enum http_scan_result scan(struct http_scan *s, const char *p, size_t n, size_t step)
{
	memset(s, 0, sizeof(*s));
	for (size_t at = 0; at < n; at += step) {
		enum http_scan_result r;

		r = http_scan(s, (const uint8_t *)p + at, n - at < step ? n - at : step);
		if (r != HTTP_SCAN_MORE)
			return r;
	}
	return HTTP_SCAN_MORE;
}

static void expect_scan(const char *text, enum http_scan_result want, unsigned seen)
{
	struct http_scan s;

	for (size_t step = 1; step <= strlen(text) + 1; step++) {
		assert_int_equal(scan(&s, text, strlen(text), step), want);
		assert_int_equal(s.seen, seen);
		if (want == HTTP_SCAN_ERROR)
			assert_int_equal(s.status, 400);
	}
}

static void test_scan(void **state)
{
	(void)state;
	expect_scan("", HTTP_SCAN_MORE, 0);
	expect_scan("GET / HTTP/1.1\r\n\r\n", HTTP_SCAN_HEAD, 18);
	expect_scan("GET / HTTP/1.1\r\n\r\nGET", HTTP_SCAN_HEAD, 18);
	expect_scan("GET / HTTP/1.1\r\nA: b\r\n\r\n", HTTP_SCAN_HEAD, 24);
	expect_scan("GET / HTTP/1.1\r\nA: b\r\n\r", HTTP_SCAN_MORE, 23);
	expect_scan("\r\nGET", HTTP_SCAN_EMPTY, 2);
	/* RFC 9112 2.2: a bare LF, a bare CR, wherever */
	expect_scan("\n", HTTP_SCAN_ERROR, 1);
	expect_scan("GET / HTTP/1.1\n\n", HTTP_SCAN_ERROR, 15);
	expect_scan("GET / HTTP/1.1\r\nA: b\n\r\n", HTTP_SCAN_ERROR, 21);
	expect_scan("GET / HTTP/1.1\r\n\n", HTTP_SCAN_ERROR, 17);
	expect_scan("GET / HT\rTP/1.1\r\n", HTTP_SCAN_ERROR, 10);
	expect_scan("GET / HTTP/1.1\r\r\n", HTTP_SCAN_ERROR, 16);
	expect_scan("GET / HTTP/1.1\r\n\rX", HTTP_SCAN_ERROR, 18);
}

static void test_scan_limits(void **state)
{
	static const size_t steps[] = {1, 7, 4096, 10000};
	char *text = malloc(HTTP_HEAD_MAX + 2);
	struct http_scan s;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 4; i++) {
		/* the longest request line, and one byte more */
		memset(text, 'a', HTTP_HEAD_MAX + 2);
		memcpy(text + HTTP_LINE_MAX, "\r\n\r\n", 4);
		assert_int_equal(scan(&s, text, HTTP_LINE_MAX + 4, steps[i]), HTTP_SCAN_HEAD);
		text[HTTP_LINE_MAX] = 'a';
		assert_int_equal(scan(&s, text, HTTP_LINE_MAX + 1, steps[i]), HTTP_SCAN_ERROR);
		assert_int_equal(s.status, 414);
		/* the longest head, and one byte more */
		memset(text, 'a', HTTP_HEAD_MAX + 2);
		memcpy(text, "G\r\n", 3);
		memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
		assert_int_equal(scan(&s, text, HTTP_HEAD_MAX, steps[i]), HTTP_SCAN_HEAD);
		assert_int_equal(s.seen, HTTP_HEAD_MAX);
		memcpy(text + HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
		assert_int_equal(scan(&s, text, HTTP_HEAD_MAX + 1, steps[i]), HTTP_SCAN_ERROR);
		assert_int_equal(s.status, 431);
		assert_int_equal(s.seen, HTTP_HEAD_MAX);
	}
	free(text);
}

/* ---- the parser ----------------------------------------------------------- */

/* Parses from an allocation of exactly that size, which is kept until the next. */
static int parse(struct http_request *r, const char *text)
{
	static char *copy;
	size_t n = strlen(text);

	free(copy);
	copy = malloc(n ? n : 1);
	assert_non_null(copy);
	memcpy(copy, text, n);
	return http_parse(r, copy, n);
}

static void expect_str(struct http_str s, const char *want)
{
	assert_non_null(s.p);
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.p, want, s.len);
}

#define HOST "Host: x\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST

static const struct {
	int status;
	const char *text;
} statuses[] = {
	{0, GET "\r\n"},
	{0, "GET / HTTP/1.0\r\n\r\n"},
	{0, "GET / HTTP/1.9\r\n" HOST "\r\n"},
	{0, "FOO / HTTP/1.1\r\n" HOST "\r\n"},
	{0, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"},
	{0, "CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n"},
	{0, GET "Empty:\r\nTab:\ta \t\r\nHigh: \xff\r\n\r\n"},
	{0, "GET / HTTP/1.1\r\nhOST: [fd00::2]:80\r\n\r\n"},
	{0, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
	{0, GET "Content-Length: 65536\r\n\r\n"},
	{0, GET "Expect: 100-Continue\r\n\r\n"},
	{0, "GET / HTTP/1.0\r\nExpect: magic\r\n\r\n"},
	/* not whole */
	{400, ""},
	{400, "GET / HTTP/1.1"},
	{400, "GET / HTTP/1.1\r\n"},
	{400, GET},
	{400, GET "\r\nX"},
	{400, GET "A: b\n\r\n"},
	/* the request line */
	{400, "\r\n\r\n"},
	{400, "GET /\r\n\r\n"},
	{400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
	{400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
	{400, "GET / x HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
	{400, "G(T / HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET / http/1.1\r\n" HOST "\r\n"},
	{400, "GET / HTTP/1.10\r\n" HOST "\r\n"},
	{400, "GET / HTTP/11\r\n" HOST "\r\n"},
	{400, "GET / HTTP/1,1\r\n" HOST "\r\n"},
	{400, "GET x HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET /\\x HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET http:// HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET http:///x HTTP/1.1\r\n" HOST "\r\n"},
	{400, "GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n"},
	{505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
	{505, "GET / HTTP/0.9\r\n\r\n"},
	{505, "PRI * HTTP/2.0\r\n\r\n"},
	/* fields */
	{400, GET " folded: x\r\n\r\n"},
	{400, GET "A: b\r\n c\r\n\r\n"},
	{400, GET "A : b\r\n\r\n"},
	{400, GET ": b\r\n\r\n"},
	{400, GET "no colon\r\n\r\n"},
	{400, GET "A(: b\r\n\r\n"},
	{400, GET "A: \x01\r\n\r\n"},
	{400, GET "A: \x7f\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\n\r\n"},
	{400, GET HOST "\r\n"},
	{400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	/* framing */
	{400, GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
	{400, GET "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"},
	{400, GET "Content-Length: 1, 1\r\n\r\n"},
	{400, GET "Content-Length:\r\n\r\n"},
	{400, GET "Content-Length: +1\r\n\r\n"},
	{400, GET "Content-Length: -1\r\n\r\n"},
	{400, GET "Content-Length: 0x10\r\n\r\n"},
	{400, GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{413, GET "Content-Length: 65537\r\n\r\n"},
	{413, GET "Content-Length: 18446744073709551616\r\n\r\n"},
	{413, GET "Content-Length: 99999999999999999999999999\r\n\r\n"},
	{417, GET "Expect: magic\r\n\r\n"},
	{501, GET "Transfer-Encoding: chunked\r\n\r\n"},
	{501, GET "Transfer-Encoding:\r\n\r\n"},
};

static void test_parse_statuses(void **state)
{
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		int got = parse(&r, statuses[i].text);

		if (got != statuses[i].status)
			fail_msg("case %zu: %d, not %d: %s", i, got, statuses[i].status,
				 statuses[i].text);
	}
}

static void test_parse_nul(void **state)
{
	static const char line[] = "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char field[] = "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n";
	static const char name[] = "GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n";
	static const char host[] = "GET / HTTP/1.1\r\nHost: \0\r\n\r\n";
	struct http_request r;

	(void)state;
	assert_int_equal(http_parse(&r, line, sizeof(line) - 1), 400);
	assert_int_equal(http_parse(&r, field, sizeof(field) - 1), 400);
	assert_int_equal(http_parse(&r, name, sizeof(name) - 1), 400);
	assert_int_equal(http_parse(&r, host, sizeof(host) - 1), 400);
}

static void test_parse_targets(void **state)
{
	struct http_request r;

	(void)state;
	assert_int_equal(parse(&r, "GET /a/b?c=/d?e HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(r.method, HTTP_GET);
	expect_str(r.path, "/a/b");
	expect_str(r.query, "?c=/d?e");
	assert_int_equal(parse(&r, "HEAD /a HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(r.method, HTTP_HEAD);
	assert_null(r.query.p);
	assert_int_equal(parse(&r, "GET hTTp://u@h:80/a?b HTTP/1.1\r\n" HOST "\r\n"), 0);
	expect_str(r.path, "/a");
	expect_str(r.query, "?b");
	assert_int_equal(parse(&r, "GET http://h HTTP/1.1\r\n" HOST "\r\n"), 0);
	expect_str(r.path, "/");
	assert_null(r.query.p);
	assert_int_equal(parse(&r, "GET http://h?q HTTP/1.1\r\n" HOST "\r\n"), 0);
	expect_str(r.path, "/");
	expect_str(r.query, "?q");
	assert_int_equal(parse(&r, "get / HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(r.method, HTTP_UNKNOWN);
	assert_int_equal(parse(&r, "DELETE / HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(r.method, HTTP_OTHER);
}

static bool keeps(const char *version, const char *fields)
{
	struct http_request r;
	char text[256];

	snprintf(text, sizeof(text), "GET / HTTP/%s\r\n" HOST "%s\r\n", version, fields);
	assert_int_equal(parse(&r, text), 0);
	assert_int_equal(r.minor, version[2] != '0');
	return r.keep_alive;
}

static void test_parse_keep_alive(void **state)
{
	(void)state;
	assert_true(keeps("1.1", ""));
	assert_true(keeps("1.1", "Connection: upgrade\r\n"));
	assert_false(keeps("1.1", "Connection: close\r\n"));
	assert_false(keeps("1.1", "Connection: keep-alive ,\t CLOSE,\r\n"));
	assert_false(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
	assert_true(keeps("1.1", "Connection: closed\r\n"));
	assert_false(keeps("1.0", ""));
	assert_true(keeps("1.0", "Connection: Keep-Alive\r\n"));
	assert_false(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

static void test_parse_fields(void **state)
{
	struct http_request r;

	(void)state;
	assert_int_equal(parse(&r, GET "RANGE: \t bytes=0-1 \r\nContent-Length: 0042\r\n"
				       "If-Modified-Since: x\r\nExpect: 100-continue\r\n\r\n"),
			 0);
	expect_str(r.range, "bytes=0-1");
	expect_str(r.if_modified_since, "x");
	assert_int_equal(r.content_length, 42);
	assert_true(r.expect_continue);
	assert_false(r.has_if_range || r.has_if_none_match);
	/* twice is as good as never */
	assert_int_equal(parse(&r, GET "Range: a\r\nRange: a\r\nIf-Modified-Since: x\r\n"
				       "If-Modified-Since: x\r\nIf-Range: z\r\n"
				       "If-None-Match: *\r\n\r\n"),
			 0);
	assert_null(r.range.p);
	assert_null(r.if_modified_since.p);
	assert_true(r.has_if_range && r.has_if_none_match);
}

/* ---- ranges and dates ------------------------------------------------------ */

static void test_ranges(void **state)
{
	static const struct {
		const char *field;
		uint64_t size;
		int status;
		uint64_t first, len;
	} cases[] = {
		{"bytes=0-0", 10, 206, 0, 1},
		{"bytes=2-5", 10, 206, 2, 4},
		{"Bytes=0-9", 10, 206, 0, 10},
		{"bytes=5-100", 10, 206, 5, 5},
		{"bytes=9-", 10, 206, 9, 1},
		{"bytes=-3", 10, 206, 7, 3},
		{"bytes=-100", 10, 206, 0, 10},
		{"bytes= 1-2 ", 10, 206, 1, 2},
		{"bytes=0-18446744073709551615", 10, 206, 0, 10},
		{"bytes=0-99999999999999999999999", 10, 206, 0, 10},
		{"bytes=10-", 10, 416, 0, 0},
		{"bytes=10-20", 10, 416, 0, 0},
		{"bytes=99999999999999999999999-", 10, 416, 0, 0},
		{"bytes=-0", 10, 416, 0, 0},
		{"bytes=0-", 0, 416, 0, 0},
		{"bytes=-5", 0, 416, 0, 0},
		{"bytes=5-2", 10, 200, 0, 0},
		{"bytes=0-1,3-4", 10, 200, 0, 0},
		{"bytes=-", 10, 200, 0, 0},
		{"bytes=", 10, 200, 0, 0},
		{"bytes=5", 10, 200, 0, 0},
		{"bytes=1-2-3", 10, 200, 0, 0},
		{"bytes=a-b", 10, 200, 0, 0},
		{"bytes=1 -2", 10, 200, 0, 0},
		{"bytes", 10, 200, 0, 0},
		{"lines=0-1", 10, 200, 0, 0},
		{"", 10, 200, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_str f = {cases[i].field, strlen(cases[i].field)};
		uint64_t first = 0, len = 0;

		if (http_range(f, cases[i].size, &first, &len) != cases[i].status)
			fail_msg("%s", cases[i].field);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(len, cases[i].len);
	}
	assert_int_equal(http_range((struct http_str){NULL, 0}, 5, NULL, NULL), 200);
}

static bool date(const char *text, int64_t *t)
{
	return http_date_parse((struct http_str){text, strlen(text)}, t);
}

static void test_dates(void **state)
{
	static const char *const same[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	static const char *const bad[] = {
		"",
		"now",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT+1",
		"Sun, 06 Nov 1994 08:49:37 CET",
		"Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, -6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1969 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT and a lot more of it",
	};
	char out[HTTP_DATE_LEN + 1];
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_true(date(same[i], &t));
		assert_int_equal(t, 784111777);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (date(bad[i], &t))
			fail_msg("taken: %s", bad[i]);
	assert_true(date("Thursday, 01-Jan-70 00:00:00 GMT", &t));
	assert_int_equal(t, 0);
	assert_true(date("Fri, 01-Jan-69 00:00:00 GMT", &t)); /* 2069 */
	assert_int_equal(t, 3124224000);
	http_date_format(-5, out);
	assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_format(INT64_MAX, out);
	assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* Against libc, over leap years, centuries and the ends of months. */
static void test_dates_by_libc(void **state)
{
	char ours[HTTP_DATE_LEN + 1], libc[64];

	(void)state;
	for (int64_t t = 0; t < 16725225600; t += 86400 * 3 + 12345) {
		time_t tt = (time_t)t;
		struct tm tm;
		int64_t back;

		gmtime_r(&tt, &tm);
		strftime(libc, sizeof(libc), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		http_date_format(t, ours);
		assert_string_equal(ours, libc);
		assert_true(date(ours, &back));
		assert_int_equal(back, t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),	       cmocka_unit_test(test_scan_limits),
		cmocka_unit_test(test_parse_statuses), cmocka_unit_test(test_parse_nul),
		cmocka_unit_test(test_parse_targets),  cmocka_unit_test(test_parse_keep_alive),
		cmocka_unit_test(test_parse_fields),   cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_dates),	       cmocka_unit_test(test_dates_by_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
