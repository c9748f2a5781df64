/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last ten minutes of a running weir, a sample a second, so that who comes to look sees
 * what was. Rates are per second of real time; the ring's size is fixed when it is made.
 *
 *     sample i of n: the second that ended n-1-i seconds before the newest
 *
 * Pure: counters and time come in, no clock and no lock; one thread.
 */
#ifndef WEIR_CONTROL_HISTORY_H
#define WEIR_CONTROL_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>

#define HISTORY_SAMPLES 600
#define HISTORY_US	1000000 /* between two */

/* X(name, name in JSON): rates first, then what is as it is. */
#define HISTORY_RATES(X)                                                                           \
	X(syns, "syn_per_s")                                                                       \
	X(cookies, "cookies_per_s")                                                                \
	X(accepted, "accepted_per_s")                                                              \
	X(refused, "refused_per_s")                                                                \
	X(opened, "opened_per_s")                                                                  \
	X(closed, "closed_per_s")                                                                  \
	X(rx_bytes, "rx_bytes_per_s")                                                              \
	X(tx_bytes, "tx_bytes_per_s")                                                              \
	X(ring_drops, "ring_drops_per_s")
#define HISTORY_LEVELS(X) X(flows, "flows")

enum history_series {
#define X(name, json) HISTORY_##name,
	HISTORY_RATES(X) HISTORY_NRATES,
	HISTORY_BEFORE_LEVELS = HISTORY_NRATES - 1,
	HISTORY_LEVELS(X)
#undef X
		HISTORY_NSERIES,
};

struct history;

/* 0 or -ENOMEM. */
int history_open(struct history **out, unsigned workers);
void history_close(struct history *h); /* NULL is fine */

struct history_input {
	const uint64_t *counters; /* [WEIR_C_MAX], cumulative */
	const uint64_t *cpu_us;	  /* of each worker, cumulative */
	uint64_t flows;
};

/* Whether a sample is to be taken: spares the caller the gathering. */
bool history_due(const struct history *h, uint64_t now_us);
/* Those that are due; where seconds were missed, what was in them is spread over them. */
void history_take(struct history *h, uint64_t now_us, const struct history_input *in);

unsigned history_samples(const struct history *h); /* 0..HISTORY_SAMPLES */
uint64_t history_taken(const struct history *h);   /* ever: numbers the newest one */
unsigned history_workers(const struct history *h);
/* i: 0 is the oldest. */
uint64_t history_at(const struct history *h, enum history_series s, unsigned i);
unsigned history_cpu_permille(const struct history *h, unsigned worker, unsigned i);
const char *history_name(enum history_series s); /* in JSON */

/*
 * What a rate counts, from all counters: `syns` what came, whoever answered or not; `refused`
 * what the gate dropped, and the workers' refusals of new connections.
 */
uint64_t history_total(enum history_series rate, const uint64_t *counters);
/* Whether `c` is one of the reasons that `refused` is the sum of. */
bool history_refusal(enum weir_counter c);

#endif
