/* SPDX-License-Identifier: BSD-2-Clause */
/* What status, conns and counters print: columns, units, replies taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/backends_view.h"
#include "cli/columns.h"
#include "cli/mode_args.h"
#include "cli/rowsplit.h"
#include "cli/status_view.h"
#include "cli/units.h"

/* ---- columns -------------------------------------------------------------------- */

static char *text;
static size_t text_len;

static FILE *memory(void)
{
	FILE *f = open_memstream(&text, &text_len);

	assert_non_null(f);
	return f;
}

static void expect_text(FILE *f, const char *expected)
{
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void aligned(void **state)
{
	static const char *const heads[] = {"NAME", ">COUNT", "WHAT", NULL};
	FILE *f = memory();
	struct columns t;

	(void)state;
	assert_int_equal(columns_init(&t, f, heads, false), 0);
	columns_cell(&t, "a");
	columns_cell(&t, "%d", 7);
	columns_cell(&t, "first");
	columns_cell(&t, "longer-name");
	columns_cell(&t, "%d", 1234567);
	columns_cell(&t, "%s", "");
	columns_flush(&t);
	columns_cell(&t, "é");
	columns_cell(&t, "8");
	columns_cell(&t, "x");
	columns_flush(&t);
	columns_free(&t);
	expect_text(f, "NAME           COUNT  WHAT\n"
		       "a                  7  first\n"
		       "longer-name  1234567\n"
		       "é                  8  x\n");
}

static void empty_table_has_a_head(void **state)
{
	static const char *const heads[] = {"A", ">B", NULL};
	FILE *f = memory();
	struct columns t;

	(void)state;
	assert_int_equal(columns_init(&t, f, heads, false), 0);
	columns_flush(&t);
	columns_free(&t);
	expect_text(f, "A  B\n");
}

/* More rows than are kept: one head, all rows. */
static void many_rows(void **state)
{
	static const char *const heads[] = {">N", NULL};
	unsigned lines = 0;
	FILE *f = memory();
	struct columns t;

	(void)state;
	assert_int_equal(columns_init(&t, f, heads, false), 0);
	for (int i = 0; i < 3 * COLUMNS_ROWS + 5; i++)
		columns_cell(&t, "%d", i);
	columns_flush(&t);
	columns_free(&t);
	fclose(f);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 3 * COLUMNS_ROWS + 6);
	assert_non_null(strchr(text, 'N'));
	assert_ptr_equal(strchr(text, 'N'), strrchr(text, 'N'));
	free(text);
}

static void units(void **state)
{
	char b[UNITS_MAX];

	(void)state;
	assert_string_equal(units_bytes(0, b), "0 bytes");
	assert_string_equal(units_bytes(1023, b), "1023 bytes");
	assert_string_equal(units_bytes(1024, b), "1.0 KiB");
	assert_string_equal(units_bytes(256 << 20, b), "256 MiB");
	assert_string_equal(units_bytes(UINT64_MAX, b), "16384 PiB");
	assert_string_equal(units_us(999, b), "999us");
	assert_string_equal(units_us(1500, b), "1.5ms");
	assert_string_equal(units_us(200000, b), "200ms");
	assert_string_equal(units_us(60000000, b), "60.0s");
	assert_string_equal(units_uptime(59, b), "00:00:59");
	assert_string_equal(units_uptime(90061, b), "1d 01:01:01");
}

/* ---- replies taken apart ------------------------------------------------------------ */

struct rows {
	unsigned n;
	char last[64];
	int give;
};

static int count_row(void *arg, const char *row, size_t len)
{
	struct rows *r = arg;

	r->n++;
	snprintf(r->last, sizeof(r->last), "%.*s", (int)len, row);
	return r->give;
}

static int split(struct rowsplit *rs, struct rows *r, const char *reply, size_t piece)
{
	size_t len = strlen(reply);
	int rc = 0;

	memset(rs, 0, sizeof(*rs));
	memset(r, 0, sizeof(*r));
	rs->row = count_row;
	rs->arg = r;
	for (size_t at = 0; at < len && !rc; at += piece)
		rc = rowsplit_feed(rs, reply + at, len - at < piece ? len - at : piece);
	return rc;
}

static void taken_apart(void **state)
{
	static const char reply[] = "{\"version\":1,\"conns\":[{\"a\":\"}],{\\\"\"},{\"b\":[{}]},"
				    "{\"c\":3}],\"unanswered_workers\":[0,1]}\n";
	struct rowsplit rs;
	struct rows r;

	(void)state;
	for (size_t piece = 1; piece < sizeof(reply); piece++) {
		assert_int_equal(split(&rs, &r, reply, piece), 1);
		assert_int_equal(r.n, 3);
		assert_string_equal(r.last, "{\"c\":3}");
		assert_string_equal(rs.rest, "{\"version\":1,\"conns\":[],"
					     "\"unanswered_workers\":[0,1]}");
	}
	assert_int_equal(split(&rs, &r, "{\"version\":1,\"error\":\"x\"}\n", 5), 1);
	assert_int_equal(r.n, 0);
	assert_string_equal(rs.rest, "{\"version\":1,\"error\":\"x\"}");
	assert_int_equal(split(&rs, &r, "{\"conns\":[{\"a\":1}", 5), 0);
	assert_int_equal(split(&rs, &r, "}", 5), -EINVAL);
}

static void too_much(void **state)
{
	char *big = malloc(3 * ROWSPLIT_ROW);
	struct rowsplit rs;
	struct rows r;

	(void)state;
	memset(big, 'x', 3 * ROWSPLIT_ROW);
	memcpy(big, "{\"a\":[{\"", 8);
	big[3 * ROWSPLIT_ROW - 1] = '\0';
	assert_int_equal(split(&rs, &r, big, 1000), -EINVAL);
	memcpy(big, "{\"aaaaa\"", 8);
	assert_int_equal(split(&rs, &r, big, 1000), -EINVAL);
	free(big);
}

/* ---- status and counters ---------------------------------------------------------------- */

static void status(void **state)
{
	json_t *o = json_loads(
		"{\"version\":1,\"weir\":\"0.1.0\",\"pid\":42,\"iface\":\"weir0\","
		"\"mode\":\"native\",\"xsk\":\"copy\",\"uptime_s\":3661,\"draining\":true,"
		"\"zero_copy\":\"refused: Operation not supported\",\"queues\":2,\"workers\":1,"
		"\"per_queue\":[{\"queue\":0,\"worker\":0,\"rx_frames\":12,\"tx_frames\":7},"
		"{\"queue\":1,\"worker\":0,\"rx_frames\":3,\"tx_frames\":0}],"
		"\"connections\":{\"LISTEN\":0,\"ESTABLISHED\":2,\"TIME_WAIT\":1},"
		"\"flows\":{\"used\":3,\"capacity\":1000,\"tombstones\":4,\"closing\":0},"
		"\"memory\":{\"per_connection_bytes\":642,\"connections_bytes\":2048,"
		"\"buffers_used_bytes\":0,\"buffers_bytes\":1048576,\"per_half_open_bytes\":0},"
		"\"limits\":{\"nofile\":1,\"warnings\":[\"too few files\",\"too few CPUs\"]},"
		"\"events\":{\"syn_flood\":{\"active\":true,\"times\":2},"
		"\"ack_flood\":{\"active\":false,\"times\":0},"
		"\"ring_drops\":{\"active\":false,\"times\":1}},"
		"\"services\":[{\"listen\":\"10.0.0.2:80\",\"app\":\"http\",\"mode\":\"always\"},"
		"{\"listen\":\"*:7\",\"app\":\"echo\",\"mode\":\"auto\",\"cookies\":true},"
		"{\"listen\":\"*:8\",\"app\":\"echo\",\"mode\":\"auto\",\"cookies\":false}]}",
		0, NULL);
	FILE *f = memory();

	(void)state;
	assert_non_null(o);
	status_print(o, f, false);
	json_decref(o);
	expect_text(f, "weir         0.1.0, pid 42, up 01:01:01, draining\n"
		       "interface    weir0, XDP native, AF_XDP copy, RX queues 2, workers 1\n"
		       "zero-copy    refused: Operation not supported\n"
		       "queues       0: worker 0, frames in 12, out 7\n"
		       "             1: worker 0, frames in 3, out 0\n"
		       "events       syn_flood now, 2 since the start\n"
		       "             ring_drops over, 1 since the start\n"
		       "services     10.0.0.2:80  http, mode always\n"
		       "             *:7  echo, mode auto: cookies now\n"
		       "             *:8  echo, mode auto: by the workers now\n"
		       "connections  3  ESTABLISHED 2  TIME_WAIT 1\n"
		       "flows        3 of 1000 (0.3%), tombstones 4\n"
		       "memory       642 bytes per connection, pools 2.0 KiB, buffers 0 bytes of "
		       "1.0 MiB\n"
		       "half-open    0 bytes per SYN answered in XDP\n"
		       "limits       too few files\n"
		       "             too few CPUs\n");
}

static void modes(void **state)
{
	json_t *o = json_loads(
		"{\"version\":1,\"services\":["
		"{\"listen\":\"10.0.0.2:80\",\"app\":\"http\",\"mode\":\"always\",\"cookies\":true}"
		","
		"{\"listen\":\"*:7\",\"app\":\"echo\",\"mode\":\"never\",\"cookies\":false}]}",
		0, NULL);
	FILE *f = memory();

	(void)state;
	assert_non_null(o);
	modes_print(o, f, false);
	json_decref(o);
	expect_text(f, "SERVICE      APP   MODE    SYNS ANSWERED BY\n"
		       "10.0.0.2:80  http  always  gate, cookies\n"
		       "*:7          echo  never   worker\n");
}

static void backends(void **state)
{
	json_t *o = json_loads(
		"{\"version\":1,\"services\":[{\"listen\":\"10.0.0.2:80\",\"backends\":["
		"{\"backend\":\"127.0.0.1:8080\",\"state\":\"up\",\"weight\":2,\"state_ms\":61000,"
		"\"in_use\":3,\"total\":99,\"failures\":1,\"connect_us\":210,\"checks\":9,"
		"\"checks_failed\":1,\"last_error\":\"connection refused\","
		"\"last_error_ms_ago\":62000},"
		"{\"backend\":\"unix:/a\",\"state\":\"ejected\",\"weight\":1,\"state_ms\":800,"
		"\"back_in_ms\":4200,\"in_use\":0,\"total\":7,\"failures\":7,\"connect_us\":0,"
		"\"checks\":0,\"checks_failed\":0,\"last_error\":\"\"}]}]}",
		0, NULL);
	FILE *f = memory();

	(void)state;
	assert_non_null(o);
	assert_int_equal(backends_print(o, f, false), 0);
	json_decref(o);
	expect_text(f, "SERVICE      BACKEND         WEIGHT  STATE                       FOR  "
		       "IN USE  TOTAL  FAILED  CONNECT  CHECKS  LAST ERROR\n"
		       "10.0.0.2:80  127.0.0.1:8080       2  up                     00:01:01  "
		       "     3     99       1    210us     8/9  connection refused, 00:01:02 ago\n"
		       "10.0.0.2:80  unix:/a              1  ejected, back in 4.2s  00:00:00  "
		       "     0      7       7        -       -  -\n");
}

static void no_backends(void **state)
{
	json_t *o = json_loads("{\"version\":1,\"services\":[]}", 0, NULL);
	FILE *f = memory();

	(void)state;
	assert_int_equal(backends_print(o, f, false), 0);
	json_decref(o);
	expect_text(f, "no service has backends: they are those of --listen "
		       "ADDR:PORT=proxy:...\n");
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void the_words_of_mode(void **state)
{
	static const struct {
		const char *words[4], *iface, *service, *mode;
	} good[] = {
		{{NULL}, NULL, NULL, NULL},
		{{"eth0"}, "eth0", NULL, NULL},
		{{"eth0", "auto"}, "eth0", NULL, "auto"},
		{{"never"}, NULL, NULL, "never"},
		{{"auto", "never"}, "auto", NULL, "never"}, /* an interface may be called so */
		{{"*:7", "always"}, NULL, "*:7", "always"},
		{{"eth0", "[fd00::2]:7"}, "eth0", "[fd00::2]:7", NULL},
		{{"eth0", "10.0.0.2:7", "never"}, "eth0", "10.0.0.2:7", "never"},
	};
	static const char *const bad[][4] = {
		{"eth0", "eth1"},
		{"eth0", "sometimes"},
		{"eth0", "10.0.0.2:"},
		{"10.0.0.2:7", "eth0"},
		{"10.0.0.2:7", "10.0.0.2:8"},
		{"eth0", "10.0.0.2:7", "eth0", "auto"},
	};
	struct mode_args a;
	unsigned i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (n = 0; n < 4 && good[i].words[n];)
			n++;
		assert_int_equal(mode_args_parse(&a, n, (char **)good[i].words), 0);
		assert_true(same(a.iface, good[i].iface) && same(a.service, good[i].service) &&
			    same(a.mode, good[i].mode));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (n = 0; n < 4 && bad[i][n];)
			n++;
		assert_int_equal(mode_args_parse(&a, n, (char **)bad[i]), -EINVAL);
	}
}

static void status_of_nothing(void **state)
{
	json_t *o = json_object();
	FILE *f = memory();

	(void)state;
	status_print(o, f, false);
	json_decref(o);
	fclose(f);
	assert_non_null(strstr(text, "interface    ?, XDP ?"));
	free(text);
}

static void counters(void **state)
{
	json_t *old = json_loads("{\"counters\":{\"syn_answered\":5,\"ack_accepted\":0,"
				 "\"rst_sent\":9}}",
				 0, NULL);
	json_t *now = json_loads("{\"counters\":{\"syn_answered\":25,\"ack_accepted\":0,"
				 "\"rst_sent\":9}}",
				 0, NULL);
	FILE *f = memory();

	(void)state;
	counters_print(now, NULL, 0, false, f, false);
	expect_text(f, "COUNTER       TOTAL\n"
		       "syn_answered     25  SYNs answered with a cookie SYN-ACK\n"
		       "rst_sent          9  RSTs sent to segments of no flow\n");
	f = memory();
	counters_print(now, old, 2, false, f, false);
	expect_text(f,
		    "COUNTER       TOTAL  NEW  PER SECOND\n"
		    "syn_answered     25   20          10  SYNs answered with a cookie SYN-ACK\n");
	f = memory();
	counters_print(now, old, 2, true, f, false);
	fclose(f);
	assert_non_null(strstr(text, "ack_accepted"));
	free(text);
	json_decref(old);
	json_decref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned),     cmocka_unit_test(empty_table_has_a_head),
		cmocka_unit_test(many_rows),   cmocka_unit_test(units),
		cmocka_unit_test(taken_apart), cmocka_unit_test(too_much),
		cmocka_unit_test(status),      cmocka_unit_test(status_of_nothing),
		cmocka_unit_test(modes),       cmocka_unit_test(backends),
		cmocka_unit_test(no_backends), cmocka_unit_test(the_words_of_mode),
		cmocka_unit_test(counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
