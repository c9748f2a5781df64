/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/counter_names.h"
#include "control/history.h"

struct history {
	unsigned workers, n, next; /* samples there are; where the next one goes */
	bool begun;
	uint64_t taken;
	uint64_t last_us, due_us;
	uint64_t last[HISTORY_NRATES];
	uint64_t v[HISTORY_NSERIES][HISTORY_SAMPLES];
	uint64_t *last_cpu; /* of each worker */
	uint16_t *cpu;	    /* [HISTORY_SAMPLES][workers], in thousandths */
};

int history_open(struct history **out, unsigned workers)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->workers = workers;
	h->last_cpu = calloc(workers, sizeof(*h->last_cpu));
	h->cpu = calloc((size_t)workers * HISTORY_SAMPLES, sizeof(*h->cpu));
	if (!h->last_cpu || !h->cpu) {
		history_close(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	free(h->last_cpu);
	free(h->cpu);
	free(h);
}

/* ---- what is counted ------------------------------------------------------------ */

bool history_refusal(enum weir_counter c)
{
	switch (c) {
	case WEIR_C_drop_no_listener:
	case WEIR_C_drop_conns_full:
	case WEIR_C_drop_accept_queue:
	case WEIR_C_drop_backlog:
	case WEIR_C_drop_syn_flows_full:
	case WEIR_C_drop_table_full:
	case WEIR_C_drop_flow_draining:
	case WEIR_C_conn_refused_by_app:
		return true;
	default:
		return counter_of_gate(c) && !strncmp(counter_name(c), "drop_", 5);
	}
}

static uint64_t refused(const uint64_t *v)
{
	uint64_t sum = 0;

	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++)
		sum += history_refusal(c) ? v[c] : 0;
	return sum;
}

/* The SYNs that have a counter as such; one with a wrong checksum, say, is a refusal only. */
static uint64_t syns(const uint64_t *v)
{
	return v[WEIR_C_syn_answered] + v[WEIR_C_syn_to_worker] + v[WEIR_C_drop_flows_full] +
	       v[WEIR_C_drop_draining] + v[WEIR_C_drop_clock_step] + v[WEIR_C_drop_heartbeat] +
	       v[WEIR_C_drop_synack_rate] + v[WEIR_C_drop_tailroom];
}

uint64_t history_total(enum history_series rate, const uint64_t *v)
{
	switch (rate) {
	case HISTORY_syns:
		return syns(v);
	case HISTORY_cookies:
		return v[WEIR_C_syn_answered];
	case HISTORY_accepted:
		return v[WEIR_C_ack_accepted];
	case HISTORY_refused:
		return refused(v);
	case HISTORY_opened:
		return v[WEIR_C_conn_opened];
	case HISTORY_closed:
		return v[WEIR_C_conn_closed];
	case HISTORY_rx_bytes:
		return v[WEIR_C_rx_bytes];
	case HISTORY_tx_bytes:
		return v[WEIR_C_tx_bytes];
	case HISTORY_ring_drops:
		return v[WEIR_C_xsk_rx_dropped] + v[WEIR_C_xsk_rx_ring_full];
	default:
		return 0;
	}
}

const char *history_name(enum history_series s)
{
	static const char *const names[HISTORY_NSERIES] = {
#define X(name, json) [HISTORY_##name] = json,
		HISTORY_RATES(X) HISTORY_LEVELS(X)
#undef X
	};

	return names[s];
}

/* ---- samples ---------------------------------------------------------------------- */

/* A counter that goes back (it never should) is a rate of 0, not of 2^64. */
static uint64_t added(uint64_t *last, uint64_t now)
{
	uint64_t d = now > *last ? now - *last : 0;

	*last = now;
	return d;
}

static uint64_t per_second(uint64_t d, uint64_t us)
{
	return (uint64_t)((double)d * 1e6 / (double)us + 0.5);
}

static void begin(struct history *h, uint64_t now_us, const struct history_input *in)
{
	for (unsigned s = 0; s < HISTORY_NRATES; s++)
		h->last[s] = history_total(s, in->counters);
	memcpy(h->last_cpu, in->cpu_us, h->workers * sizeof(*h->last_cpu));
	h->last_us = now_us;
	h->due_us = now_us + HISTORY_US;
	h->begun = true;
}

bool history_due(const struct history *h, uint64_t now_us)
{
	return !h->begun || now_us >= h->due_us;
}

static void push(struct history *h, const uint64_t *v, const uint16_t *cpu)
{
	for (unsigned s = 0; s < HISTORY_NSERIES; s++)
		h->v[s][h->next] = v[s];
	memcpy(h->cpu + (size_t)h->next * h->workers, cpu, h->workers * sizeof(*cpu));
	h->next = (h->next + 1) % HISTORY_SAMPLES;
	h->n += h->n < HISTORY_SAMPLES;
}

void history_take(struct history *h, uint64_t now_us, const struct history_input *in)
{
	uint64_t v[HISTORY_NSERIES], us, n;
	uint16_t cpu[WEIR_MAX_QUEUES];

	if (!history_due(h, now_us))
		return;
	if (!h->begun) {
		begin(h, now_us, in);
		return;
	}
	us = now_us - h->last_us;
	for (unsigned s = 0; s < HISTORY_NRATES; s++)
		v[s] = per_second(added(&h->last[s], history_total(s, in->counters)), us);
	v[HISTORY_flows] = in->flows;
	for (unsigned w = 0; w < h->workers; w++) {
		uint64_t permille = added(&h->last_cpu[w], in->cpu_us[w]) * 1000 / us;

		cpu[w] = permille > 1000 ? 1000 : (uint16_t)permille;
	}
	n = (now_us - h->due_us) / HISTORY_US + 1;
	h->taken += n;
	h->due_us += n * HISTORY_US;
	h->last_us = now_us;
	for (; n > 0; n--) {
		if (n > HISTORY_SAMPLES)
			n = HISTORY_SAMPLES;
		push(h, v, cpu);
	}
}

unsigned history_samples(const struct history *h)
{
	return h->n;
}

uint64_t history_taken(const struct history *h)
{
	return h->taken;
}

unsigned history_workers(const struct history *h)
{
	return h->workers;
}

static unsigned slot(const struct history *h, unsigned i)
{
	return (h->next + HISTORY_SAMPLES - h->n + i) % HISTORY_SAMPLES;
}

uint64_t history_at(const struct history *h, enum history_series s, unsigned i)
{
	return h->v[s][slot(h, i)];
}

unsigned history_cpu_permille(const struct history *h, unsigned worker, unsigned i)
{
	return h->cpu[(size_t)slot(h, i) * h->workers + worker];
}
