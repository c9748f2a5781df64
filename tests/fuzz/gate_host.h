/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's own source, bpf/weir.bpf.c, compiled for the host over maps in memory:
 * one side of the differential fuzzer. One CPU, no socket but queue 0's.
 */
#ifndef WEIR_GATE_HOST_H
#define WEIR_GATE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/policy.h>

/* What the host's loader would fill in; as the program's own. */
struct gate_host_view {
	struct weir_gate_config *cfg;
	__u16 *ports;
	struct weir_service *services;
	const __u64 *counters; /* CPU 0's */
	struct weir_policy *policies;
	__u64 *source_key;
	struct weir_bucket_set (*buckets)[WEIR_BUCKET_SETS];
	struct weir_source_counts *sources;
};
struct gate_host_view gate_host_view(void);

/* Maps empty, counters and what is remembered of SYNs and refusals zero. */
void gate_host_reset(unsigned flows, bool socket);
void gate_host_service(const struct weir_service_key *key, uint32_t id);

/* Into the lists of a policy; IPv4 in the key's first word. False: no room. */
bool gate_host_rule(int family, unsigned policy, const struct weir_acl_key6 *key, uint32_t verdict);

/* Runs it on a frame in `buf` of `cap` bytes, which it may change; the action. */
int gate_host_run(uint8_t *frame, size_t *len, size_t cap);

/* Flow entries in the order of their making. */
unsigned gate_host_flows(int family);
void gate_host_flow(int family, unsigned i, void *key, struct weir_flow *f);

#endif
