/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "top_fixture.h"

static json_int_t number(uint64_t v)
{
	return (json_int_t)v;
}

static json_t *queues(const struct top_bed *b, unsigned s)
{
	json_t *a = json_array();

	for (unsigned q = 0; q < b->queues; q++)
		json_array_append_new(a, json_pack("{sI sI sI sI sI sI}", "queue", number(q),
						   "worker", number(q % b->workers), "rx_frames",
						   number((q + 1) * 1000 * s), "tx_frames",
						   number(500 * s), "rx_dropped", number(3 * q * s),
						   "rx_ring_full", number(q * s)));
	return a;
}

static json_t *workers(const struct top_bed *b, unsigned s)
{
	json_t *a = json_array();

	for (unsigned w = 0; w < b->workers; w++)
		json_array_append_new(a, json_pack("{sI sI sI}", "worker", number(w), "connections",
						   number(10 + w), "cpu_us",
						   number(250000ull * (w + 1) * s)));
	return a;
}

static json_t *services(const struct top_bed *b)
{
	json_t *a = json_array();
	char listen[32];

	for (unsigned i = 0; i < b->services; i++) {
		snprintf(listen, sizeof(listen), "10.0.0.2:%u", 80 + i);
		json_array_append_new(a, json_pack("{ss ss ss sb}", "listen", listen, "app",
						   i % 2 ? "echo" : "http", "mode",
						   i % 2 ? "auto" : "always", "cookies", i < 2));
	}
	return a;
}

json_t *top_bed_status(const struct top_bed *b, unsigned s)
{
	return json_pack(
		"{si ss sI ss ss ss sI sI sb sI sI s{sI sI sI} s{sI sI sI} s{sI sI} so so so}",
		"version", 1, "weir", "0.1.0", "pid", number(b->pid), "iface", "eth0", "mode",
		"native", "xsk", "copy", "uptime_s", number(b->age_s + s), "hook_lost", number(0),
		"draining", 0, "queues", number(b->queues), "workers", number(b->workers), "flows",
		"used", number(12345), "capacity", number(262144), "tombstones", number(678),
		"connections", "ESTABLISHED", number(1034), "TIME_WAIT", number(220), "SYN_RCVD",
		number(0), "memory", "buffers_used_bytes", number(1 << 20), "buffers_bytes",
		number(1 << 22), "services", services(b), "per_queue", queues(b, s), "per_worker",
		workers(b, s));
}

json_t *top_bed_counters(const struct top_bed *b, unsigned s)
{
	(void)b;
	return json_pack("{si s{sI sI sI sI sI sI sI sI sI}}", "version", 1, "counters",
			 "syn_answered", number(400000ull * s), "syn_to_worker", number(100ull * s),
			 "ack_accepted", number(1200ull * s), "conn_opened", number(1200ull * s),
			 "rx_bytes", number(125000ull * s), "drop_ack_cookie", number(3000ull * s),
			 "drop_land", number(70), "drop_syn_fin", number(20ull * s),
			 "xsk_rx_dropped", number(5ull * s));
}

json_t *top_bed_history(const struct top_bed *b, unsigned s, unsigned seconds)
{
	unsigned taken = b->age_s + s, n = taken < HISTORY_SAMPLES ? taken : HISTORY_SAMPLES;
	json_t *all = json_object(), *syn = json_array(), *flows = json_array();

	if (seconds && seconds < n)
		n = seconds;
	for (unsigned i = taken - n + 1; i <= taken; i++) {
		json_array_append_new(syn, json_integer(100 * i));
		json_array_append_new(flows, json_integer(i));
	}
	json_object_set_new(all, "syn_per_s", syn);
	json_object_set_new(all, "flows", flows);
	return json_pack("{si sI sI so}", "version", 1, "seconds", number(n), "taken",
			 number(taken), "series", all);
}

bool top_bed_update(struct top_model *m, const struct top_bed *b, unsigned s)
{
	uint64_t now_us = 1000000ull * (1000 + s);
	json_t *status = top_bed_status(b, s), *counters = top_bed_counters(b, s);
	json_t *history = top_bed_history(b, s, top_model_wants(m, now_us));
	bool other = top_model_update(m, now_us, status, counters);

	top_model_history(m, history);
	json_decref(status);
	json_decref(counters);
	json_decref(history);
	return other;
}
