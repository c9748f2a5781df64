/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/ctl_metrics_page.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "control/counter_names.h"
#include "tcp/tcp.h"

/*
 * A cookie tells milliseconds, up to 64 too many: smaller buckets would pretend to know
 * more. Index of the bound 131 ms.
 */
#define COOKIE_FIRST_BOUND (2 * (17 - TCP_HIST_LOW))

/* ---- what it is, and whether it serves --------------------------------------------- */

static void infos(const struct page *p)
{
	const struct ctl_status *s = p->s;

	page_family(p, "weir_build_info", "gauge", "1, with the version as a label");
	fputs("weir_build_info{version=\"" WEIR_VERSION "\"} 1\n", p->out);
	page_family(p, "weir_interface_info", "gauge",
		    "1, with how the interface is served as labels");
	fputs("weir_interface_info{", p->out);
	page_label(p, "iface", s->iface);
	fputc(',', p->out);
	page_label(p, "mode", s->mode);
	fputc(',', p->out);
	page_label(p, "xsk", s->xsk);
	fputc(',', p->out);
	page_label(p, "hook", s->hook);
	fputs("} 1\n", p->out);
	page_gauge(p, "weir_uptime_seconds", s->uptime_s, "since the gate was attached");
	page_gauge(p, "weir_queues", s->queues, "RX queues that are served");
	page_gauge(p, "weir_workers", s->workers, "worker threads");
	page_gauge(p, "weir_draining", s->draining, "1 while weir is stopping: no new clients");
	page_gauge(p, "weir_serving", !p->h->why, "1 while clients should be sent here: /healthz");
	page_gauge(p, "weir_full", p->h->full,
		   "1 while no new client is let in: flows or connections are nearly at capacity");
	page_family(
		p, "weir_worker_silence_seconds", "gauge",
		"since the worker that has been silent longest was heard of; SYNs go unanswered "
		"after 2 s");
	fputs("weir_worker_silence_seconds ", p->out);
	page_seconds(p, p->h->heartbeat_age_ms * 1000);
	fputc('\n', p->out);
	page_family(p, "weir_hook_lost", "counter",
		    "times that the gate was taken off the XDP hook");
	fprintf(p->out, "weir_hook_lost_total %u\n", s->hook_lost);
}

static void events(const struct page *p)
{
	const struct events *e = p->s->events;

	if (!e)
		return;
	page_family(p, "weir_event_active", "gauge", "1 while the event is on, by its limits");
	for (int k = 0; k < EVENT_KINDS; k++)
		fprintf(p->out, "weir_event_active{event=\"%s\"} %d\n", event_kind_names[k],
			e->watch[k].on);
	page_family(p, "weir_events", "counter", "times that the event began");
	for (int k = 0; k < EVENT_KINDS; k++)
		fprintf(p->out, "weir_events_total{event=\"%s\"} %" PRIu64 "\n",
			event_kind_names[k], e->watch[k].times);
}

/* ---- flows, connections, memory ----------------------------------------------------- */

static void flows(const struct page *p)
{
	const struct ctl_status *s = p->s;

	page_gauge(p, "weir_flows", s->flows_used, "entries of the flow table");
	page_gauge(p, "weir_flows_capacity", s->flows_capacity,
		   "entries it can have; at 15/16 of them no new client is let in");
	page_gauge(p, "weir_tombstones", s->engine.tombstones,
		   "of these, ended connections kept until their cookie is dead");
	page_gauge(p, "weir_flows_closing", s->engine.closing, "of these, entries being deleted");
}

static void connections(const struct page *p)
{
	const struct engine_status *e = &p->s->engine;

	page_family(p, "weir_connections", "gauge", "connections by TCP state");
	for (int i = 0; i < WEIR_TCP_NSTATES; i++)
		fprintf(p->out, "weir_connections{state=\"%s\"} %" PRIu64 "\n",
			tcp_state_name((enum weir_tcp_state)i), e->states[i]);
	page_gauge(p, "weir_fullest_worker_connections", e->conns_used,
		   "connections of the worker that has most");
	page_gauge(p, "weir_worker_connections_capacity", e->conns_max,
		   "connections a worker can have (--conns)");
}

static void memory(const struct page *p)
{
	const struct engine_status *e = &p->s->engine;

	page_gauge(p, "weir_connection_memory_bytes", e->conn_memory_bytes,
		   "pools of connections, TIME_WAIT and tombstones, as mapped");
	page_gauge(p, "weir_per_connection_bytes", e->per_connection_bytes,
		   "what one idle connection costs");
	page_gauge(p, "weir_buffer_used_bytes", e->buffer_bytes_used, "buffers that hold data");
	page_gauge(p, "weir_buffer_bytes", e->buffer_bytes_total, "buffers there are (--buffers)");
	if (p->m->resident_bytes)
		page_gauge(p, "process_resident_memory_bytes", p->m->resident_bytes,
			   "memory of the process that is in RAM");
	page_family(p, "process_cpu_seconds", "counter",
		    "CPU time of the process, user and system");
	fputs("process_cpu_seconds_total ", p->out);
	page_seconds(p, p->m->cpu_us);
	fputc('\n', p->out);
}

/* ---- services ------------------------------------------------------------------------ */

static void service_labels(const struct page *p, const char *name, const struct ctl_service *s)
{
	fprintf(p->out, "%s{", name);
	page_label(p, "service", s->listen);
	fputc(',', p->out);
	page_label(p, "app", s->app);
}

static void services(const struct page *p)
{
	const struct ctl_status *s = p->s;
	unsigned told = s->nservices < METRICS_SERVICES ? s->nservices : METRICS_SERVICES;
	unsigned cookies = 0;

	for (unsigned i = 0; i < s->nservices; i++)
		cookies += s->services[i].cookies;
	page_gauge(p, "weir_services", s->nservices, "services, those beyond 256 too");
	page_gauge(p, "weir_services_by_cookies", cookies,
		   "of these, services whose SYNs the gate answers now");
	page_family(p, "weir_service_info", "gauge",
		    "1, with the service's mode as a label; of the first 256");
	for (unsigned i = 0; i < told; i++) {
		service_labels(p, "weir_service_info", &s->services[i]);
		fprintf(p->out, ",mode=\"%s\"} 1\n", service_mode_name(s->services[i].mode.mode));
	}
	page_family(p, "weir_service_cookies", "gauge",
		    "1 while the gate answers the service's SYNs by cookies; of the first 256");
	for (unsigned i = 0; i < told; i++) {
		service_labels(p, "weir_service_cookies", &s->services[i]);
		fprintf(p->out, "} %d\n", s->services[i].cookies);
	}
}

/* ---- workers and queues --------------------------------------------------------------- */

static void workers(const struct page *p)
{
	const struct ctl_status *s = p->s;

	page_family(p, "weir_worker_connections", "gauge", "connections of each worker");
	for (unsigned w = 0; w < s->workers; w++)
		fprintf(p->out, "weir_worker_connections{worker=\"%u\"} %" PRIu64 "\n", w,
			s->worker[w].conns);
	page_family(p, "weir_worker_cpu_seconds", "counter", "CPU time of each worker's thread");
	for (unsigned w = 0; w < s->workers; w++) {
		fprintf(p->out, "weir_worker_cpu_seconds_total{worker=\"%u\"} ", w);
		page_seconds(p, s->worker[w].cpu_us);
		fputc('\n', p->out);
	}
}

static void queue_counter(const struct page *p, const char *name, size_t member, const char *help)
{
	page_family(p, name, "counter", help);
	for (unsigned q = 0; q < p->s->queues; q++) {
		const struct engine_queue_status *v = &p->s->queue[q];
		uint64_t n;

		memcpy(&n, (const char *)v + member, sizeof(n));
		fprintf(p->out, "%s_total{queue=\"%u\",worker=\"%u\"} %" PRIu64 "\n", name, q,
			v->worker, n);
	}
}

static void queues(const struct page *p)
{
#define QUEUE(name, member, help)                                                                  \
	queue_counter(p, "weir_queue_" name, offsetof(struct engine_queue_status, member), help)
	QUEUE("rx_frames", rx_frames, "frames that the queue's socket received");
	QUEUE("tx_frames", tx_frames, "frames that it sent");
	QUEUE("rx_dropped", rx_dropped, "frames that its socket dropped for other reasons");
	QUEUE("rx_ring_full", rx_ring_full, "frames dropped because its RX ring was full");
	QUEUE("rx_fill_empty", rx_fill_empty, "times the kernel found no buffer in its fill ring");
#undef QUEUE
}

/* ---- times ------------------------------------------------------------------------------ */

/* From bucket `first` on, every `step`th bound; what is below is in the first. */
static void histogram(const struct page *p, const char *name, const struct tcp_hist *h,
		      unsigned first, unsigned step, const char *help)
{
	uint64_t n = 0;

	page_family(p, name, "histogram", help);
	for (unsigned b = 0; b < TCP_HIST_BOUNDS; b++) {
		n += h->n[b];
		if (b < first || (b - first) % step)
			continue;
		fprintf(p->out, "%s_bucket{le=\"", name);
		page_seconds(p, tcp_hist_bound(b));
		fprintf(p->out, "\"} %" PRIu64 "\n", n);
	}
	n += h->n[TCP_HIST_BOUNDS];
	fprintf(p->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, n, name);
	page_seconds(p, h->sum_us);
	fprintf(p->out, "\n%s_count %" PRIu64 "\n", name, n);
}

static void times(const struct page *p)
{
	const struct engine_times *t = &p->m->times;

	histogram(p, "weir_rtt_seconds", &t->rtt, 0, 1,
		  "round trips, each of a segment that was sent once, its acknowledgement's "
		  "delay included");
	histogram(p, "weir_handshake_seconds", &t->handshake, 0, 1,
		  "handshakes answered by a worker, from the SYN to the final ACK");
	histogram(p, "weir_handshake_cookie_seconds", &t->cookie, COOKIE_FIRST_BOUND, 2,
		  "handshakes answered by a cookie, one of four of clients with timestamps, from "
		  "the SYN-ACK to what brought the cookie back; up to 64 ms too long");
}

/* ---- the counters ------------------------------------------------------------------------ */

/* Applications count for all workers together, and have counters of their own. */
static bool of_application(const char *name)
{
	static const char *const apps[] = {"http_", "sized_", "proxy_", "backend_"};

	for (unsigned i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!strncmp(name, apps[i], strlen(apps[i])))
			return true;
	return false;
}

static void engine_counter(const struct page *p, const char *name, unsigned c)
{
	bool app = of_application(name);

	for (unsigned w = 0; !app && w < p->s->workers; w++)
		fprintf(p->out, "weir_%s_total{worker=\"%u\"} %" PRIu64 "\n", name, w,
			__atomic_load_n(&p->m->worker_counters[w][c], __ATOMIC_RELAXED));
	if (app)
		fprintf(p->out, "weir_%s_total{side=\"app\"} %" PRIu64 "\n", name,
			p->m->counters[c]);
}

static void counters(const struct page *p)
{
	char name[128];

	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++) {
		snprintf(name, sizeof(name), "weir_%s", counter_name(c));
		page_family(p, name, "counter", counter_text(c));
		if (counter_of_gate(c))
			fprintf(p->out, "%s_total{side=\"gate\"} %" PRIu64 "\n", name,
				p->m->gate_counters[c]);
		else
			engine_counter(p, counter_name(c), c);
	}
}

/* ---- pages --------------------------------------------------------------------------------- */

void metrics_write(FILE *out, const struct ctl_source *src, enum metrics_format f)
{
	struct ctl_status s = {0};
	struct ctl_metrics m = {0};
	struct ctl_health h = {0};
	const struct page p = {.out = out, .format = f, .src = src, .s = &s, .m = &m, .h = &h};

	src->ops->status(src->ctx, &s);
	src->ops->metrics(src->ctx, &m);
	src->ops->health(src->ctx, &h);
	infos(&p);
	events(&p);
	flows(&p);
	connections(&p);
	services(&p);
	page_backends(&p);
	workers(&p);
	queues(&p);
	times(&p);
	memory(&p);
	counters(&p);
	if (f == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
}

bool metrics_health(FILE *out, const struct ctl_source *src)
{
	struct ctl_health h = {0};

	src->ops->health(src->ctx, &h);
	fprintf(out, "%s\n", h.why ? h.why : "serving");
	return !h.why;
}
