/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows without end over one bottleneck: how much arrives, what it took.
 *
 *     A ── loss ── bottleneck ── delay RTT/2 ──► B
 *       ◄──────────────────────── delay RTT/2 ──
 *
 * Goodput is what the application has read. The ceiling is what a bottleneck kept
 * full would carry of it: rate * 1448 / 1514, payload over frame.
 */
#ifndef TESTS_SIM_MEASURE_H
#define TESTS_SIM_MEASURE_H

#include "world.h"

#define SIM_PAYLOAD 1448 /* of a full segment with timestamps, in a frame of 1514 */
#define SIM_FULL    1514

struct sim_cell {
	const char *cc;
	uint64_t rate;	     /* bit/s */
	uint64_t rtt;	     /* ns, without the queue */
	uint32_t loss;	     /* millionths, of data */
	uint32_t buffer_pct; /* of rate * rtt, but ten frames at least */
	uint32_t mark_pct;   /* of the buffer; 0: no ECN */
	uint64_t from, to;   /* what counts, ns after the start */
	unsigned flows;
	uint64_t stagger;	     /* the others start within this time of the first */
	uint64_t drop_from, drop_to; /* segments of data, by count */
	uint64_t seed;
	bool verbose;
};

struct sim_measure {
	bool failed;
	char why[256];
	uint64_t bytes[SIM_FLOWS]; /* read within [from, to) */
	uint64_t sum;
	uint32_t share; /* of the ceiling, in 1/10000 */
	uint64_t again, timeouts, dropped, marked;
	uint32_t queue_most;
	uint64_t hash;
};

void sim_measure(const struct sim_cell *cell, struct sim_measure *m);
/* Jain's index of `n` flows, in 1/10000. */
uint32_t sim_jain(const uint64_t *bytes, unsigned n);
/* rate * rtt in bytes. */
uint64_t sim_bdp(uint64_t rate, uint64_t rtt);
/* What `bytes` in `ns` are of the ceiling, in 1/10000. */
uint32_t sim_share(uint64_t bytes, uint64_t ns, uint64_t rate);

#endif
