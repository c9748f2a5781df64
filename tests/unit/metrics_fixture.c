/* SPDX-License-Identifier: BSD-2-Clause */
#include "metrics_fixture.h"

#include <string.h>

struct metrics_fake metrics_fake;
static struct events events = {.watch[EVENT_SYN_FLOOD] = {.on = true, .times = 5}};
static uint64_t rows[2][WEIR_C_MAX];

static void fake_status(void *ctx, struct ctl_status *s)
{
	static const struct ctl_service services[] = {
		{"10.0.0.2:80", "http", {.mode = WEIR_MODE_AUTO}, true},
		{"*:7", "a\"b\\c\nd", {.mode = WEIR_MODE_NEVER}, false},
	};
	static const struct engine_queue_status queue[] = {
		{.worker = 0, .mode = "copy", .rx_frames = 10, .tx_frames = 11},
		{.worker = 1,
		 .mode = "copy",
		 .rx_dropped = 12,
		 .rx_ring_full = 13,
		 .rx_fill_empty = 14},
	};
	static const struct engine_worker_status worker[] = {{.conns = 3, .cpu_us = 1500000},
							     {.conns = 4, .cpu_us = 7}};

	(void)ctx;
	*s = (struct ctl_status){
		.iface = "eth0",
		.mode = "native",
		.xsk = "copy",
		.hook = "link",
		.uptime_s = 77,
		.hook_lost = 1,
		.queues = 2,
		.workers = 2,
		.flows_used = 5,
		.flows_capacity = 1000,
		.engine = {.states = {[WEIR_ESTABLISHED] = 6, [WEIR_TIME_WAIT] = 9},
			   .conns_used = 4,
			   .conns_max = 100,
			   .tombstones = 12,
			   .closing = 2,
			   .per_connection_bytes = 640,
			   .conn_memory_bytes = 65536,
			   .buffer_bytes_used = 4096,
			   .buffer_bytes_total = 1u << 20},
		.queue = queue,
		.worker = worker,
		.events = &events,
		.services = services,
		.nservices = 2,
	};
}

static void fake_metrics(void *ctx, struct ctl_metrics *m)
{
	struct metrics_fake *f = ctx;

	memset(m, 0, sizeof(*m));
	f->renders++;
	m->resident_bytes = 123456;
	m->cpu_us = 2000001;
	m->gate_counters[WEIR_C_syn_answered] = 1234567890123ull;
	m->counters[WEIR_C_http_idle_closed] = 21;
	for (unsigned w = 0; w < 2; w++)
		m->worker_counters[w] = rows[w];
	rows[0][WEIR_C_conn_opened] = 31;
	rows[1][WEIR_C_conn_opened] = 32;
	tcp_hist_add(&m->times.rtt, 20);
	tcp_hist_add(&m->times.rtt, 1000000);
	tcp_hist_add(&m->times.rtt, 100000000);
	tcp_hist_add(&m->times.cookie, 3000);
	tcp_hist_add(&m->times.cookie, 200000);
}

static void fake_health(void *ctx, struct ctl_health *h)
{
	const struct metrics_fake *f = ctx;

	*h = (struct ctl_health){.iface = "eth0", .why = f->why, .heartbeat_age_ms = 1234};
}

static const struct backends *fake_backends(void *ctx, unsigned service)
{
	(void)ctx;
	return service ? NULL : metrics_fake.backends;
}

static const struct ctl_source_ops ops = {.backends = fake_backends,
					  .status = fake_status,
					  .metrics = fake_metrics,
					  .health = fake_health};
const struct ctl_source metrics_source = {.ops = &ops, .ctx = &metrics_fake, .workers = 2};
