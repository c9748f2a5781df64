/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <unistd.h>

#include "control/counter_names.h"
#include "control/ctl_json.h"
#include "control/host_limits.h"
#include "control/services.h"
#include "tcp/tcp.h"

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *states(const struct engine_status *e)
{
	json_t *o = json_object();

	for (int s = 0; o && s < WEIR_TCP_NSTATES; s++)
		json_object_set_new(o, tcp_state_name(s), number(e->states[s]));
	return o;
}

static json_t *service(const struct ctl_service *s)
{
	return json_pack("{sssssssbsoso}", "listen", s->listen, "app", s->app, "mode",
			 service_mode_name(s->mode.mode), "cookies", s->cookies, "auto_syn_per_sec",
			 number(s->mode.syn_per_sec), "auto_hold_ms", number(s->mode.hold_ms));
}

static json_t *services(const struct ctl_status *s)
{
	json_t *a = json_array();

	for (unsigned i = 0; a && i < s->nservices; i++)
		json_array_append_new(a, service(&s->services[i]));
	return a;
}

static json_t *events(const struct events *e)
{
	json_t *o = e ? json_object() : json_null();

	for (int k = 0; e && o && k < EVENT_KINDS; k++)
		json_object_set_new(o, event_kind_names[k],
				    json_pack("{sbso}", "active", e->watch[k].on, "times",
					      number(e->watch[k].times)));
	return o;
}

static json_t *limit(uint64_t v)
{
	return v == HOST_UNLIMITED ? json_null() : number(v);
}

static json_t *limits(const struct host_limits *l, const struct host_warnings *w)
{
	json_t *said = json_array();

	if (!l) {
		json_decref(said);
		return json_null();
	}
	for (unsigned i = 0; said && w && i < w->n; i++)
		json_array_append_new(said, json_string(w->text[i]));
	return json_pack("{so sb so so so so so}", "memlock_bytes", limit(l->memlock), "ipc_lock",
			 l->ipc_lock, "nofile", limit(l->nofile), "cgroup_memory_bytes",
			 limit(l->memory), "cgroup_cpu_ms_per_s", limit(l->cpu_milli), "cpus",
			 l->cpus ? number(l->cpus) : json_null(), "warnings", said);
}

json_t *ctl_json_mode(const struct ctl_status *s, int only)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < s->nservices; i++)
		if (only < 0 || i == (unsigned)only)
			json_array_append_new(list, service(&s->services[i]));
	return json_pack("{siso}", "version", 1, "services", list);
}

static json_t *drain(const struct ctl_status *s)
{
	bool limited = s->drain_left_ms != DRAIN_UNLIMITED;

	return json_pack("{sssbso}", "state", drain_name(s->drain), "exit", s->drain_exit,
			 "left_ms", limited ? number(s->drain_left_ms) : json_null());
}

json_t *ctl_json_drain(const struct ctl_status *s)
{
	uint64_t open = 0;

	for (int i = 0; i < WEIR_TCP_NSTATES; i++)
		open += i == WEIR_TIME_WAIT ? 0 : s->engine.states[i];
	return json_pack("{sisoso}", "version", 1, "drain", drain(s), "connections", number(open));
}

static json_t *per_queue(const struct ctl_status *s)
{
	json_t *a = json_array();

	for (unsigned q = 0; a && s->queue && q < s->queues; q++) {
		const struct engine_queue_status *v = &s->queue[q];

		json_array_append_new(a, json_pack("{si si ss so so so so so}", "queue", (int)q,
						   "worker", (int)v->worker, "xsk", v->mode,
						   "rx_frames", number(v->rx_frames), "tx_frames",
						   number(v->tx_frames), "rx_dropped",
						   number(v->rx_dropped), "rx_ring_full",
						   number(v->rx_ring_full), "rx_fill_empty",
						   number(v->rx_fill_empty)));
	}
	return a;
}

static json_t *per_worker(const struct ctl_status *s)
{
	json_t *a = json_array();

	for (unsigned w = 0; a && s->worker && w < s->workers; w++) {
		const struct engine_worker_status *v = &s->worker[w];

		json_array_append_new(
			a, json_pack("{si so so so so so so}", "worker", (int)w, "connections",
				     number(v->conns), "rx_frames", number(v->rx_frames),
				     "tx_frames", number(v->tx_frames), "handover_sent",
				     number(v->handover_sent), "handover_received",
				     number(v->handover_received), "cpu_us", number(v->cpu_us)));
	}
	return a;
}

json_t *ctl_json_status(const struct ctl_status *s)
{
	const struct engine_status *e = &s->engine;
	json_t *flows, *memory;

	flows = json_pack("{sosososo}", "used", number(s->flows_used), "capacity",
			  number(s->flows_capacity), "tombstones", number(e->tombstones), "closing",
			  number(e->closing));
	memory = json_pack("{sososososi}", "per_connection_bytes", number(e->per_connection_bytes),
			   "connections_bytes", number(e->conn_memory_bytes), "buffers_used_bytes",
			   number(e->buffer_bytes_used), "buffers_bytes",
			   number(e->buffer_bytes_total), "per_half_open_bytes", 0);
	return json_pack("{sisssissssssss*sssisosbsosisisosososososososo}", "version", 1, "weir",
			 WEIR_VERSION, "pid", (int)getpid(), "iface", s->iface, "mode", s->mode,
			 "xsk", s->xsk, "zero_copy", s->zero_copy, "hook", s->hook, "hook_lost",
			 (int)s->hook_lost, "uptime_s", number(s->uptime_s), "draining",
			 s->draining, "drain", drain(s), "queues", (int)s->queues, "workers",
			 (int)s->workers, "connections", states(e), "flows", flows, "memory",
			 memory, "limits", limits(s->limits, s->limits_warn), "services",
			 services(s), "events", events(s->events), "per_queue", per_queue(s),
			 "per_worker", per_worker(s));
}

json_t *ctl_json_counters(const uint64_t *v)
{
	json_t *o = json_object();

	for (unsigned c = WEIR_C_NONE + 1; o && c < WEIR_C_MAX; c++)
		json_object_set_new(o, counter_name(c), number(v[c]));
	return json_pack("{siso}", "version", 1, "counters", o);
}

static json_t *series(const struct history *h, enum history_series s, unsigned from, unsigned n)
{
	json_t *a = json_array();

	for (unsigned i = from; a && i < n; i++)
		json_array_append_new(a, number(history_at(h, s, i)));
	return a;
}

static json_t *cpu(const struct history *h, unsigned worker, unsigned from, unsigned n)
{
	json_t *a = json_array();

	for (unsigned i = from; a && i < n; i++)
		json_array_append_new(a, number(history_cpu_permille(h, worker, i)));
	return a;
}

json_t *ctl_json_history(const struct history *h, unsigned seconds)
{
	unsigned n = h ? history_samples(h) : 0, workers = h ? history_workers(h) : 0;
	unsigned from = seconds && seconds < n ? n - seconds : 0;
	json_t *all = json_object(), *cpus = json_array();

	for (unsigned s = 0; all && s < HISTORY_NSERIES; s++)
		json_object_set_new(all, history_name(s), series(h, s, from, n));
	for (unsigned w = 0; cpus && w < workers; w++)
		json_array_append_new(cpus, cpu(h, w, from, n));
	return json_pack("{sisisosisoso}", "version", 1, "seconds", (int)(n - from), "taken",
			 number(h ? history_taken(h) : 0), "workers", (int)workers, "series", all,
			 "cpu_permille", cpus);
}

json_t *ctl_json_health(const struct ctl_health *h)
{
	return json_pack("{sisssbss?sbsbso}", "version", 1, "iface", h->iface, "healthy", !h->why,
			 "reason", h->why, "draining", h->draining, "full", h->full,
			 "heartbeat_age_ms", number(h->heartbeat_age_ms));
}

json_t *ctl_json_ping(void)
{
	return json_pack("{sisbsssi}", "version", 1, "pong", 1, "weir", WEIR_VERSION, "pid",
			 (int)getpid());
}

json_t *ctl_json_trace_head(uint64_t mono_ns, uint64_t wall_ns)
{
	return json_pack("{sisbsoso}", "version", 1, "trace", 1, "mono_ns", number(mono_ns),
			 "wall_ns", number(wall_ns));
}

json_t *ctl_json_error(const char *text)
{
	return json_pack("{siss}", "version", 1, "error", text);
}

json_t *ctl_json_conn(const struct engine_conn_row *row)
{
	const struct tcp_info *t = &row->tcp;
	char local[64], remote[64];

	services_format(&row->local, local, sizeof(local));
	services_format(&row->remote, remote, sizeof(remote));
	return json_pack("{sosissssssss sosososo sosososo sssosososo}", "id", number(row->id),
			 "worker", (int)row->worker, "state", tcp_state_name(t->state), "service",
			 row->service ? row->service : "", "local", local, "remote", remote, "sndq",
			 number(t->sndq), "rcvq", number(t->rcvq), "srtt_us", number(t->srtt_us),
			 "rto_us", number(t->rto_us), "cwnd", number(t->cwnd), "ssthresh",
			 number(t->ssthresh), "mss", number(t->mss), "retransmits",
			 number(t->retransmits), "timer", tcp_timer_name(t->timer), "timer_in_us",
			 number(row->timer_in_us), "bytes_in", number(t->bytes_in), "bytes_out",
			 number(t->bytes_out), "snd_wnd", number(t->snd_wnd));
}
