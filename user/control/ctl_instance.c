/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's questions, answered by a running instance: the gate's
 * trace comes through a BPF ring buffer, the workers' through their own rings.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/counter_names.h"
#include "control/ctl_server.h"
#include "control/ctl_socket.h"
#include "control/instance_keys.h"
#include "control/instance_metrics.h"
#include "proxy/proxy.h"

#define CONNS_TIMEOUT_MS 50 /* how long a busy worker may keep the main loop waiting */

struct ctl_instance {
	struct weir_instance *inst;
	struct ring_buffer *gate_ring; /* NULL until a trace is switched on */
	ctl_trace_sink sink;
	void *sink_arg;
	bool gate_next;			/* the rings take turns in being read first, */
	unsigned first;			/* and so do the workers */
	bool full;			/* the sink takes no more */
	uint64_t lost[WEIR_MAX_QUEUES]; /* of each worker, as last read */
	uint64_t gate_lost;
	struct ctl_service services[WEIR_MAX_SERVICES];
	struct engine_queue_status queue[WEIR_MAX_QUEUES];
	struct engine_worker_status worker[WEIR_MAX_QUEUES];
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void get_status(void *ctx, struct ctl_status *s)
{
	struct ctl_instance *ci = ctx;
	const struct weir_instance *inst = ci->inst;
	const struct services *sv = inst->cfg.services;

	s->iface = inst->nif.name;
	s->mode = inst->mode;
	s->xsk = inst->xsk;
	s->zero_copy = inst->zero_copy;
	s->hook = inst->hook;
	s->hook_lost = inst->hook_lost;
	s->uptime_s = (now_us() - inst->started_us) / 1000000u;
	s->queues = inst->queues;
	s->workers = engine_workers(inst->engine);
	s->draining = inst->draining;
	s->events = instance_events_of(inst);
	s->limits = instance_limits_of(inst, &s->limits_warn);
	s->drain = inst->drain.state;
	s->drain_exit = inst->drain.exit;
	s->drain_left_ms = drain_left_ms(&inst->drain, now_us());
	instance_flows(inst, &s->flows_used, &s->flows_capacity);
	engine_get_status(inst->engine, &s->engine);
	for (unsigned q = 0; q < s->queues; q++)
		engine_get_queue(inst->engine, q, &ci->queue[q]);
	for (unsigned w = 0; w < s->workers; w++)
		engine_get_worker(inst->engine, w, &ci->worker[w]);
	s->queue = ci->queue;
	s->worker = ci->worker;
	for (unsigned i = 0; i < sv->n; i++) {
		struct instance_service is;

		instance_service(inst, i, &is);
		ci->services[i] = (struct ctl_service){.listen = sv->v[i].text,
						       .app = sv->v[i].app->name,
						       .mode = is.mode,
						       .cookies = is.cookies};
	}
	s->services = ci->services;
	s->nservices = sv->n;
}

static void get_counters(void *ctx, uint64_t *v)
{
	struct ctl_instance *ci = ctx;

	instance_counters(ci->inst, v);
}

static const struct history *get_history(void *ctx)
{
	struct ctl_instance *ci = ctx;

	return instance_history(ci->inst);
}

static void get_keys(void *ctx, struct keys_status *s)
{
	const struct ctl_instance *ci = ctx;

	instance_keys_status(ci->inst, s);
}

static void get_health(void *ctx, struct ctl_health *out)
{
	const struct ctl_instance *ci = ctx;
	struct instance_health h;

	instance_health(ci->inst, &h);
	*out = (struct ctl_health){ci->inst->nif.name, h.why, h.draining, h.full,
				   h.heartbeat_age_ms};
}

static void get_metrics(void *ctx, struct ctl_metrics *m)
{
	struct ctl_instance *ci = ctx;

	instance_metrics(ci->inst, m);
}

static const struct backends *get_backends(void *ctx, unsigned service)
{
	const struct ctl_instance *ci = ctx;

	return proxy_backends(ci->inst->cfg.services->v[service].app_arg);
}

static int get_conns(void *ctx, unsigned worker, uint64_t *cursor, struct engine_conn_row *rows,
		     unsigned max)
{
	struct ctl_instance *ci = ctx;

	return engine_conns(ci->inst->engine, worker, cursor, rows, max, CONNS_TIMEOUT_MS);
}

static void get_policy(void *ctx, const struct weir_addr *source, struct ctl_policy *p)
{
	struct ctl_instance *ci = ctx;

	instance_get_policy(ci->inst, source, p);
}

static int set_mode(void *ctx, unsigned service, enum weir_mode mode)
{
	struct ctl_instance *ci = ctx;

	return instance_service_mode(ci->inst, service, mode);
}

static void set_drain(void *ctx, const struct drain_wish *wish)
{
	struct ctl_instance *ci = ctx;

	instance_drain_wish(ci->inst, wish, now_us());
}

/* ---- trace ---------------------------------------------------------------------- */

static int gate_record(void *ctx, void *data, size_t size)
{
	struct ctl_instance *ci = ctx;

	if (size < sizeof(struct weir_trace_rec) || !ci->sink)
		return 0;
	if (!ci->sink(ci->sink_arg, data)) {
		ci->full = true;
		return -ENOBUFS; /* taken; the rest stays in the ring for the next poll */
	}
	return 0;
}

static void read_gate(struct ctl_instance *ci)
{
	if (ci->gate_ring && !ci->full)
		ring_buffer__consume(ci->gate_ring);
}

static void read_workers(struct ctl_instance *ci, uint64_t *lost)
{
	unsigned workers = engine_workers(ci->inst->engine);
	struct weir_trace_rec recs[CTL_TRACE_BATCH];

	ci->first++;
	for (unsigned i = 0; i < workers && i < WEIR_MAX_QUEUES; i++) {
		unsigned w = (ci->first + i) % workers;
		uint64_t total = ci->lost[w];
		unsigned n = CTL_TRACE_BATCH;

		while (n == CTL_TRACE_BATCH && !ci->full) {
			n = engine_trace_read(ci->inst->engine, w, recs, CTL_TRACE_BATCH, &total);
			for (unsigned r = 0; r < n && ci->sink; r++)
				ci->full |= !ci->sink(ci->sink_arg, &recs[r]);
		}
		*lost += total - ci->lost[w];
		ci->lost[w] = total;
	}
}

static uint64_t poll_all(struct ctl_instance *ci, ctl_trace_sink sink, void *arg)
{
	uint64_t v[WEIR_C_MAX] = {0}, lost = 0;

	ci->sink = sink;
	ci->sink_arg = arg;
	ci->full = false;
	ci->gate_next = !ci->gate_next;
	if (ci->gate_next)
		read_gate(ci);
	read_workers(ci, &lost);
	if (!ci->gate_next)
		read_gate(ci);
	instance_counters(ci->inst, v);
	lost += v[WEIR_C_trace_lost] - ci->gate_lost;
	ci->gate_lost = v[WEIR_C_trace_lost];
	return lost;
}

static uint64_t trace_poll(void *ctx, ctl_trace_sink sink, void *arg)
{
	return poll_all(ctx, sink, arg);
}

static int trace_start(void *ctx, const struct weir_trace_filter *filter)
{
	struct ctl_instance *ci = ctx;
	int fd = instance_trace_fd(ci->inst);

	if (!ci->gate_ring && fd >= 0) {
		ci->gate_ring = ring_buffer__new(fd, gate_record, ci, NULL);
		if (!ci->gate_ring)
			return -errno;
		/* What an earlier trace left in the rings is not of this one. */
		poll_all(ci, NULL, NULL);
	}
	return instance_trace(ci->inst, true, filter);
}

static void trace_stop(void *ctx)
{
	struct ctl_instance *ci = ctx;

	instance_trace(ci->inst, false, NULL);
	ring_buffer__free(ci->gate_ring);
	ci->gate_ring = NULL;
}

/* ---- opening and closing --------------------------------------------------------- */

static const struct ctl_source_ops instance_ops = {
	.status = get_status,
	.counters = get_counters,
	.metrics = get_metrics,
	.history = get_history,
	.health = get_health,
	.keys = get_keys,
	.backends = get_backends,
	.conns = get_conns,
	.policy = get_policy,
	.set_mode = set_mode,
	.drain = set_drain,
	.trace_start = trace_start,
	.trace_stop = trace_stop,
	.trace_poll = trace_poll,
};

int ctl_open(struct ctl **out, struct weir_instance *inst, const char *path, struct weir_err *err)
{
	return ctl_open_on(out, inst, path, -1, err);
}

int ctl_open_on(struct ctl **out, struct weir_instance *inst, const char *path, int listener,
		struct weir_err *err)
{
	struct ctl_source src = {.ops = &instance_ops};
	struct ctl_instance *ci;
	char buf[PATH_MAX];
	int rc;

	if (!path) {
		rc = ctl_socket_dir(CTL_DIR, err);
		if (rc)
			return rc;
		rc = ctl_default_path(buf, sizeof(buf), inst->nif.name);
		if (rc)
			return err_set(err, rc, "no name for the control socket: %s",
				       strerror(-rc));
		path = buf;
	}
	ci = calloc(1, sizeof(*ci));
	if (!ci)
		return err_set(err, -ENOMEM, "out of memory");
	ci->inst = inst;
	src.ctx = ci;
	src.workers = inst->cfg.engine.workers; /* there may be no engine yet (takeover.h) */
	rc = ctl_server_open_on(out, &src, path, listener, err);
	if (rc)
		free(ci);
	return rc;
}

void ctl_close(struct ctl *c)
{
	struct ctl_instance *ci;

	if (!c)
		return;
	ci = ctl_server_ctx(c);
	ctl_server_close(c);
	free(ci);
}
