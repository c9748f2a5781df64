/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/ctl_socket.h"
#include "control/host_limits.h"
#include "ctl_fixture.h"
#include "tcp/tcp.h"
#include "trace_fixture.h"

/* ---- a source in memory -------------------------------------------------------- */

static void fake_status(void *ctx, struct ctl_status *s)
{
	static struct ctl_service services[2];
	static const struct engine_queue_status queue[4] = {
		{.mode = "copy"},
		{.mode = "copy"},
		{.mode = "copy"},
		[3] = {.worker = 1, .mode = "copy", .rx_frames = 30, .rx_dropped = 2}};
	static const struct engine_worker_status worker[FAKE_WORKERS] = {
		[1] = {.conns = 5, .handover_received = 6, .cpu_us = 7000000}};
	static const struct host_limits limits = {.memlock = HOST_UNLIMITED,
						  .nofile = 1024,
						  .memory = HOST_UNLIMITED,
						  .cpu_milli = 1500,
						  .cpus = 2};
	static const struct host_warnings warnings = {1, {"few files"}};
	const struct ctl_fake *f = ctx;

	services[0] = (struct ctl_service){"10.0.0.2:80", "http", {f->modes[0], 1000, 10000}, true};
	services[1] = (struct ctl_service){"*:7", "echo", {f->modes[1], 20, 300}, false};
	s->iface = "weir0";
	s->mode = "native";
	s->xsk = "copy";
	s->hook = "dispatcher";
	s->hook_lost = 1;
	s->uptime_s = 77;
	s->queues = 4;
	s->zero_copy = "refused: Operation not supported";
	s->queue = queue;
	s->worker = worker;
	s->workers = FAKE_WORKERS;
	s->flows_used = 5;
	s->flows_capacity = 1000;
	for (unsigned i = 0; i < WEIR_TCP_NSTATES; i++)
		s->engine.states[i] = i;
	s->engine.tombstones = 12;
	s->engine.per_connection_bytes = 640;
	s->limits = &limits;
	s->limits_warn = &warnings;
	s->drain = f->drain.state;
	s->drain_exit = f->drain.exit;
	s->drain_left_ms = drain_left_ms(&f->drain, 0);
	s->services = services;
	s->nservices = 2;
}

/* Documentation's prefixes; a service has an allow list. */
static void fake_policy(void *ctx, const struct weir_addr *source, struct ctl_policy *p)
{
	static struct policy_prefix prefixes[] = {
		{.addr = {192, 0, 2},
		 .family = 4,
		 .len = 24,
		 .verdict = POLICY_DENY,
		 .file = 1,
		 .line = 3},
		{.addr = {192, 0, 2, 7}, .family = 4, .len = 32, .list = 1},
	};
	static struct policy_list lists[] = {{"", {0, 1}}, {"*:7", {1, 0}}};
	static struct policy_use uses[] = {{{.port = 7}, 1}};
	static char deny[] = "/etc/weir/deny", *files[] = {deny};
	static const struct policy policy = {
		.prefixes = prefixes,
		.nprefixes = 2,
		.lists = lists,
		.nlists = 2,
		.uses = uses,
		.nuses = 1,
		.files = files,
		.nfiles = 1,
		.synack = {100, 0, {24, 56}},
		.flow.by = {32, 64},
		.flow_limit = 8,
		.rst_per_sec = 100,
	};

	(void)ctx;
	p->policy = &policy;
	if (source)
		p->now = (struct policy_source_now){.synack_tokens = 99, .flows = 5};
}

static int fake_set_mode(void *ctx, unsigned service, enum weir_mode mode)
{
	struct ctl_fake *f = ctx;

	assert_true(service < 2);
	if (!f->mode_rc)
		f->modes[service] = mode;
	return f->mode_rc;
}

static void fake_drain(void *ctx, const struct drain_wish *wish)
{
	struct ctl_fake *f = ctx;

	drain_wish(&f->drain, wish, 0);
}

static void fake_counters(void *ctx, uint64_t *v)
{
	(void)ctx;
	v[WEIR_C_syn_answered] = 1234567890123ull;
}

static const struct history *fake_history(void *ctx)
{
	const struct ctl_fake *f = ctx;

	return f->history;
}

static void fake_keys(void *ctx, struct keys_status *s)
{
	const struct ctl_fake *f = ctx;

	s->iface = "weir0";
	s->rotate_ms = 600000;
	if (!f->keys)
		return;
	s->path = "/etc/weir/key";
	s->watch = "inotify";
	s->error = f->keys_error;
	s->loaded_at = 1795269600;
	keys_report(&s->report, f->keys, 1795269600000);
}

static void fake_health(void *ctx, struct ctl_health *h)
{
	const struct ctl_fake *f = ctx;

	h->iface = "weir0";
	h->why = f->ill;
	h->draining = f->ill;
	h->heartbeat_age_ms = 17;
}

static const struct backends *fake_backends(void *ctx, unsigned service)
{
	const struct ctl_fake *f = ctx;

	return service == 1 ? f->backends : NULL;
}

static int fake_conns(void *ctx, unsigned worker, uint64_t *cursor, struct engine_conn_row *rows,
		      unsigned max)
{
	struct ctl_fake *f = ctx;
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
	struct ctl_fake *f = ctx;

	f->starts++;
	if (f->trace_rc)
		return f->trace_rc;
	f->tracing = true;
	f->filter = *filter;
	return 0;
}

static void fake_trace_stop(void *ctx)
{
	struct ctl_fake *f = ctx;

	f->stops++;
	f->tracing = false;
}

static uint64_t fake_trace_poll(void *ctx, ctl_trace_sink sink, void *arg)
{
	struct ctl_fake *f = ctx;
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
	.history = fake_history,
	.health = fake_health,
	.keys = fake_keys,
	.backends = fake_backends,
	.conns = fake_conns,
	.policy = fake_policy,
	.set_mode = fake_set_mode,
	.drain = fake_drain,
	.trace_start = fake_trace_start,
	.trace_stop = fake_trace_stop,
	.trace_poll = fake_trace_poll,
};

/* ---- a socket in a directory of its own --------------------------------------------- */

struct ctl_source bed_source(struct ctl_bed *b)
{
	return (struct ctl_source){.ops = &fake_ops, .ctx = &b->fake, .workers = FAKE_WORKERS};
}

int bed_open(void **state)
{
	struct ctl_bed *b = calloc(1, sizeof(*b));
	struct ctl_source src;
	struct weir_err err;

	strcpy(b->dir, "/tmp/weir-test-ctl-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->path, sizeof(b->path), "%s/sock", b->dir);
	b->fake.silent = -1;
	b->fake.modes[1] = WEIR_MODE_AUTO;
	src = bed_source(b);
	if (ctl_server_open(&b->ctl, &src, b->path, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	*state = b;
	return 0;
}

int bed_close(void **state)
{
	struct ctl_bed *b = *state;
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

void bed_step(struct ctl_bed *b)
{
	ctl_step(b->ctl, b->now_us += 1000);
}

int bed_dial(struct ctl_bed *b)
{
	int fd = ctl_socket_connect(b->path);

	assert_true(fd >= 0);
	bed_step(b);
	return fd;
}

void bed_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

char *bed_hear(struct ctl_bed *b, int fd)
{
	size_t n = 0, cap = 4096;
	char *line = malloc(cap), *nl = NULL;
	unsigned idle = 0;

	while (!nl) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		bed_step(b);
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

json_t *bed_hear_json(struct ctl_bed *b, int fd)
{
	char *line = bed_hear(b, fd);
	json_t *o;

	assert_non_null(line);
	o = json_loads(line, 0, NULL);
	assert_non_null(o);
	free(line);
	return o;
}

json_t *bed_ask(struct ctl_bed *b, int fd, const char *request)
{
	json_t *o;

	bed_say(fd, request);
	bed_say(fd, "\n");
	o = bed_hear_json(b, fd);
	assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
	return o;
}

void bed_expect_error(struct ctl_bed *b, int fd, const char *request, const char *part)
{
	json_t *o = bed_ask(b, fd, request);
	const char *error = json_string_value(json_object_get(o, "error"));

	assert_non_null(error);
	assert_non_null(strstr(error, part));
	json_decref(o);
}
