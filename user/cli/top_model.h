/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `weir top` knows: replies of the control socket and a time come in, rates come out.
 *
 *     status   ┐
 *     counters ┼─► model (differences to the update before) ─► top_layout.h, JSON
 *     history  ┘
 *
 * Pure. A reply that lacks something counts as if it were 0: the weir may be another version.
 */
#ifndef WEIR_CLI_TOP_MODEL_H
#define WEIR_CLI_TOP_MODEL_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "control/history.h"

#define TOP_SERVICES 1024 /* that are kept; the others are counted */

struct top_reason {
	unsigned counter; /* enum weir_counter */
	uint64_t total;
	double rate;
};

struct top_queue {
	unsigned worker;
	uint64_t rx, tx, drops; /* cumulative */
	double rx_rate, tx_rate, drop_rate;
};

struct top_worker {
	uint64_t conns, cpu_us;
	double cpu; /* of one CPU, 0..1 */
};

struct top_service {
	char listen[72], app[16], mode[12];
	bool cookies; /* SYNs are answered in XDP now */
};

struct top_model {
	/* what it is */
	char iface[IFNAMSIZ], xdp[12], xsk[12], version[24];
	uint64_t pid, uptime_s, hook_lost;
	bool draining, flood, ring_drops;
	unsigned queues, workers;

	/* what it does: rates are of the time between the last two updates */
	unsigned updates; /* 2 and more: there are rates */
	double interval_s;
	double rate[HISTORY_NRATES];
	struct top_reason reason[WEIR_C_MAX]; /* refusals that ever were, highest rate first */
	unsigned nreasons;
	uint64_t states[WEIR_TCP_NSTATES];
	uint64_t flows, flows_max, tombstones;
	uint64_t buffers, buffers_max;
	struct top_queue queue[WEIR_MAX_QUEUES];
	struct top_worker worker[WEIR_MAX_QUEUES];
	struct top_service service[TOP_SERVICES];
	unsigned nservices; /* all there are */

	/* The machine's CPUs together, 0..1: the gate runs in softirq, not in the workers. */
	double busy, softirq;
	unsigned looks; /* 2 and more: known */

	/* the last minutes; [n - 1] is the newest */
	uint64_t history[HISTORY_NSERIES][HISTORY_SAMPLES];
	unsigned nhistory;

	/* of the update before */
	uint64_t now_us, counters[WEIR_C_MAX], taken;
	uint64_t ticks, ticks_busy, ticks_softirq;
};

void top_model_init(struct top_model *m);

/*
 * True: it is another process than before, and the model has begun anew. Rates appear with
 * the second update.
 */
bool top_model_update(struct top_model *m, uint64_t now_us, const json_t *status,
		      const json_t *counters);

/* How many seconds of history to ask for at `now_us`, so that none is missing; 0: all. */
unsigned top_model_wants(const struct top_model *m, uint64_t now_us);
void top_model_history(struct top_model *m, const json_t *history);

/* The text of /proc/stat now; anything else is not understood, and changes nothing. */
void top_model_machine(struct top_model *m, const char *proc_stat);

enum top_sort { TOP_SORT_RATE, TOP_SORT_TOTAL, TOP_SORT_NAME, TOP_NSORTS };
void top_model_sort(struct top_model *m, enum top_sort by);

/* One sample for scripts; new reference, NULL when memory is out. */
json_t *top_model_json(const struct top_model *m);

#endif
