/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket over a source in memory: answers, bounds, bad clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/counter_names.h"
#include "control/ctl_request.h"
#include "control/ctl_server.h"
#include "control/ctl_socket.h"
#include "control/trace_wire.h"
#include "tcp/tcp.h"
#include "trace_fixture.h"

/* ---- a source in memory -------------------------------------------------------- */

#define WORKERS 3
#define RING	2000

struct fake {
	unsigned rows[WORKERS]; /* connections of each worker */
	int silent;		/* this worker does not answer; -1: all do */
	unsigned asked;		/* calls of conns() */
	bool tracing;
	int trace_rc;
	struct weir_trace_filter filter;
	unsigned starts, stops;
	unsigned records; /* in the ring, RING at most */
	uint64_t lost;
	enum weir_mode modes[2]; /* of the services */
	int mode_rc;
};

static void fake_status(void *ctx, struct ctl_status *s)
{
	static struct ctl_service services[2];
	static const struct engine_queue_status queue[4] = {
		{.mode = "copy"},
		{.mode = "copy"},
		{.mode = "copy"},
		[3] = {.worker = 1, .mode = "copy", .rx_frames = 30, .rx_dropped = 2}};
	static const struct engine_worker_status worker[WORKERS] = {
		[1] = {.conns = 5, .handover_received = 6}};
	const struct fake *f = ctx;

	services[0] = (struct ctl_service){"10.0.0.2:80", "http", {f->modes[0], 1000, 10000}, true};
	services[1] = (struct ctl_service){"*:7", "echo", {f->modes[1], 20, 300}, false};
	s->iface = "weir0";
	s->mode = "native";
	s->xsk = "copy";
	s->uptime_s = 77;
	s->queues = 4;
	s->zero_copy = "refused: Operation not supported";
	s->queue = queue;
	s->worker = worker;
	s->workers = WORKERS;
	s->flows_used = 5;
	s->flows_capacity = 1000;
	for (unsigned i = 0; i < WEIR_TCP_NSTATES; i++)
		s->engine.states[i] = i;
	s->engine.tombstones = 12;
	s->engine.per_connection_bytes = 640;
	s->services = services;
	s->nservices = 2;
}

static int fake_set_mode(void *ctx, unsigned service, enum weir_mode mode)
{
	struct fake *f = ctx;

	assert_true(service < 2);
	if (!f->mode_rc)
		f->modes[service] = mode;
	return f->mode_rc;
}

static void fake_counters(void *ctx, uint64_t *v)
{
	(void)ctx;
	v[WEIR_C_syn_answered] = 1234567890123ull;
}

static int fake_conns(void *ctx, unsigned worker, uint64_t *cursor, struct engine_conn_row *rows,
		      unsigned max)
{
	struct fake *f = ctx;
	unsigned n = 0;

	f->asked++;
	if ((int)worker == f->silent)
		return -ETIMEDOUT;
	for (; n < max && *cursor < f->rows[worker]; n++, (*cursor)++) {
		memset(&rows[n], 0, sizeof(rows[n]));
		rows[n].id = *cursor;
		rows[n].worker = worker;
		rows[n].service = "ec\"ho";
		rows[n].local = (struct weir_addr){.family = 4, .port = 7, .addr = {10, 0, 0, 2}};
		rows[n].remote.family = 6;
		rows[n].remote.addr[0] = 0xfd;
		rows[n].remote.port = (uint16_t)(1000 + *cursor);
		rows[n].tcp.state = *cursor % 2 ? WEIR_TIME_WAIT : WEIR_ESTABLISHED;
	}
	if (*cursor >= f->rows[worker])
		*cursor = UINT64_MAX;
	return (int)n;
}

static int fake_trace_start(void *ctx, const struct weir_trace_filter *filter)
{
	struct fake *f = ctx;

	f->starts++;
	if (f->trace_rc)
		return f->trace_rc;
	f->tracing = true;
	f->filter = *filter;
	return 0;
}

static void fake_trace_stop(void *ctx)
{
	struct fake *f = ctx;

	f->stops++;
	f->tracing = false;
}

static uint64_t fake_trace_poll(void *ctx, ctl_trace_sink sink, void *arg)
{
	struct fake *f = ctx;
	struct weir_trace_rec rec;
	struct trace_seg seg = {.flags = TCP_SYN, .gate = true};
	uint64_t lost = f->lost;

	while (f->records > 0) {
		seg.us = f->records;
		seg.port = f->records-- % 2 ? 1001 : 1002;
		trace_make(&rec, &seg);
		if (!sink(arg, &rec))
			break;
	}
	f->lost = 0;
	return lost;
}

static const struct ctl_source_ops fake_ops = {
	.status = fake_status,
	.counters = fake_counters,
	.conns = fake_conns,
	.set_mode = fake_set_mode,
	.trace_start = fake_trace_start,
	.trace_stop = fake_trace_stop,
	.trace_poll = fake_trace_poll,
};

/* ---- a socket in a directory of its own --------------------------------------------- */

struct bed {
	char dir[64], path[96];
	struct fake fake;
	struct ctl *ctl;
	uint64_t now_us;
};

static struct ctl_source source(struct bed *b)
{
	return (struct ctl_source){.ops = &fake_ops, .ctx = &b->fake, .workers = WORKERS};
}

static int bed_open(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct ctl_source src;
	struct weir_err err;

	strcpy(b->dir, "/tmp/weir-test-ctl-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->path, sizeof(b->path), "%s/sock", b->dir);
	b->fake.silent = -1;
	b->fake.modes[1] = WEIR_MODE_AUTO;
	src = source(b);
	if (ctl_server_open(&b->ctl, &src, b->path, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	*state = b;
	return 0;
}

static int bed_close(void **state)
{
	struct bed *b = *state;
	struct stat st;
	int left;

	if (b->ctl)
		ctl_server_close(b->ctl);
	left = stat(b->path, &st) == 0;
	unlink(b->path);
	rmdir(b->dir);
	free(b);
	return left ? -1 : 0;
}

static void step(struct bed *b)
{
	ctl_step(b->ctl, b->now_us += 1000);
}

static int dial(struct bed *b)
{
	int fd = ctl_socket_connect(b->path);

	assert_true(fd >= 0);
	step(b);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A line of the reply, while the server steps; NULL at its end. Free it. */
static char *hear(struct bed *b, int fd)
{
	size_t n = 0, cap = 4096;
	char *line = malloc(cap), *nl = NULL;
	unsigned idle = 0;

	while (!nl) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		step(b);
		if (poll(&p, 1, 1) == 0) {
			assert_in_range(++idle, 0, 3000);
			continue;
		}
		if (cap - n < 4096)
			line = realloc(line, cap *= 2);
		got = recv(fd, line + n, cap - n - 1, MSG_PEEK);
		if (got <= 0) {
			free(line);
			return NULL;
		}
		nl = memchr(line + n, '\n', (size_t)got);
		got = recv(fd, line + n, nl ? (size_t)(nl - line) + 1 - n : (size_t)got, 0);
		n += (size_t)got;
	}
	*nl = '\0';
	return line;
}

static json_t *hear_json(struct bed *b, int fd)
{
	char *line = hear(b, fd);
	json_t *o;

	assert_non_null(line);
	o = json_loads(line, 0, NULL);
	assert_non_null(o);
	free(line);
	return o;
}

static json_t *ask(struct bed *b, int fd, const char *request)
{
	json_t *o;

	say(fd, request);
	say(fd, "\n");
	o = hear_json(b, fd);
	assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
	return o;
}

static void expect_error(struct bed *b, int fd, const char *request, const char *part)
{
	json_t *o = ask(b, fd, request);
	const char *error = json_string_value(json_object_get(o, "error"));

	assert_non_null(error);
	assert_non_null(strstr(error, part));
	json_decref(o);
}

/* ---- answers --------------------------------------------------------------------------- */

static void ping_and_status(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o, *sub;

	o = ask(b, fd, "{\"cmd\":\"ping\"}");
	assert_true(json_is_true(json_object_get(o, "pong")));
	json_decref(o);
	o = ask(b, fd, "{\"cmd\":\"status\"}");
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
	assert_int_equal(json_array_size(json_object_get(o, "per_worker")), WORKERS);
	sub = json_array_get(json_object_get(o, "per_worker"), 1);
	assert_int_equal(json_integer_value(json_object_get(sub, "connections")), 5);
	assert_int_equal(json_integer_value(json_object_get(sub, "handover_received")), 6);
	sub = json_object_get(o, "connections");
	assert_int_equal(json_object_size(sub), WEIR_TCP_NSTATES);
	assert_int_equal(json_integer_value(json_object_get(sub, "TIME_WAIT")), WEIR_TIME_WAIT);
	sub = json_object_get(o, "flows");
	assert_int_equal(json_integer_value(json_object_get(sub, "used")), 5);
	assert_int_equal(json_integer_value(json_object_get(sub, "capacity")), 1000);
	assert_int_equal(json_integer_value(json_object_get(sub, "tombstones")), 12);
	sub = json_object_get(o, "memory");
	assert_int_equal(json_integer_value(json_object_get(sub, "per_connection_bytes")), 640);
	sub = json_array_get(json_object_get(o, "services"), 1);
	assert_string_equal(json_string_value(json_object_get(sub, "mode")), "auto");
	assert_true(json_is_false(json_object_get(sub, "cookies")));
	assert_int_equal(json_integer_value(json_object_get(sub, "auto_syn_per_sec")), 20);
	assert_int_equal(json_integer_value(json_object_get(sub, "auto_hold_ms")), 300);
	json_decref(o);
	close(fd);
}

/* The modes that a reply tells, two letters each. */
static void expect_modes(struct bed *b, int fd, const char *request, const char *want)
{
	json_t *o = ask(b, fd, request), *list = json_object_get(o, "services"), *s;
	char got[8] = "";
	size_t i;

	json_array_foreach(list, i, s)
		strncat(got, json_string_value(json_object_get(s, "mode")), 2);
	assert_string_equal(got, want);
	json_decref(o);
}

static void modes(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);

	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alau");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"service\":\"*:7\"}", "au");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"service\":\"*:7\",\"mode\":\"never\"}", "ne");
	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alne");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"mode\":\"auto\"}", "auau");
	expect_modes(b, fd, "{\"cmd\":\"mode\",\"mode\":\"always\",\"service\":\"10.0.0.2:80\"}",
		     "al");
	assert_int_equal(b->fake.modes[0], WEIR_MODE_ALWAYS);
	assert_int_equal(b->fake.modes[1], WEIR_MODE_AUTO);
	expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":\"10.0.0.2:81\",\"mode\":\"never\"}",
		     "no such service");
	expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":\"*\",\"mode\":\"never\"}", "ADDR:PORT");
	expect_error(b, fd, "{\"cmd\":\"mode\",\"service\":7,\"mode\":\"never\"}", "ADDR:PORT");
	expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":\"sometimes\"}", "none of");
	expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":1}", "none of");
	expect_error(b, fd, "{\"cmd\":\"mode\",\"port\":80}", "takes no member");
	expect_error(b, fd, "{\"cmd\":\"status\",\"mode\":\"never\"}", "takes no member");
	b->fake.mode_rc = -EINVAL;
	expect_error(b, fd, "{\"cmd\":\"mode\",\"mode\":\"never\"}", "cannot be changed");
	expect_modes(b, fd, "{\"cmd\":\"mode\"}", "alau");
	close(fd);
}

static void counters(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o = ask(b, fd, "{\"cmd\":\"counters\"}");
	json_t *c = json_object_get(o, "counters");

	assert_int_equal(json_object_size(c), WEIR_C_MAX - 1);
	assert_int_equal(json_integer_value(json_object_get(c, "syn_answered")), 1234567890123ll);
	assert_int_equal(json_integer_value(json_object_get(c, "ack_accepted")), 0);
	json_decref(o);
	close(fd);
}

static void garbage(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o;

	expect_error(b, fd, "", "not JSON");
	expect_error(b, fd, "hello", "not JSON");
	expect_error(b, fd, "{\"cmd\":\"ping\"", "not JSON");
	expect_error(b, fd, "{\"cmd\":\"ping\"} x", "not JSON");
	expect_error(b, fd, "[1,2]", "cmd");
	expect_error(b, fd, "{}", "cmd");
	expect_error(b, fd, "{\"cmd\":7}", "cmd");
	expect_error(b, fd, "{\"cmd\":\"halt\"}", "unknown command \"halt\"");
	expect_error(b, fd, "{\"cmd\":\"status\",\"port\":80}", "no member \"port\"");
	expect_error(b, fd, "{\"cmd\":\"conns\",\"prot\":80}", "no member \"prot\"");
	expect_error(b, fd, "{\"cmd\":\"conns\",\"port\":65536}", "port is not");
	expect_error(b, fd, "{\"cmd\":\"conns\",\"port\":\"80\"}", "port is not");
	expect_error(b, fd, "{\"cmd\":\"conns\",\"state\":\"OPEN\"}", "TCP state");
	expect_error(b, fd, "{\"cmd\":\"trace\",\"addr\":\"10.0.0\"}", "not an IPv4");
	expect_error(b, fd, "{\"cmd\":\"ping\",\"cmd\":\"ping\"}", "not JSON");
	expect_error(b, fd, "\xff\xfe\x01", "not JSON");
	/* and goes on answering */
	o = ask(b, fd, "{\"cmd\":\"version\"}");
	assert_non_null(json_object_get(o, "weir"));
	json_decref(o);
	assert_int_equal(b->fake.starts, 0);
	close(fd);
}

/* Bytes one at a time, several requests at once, half-close before the answers. */
static void framing(void **state)
{
	static const char one[] = "{\"cmd\":\"ping\"}\n";
	struct bed *b = *state;
	int fd = dial(b);

	for (size_t i = 0; i + 1 < sizeof(one); i++) {
		assert_int_equal(send(fd, one + i, 1, 0), 1);
		step(b);
	}
	json_decref(hear_json(b, fd));
	say(fd, "{\"cmd\":\"ping\"}\n{\"cmd\":\"conns\"}\n{\"cmd\":\"status\"}\n");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 3; i++)
		json_decref(hear_json(b, fd));
	assert_null(hear(b, fd));
	close(fd);
}

static void too_long(void **state)
{
	char *big = malloc(CTL_REQUEST_MAX + 1);
	struct bed *b = *state;
	int fd = dial(b);
	size_t at = 0;
	json_t *o;

	memset(big, ' ', CTL_REQUEST_MAX);
	memcpy(big, "{\"cmd\":\"ping\"}", 14);
	big[CTL_REQUEST_MAX - 1] = '\n';
	/* exactly as long as it may be */
	while (at < CTL_REQUEST_MAX) {
		ssize_t n = send(fd, big + at, CTL_REQUEST_MAX - at, MSG_DONTWAIT);

		at += n > 0 ? (size_t)n : 0;
		step(b);
	}
	o = hear_json(b, fd);
	assert_true(json_is_true(json_object_get(o, "pong")));
	json_decref(o);
	big[CTL_REQUEST_MAX - 1] = ' ';
	for (at = 0; at < CTL_REQUEST_MAX;) {
		ssize_t n = send(fd, big + at, CTL_REQUEST_MAX - at, MSG_DONTWAIT);

		at += n > 0 ? (size_t)n : 0;
		step(b);
	}
	o = hear_json(b, fd);
	assert_non_null(strstr(json_string_value(json_object_get(o, "error")), "longer"));
	json_decref(o);
	assert_null(hear(b, fd));
	free(big);
	close(fd);
}

/* ---- conns ----------------------------------------------------------------------------- */

static void conns_streamed(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o, *rows, *row;

	b->fake.rows[0] = 3000;
	b->fake.rows[2] = 65;
	o = ask(b, fd, "{\"cmd\":\"conns\"}");
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
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o;

	b->fake.rows[1] = 200;
	o = ask(b, fd, "{\"cmd\":\"conns\",\"state\":\"time_wait\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 100);
	json_decref(o);
	o = ask(b, fd, "{\"cmd\":\"conns\",\"port\":1007}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 1);
	json_decref(o);
	o = ask(b, fd, "{\"cmd\":\"conns\",\"port\":7}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 200);
	json_decref(o);
	o = ask(b, fd, "{\"cmd\":\"conns\",\"port\":1007,\"state\":\"ESTABLISHED\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 0);
	json_decref(o);
	close(fd);
}

static void conns_silent_worker(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);
	json_t *o;

	b->fake.rows[0] = b->fake.rows[1] = b->fake.rows[2] = 10;
	b->fake.silent = 1;
	o = ask(b, fd, "{\"cmd\":\"conns\"}");
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 20);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(o, "unanswered_workers"), 0)), 1);
	json_decref(o);
	close(fd);
}

/* One who does not read costs no more rows than fit, and others are served. */
static void slow_reader(void **state)
{
	struct bed *b = *state;
	int slow = dial(b), fd = dial(b);
	unsigned asked;
	json_t *o;

	b->fake.rows[0] = 20000;
	say(slow, "{\"cmd\":\"conns\"}\n");
	for (int i = 0; i < 2000; i++)
		step(b);
	asked = b->fake.asked;
	assert_in_range(asked, 1, 200);
	for (int i = 0; i < 100; i++)
		step(b);
	assert_int_equal(b->fake.asked, asked);
	json_decref(ask(b, fd, "{\"cmd\":\"status\"}"));
	/* it wakes up and gets all of it */
	o = hear_json(b, slow);
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 20000);
	json_decref(o);
	close(slow);
	close(fd);
}

static void gone_in_the_middle(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);

	b->fake.rows[0] = 20000;
	say(fd, "{\"cmd\":\"conns\"}\n");
	for (int i = 0; i < 3; i++)
		step(b);
	close(fd);
	for (int i = 0; i < 20; i++)
		step(b);
	assert_in_range(b->fake.asked, 1, 60);
	fd = dial(b);
	json_decref(ask(b, fd, "{\"cmd\":\"ping\"}"));
	close(fd);
}

/* ---- trace ------------------------------------------------------------------------------ */

static void wait_trace_period(void)
{
	const struct timespec t = {.tv_nsec = 3000000};

	nanosleep(&t, NULL);
}

static void traced(void **state)
{
	struct bed *b = *state;
	struct weir_trace_rec rec;
	int fd = dial(b);
	json_t *o;

	o = ask(b, fd, "{\"cmd\":\"trace\",\"port\":1001,\"addr\":\"10.0.0.1\"}");
	assert_true(json_is_true(json_object_get(o, "trace")));
	assert_true(json_integer_value(json_object_get(o, "wall_ns")) > 0);
	json_decref(o);
	assert_true(b->fake.tracing);
	assert_int_equal(b->fake.filter.port, htons(1001));
	assert_int_equal(b->fake.filter.family, 4);
	assert_memory_equal(b->fake.filter.addr, "\x0a\0\0\x01", 4);
	b->fake.records = 4;
	for (int i = 0; i < 2; i++) {
		o = hear_json(b, fd);
		assert_int_equal(trace_wire_parse(&rec, o), 0);
		/* the other port's records are not for this client */
		assert_int_equal(rec.data[34] << 8 | rec.data[35], 1001);
		json_decref(o);
	}
	b->fake.lost = 9;
	o = hear_json(b, fd);
	assert_int_equal(json_integer_value(json_object_get(o, "lost")), 9);
	json_decref(o);
	close(fd);
	for (int i = 0; i < 3; i++)
		step(b);
	assert_false(b->fake.tracing);
	assert_int_equal(b->fake.stops, 1);
}

/* Two filters widen what gate and engine send; it narrows again with one. */
static void two_traces(void **state)
{
	struct bed *b = *state;
	int one = dial(b), two = dial(b);

	json_decref(ask(b, one, "{\"cmd\":\"trace\",\"port\":1001}"));
	json_decref(ask(b, two, "{\"cmd\":\"trace\",\"port\":1002}"));
	assert_int_equal(b->fake.filter.port, 0);
	close(one);
	for (int i = 0; i < 3; i++)
		step(b);
	assert_true(b->fake.tracing);
	assert_int_equal(b->fake.filter.port, htons(1002));
	close(two);
	for (int i = 0; i < 3; i++)
		step(b);
	assert_false(b->fake.tracing);
}

static void trace_refused(void **state)
{
	struct bed *b = *state;
	int fd = dial(b);

	b->fake.trace_rc = -EIO;
	expect_error(b, fd, "{\"cmd\":\"trace\"}", "trace");
	b->fake.trace_rc = 0;
	json_decref(ask(b, fd, "{\"cmd\":\"trace\"}"));
	close(fd);
}

/*
 * A reader that sleeps: records wait in the ring, what overflows there is lost,
 * and the reader is told how many. Nothing is lost beside that.
 */
static void trace_slow(void **state)
{
	struct bed *b = *state;
	uint64_t lost = 0, got = 0, in_ring;
	int fd = dial(b);

	json_decref(ask(b, fd, "{\"cmd\":\"trace\"}"));
	for (int i = 0; i < 10; i++) {
		b->fake.records += 1000;
		if (b->fake.records > RING) {
			b->fake.lost += b->fake.records - RING;
			b->fake.records = RING;
		}
		wait_trace_period();
		step(b);
	}
	in_ring = b->fake.records;
	assert_in_range(in_ring, RING - 100, RING);
	assert_in_range(b->fake.lost, 1, 9000);
	while (got + lost < 10000) {
		json_t *o = hear_json(b, fd);
		json_t *l = json_object_get(o, "lost");

		lost += (uint64_t)json_integer_value(l);
		got += !l;
		json_decref(o);
	}
	assert_int_equal(got + lost, 10000);
	assert_true(got > in_ring + 500);
	close(fd);
}

/* One that sleeps does not keep another from its records. */
static void trace_slow_and_fast(void **state)
{
	struct bed *b = *state;
	int slow = dial(b), fast = dial(b);
	uint64_t lost = 0;

	json_decref(ask(b, slow, "{\"cmd\":\"trace\"}"));
	json_decref(ask(b, fast, "{\"cmd\":\"trace\"}"));
	for (unsigned got = 0, given = 0; got < 5000; got++) {
		if (got == given)
			b->fake.records = 100, given += 100;
		json_decref(hear_json(b, fast));
	}
	for (unsigned got = 0; got + lost < 5000;) {
		json_t *o = hear_json(b, slow);
		json_t *l = json_object_get(o, "lost");

		lost += (uint64_t)json_integer_value(l);
		got += !l;
		json_decref(o);
	}
	assert_in_range(lost, 1, 4500);
	close(slow);
	close(fast);
}

/* ---- who may, and how many ----------------------------------------------------------------- */

static void many_clients(void **state)
{
	struct bed *b = *state;
	int fd[CTL_MAX_CLIENTS + 1];
	json_t *o;

	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		fd[i] = dial(b);
	json_decref(ask(b, fd[0], "{\"cmd\":\"ping\"}"));
	/* the one silent longest, not the one just served, gives way */
	fd[CTL_MAX_CLIENTS] = dial(b);
	json_decref(ask(b, fd[CTL_MAX_CLIENTS], "{\"cmd\":\"ping\"}"));
	json_decref(ask(b, fd[0], "{\"cmd\":\"ping\"}"));
	assert_null(hear(b, fd[1]));
	for (int i = 0; i <= CTL_MAX_CLIENTS; i++)
		close(fd[i]);
	for (int i = 0; i < 10; i++)
		step(b);
	/* with all of them at work a new one is refused, in words */
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		fd[i] = dial(b);
		json_decref(ask(b, fd[i], "{\"cmd\":\"trace\"}"));
	}
	fd[CTL_MAX_CLIENTS] = dial(b);
	o = hear_json(b, fd[CTL_MAX_CLIENTS]);
	assert_string_equal(json_string_value(json_object_get(o, "error")), "too many clients");
	json_decref(o);
	assert_null(hear(b, fd[CTL_MAX_CLIENTS]));
	for (int i = 0; i <= CTL_MAX_CLIENTS; i++)
		close(fd[i]);
}

static void modes_and_names(void **state)
{
	struct ctl_source src;
	struct bed *b = *state;
	struct weir_err err;
	struct ctl *second;
	struct stat st;
	char path[300];
	int fd;

	src = source(b);
	assert_int_equal(stat(b->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	/* a live one is left alone */
	assert_int_equal(ctl_server_open(&second, &src, b->path, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another weir"));
	fd = dial(b);
	json_decref(ask(b, fd, "{\"cmd\":\"ping\"}"));
	close(fd);
	/* a dead one is replaced: what kill -9 leaves behind */
	snprintf(path, sizeof(path), "%s/dead", b->dir);
	fd = ctl_socket_listen(path, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ctl_socket_connect(path), -ECONNREFUSED);
	assert_int_equal(ctl_server_open(&second, &src, path, &err), 0);
	ctl_server_close(second);
	assert_int_equal(stat(path, &st), -1);
	/* what is no socket is not removed */
	snprintf(path, sizeof(path), "%s/file", b->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -EEXIST);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/none/sock", b->dir);
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -ENAMETOOLONG);
}

static void directory(void **state)
{
	struct bed *b = *state;
	struct weir_err err;
	struct stat st;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/run", b->dir);
	assert_int_equal(ctl_socket_dir(dir, &err), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(ctl_socket_dir(dir, &err), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(ctl_socket_dir(dir, &err), -EPERM);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink(b->dir, dir), 0);
	assert_int_equal(ctl_socket_dir(dir, &err), -EPERM);
	assert_int_equal(unlink(dir), 0);
}

#define bed_test(f) cmocka_unit_test_setup_teardown(f, bed_open, bed_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(ping_and_status),
		bed_test(modes),
		bed_test(counters),
		bed_test(garbage),
		bed_test(framing),
		bed_test(too_long),
		bed_test(conns_streamed),
		bed_test(conns_filtered),
		bed_test(conns_silent_worker),
		bed_test(slow_reader),
		bed_test(gone_in_the_middle),
		bed_test(traced),
		bed_test(two_traces),
		bed_test(trace_refused),
		bed_test(trace_slow),
		bed_test(trace_slow_and_fast),
		bed_test(many_clients),
		bed_test(modes_and_names),
		bed_test(directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
