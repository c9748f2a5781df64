/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's lines in each format, and what is held back of too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/log_limit.h"

#define AT 1000000000ull

static char buf[LOG_LINE_MAX + 1];

static const char *line(const struct log_line *l, enum log_format format)
{
	buf[log_line(buf, l, format)] = '\0';
	return buf;
}

/* ---- lines ------------------------------------------------------------------------ */

static void text_as_ever(void **state)
{
	struct log_line l = {.level = LOG_WARNING, .text = "eth0: the link is down\n"};

	(void)state;
	assert_string_equal(line(&l, LOG_FORMAT_TEXT), "weir: warning: eth0: the link is down\n");
	l.level = LOG_ERR;
	assert_string_equal(line(&l, LOG_FORMAT_TEXT), "weir: error: eth0: the link is down\n");
	l.level = LOG_NOTICE;
	assert_string_equal(line(&l, LOG_FORMAT_TEXT), "weir: eth0: the link is down\n");
	l.held = 3;
	assert_string_equal(line(&l, LOG_FORMAT_TEXT),
			    "weir: eth0: the link is down (and 3 like it before)\n");
	l = (struct log_line){.level = LOG_DEBUG, .text = ""};
	assert_string_equal(line(&l, LOG_FORMAT_TEXT), "weir: \n");
}

/* journald makes a message of each line: each needs its level. */
static void journal_levels(void **state)
{
	struct log_line l = {.level = LOG_WARNING, .text = "one\ntwo\n\n"};

	(void)state;
	assert_string_equal(line(&l, LOG_FORMAT_JOURNAL), "<4>one\n<4>two\n");
	assert_string_equal(line(&l, LOG_FORMAT_TEXT), "weir: warning: one\ntwo\n");
	l = (struct log_line){.level = LOG_INFO, .text = "x", .event = "e"};
	assert_string_equal(line(&l, LOG_FORMAT_JOURNAL), "<6>x\n");
}

static void json_object_a_line(void **state)
{
	const struct weir_field fields[] = {FIELD_TEXT("service", "10.0.0.2:80"),
					    FIELD_NUMBER("peak", 123456789012ull), FIELD_END};
	struct log_line l = {.level = LOG_WARNING,
			     .time = {.tv_sec = 1700000000, .tv_nsec = 123456789},
			     .event = "flood_began",
			     .fields = fields,
			     .text = "a \"flood\"\nbegan"};

	(void)state;
	assert_string_equal(
		line(&l, LOG_FORMAT_JSON),
		"{\"time\": \"2023-11-14T22:13:20.123456Z\", \"level\": \"warning\", \"event\": "
		"\"flood_began\", \"message\": \"a \\\"flood\\\"\\nbegan\", \"service\": "
		"\"10.0.0.2:80\", \"peak\": 123456789012}\n");
	l = (struct log_line){.level = LOG_ERR, .text = "x", .held = 2};
	assert_string_equal(line(&l, LOG_FORMAT_JSON),
			    "{\"time\": \"1970-01-01T00:00:00.000000Z\", \"level\": \"error\", "
			    "\"message\": \"x\", \"suppressed\": 2}\n");
}

static void whatever_the_bytes(void **state)
{
	struct log_line l = {.level = LOG_NOTICE, .text = "dir/\xff\xfe name \x01"};
	json_error_t e;
	json_t *o;

	(void)state;
	o = json_loads(line(&l, LOG_FORMAT_JSON), 0, &e);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "message")), "dir/?? name \x01");
	json_decref(o);
}

static void too_long_is_cut(void **state)
{
	static char text[3 * LOG_LINE_MAX];
	const struct weir_field fields[] = {FIELD_TEXT("long", text), FIELD_END};
	struct log_line l = {.level = LOG_NOTICE, .text = text, .held = 7};
	size_t len;
	json_t *o;

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 2] = 'x'; /* six bytes of JSON each, and all of them lines */
	for (int f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JOURNAL; f++) {
		l.fields = f == LOG_FORMAT_JSON ? fields : NULL;
		len = log_line(buf, &l, (enum log_format)f);
		assert_in_range(len, 1, LOG_LINE_MAX);
		assert_int_equal(buf[len - 1], '\n');
		buf[len] = '\0';
		if (f != LOG_FORMAT_JSON)
			continue;
		o = json_loads(buf, 0, NULL);
		assert_non_null(o);
		assert_null(json_object_get(o, "long"));
		assert_non_null(json_object_get(o, "message"));
		json_decref(o);
	}
}

/* ---- too many --------------------------------------------------------------------- */

static void a_bucket_for_each_kind(void **state)
{
	static struct log_limit l;
	const struct log_kind *k;
	static const char a[1], b[1];
	uint32_t held;

	(void)state;
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(log_limit_pass(&l, a, LOG_ERR, "a", AT, &held));
	for (int i = 0; i < 5; i++)
		assert_false(log_limit_pass(&l, a, LOG_ERR, i == 4 ? "last" : "a", AT, &held));
	assert_true(log_limit_pass(&l, b, LOG_ERR, "b", AT, &held));
	assert_int_equal(held, 0);
	/* Nothing to tell before there is a token for it. */
	assert_null(log_limit_held(&l, AT + LOG_REFILL_US - 1, &held));
	assert_true(log_limit_pass(&l, a, LOG_ERR, "a", AT + LOG_REFILL_US, &held));
	assert_int_equal(held, 5);
	assert_false(log_limit_pass(&l, a, LOG_WARNING, "silent now", AT + LOG_REFILL_US, &held));
	k = log_limit_held(&l, AT + 2 * LOG_REFILL_US, &held);
	assert_non_null(k);
	assert_int_equal(held, 1);
	assert_int_equal(k->level, LOG_WARNING);
	assert_string_equal(k->like, "silent now");
	assert_null(log_limit_held(&l, AT + 100 * LOG_REFILL_US, &held));
	/* After a rest the whole burst again. */
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(log_limit_pass(&l, a, LOG_ERR, "a", AT + 100 * LOG_REFILL_US, &held));
	assert_false(log_limit_pass(&l, a, LOG_ERR, "a", AT + 100 * LOG_REFILL_US, &held));
}

static void more_kinds_than_are_kept(void **state)
{
	static struct log_limit l;
	static const char keys[3 * LOG_KINDS];
	uint32_t held;

	(void)state;
	for (int i = 0; i < 3 * LOG_KINDS; i++)
		assert_true(log_limit_pass(&l, &keys[i], LOG_ERR, "", AT, &held));
	/* Those beyond are not limited, rather than lost. */
	for (int i = 0; i < 3 * LOG_BURST; i++)
		assert_true(log_limit_pass(&l, &keys[3 * LOG_KINDS - 1], LOG_ERR, "", AT, &held));
	/* Later there is room again. */
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(log_limit_pass(&l, keys + 2 * LOG_KINDS, LOG_ERR, "",
					   AT + 10 * LOG_REFILL_US, &held));
	assert_false(log_limit_pass(&l, keys + 2 * LOG_KINDS, LOG_ERR, "", AT + 10 * LOG_REFILL_US,
				    &held));
}

/* ---- to stderr --------------------------------------------------------------------- */

static char out[65536];

static int capture(int fds[2])
{
	int keep = dup(STDERR_FILENO);

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	return keep;
}

static unsigned captured(int fds[2], int keep)
{
	unsigned lines = 0;
	ssize_t n;

	dup2(keep, STDERR_FILENO);
	close(keep);
	close(fds[1]);
	n = read(fds[0], out, sizeof(out) - 1);
	close(fds[0]);
	out[n > 0 ? n : 0] = '\0';
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

static void levels_and_events(void **state)
{
	const struct weir_field fields[] = {FIELD_NUMBER("n", 5), FIELD_END};
	int fds[2], keep = capture(fds);

	(void)state;
	log_set_format(LOG_FORMAT_TEXT);
	log_set_level(LOG_WARNING);
	log_msg(LOG_NOTICE, "not to be seen");
	log_always("ready", NULL, "ready %d", 1);
	log_event(LOG_WARNING, "thing", fields, "a thing of %d", 5);
	log_set_level(LOG_NOTICE);
	log_set_format(LOG_FORMAT_JSON);
	log_event(LOG_NOTICE, "thing", fields, "a thing of %d", 5);
	log_set_format(LOG_FORMAT_TEXT);
	assert_int_equal(captured(fds, keep), 3);
	assert_true(!strncmp(out, "weir: ready 1\nweir: warning: a thing of 5\n{\"time\":", 50));
	assert_non_null(
		strstr(out, "\"event\": \"thing\", \"message\": \"a thing of 5\", \"n\": 5}"));
}

static void a_storm_is_held_back(void **state)
{
	int fds[2], keep = capture(fds);

	(void)state;
	for (int i = 0; i < 200; i++)
		log_msg(LOG_WARNING, "storm %d", i);
	for (int i = 0; i < 2 * LOG_BURST; i++)
		log_msg(LOG_DEBUG, "debugging %d", i);
	log_set_level(LOG_DEBUG);
	for (int i = 0; i < 2 * LOG_BURST; i++)
		log_msg(LOG_DEBUG, "debugging %d", i);
	log_set_level(LOG_NOTICE);
	log_step(); /* it owes a word, but has no token yet */
	assert_int_equal(captured(fds, keep), 3 * LOG_BURST);
}

static void auto_asks_whose_stderr_is(void **state)
{
	int fds[2], keep = capture(fds);
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_set_format(LOG_FORMAT_AUTO);
	log_msg(LOG_WARNING, "to the journal");
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_set_format(LOG_FORMAT_AUTO);
	log_msg(LOG_WARNING, "to another");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_set_format(LOG_FORMAT_AUTO);
	log_msg(LOG_WARNING, "to nobody");
	unsetenv("JOURNAL_STREAM");
	assert_int_equal(captured(fds, keep), 3);
	assert_string_equal(out, "<4>to the journal\nweir: warning: to another\nweir: warning: to "
				 "nobody\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_as_ever),
		cmocka_unit_test(journal_levels),
		cmocka_unit_test(json_object_a_line),
		cmocka_unit_test(whatever_the_bytes),
		cmocka_unit_test(too_long_is_cut),
		cmocka_unit_test(a_bucket_for_each_kind),
		cmocka_unit_test(more_kinds_than_are_kept),
		cmocka_unit_test(levels_and_events),
		cmocka_unit_test(a_storm_is_held_back),
		cmocka_unit_test(auto_asks_whose_stderr_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
