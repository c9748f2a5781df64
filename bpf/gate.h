/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the gate's parts share: its memory, and one frame's journey.
 *
 * Everything the host reads and writes lives in .bss, which it maps: no map
 * lookup on the way of a frame but those of the flow, of an addressed service and
 * of the socket. The functions are inlined into weir_gate() once per IP version,
 * `family` being a constant there; struct gate then lives in registers.
 */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <weir/abi.h>
#include <weir/clock.h>
#include <weir/cookie.h>
#include <weir/packet.h>
#include <weir/policy.h>
#include <weir/presence.h>
#include <weir/seq.h>

/* linux/errno.h's, without the host's libc behind it */
#define GATE_E2BIG  7
#define GATE_EEXIST 17

#define GATE_CACHE_LINE __attribute__((aligned(64)))

struct weir_gate_config weir_cfg GATE_CACHE_LINE;
__u16 weir_ports[65536] GATE_CACHE_LINE;
struct weir_service weir_services[WEIR_SERVICE_SLOTS] GATE_CACHE_LINE;
struct weir_counter_row weir_counters[WEIR_MAX_CPUS];
__u64 weir_heartbeat[WEIR_MAX_QUEUES] GATE_CACHE_LINE;
__u32 weir_presence[WEIR_PRESENCE_CELLS] GATE_CACHE_LINE;

/* include/weir/policy.h */
struct weir_policy weir_policies[2] GATE_CACHE_LINE;
__u64 weir_source_key[2]; /* set once */
struct weir_bucket_set weir_buckets[WEIR_BUCKET_TABLES][WEIR_BUCKET_SETS];
struct weir_source_counts weir_sources[2] GATE_CACHE_LINE;

/* Preallocated: an insertion neither allocates nor fails for want of memory. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, struct weir_flow_key4);
	__type(value, struct weir_flow);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, struct weir_flow_key6);
	__type(value, struct weir_flow);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * WEIR_MAX_SERVICES);
	__type(key, struct weir_service_key);
	__type(value, __u32);
} services SEC(".maps");

/* The lists of both policies, which cost nothing while they are empty. */
struct acl4_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WEIR_ACL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct weir_acl_key4));
	__uint(value_size, sizeof(__u32));
} acl4_0 SEC(".maps"), acl4_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct acl4_trie);
} acl4 SEC(".maps") = {.values = {[0] = &acl4_0, [1] = &acl4_1}};

struct acl6_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WEIR_ACL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct weir_acl_key6));
	__uint(value_size, sizeof(__u32));
} acl6_0 SEC(".maps"), acl6_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct acl6_trie);
} acl6 SEC(".maps") = {.values = {[0] = &acl6_0, [1] = &acl6_1}};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, WEIR_MAX_QUEUES);
	__type(key, __u32);
	__uint(value_size, sizeof(__u32));
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} trace SEC(".maps");

/* XDP runs with migration and softirqs off: a row has one writer, ++ does. */
_Static_assert((WEIR_MAX_CPUS & (WEIR_MAX_CPUS - 1)) == 0, "the CPU is masked");

static __always_inline struct weir_counter_row *gate_row(void)
{
	return &weir_counters[bpf_get_smp_processor_id() & (WEIR_MAX_CPUS - 1)];
}

struct gate {
	struct xdp_md *ctx;
	struct weir_counter_row *row; /* this CPU's */
	__u64 mono_ms, wall_ms;	      /* set by gate_clock() */
	__u32 service;		      /* index into weir_services[], set by gate_is_service() */
	struct weir_pkt pkt;
	const void *key; /* pkt.tuple as the flow maps have it; in the frame or on the stack */
};

/* In place of an action: what is still to be done, by another function (weir.bpf.c). */
#define GATE_UNUSUAL -1 /* all of it */
#define GATE_NOT_TCP -2
#define GATE_SYN     -3
#define GATE_ACK     -4
#define GATE_RESET   -5

static __always_inline void *gate_data(const struct gate *g)
{
	return (void *)(long)g->ctx->data;
}

static __always_inline void *gate_data_end(const struct gate *g)
{
	return (void *)(long)g->ctx->data_end;
}

static __always_inline void gate_clock(struct gate *g)
{
	g->mono_ms = weir_clock_ticks_ms(&weir_cfg.clock, bpf_jiffies64());
	g->wall_ms = weir_clock_wall_ms(&weir_cfg.clock, g->mono_ms);
}

#endif
