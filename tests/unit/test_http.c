// SPDX-License-Identifier: BSD-2-Clause
/* http over a connection in memory: exact answers, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "app/http.h"
#include "http_site.h"

#define HOST   "Host: x\r\n"
#define SERVER "Server: weir\r\n" SITE_DATE
#define CLOSE  "Connection: close\r\n"
#define RANGES "Accept-Ranges: bytes\r\n"

/* The whole answer to file.txt, and the error answers with their bodies. */
#define OK_FILE(extra, body)                                                                       \
	"HTTP/1.1 200 OK\r\n" SERVER                                                               \
	"Content-Type: text/plain\r\nContent-Length: 10\r\n" SITE_LM RANGES extra "\r\n" body
#define FILE_TXT OK_FILE("", "0123456789")
#define GET_FILE "GET /file.txt HTTP/1.1\r\n" HOST "\r\n"
#define ERROR(status, len, extra)                                                                  \
	"HTTP/1.1 " status "\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: " len        \
	"\r\n" extra "\r\n"
#define NOT_FOUND ERROR("404 Not Found", "14", "") "404 Not Found\n"

/* What is seen from outside. */
enum how { KEPT, CLOSED };

static void expect_out(struct weir_conn *c, const char *want)
{
	if (c->out_len != strlen(want) || memcmp(c->out, want, c->out_len))
		fail_msg("answer:\n%s\nnot:\n%s", c->out ? (char *)c->out : "", want);
}

/* Request bytes in pieces of `step`, `room` bytes of send buffer, answer, ending. */
static void talk_in(const char *req, size_t step, size_t room, const char *want, enum how how)
{
	size_t len = strlen(req);
	struct weir_conn c;

	fx_open(&c, &weir_app_http, site.arg);
	c.sndbuf = room;
	for (size_t at = 0; at < len; at += step)
		fx_feed(&c, req + at, len - at < step ? len - at : step);
	fx_ack_all(&c);
	expect_out(&c, want);
	assert_false(c.aborted);
	assert_int_equal(c.shut, how == CLOSED);
	assert_int_equal(c.in_pos, c.in_len);
	fx_fin(&c);
	assert_true(c.closed);
	assert_int_equal(c.timer_at, 0);
	fx_free(&c);
}

static void talk(const char *req, const char *want, enum how how)
{
	talk_in(req, 10000, 65536, want, how);
	talk_in(req, 1, 65536, want, how);
	talk_in(req, 10000, 1, want, how);
	talk_in(req, 7, 13, want, how);
}

/* ---- answers --------------------------------------------------------------- */

static void test_get(void **state)
{
	(void)state;
	talk(GET_FILE, FILE_TXT, KEPT);
	talk("GET http://x/file.txt?a=b HTTP/1.1\r\n" HOST "\r\n", FILE_TXT, KEPT);
	talk("\r\n\r\n" GET_FILE, FILE_TXT, KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST CLOSE "\r\n", OK_FILE(CLOSE, "0123456789"), CLOSED);
	talk("GET /file.txt HTTP/1.0\r\n\r\n", OK_FILE(CLOSE, "0123456789"), CLOSED);
	talk("GET /file.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	     OK_FILE("Connection: keep-alive\r\n", "0123456789"), KEPT);
	talk("GET / HTTP/1.1\r\n" HOST "\r\n",
	     "HTTP/1.1 200 OK\r\n" SERVER
	     "Content-Type: text/html\r\nContent-Length: 7\r\n" SITE_LM RANGES "\r\n<p>top\n",
	     KEPT);
	talk("GET /empty.css HTTP/1.1\r\n" HOST "\r\n",
	     "HTTP/1.1 200 OK\r\n" SERVER
	     "Content-Type: text/css\r\nContent-Length: 0\r\n" SITE_LM RANGES "\r\n",
	     KEPT);
}

static void test_head(void **state)
{
	(void)state;
	talk("HEAD /file.txt HTTP/1.1\r\n" HOST "\r\n", OK_FILE("", ""), KEPT);
	talk("HEAD /file.txt HTTP/1.1\r\n" HOST "Range: bytes=1-2\r\n\r\n", OK_FILE("", ""), KEPT);
	talk("HEAD /none HTTP/1.1\r\n" HOST "\r\n", ERROR("404 Not Found", "14", ""), KEPT);
	talk("HEAD / HTTP/1.1\r\n\r\n", ERROR("400 Bad Request", "16", CLOSE), CLOSED);
	talk("HEAD /file.txt HTTP/1.1\r\n" HOST "\r\n" GET_FILE, OK_FILE("", "") FILE_TXT, KEPT);
}

#define PART(range, len, body)                                                                     \
	"HTTP/1.1 206 Partial Content\r\n" SERVER                                                  \
	"Content-Type: text/plain\r\nContent-Length: " len "\r\nContent-Range: bytes " range       \
	"/10\r\n" SITE_LM RANGES "\r\n" body

static void test_range(void **state)
{
	(void)state;
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=2-4\r\n\r\n", PART("2-4", "3", "234"),
	     KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=-2\r\n\r\n", PART("8-9", "2", "89"),
	     KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=7-\r\n\r\n", PART("7-9", "3", "789"),
	     KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=10-\r\n\r\n",
	     ERROR("416 Range Not Satisfiable", "26",
		   "Content-Range: bytes */10\r\n") "416 Range Not Satisfiable\n",
	     KEPT);
	/* what is not one range of bytes is not there */
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=0-1,4-5\r\n\r\n", FILE_TXT, KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n\r\n",
	     FILE_TXT, KEPT);
}

static void test_not_modified(void **state)
{
	static const char unchanged[] =
		"HTTP/1.1 304 Not Modified\r\n" SERVER SITE_LM RANGES "\r\n";

	(void)state;
	talk("GET /file.txt HTTP/1.1\r\n" HOST
	     "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
	     unchanged, KEPT);
	talk("HEAD /file.txt HTTP/1.1\r\n" HOST
	     "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\n",
	     unchanged, KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST
	     "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n\r\n",
	     FILE_TXT, KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "If-Modified-Since: yesterday\r\n\r\n", FILE_TXT,
	     KEPT);
	/* RFC 9110 13.1.3: not evaluated beside If-None-Match */
	talk("GET /file.txt HTTP/1.1\r\n" HOST "If-None-Match: \"x\"\r\n"
	     "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
	     FILE_TXT, KEPT);
}

static void test_errors_that_keep(void **state)
{
	(void)state;
	talk("GET /none HTTP/1.1\r\n" HOST "\r\n", NOT_FOUND, KEPT);
	talk("GET /noindex/ HTTP/1.1\r\n" HOST "\r\n", NOT_FOUND, KEPT);
	talk("GET /a%00b HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("400 Bad Request", "16", "") "400 Bad Request\n", KEPT);
	talk("GET /../outside.txt HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("403 Forbidden", "14", "") "403 Forbidden\n", KEPT);
	talk("GET /out HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("403 Forbidden", "14", "") "403 Forbidden\n", KEPT);
	talk("GET /fifo HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("403 Forbidden", "14", "") "403 Forbidden\n", KEPT);
	talk("DELETE /file.txt HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("405 Method Not Allowed", "23",
		   "Allow: GET, HEAD\r\n") "405 Method Not Allowed\n",
	     KEPT);
	talk("BREW /pot HTTP/1.1\r\n" HOST "\r\n",
	     ERROR("501 Not Implemented", "20", "") "501 Not Implemented\n", KEPT);
}

static void test_errors_that_close(void **state)
{
	(void)state;
	talk("nonsense\r\n\r\n", ERROR("400 Bad Request", "16", CLOSE) "400 Bad Request\n", CLOSED);
	talk("GET / HTTP/1.1\r\n\r\n", ERROR("400 Bad Request", "16", CLOSE) "400 Bad Request\n",
	     CLOSED);
	talk("GET / HTTP/1.1\n\n", ERROR("400 Bad Request", "16", CLOSE) "400 Bad Request\n",
	     CLOSED);
	talk("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n",
	     ERROR("400 Bad Request", "16", CLOSE) "400 Bad Request\n", CLOSED);
	talk("GET / HTTP/2.0\r\n" HOST "\r\n",
	     ERROR("505 HTTP Version Not Supported", "31",
		   CLOSE) "505 HTTP Version Not Supported\n",
	     CLOSED);
	talk("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	     ERROR("501 Not Implemented", "20", CLOSE) "501 Not Implemented\n", CLOSED);
	talk("POST / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\nGET",
	     ERROR("413 Content Too Large", "22", CLOSE) "413 Content Too Large\n", CLOSED);
	talk("GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n",
	     ERROR("417 Expectation Failed", "23", CLOSE) "417 Expectation Failed\n", CLOSED);
	/* nothing after an error is taken for a request */
	talk("GET / HTTP/1.1\r\n\r\n" GET_FILE,
	     ERROR("400 Bad Request", "16", CLOSE) "400 Bad Request\n", CLOSED);
}

static void test_too_long(void **state)
{
	char *req = malloc(20000);

	(void)state;
	assert_non_null(req);
	memset(req, 'a', 20000);
	memcpy(req, "GET /", 5);
	req[6000] = '\0';
	talk(req, ERROR("414 URI Too Long", "17", CLOSE) "414 URI Too Long\n", CLOSED);
	memset(req, 'a', 20000);
	memcpy(req, "GET / HTTP/1.1\r\nA: ", 19);
	req[9000] = '\0';
	talk(req,
	     ERROR("431 Request Header Fields Too Large", "36",
		   CLOSE) "431 Request Header Fields Too Large\n",
	     CLOSED);
	free(req);
}

static void test_redirect(void **state)
{
	(void)state;
#define MOVED(to, extra)                                                                           \
	ERROR("301 Moved Permanently", "22", "Location: " to "\r\n" extra)                         \
	"301 Moved "                                                                               \
	"Permanently\n"
	talk("GET /sub HTTP/1.1\r\n" HOST "\r\n", MOVED("/sub/", ""), KEPT);
	talk("GET /s%75b?q=1 HTTP/1.1\r\n" HOST CLOSE "\r\n", MOVED("/s%75b/?q=1", CLOSE), CLOSED);
	/* never another host's name */
	talk("GET ///sub HTTP/1.1\r\n" HOST "\r\n", MOVED("/sub/", ""), KEPT);
	talk("GET http://evil/sub HTTP/1.1\r\n" HOST "\r\n", MOVED("/sub/", ""), KEPT);
	talk("GET /sub HTTP/1.1\r\n" HOST "\r\n" GET_FILE, MOVED("/sub/", "") FILE_TXT, KEPT);
}

/* ---- one after another ------------------------------------------------------ */

static void test_pipeline(void **state)
{
	static const char req[] = GET_FILE "HEAD /file.txt HTTP/1.1\r\n" HOST "\r\n"
					   "GET /none HTTP/1.1\r\n" HOST "\r\n\r\n" GET_FILE
					   "GET /file.txt HTTP/1.1\r\n" HOST CLOSE "\r\n" GET_FILE;
	static const char want[] =
		FILE_TXT OK_FILE("", "") NOT_FOUND FILE_TXT OK_FILE(CLOSE, "0123456789");

	(void)state;
	for (size_t step = 1; step < sizeof(req); step++)
		talk_in(req, step, 65536, want, CLOSED);
	for (size_t room = 1; room < 700; room += 3)
		talk_in(req, 10000, room, want, CLOSED);
}

/* Cut in two at every byte. */
static void test_split(void **state)
{
	static const char req[] = "GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=1-1\r\n\r\n";

	(void)state;
	for (size_t at = 0; at <= strlen(req); at++) {
		struct weir_conn c;

		fx_open(&c, &weir_app_http, site.arg);
		fx_feed(&c, req, at);
		assert_int_equal(c.out_len > 0, at == strlen(req));
		fx_feed(&c, req + at, strlen(req) - at);
		expect_out(&c, PART("1-1", "1", "1"));
		fx_free(&c);
	}
}

/* Bodies are read over, and do not become requests. */
static void test_body(void **state)
{
	static char req[70000];
	static const char not_allowed[] = ERROR("405 Method Not Allowed", "23",
						"Allow: GET, HEAD\r\n") "405 Method Not Allowed\n";
	char want[1024];
	int n;

	(void)state;
	snprintf(want, sizeof(want), "%s%s", not_allowed, FILE_TXT);
	n = snprintf(req, sizeof(req),
		     "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n" GET_FILE "%s",
		     strlen(GET_FILE), GET_FILE);
	assert_in_range(n, 1, sizeof(req) - 1);
	talk(req, want, KEPT);
	n = snprintf(req, sizeof(req), "POST / HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n");
	memset(req + n, '\n', 65536);
	strcpy(req + n + 65536, GET_FILE);
	talk(req, want, KEPT);
	talk("GET /file.txt HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET_FILE,
	     FILE_TXT FILE_TXT, KEPT);
	/* RFC 9110 10.1.1: may or may not be followed by its body */
	talk("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	     ERROR("405 Method Not Allowed", "23",
		   "Allow: GET, HEAD\r\n" CLOSE) "405 Method Not Allowed\n",
	     CLOSED);
}

/* They are also read while a long answer is on its way: neither waits for the other. */
static void test_body_during_answer(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_http, site.arg);
	c.sndbuf = 1000;
	fx_feed_str(&c, "GET /big.bin HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nabc");
	assert_int_equal(c.in_pos, c.in_len);
	fx_feed_str(&c, "def" GET_FILE);
	assert_int_equal(c.in_pos, c.in_len - strlen(GET_FILE));
	fx_ack_all(&c);
	assert_int_equal(memcmp(c.out + c.out_len - strlen(FILE_TXT), FILE_TXT, strlen(FILE_TXT)),
			 0);
	fx_free(&c);
}

/* RFC 9110 8.8.2.1: a file of tomorrow was last modified now. */
static void test_future(void **state)
{
	const struct timespec t[2] = {{.tv_sec = 2 * SITE_NOW}, {.tv_sec = 2 * SITE_NOW}};

	(void)state;
	site_text(site.dirfd, "future", "x");
	assert_int_equal(utimensat(site.dirfd, "future", t, 0), 0);
	talk("HEAD /future HTTP/1.1\r\n" HOST "\r\n",
	     "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: application/octet-stream\r\n"
	     "Content-Length: 1\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n" RANGES "\r\n",
	     KEPT);
	unlinkat(site.dirfd, "future", 0);
}

/* ---- large files ------------------------------------------------------------ */

static void expect_big(struct weir_conn *c)
{
	const uint8_t *body = memmem(c->out, c->out_len, "\r\n\r\n", 4);

	assert_non_null(body);
	body += 4;
	assert_int_equal(c->out_len - (size_t)(body - c->out), SITE_BIG);
	for (size_t i = 0; i < SITE_BIG; i++)
		if (body[i] != site_big(i))
			fail_msg("byte %zu", i);
}

/* A slow reader holds a send buffer and no more. */
static void test_big(void **state)
{
	static const size_t rooms[] = {999, 4096, 65536};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct weir_conn c;

		fx_open(&c, &weir_app_http, site.arg);
		c.sndbuf = rooms[i];
		c.piece = 777 + i * 1000;
		fx_feed_str(&c, "GET /big.bin HTTP/1.1\r\n" HOST CLOSE "\r\n");
		assert_int_equal(c.out_len, rooms[i]);
		fx_ack_all(&c);
		expect_big(&c);
		assert_true(c.max_queued <= rooms[i]);
		assert_true(c.shut);
		assert_false(c.closed);
		fx_fin(&c);
		assert_true(c.closed);
		fx_free(&c);
	}
}

/* A client that closes its side after the request is still answered in full. */
static void test_half_close(void **state)
{
	struct weir_conn c;

	(void)state;
	fx_open(&c, &weir_app_http, site.arg);
	fx_feed_str(&c, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n" GET_FILE);
	fx_fin(&c);
	assert_false(c.shut);
	fx_ack_all(&c);
	assert_int_equal(memcmp(c.out + c.out_len - strlen(FILE_TXT), FILE_TXT, strlen(FILE_TXT)),
			 0);
	assert_true(c.closed);
	assert_int_equal(c.timer_at, 0);
	fx_free(&c);
	/* and one that closes without a word is closed */
	fx_open(&c, &weir_app_http, site.arg);
	fx_fin(&c);
	assert_true(c.closed);
	assert_int_equal(c.out_len, 0);
	fx_free(&c);
}

static uint64_t counter(enum weir_counter which)
{
	uint64_t v[WEIR_C_MAX] = {0};

	weir_app_counters(v);
	return v[which];
}

/* A file cut short under us: an RST, never other bytes in their place. */
static void test_shrunk(void **state)
{
	uint64_t before = counter(WEIR_C_http_file_shrunk);
	struct weir_conn c;
	int fd;

	(void)state;
	site_text(site.dirfd, "shrink.bin", "");
	fd = openat(site.dirfd, "shrink.bin", O_WRONLY);
	assert_int_equal(ftruncate(fd, 100000), 0);
	fx_open(&c, &weir_app_http, site.arg);
	c.sndbuf = 1000;
	fx_feed_str(&c, "GET /shrink.bin HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(ftruncate(fd, 2000), 0);
	close(fd);
	fx_ack_all(&c);
	assert_true(c.aborted && c.ended);
	assert_false(c.timed_out);
	assert_in_range(c.out_len, 2000, 2500);
	assert_int_equal(counter(WEIR_C_http_file_shrunk), before + 1);
	fx_free(&c);
	unlinkat(site.dirfd, "shrink.bin", 0);
}

static void test_no_descriptor(void **state)
{
	uint64_t before = counter(WEIR_C_http_no_descriptor);
	struct rlimit old, none;
	int next = dup(0);

	(void)state;
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	talk_in(GET_FILE, 10000, 65536,
		ERROR("503 Service Unavailable", "24",
		      "Retry-After: 1\r\n") "503 Service Unavailable\n",
		KEPT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(counter(WEIR_C_http_no_descriptor), before + 1);
	talk(GET_FILE, FILE_TXT, KEPT);
}

/* A descriptor lives as long as its response and no longer. */
static void test_descriptors_come_back(void **state)
{
	int next = dup(0);
	struct weir_conn c;

	(void)state;
	close(next);
	fx_open(&c, &weir_app_http, site.arg);
	fx_feed_str(&c, GET_FILE "GET / HTTP/1.1\r\n" HOST "\r\nHEAD /big.bin HTTP/1.1\r\n" HOST
				 "\r\n");
	assert_int_equal(dup(0), next);
	close(next);
	fx_feed_str(&c, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
	assert_int_not_equal(dup(0), next); /* held while it is sent */
	close(next + 1);
	fx_free(&c); /* the client is gone in the middle */
	assert_int_equal(dup(0), next);
	close(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_not_modified),
		cmocka_unit_test(test_errors_that_keep),
		cmocka_unit_test(test_errors_that_close),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_body_during_answer),
		cmocka_unit_test(test_future),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_shrunk),
		cmocka_unit_test(test_no_descriptor),
		cmocka_unit_test(test_descriptors_come_back),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
