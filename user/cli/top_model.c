/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top_model.h"
#include "control/counter_names.h"
#include "engine/engine.h"

void top_model_init(struct top_model *m)
{
	memset(m, 0, sizeof(*m));
}

static uint64_t num(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static void text(char *to, size_t len, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(to, len, "%s", s ? s : "?");
}

/* Counters only grow; one that did not is of another process. */
static double per_second(uint64_t now, uint64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static unsigned count(const json_t *o, const char *key)
{
	uint64_t v = num(o, key);

	return v < WEIR_MAX_QUEUES ? (unsigned)v : WEIR_MAX_QUEUES;
}

/* ---- status ------------------------------------------------------------------------ */

static void take_queues(struct top_model *m, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_queue *q = &m->queue[i];
		uint64_t rx = num(o, "rx_frames"), tx = num(o, "tx_frames");
		uint64_t drops = num(o, "rx_dropped") + num(o, "rx_ring_full");

		if (i == WEIR_MAX_QUEUES)
			break;
		q->rx_rate = per_second(rx, q->rx, m->interval_s);
		q->tx_rate = per_second(tx, q->tx, m->interval_s);
		q->drop_rate = per_second(drops, q->drops, m->interval_s);
		q->worker = count(o, "worker");
		q->rx = rx;
		q->tx = tx;
		q->drops = drops;
	}
}

static void take_workers(struct top_model *m, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_worker *w = &m->worker[i];
		uint64_t cpu_us = num(o, "cpu_us");

		if (i == WEIR_MAX_QUEUES)
			break;
		w->cpu = per_second(cpu_us, w->cpu_us, m->interval_s) / 1e6;
		if (w->cpu > 1)
			w->cpu = 1; /* the two clocks are not read at one moment */
		w->cpu_us = cpu_us;
		w->conns = num(o, "connections");
	}
}

static void take_services(struct top_model *m, const json_t *list)
{
	const json_t *o;
	size_t i;

	m->nservices = (unsigned)json_array_size(list);
	json_array_foreach(list, i, o)
	{
		struct top_service *s = &m->service[i];

		if (i == TOP_SERVICES)
			break;
		text(s->listen, sizeof(s->listen), o, "listen");
		text(s->app, sizeof(s->app), o, "app");
		text(s->mode, sizeof(s->mode), o, "mode");
		s->cookies = json_is_true(json_object_get(o, "cookies"));
		/* Cookies of a service that does without them as a rule. */
		m->flood |= s->cookies && !strcmp(s->mode, "auto");
	}
}

static bool active(const json_t *events, const char *name)
{
	return json_is_true(json_object_get(json_object_get(events, name), "active"));
}

static void take_status(struct top_model *m, const json_t *o)
{
	const json_t *flows = json_object_get(o, "flows"), *mem = json_object_get(o, "memory");
	const json_t *states = json_object_get(o, "connections");
	const json_t *events = json_object_get(o, "events");

	text(m->iface, sizeof(m->iface), o, "iface");
	text(m->xdp, sizeof(m->xdp), o, "mode");
	text(m->xsk, sizeof(m->xsk), o, "xsk");
	text(m->version, sizeof(m->version), o, "weir");
	m->pid = num(o, "pid");
	m->uptime_s = num(o, "uptime_s");
	m->hook_lost = num(o, "hook_lost");
	m->draining = json_is_true(json_object_get(o, "draining"));
	m->flood = active(events, "syn_flood") || active(events, "ack_flood");
	m->ring_drops = active(events, "ring_drops");
	m->queues = count(o, "queues");
	m->workers = count(o, "workers");
	m->flows = num(flows, "used");
	m->flows_max = num(flows, "capacity");
	m->tombstones = num(flows, "tombstones");
	m->buffers = num(mem, "buffers_used_bytes");
	m->buffers_max = num(mem, "buffers_bytes");
	for (int s = 0; s < WEIR_TCP_NSTATES; s++)
		m->states[s] = num(states, tcp_state_name(s));
	take_queues(m, json_object_get(o, "per_queue"));
	take_workers(m, json_object_get(o, "per_worker"));
	take_services(m, json_object_get(o, "services"));
}

/* ---- counters ---------------------------------------------------------------------- */

static int by_rate(const void *pa, const void *pb)
{
	const struct top_reason *a = pa, *b = pb;

	if (a->rate != b->rate)
		return a->rate < b->rate ? 1 : -1;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a->counter < b->counter ? -1 : 1;
}

static int by_total(const void *pa, const void *pb)
{
	const struct top_reason *a = pa, *b = pb;

	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a->counter < b->counter ? -1 : 1;
}

static int by_name(const void *pa, const void *pb)
{
	const struct top_reason *a = pa, *b = pb;

	return strcmp(counter_name(a->counter), counter_name(b->counter));
}

void top_model_sort(struct top_model *m, enum top_sort by)
{
	static int (*const how[TOP_NSORTS])(const void *, const void *) = {by_rate, by_total,
									   by_name};

	qsort(m->reason, m->nreasons, sizeof(m->reason[0]), how[by]);
}

static void take_counters(struct top_model *m, const json_t *o)
{
	uint64_t now[WEIR_C_MAX] = {0};

	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++)
		now[c] = num(o, counter_name(c));
	for (unsigned s = 0; s < HISTORY_NRATES; s++)
		m->rate[s] = per_second(history_total(s, now), history_total(s, m->counters),
					m->interval_s);
	m->nreasons = 0;
	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++) {
		if (now[c] && history_refusal(c))
			m->reason[m->nreasons++] = (struct top_reason){
				c, now[c], per_second(now[c], m->counters[c], m->interval_s)};
	}
	memcpy(m->counters, now, sizeof(now));
	top_model_sort(m, TOP_SORT_RATE);
}

bool top_model_update(struct top_model *m, uint64_t now_us, const json_t *status,
		      const json_t *counters)
{
	bool other = m->updates &&
		     (num(status, "pid") != m->pid || num(status, "uptime_s") < m->uptime_s);

	if (other)
		top_model_init(m);
	m->interval_s = m->updates && now_us > m->now_us ? (double)(now_us - m->now_us) / 1e6 : 0;
	m->now_us = now_us;
	take_status(m, status);
	take_counters(m, json_object_get(counters, "counters"));
	m->updates += m->updates < 2;
	return other;
}

/* ---- history ----------------------------------------------------------------------- */

unsigned top_model_wants(const struct top_model *m, uint64_t now_us)
{
	uint64_t since = m->now_us && now_us > m->now_us ? now_us - m->now_us : 0;

	if (!m->nhistory || since / HISTORY_US + 5 >= HISTORY_SAMPLES)
		return 0;
	return (unsigned)(since / HISTORY_US) + 5;
}

void top_model_history(struct top_model *m, const json_t *o)
{
	const json_t *all = json_object_get(o, "series");
	uint64_t taken = num(o, "taken"), n = num(o, "seconds"), fresh = taken - m->taken, keep;

	if (n > HISTORY_SAMPLES)
		n = HISTORY_SAMPLES;
	/* What does not join on to what there is takes its place. */
	keep = taken < m->taken || fresh > n ? 0 : m->nhistory;
	if (!keep)
		fresh = n;
	if (keep + fresh > HISTORY_SAMPLES)
		keep = HISTORY_SAMPLES - fresh;
	for (unsigned s = 0; s < HISTORY_NSERIES; s++) {
		const json_t *list = json_object_get(all, history_name(s));
		uint64_t *v = m->history[s];

		memmove(v, v + m->nhistory - keep, keep * sizeof(*v));
		for (uint64_t i = 0; i < fresh; i++) {
			json_int_t x = json_integer_value(json_array_get(list, n - fresh + i));

			v[keep + i] = x > 0 ? (uint64_t)x : 0;
		}
	}
	m->nhistory = (unsigned)(keep + fresh);
	m->taken = taken;
}

/* ---- the machine ------------------------------------------------------------------- */

void top_model_machine(struct top_model *m, const char *proc_stat)
{
	/* user nice system idle iowait irq softirq steal */
	unsigned long long v[8], all = 0, busy, soft;

	if (sscanf(proc_stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		return;
	for (unsigned i = 0; i < 8; i++)
		all += v[i];
	busy = all - v[3] - v[4];
	soft = v[5] + v[6];
	if (all <= m->ticks) /* too soon: the ticks are hundredths of a second */
		return;
	m->busy = per_second(busy, m->ticks_busy, (double)(all - m->ticks));
	m->softirq = per_second(soft, m->ticks_softirq, (double)(all - m->ticks));
	m->ticks = all;
	m->ticks_busy = busy;
	m->ticks_softirq = soft;
	m->looks += m->looks < 2;
}

/* ---- for scripts ------------------------------------------------------------------- */

static json_t *rates(const struct top_model *m)
{
	json_t *o = json_object();

	for (unsigned s = 0; s < HISTORY_NRATES; s++)
		json_object_set_new(o, history_name(s), json_real(m->rate[s]));
	return o;
}

static json_t *refused(const struct top_model *m)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < m->nreasons; i++)
		json_object_set_new(o, counter_name(m->reason[i].counter),
				    json_real(m->reason[i].rate));
	return o;
}

static json_t *states(const struct top_model *m)
{
	json_t *o = json_object();

	for (int s = 0; s < WEIR_TCP_NSTATES; s++)
		json_object_set_new(o, tcp_state_name(s), json_integer((json_int_t)m->states[s]));
	return o;
}

static json_t *workers(const struct top_model *m)
{
	json_t *a = json_array();

	for (unsigned w = 0; w < m->workers; w++)
		json_array_append_new(a, json_pack("{si sf sI}", "worker", (int)w, "cpu_percent",
						   m->worker[w].cpu * 100, "connections",
						   (json_int_t)m->worker[w].conns));
	return a;
}

static json_t *queues(const struct top_model *m)
{
	json_t *a = json_array();

	for (unsigned q = 0; q < m->queues; q++)
		json_array_append_new(a, json_pack("{si si sf sf sf}", "queue", (int)q, "worker",
						   (int)m->queue[q].worker, "rx_frames_per_s",
						   m->queue[q].rx_rate, "tx_frames_per_s",
						   m->queue[q].tx_rate, "ring_drops_per_s",
						   m->queue[q].drop_rate));
	return a;
}

json_t *top_model_json(const struct top_model *m)
{
	json_t *flows =
		json_pack("{sI sI sI}", "used", (json_int_t)m->flows, "capacity",
			  (json_int_t)m->flows_max, "tombstones", (json_int_t)m->tombstones);

	return json_pack("{si ss sI sI sb sb sf so so so so so so s{sf sf}}", "version", 1, "iface",
			 m->iface, "pid", (json_int_t)m->pid, "uptime_s", (json_int_t)m->uptime_s,
			 "draining", m->draining, "flood", m->flood, "interval_s", m->interval_s,
			 "rates", rates(m), "refused_per_s", refused(m), "connections", states(m),
			 "flows", flows, "workers", workers(m), "queues", queues(m), "machine",
			 "busy_percent", m->busy * 100, "softirq_percent", m->softirq * 100);
}
