/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket over a source in memory: answers, bounds, bad clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ctl_request.h"
#include "control/ctl_socket.h"
#include "ctl_fixture.h"
#include "proxy/backends.h"

/* ---- answers --------------------------------------------------------------------------- */

static void ping_and_status(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o, *sub;

	o = bed_ask(b, fd, "{\"cmd\":\"ping\"}");
	assert_true(json_is_true(json_object_get(o, "pong")));
	json_decref(o);
	o = bed_ask(b, fd, "{\"cmd\":\"status\"}");
	assert_string_equal(json_string_value(json_object_get(o, "iface")), "weir0");
	assert_string_equal(json_string_value(json_object_get(o, "mode")), "native");
	assert_string_equal(json_string_value(json_object_get(o, "xsk")), "copy");
	assert_int_equal(json_integer_value(json_object_get(o, "uptime_s")), 77);
	assert_int_equal(json_integer_value(json_object_get(o, "queues")), 4);
	assert_string_equal(json_string_value(json_object_get(o, "zero_copy")),
			    "refused: Operation not supported");
	assert_int_equal(json_array_size(json_object_get(o, "per_queue")), 4);
	sub = json_array_get(json_object_get(o, "per_queue"), 3);
	assert_int_equal(json_integer_value(json_object_get(sub, "queue")), 3);
	assert_int_equal(json_integer_value(json_object_get(sub, "worker")), 1);
	assert_int_equal(json_integer_value(json_object_get(sub, "rx_frames")), 30);
	assert_int_equal(json_integer_value(json_object_get(sub, "rx_dropped")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "per_worker")), FAKE_WORKERS);
	sub = json_array_get(json_object_get(o, "per_worker"), 1);
	assert_int_equal(json_integer_value(json_object_get(sub, "connections")), 5);
	assert_int_equal(json_integer_value(json_object_get(sub, "handover_received")), 6);
	assert_int_equal(json_integer_value(json_object_get(sub, "cpu_us")), 7000000);
	sub = json_object_get(o, "connections");
	assert_int_equal(json_object_size(sub), WEIR_TCP_NSTATES);
	assert_int_equal(json_integer_value(json_object_get(sub, "TIME_WAIT")), WEIR_TIME_WAIT);
	sub = json_object_get(o, "flows");
	assert_int_equal(json_integer_value(json_object_get(sub, "used")), 5);
	assert_int_equal(json_integer_value(json_object_get(sub, "capacity")), 1000);
	assert_int_equal(json_integer_value(json_object_get(sub, "tombstones")), 12);
	sub = json_object_get(o, "memory");
	assert_int_equal(json_integer_value(json_object_get(sub, "per_connection_bytes")), 640);
	sub = json_object_get(o, "limits");
	assert_true(json_is_null(json_object_get(sub, "memlock_bytes")));
	assert_int_equal(json_integer_value(json_object_get(sub, "nofile")), 1024);
	assert_true(json_is_null(json_object_get(sub, "cgroup_memory_bytes")));
	assert_int_equal(json_integer_value(json_object_get(sub, "cgroup_cpu_ms_per_s")), 1500);
	assert_int_equal(json_integer_value(json_object_get(sub, "cpus")), 2);
	sub = json_array_get(json_object_get(sub, "warnings"), 0);
	assert_string_equal(json_string_value(sub), "few files");
	sub = json_array_get(json_object_get(o, "services"), 1);
	assert_string_equal(json_string_value(json_object_get(sub, "mode")), "auto");
	assert_true(json_is_false(json_object_get(sub, "cookies")));
	assert_int_equal(json_integer_value(json_object_get(sub, "auto_syn_per_sec")), 20);
	assert_int_equal(json_integer_value(json_object_get(sub, "auto_hold_ms")), 300);
	json_decref(o);
	close(fd);
}

static void health(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o;

	o = bed_ask(b, fd, "{\"cmd\":\"health\"}");
	assert_true(json_is_true(json_object_get(o, "healthy")));
	assert_true(json_is_null(json_object_get(o, "reason")));
	assert_string_equal(json_string_value(json_object_get(o, "iface")), "weir0");
	assert_int_equal(json_integer_value(json_object_get(o, "heartbeat_age_ms")), 17);
	json_decref(o);
	b->fake.ill = "draining";
	o = bed_ask(b, fd, "{\"cmd\":\"health\"}");
	assert_true(json_is_false(json_object_get(o, "healthy")));
	assert_true(json_is_true(json_object_get(o, "draining")));
	assert_string_equal(json_string_value(json_object_get(o, "reason")), "draining");
	json_decref(o);
	bed_expect_error(b, fd, "{\"cmd\":\"health\",\"port\":80}", "takes no member");
	close(fd);
}

static void keys(void **state)
{
	const struct key_set s = {
		.n = 2,
		.mtu = 1500,
		.wscale = 7,
		.key = {{.id = 3, .secret = {0xabcdefabcdef, 2}, .retire_at = 1795270000},
			{.id = 4,
			 .accept_from = 1795269000,
			 .issue_from = 1795269900,
			 .retire_at = KEYS_NEVER}}};
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o, *k;
	char *text;

	o = bed_ask(b, fd, "{\"cmd\":\"keys\"}");
	assert_string_equal(json_string_value(json_object_get(o, "source")), "random");
	assert_int_equal(json_integer_value(json_object_get(o, "rotate_ms")), 600000);
	json_decref(o);
	b->fake.keys = &s;
	b->fake.keys_error = "line 3";
	o = bed_ask(b, fd, "{\"cmd\":\"keys\"}");
	assert_string_equal(json_string_value(json_object_get(o, "file")), "/etc/weir/key");
	assert_string_equal(json_string_value(json_object_get(o, "file_error")), "line 3");
	assert_string_equal(json_string_value(json_object_get(o, "loaded_at")),
			    "2026-11-21T14:00:00Z");
	assert_int_equal(json_integer_value(json_object_get(o, "issuing")), 3);
	k = json_object_get(o, "next");
	assert_int_equal(json_integer_value(json_object_get(k, "id")), 4);
	assert_in_range(json_integer_value(json_object_get(k, "in_ms")), 300000, 316384);
	k = json_array_get(json_object_get(o, "keys"), 1);
	assert_string_equal(json_string_value(json_object_get(k, "state")), "accepted");
	assert_true(json_is_null(json_object_get(k, "retire_at")));
	text = json_dumps(o, 0);
	assert_null(strstr(text, "abcdef")); /* nothing of a secret */
	free(text);
	json_decref(o);
	close(fd);
}

/* The modes that a reply tells, two letters each. */
static void expect_modes(struct ctl_bed *b, int fd, const char *request, const char *want)
{
	json_t *o = bed_ask(b, fd, request), *list = json_object_get(o, "services"), *s;
	char got[8] = "";
	size_t i;

	json_array_foreach(list, i, s)
		strncat(got, json_string_value(json_object_get(s, "mode")), 2);
	assert_string_equal(got, want);
	json_decref(o);
}

static void policy(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o = bed_ask(b, fd, "{\"cmd\":\"policy\"}"), *l, *t;

	l = json_array_get(json_object_get(o, "lists"), 1);
	assert_string_equal(json_string_value(json_object_get(l, "name")), "*:7");
	assert_int_equal(json_integer_value(json_object_get(l, "allow")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(l, "services"), 0)),
			    "*:7");
	l = json_object_get(o, "limits");
	assert_int_equal(json_integer_value(json_object_get(l, "flow_limit")), 8);
	l = json_object_get(l, "synack");
	assert_int_equal(json_integer_value(json_object_get(l, "burst")), 100);
	assert_string_equal(json_string_value(json_object_get(l, "prefix")), "24,56");
	assert_non_null(json_object_get(json_object_get(o, "hits"), "drop_acl_denied"));
	assert_null(json_object_get(o, "test"));
	json_decref(o);

	o = bed_ask(b, fd, "{\"cmd\":\"policy\",\"addr\":\"192.0.2.7\"}");
	t = json_object_get(o, "test");
	assert_string_equal(json_string_value(json_object_get(t, "source")), "192.0.2.7");
	l = json_array_get(json_object_get(t, "lists"), 0);
	assert_true(json_is_false(json_object_get(l, "welcome")));
	assert_string_equal(json_string_value(json_object_get(l, "prefix")), "192.0.2.0/24");
	assert_string_equal(json_string_value(json_object_get(l, "from")), "/etc/weir/deny:3");
	l = json_array_get(json_object_get(t, "lists"), 1);
	assert_true(json_is_true(json_object_get(l, "welcome")));
	assert_int_equal(json_integer_value(json_object_get(t, "synack_tokens")), 99);
	assert_int_equal(json_integer_value(json_object_get(t, "flows")), 5);
	assert_null(json_object_get(t, "flow_tokens"));
	json_decref(o);
	bed_expect_error(b, fd, "{\"cmd\":\"policy\",\"addr\":\"x\"}", "addr is not");
	bed_expect_error(b, fd, "{\"cmd\":\"policy\",\"port\":1}", "no member");
	close(fd);
}

static void modes(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);

	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alau");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"service\":\"*:7\"}", "au");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"service\":\"*:7\",\"mode\":\"never\"}", "ne");
	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alne");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"mode\":\"auto\"}", "auau");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"mode\":\"always\",\"service\":\"10.0.0.2:80\"}",
		     "al");
	assert_int_equal(b->fake.modes[0], WEIR_MODE_ALWAYS);
	assert_int_equal(b->fake.modes[1], WEIR_MODE_AUTO);
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":\"10.0.0.2:81\",\"mode\":\"never\"}",
			 "no such service");
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":\"*\",\"mode\":\"never\"}",
			 "ADDR:PORT");
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":7,\"mode\":\"never\"}", "ADDR:PORT");
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":\"sometimes\"}", "none of");
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":1}", "none of");
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"port\":80}", "takes no member");
	bed_expect_error(b, fd, "{\"cmd\":\"status\",\"mode\":\"never\"}", "takes no member");
	b->fake.mode_rc = -EINVAL;
	bed_expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":\"never\"}", "cannot be changed");
	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alau");
	close(fd);
}

static void counters(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o = bed_ask(b, fd, "{\"cmd\":\"counters\"}");
	json_t *c = json_object_get(o, "counters");

	assert_int_equal(json_object_size(c), WEIR_C_MAX - 1);
	assert_int_equal(json_integer_value(json_object_get(c, "syn_answered")), 1234567890123ll);
	assert_int_equal(json_integer_value(json_object_get(c, "ack_accepted")), 0);
	json_decref(o);
	close(fd);
}

static json_int_t at(json_t *list, size_t i)
{
	return json_integer_value(json_array_get(list, i));
}

static void history(void **state)
{
	struct ctl_bed *b = *state;
	uint64_t v[WEIR_C_MAX] = {0}, cpu[2] = {0};
	const struct history_input in = {.counters = v, .cpu_us = cpu, .flows = 9};
	int fd = bed_dial(b);
	json_t *o = bed_ask(b, fd, "{\"cmd\":\"history\"}"), *s;

	assert_int_equal(json_integer_value(json_object_get(o, "seconds")), 0);
	assert_int_equal(json_object_size(json_object_get(o, "series")), HISTORY_NSERIES);
	json_decref(o);
	assert_int_equal(history_open(&b->fake.history, 2), 0);
	for (uint64_t t = 0; t < 5; t++) {
		v[WEIR_C_syn_answered] += 10 * t;
		cpu[1] += 250000;
		history_take(b->fake.history, t * 1000000, &in);
	}
	o = bed_ask(b, fd, "{\"cmd\":\"history\",\"seconds\":3}");
	assert_int_equal(json_integer_value(json_object_get(o, "seconds")), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "workers")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "taken")), 4);
	s = json_object_get(json_object_get(o, "series"), "cookies_per_s");
	assert_int_equal(json_array_size(s), 3);
	assert_int_equal(at(s, 0), 20);
	assert_int_equal(at(s, 2), 40);
	assert_int_equal(at(json_object_get(json_object_get(o, "series"), "flows"), 1), 9);
	s = json_object_get(o, "cpu_permille");
	assert_int_equal(at(json_array_get(s, 0), 2), 0);
	assert_int_equal(at(json_array_get(s, 1), 2), 250);
	json_decref(o);
	bed_expect_error(b, fd, "{\"cmd\":\"history\",\"seconds\":0}", "seconds is not");
	bed_expect_error(b, fd, "{\"cmd\":\"history\",\"seconds\":\"x\"}", "seconds is not");
	bed_expect_error(b, fd, "{\"cmd\":\"counters\",\"seconds\":1}", "takes no member");
	history_close(b->fake.history);
	close(fd);
}

static void backends(void **state)
{
	static const struct weir_addr client = {4, 9, {10, 0, 0, 1}};
	struct ctl_bed *b = *state;
	struct proxy_config cfg;
	int fd = bed_dial(b);
	json_t *o = bed_ask(b, fd, "{\"cmd\":\"backends\"}"), *s;
	char err[256];

	assert_int_equal(json_array_size(json_object_get(o, "services")), 0);
	json_decref(o);
	assert_int_equal(proxy_config_parse(&cfg, "127.0.0.1:80*2,unix:/a\"b,balance=least", err,
					    sizeof(err)),
			 0);
	assert_int_equal(backends_open(&b->fake.backends, &cfg, err, sizeof(err)), 0);
	assert_int_equal(backends_pick(b->fake.backends, &client, 1), 1);
	backends_failed(b->fake.backends, 1, BACKEND_REFUSED);
	o = bed_ask(b, fd, "{\"cmd\":\"backends\"}");
	s = json_array_get(json_object_get(o, "services"), 0);
	assert_string_equal(json_string_value(json_object_get(s, "listen")), "*:7");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(s, "options"), "balance")),
		"least");
	assert_int_equal(json_integer_value(json_object_get(s, "up")), 2);
	s = json_object_get(s, "backends");
	assert_int_equal(json_array_size(s), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(s, 0), "weight")), 2);
	s = json_array_get(s, 1);
	assert_string_equal(json_string_value(json_object_get(s, "backend")), "unix:/a\"b");
	assert_string_equal(json_string_value(json_object_get(s, "state")), "up");
	assert_int_equal(json_integer_value(json_object_get(s, "in_use")), 1);
	assert_int_equal(json_integer_value(json_object_get(s, "failures")), 1);
	assert_string_equal(json_string_value(json_object_get(s, "last_error")),
			    "connection refused");
	json_decref(o);
	bed_expect_error(b, fd, "{\"cmd\":\"backends\",\"port\":7}", "takes no member");
	backends_close(b->fake.backends);
	close(fd);
}

static void garbage(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o;

	bed_expect_error(b, fd, "", "not JSON");
	bed_expect_error(b, fd, "hello", "not JSON");
	bed_expect_error(b, fd, "{\"cmd\":\"ping\"", "not JSON");
	bed_expect_error(b, fd, "{\"cmd\":\"ping\"} x", "not JSON");
	bed_expect_error(b, fd, "[1,2]", "cmd");
	bed_expect_error(b, fd, "{}", "cmd");
	bed_expect_error(b, fd, "{\"cmd\":7}", "cmd");
	bed_expect_error(b, fd, "{\"cmd\":\"halt\"}", "unknown command \"halt\"");
	bed_expect_error(b, fd, "{\"cmd\":\"status\",\"port\":80}", "no member \"port\"");
	bed_expect_error(b, fd, "{\"cmd\":\"conns\",\"prot\":80}", "no member \"prot\"");
	bed_expect_error(b, fd, "{\"cmd\":\"conns\",\"port\":65536}", "port is not");
	bed_expect_error(b, fd, "{\"cmd\":\"conns\",\"port\":\"80\"}", "port is not");
	bed_expect_error(b, fd, "{\"cmd\":\"conns\",\"state\":\"OPEN\"}", "TCP state");
	bed_expect_error(b, fd, "{\"cmd\":\"trace\",\"addr\":\"10.0.0\"}", "not an IPv4");
	bed_expect_error(b, fd, "{\"cmd\":\"ping\",\"cmd\":\"ping\"}", "not JSON");
	bed_expect_error(b, fd, "\xff\xfe\x01", "not JSON");
	/* and goes on answering */
	o = bed_ask(b, fd, "{\"cmd\":\"version\"}");
	assert_non_null(json_object_get(o, "weir"));
	json_decref(o);
	assert_int_equal(b->fake.starts, 0);
	close(fd);
}

/* Bytes one at a time, several requests at once, half-close before the answers. */
static void framing(void **state)
{
	static const char one[] = "{\"cmd\":\"ping\"}\n";
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);

	for (size_t i = 0; i + 1 < sizeof(one); i++) {
		assert_int_equal(send(fd, one + i, 1, 0), 1);
		bed_step(b);
	}
	json_decref(bed_hear_json(b, fd));
	bed_say(fd, "{\"cmd\":\"ping\"}\n{\"cmd\":\"conns\"}\n{\"cmd\":\"status\"}\n");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 3; i++)
		json_decref(bed_hear_json(b, fd));
	assert_null(bed_hear(b, fd));
	close(fd);
}

static void too_long(void **state)
{
	char *big = malloc(CTL_REQUEST_MAX + 1);
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	size_t at = 0;
	json_t *o;

	memset(big, ' ', CTL_REQUEST_MAX);
	memcpy(big, "{\"cmd\":\"ping\"}", 14);
	big[CTL_REQUEST_MAX - 1] = '\n';
	/* exactly as long as it may be */
	while (at < CTL_REQUEST_MAX) {
		ssize_t n = send(fd, big + at, CTL_REQUEST_MAX - at, MSG_DONTWAIT);

		at += n > 0 ? (size_t)n : 0;
		bed_step(b);
	}
	o = bed_hear_json(b, fd);
	assert_true(json_is_true(json_object_get(o, "pong")));
	json_decref(o);
	big[CTL_REQUEST_MAX - 1] = ' ';
	for (at = 0; at < CTL_REQUEST_MAX;) {
		ssize_t n = send(fd, big + at, CTL_REQUEST_MAX - at, MSG_DONTWAIT);

		at += n > 0 ? (size_t)n : 0;
		bed_step(b);
	}
	o = bed_hear_json(b, fd);
	assert_non_null(strstr(json_string_value(json_object_get(o, "error")), "longer"));
	json_decref(o);
	assert_null(bed_hear(b, fd));
	free(big);
	close(fd);
}

/* ---- conns ----------------------------------------------------------------------------- */

static void conns_streamed(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o, *rows, *row;

	b->fake.rows[0] = 3000;
	b->fake.rows[2] = 65;
	o = bed_ask(b, fd, "{\"cmd\":\"conns\"}");
	rows = json_object_get(o, "conns");
	assert_int_equal(json_array_size(rows), 3065);
	row = json_array_get(rows, 3064);
	assert_int_equal(json_integer_value(json_object_get(row, "id")), 64);
	assert_int_equal(json_integer_value(json_object_get(row, "worker")), 2);
	assert_string_equal(json_string_value(json_object_get(row, "state")), "ESTABLISHED");
	assert_string_equal(json_string_value(json_object_get(row, "service")), "ec\"ho");
	assert_string_equal(json_string_value(json_object_get(row, "local")), "10.0.0.2:7");
	assert_string_equal(json_string_value(json_object_get(row, "remote")), "[fd00::]:1064");
	assert_int_equal(json_array_size(json_object_get(o, "unanswered_workers")), 0);
	json_decref(o);
	close(fd);
}

static void conns_filtered(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o;

	b->fake.rows[1] = 200;
	o = bed_ask(b, fd, "{\"cmd\":\"conns\",\"state\":\"time_wait\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 100);
	json_decref(o);
	o = bed_ask(b, fd, "{\"cmd\":\"conns\",\"port\":1007}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 1);
	json_decref(o);
	o = bed_ask(b, fd, "{\"cmd\":\"conns\",\"port\":7}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 200);
	json_decref(o);
	o = bed_ask(b, fd, "{\"cmd\":\"conns\",\"port\":1007,\"state\":\"ESTABLISHED\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 0);
	json_decref(o);
	close(fd);
}

static void conns_silent_worker(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);
	json_t *o;

	b->fake.rows[0] = b->fake.rows[1] = b->fake.rows[2] = 10;
	b->fake.silent = 1;
	o = bed_ask(b, fd, "{\"cmd\":\"conns\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 20);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(o, "unanswered_workers"), 0)), 1);
	json_decref(o);
	close(fd);
}

/* One who does not read costs no more rows than fit, and others are served. */
static void slow_reader(void **state)
{
	struct ctl_bed *b = *state;
	int slow = bed_dial(b), fd = bed_dial(b);
	unsigned asked;
	json_t *o;

	b->fake.rows[0] = 20000;
	bed_say(slow, "{\"cmd\":\"conns\"}\n");
	for (int i = 0; i < 2000; i++)
		bed_step(b);
	asked = b->fake.asked;
	assert_in_range(asked, 1, 200);
	for (int i = 0; i < 100; i++)
		bed_step(b);
	assert_int_equal(b->fake.asked, asked);
	json_decref(bed_ask(b, fd, "{\"cmd\":\"status\"}"));
	/* it wakes up and gets all of it */
	o = bed_hear_json(b, slow);
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 20000);
	json_decref(o);
	close(slow);
	close(fd);
}

static void gone_in_the_middle(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);

	b->fake.rows[0] = 20000;
	bed_say(fd, "{\"cmd\":\"conns\"}\n");
	for (int i = 0; i < 3; i++)
		bed_step(b);
	close(fd);
	for (int i = 0; i < 20; i++)
		bed_step(b);
	assert_in_range(b->fake.asked, 1, 60);
	fd = bed_dial(b);
	json_decref(bed_ask(b, fd, "{\"cmd\":\"ping\"}"));
	close(fd);
}

#define bed_test(f) cmocka_unit_test_setup_teardown(f, bed_open, bed_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(ping_and_status),
		bed_test(modes),
		bed_test(policy),
		bed_test(counters),
		bed_test(history),
		bed_test(health),
		bed_test(keys),
		bed_test(garbage),
		bed_test(framing),
		bed_test(too_long),
		bed_test(conns_streamed),
		bed_test(conns_filtered),
		bed_test(conns_silent_worker),
		bed_test(slow_reader),
		bed_test(gone_in_the_middle),
		bed_test(backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
