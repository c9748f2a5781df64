/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The gate on the host: its source, and the helpers and maps that it finds there. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../bpf/weir.bpf.c"
#include "gate_host.h"

#define FLOWS_MAX    64
#define SERVICES_MAX 16
#define FRAME_ROOM   8192

/* ---- maps ----------------------------------------------------------------- */

/* A hash as the gate sees it: keys, values, a capacity. Small, so a list does. */
struct table {
	size_t key_size, value_size;
	unsigned cap, n;
	uint8_t key[FLOWS_MAX][sizeof(struct weir_flow_key6)];
	uint64_t value[FLOWS_MAX][sizeof(struct weir_flow) / 8];
};

static struct table flow_table[2] = {
	{.key_size = sizeof(struct weir_flow_key4), .value_size = sizeof(struct weir_flow)},
	{.key_size = sizeof(struct weir_flow_key6), .value_size = sizeof(struct weir_flow)},
};
static struct {
	struct weir_service_key key;
	__u32 id;
} service_table[SERVICES_MAX];
static unsigned nservices;
static struct gate_syns syns[WEIR_MAX_SERVICES];
static bool has_socket;

/* The tries of the lists: by family and policy; what they hold, also small. */
#define RULES_MAX 64
static struct trie {
	bool there;
	unsigned n;
	struct weir_acl_key6 key[RULES_MAX]; /* IPv4 in its first word */
	__u32 verdict[RULES_MAX];
} tries[2][2];

static struct table *flows_of(const void *map)
{
	return map == &flows4 ? &flow_table[0] : map == &flows6 ? &flow_table[1] : NULL;
}

static int find(const struct table *t, const void *key)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!memcmp(t->key[i], key, t->key_size))
			return (int)i;
	return -1;
}

static void *find_service(const struct weir_service_key *k)
{
	for (unsigned i = 0; i < nservices; i++)
		if (!memcmp(&service_table[i].key, k, sizeof(*k)))
			return &service_table[i].id;
	return NULL;
}

static bool under(const void *prefix, const void *key, __u32 bits)
{
	const __u8 *a = prefix, *b = key;

	if (memcmp(a, b, bits / 8))
		return false;
	return !(bits % 8) || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8));
}

static void *find_rule(struct trie *t, const struct weir_acl_key6 *key)
{
	int best = -1;

	for (unsigned i = 0; i < t->n; i++)
		if (under(&t->key[i].list, &key->list, t->key[i].prefixlen) &&
		    (best < 0 || t->key[i].prefixlen > t->key[best].prefixlen))
			best = (int)i;
	return best < 0 ? NULL : &t->verdict[best];
}

static void *find_in_trie(void *map, const void *key)
{
	struct weir_acl_key6 k = {0};

	for (int policy = 0; policy < 2; policy++) {
		if (map == &tries[1][policy])
			return find_rule(map, key);
		if (map == &tries[0][policy]) {
			memcpy(&k, key, sizeof(struct weir_acl_key4));
			return find_rule(map, &k);
		}
	}
	return NULL;
}

static void *find_trie(int v6, __u32 policy)
{
	return policy < 2 && tries[v6][policy].there ? &tries[v6][policy] : NULL;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
	struct table *t = flows_of(map);
	int i;

	if (t) {
		i = find(t, key);
		return i < 0 ? NULL : t->value[i];
	}
	if (map == &services)
		return find_service(key);
	if (map == &auto_syns)
		return *(const __u32 *)key < WEIR_MAX_SERVICES ? &syns[*(const __u32 *)key] : NULL;
	if (map == &acl4 || map == &acl6)
		return find_trie(map == &acl6, *(const __u32 *)key);
	if ((char *)map >= (char *)tries && (char *)map < (char *)(&tries + 1))
		return find_in_trie(map, key);
	abort(); /* a map that this file does not know */
}

long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)
{
	struct table *t = flows_of(map);

	if (!t || flags != BPF_NOEXIST)
		abort();
	if (find(t, key) >= 0)
		return -EEXIST;
	if (t->n == t->cap)
		return -E2BIG;
	memcpy(t->key[t->n], key, t->key_size);
	memcpy(t->value[t->n], value, t->value_size);
	t->n++;
	return 0;
}

long bpf_redirect_map(void *map, __u64 key, __u64 flags)
{
	if (map != &xsks)
		abort();
	return has_socket && key == 0 ? XDP_REDIRECT : (long)(flags & 3);
}

/* ---- the frame ---------------------------------------------------------------- */

static __u32 frame_cap;

long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta)
{
	__s64 len = (__s64)ctx->data_end - ctx->data + delta;

	if (len < 14 || len > frame_cap)
		return -EINVAL;
	if (delta > 0)
		memset((void *)(long)ctx->data_end, 0, (size_t)delta);
	ctx->data_end = (__u32)(ctx->data_end + (__u32)delta);
	return 0;
}

long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 off, void *buf, __u32 len)
{
	if (off + len > ctx->data_end - ctx->data)
		return -EINVAL;
	memcpy(buf, (void *)(long)(ctx->data + off), len);
	return 0;
}

static struct weir_trace_rec scratch;

void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags)
{
	return ring == &trace && size == sizeof(scratch) && !flags ? &scratch : NULL;
}

void bpf_ringbuf_submit(void *data, __u64 flags)
{
	(void)data;
	(void)flags;
}

__u32 bpf_get_smp_processor_id(void)
{
	return 0;
}

__u64 bpf_jiffies64(void)
{
	return 0; /* the clock is fixed */
}

__u64 bpf_ktime_get_ns(void)
{
	return 0;
}

/* ---- the fuzzer's side ------------------------------------------------------------ */

struct gate_host_view gate_host_view(void)
{
	return (struct gate_host_view){
		.cfg = &weir_cfg,
		.ports = weir_ports,
		.services = weir_services,
		.counters = weir_counters[0].v,
		.policies = weir_policies,
		.source_key = weir_source_key,
		.buckets = weir_buckets,
		.sources = weir_sources,
	};
}

void gate_host_reset(unsigned flows, bool socket)
{
	if (flows > FLOWS_MAX)
		abort();
	flow_table[0].n = flow_table[1].n = nservices = 0;
	flow_table[0].cap = flow_table[1].cap = flows;
	has_socket = socket;
	memset(syns, 0, sizeof(syns));
	memset(&weir_counters[0], 0, sizeof(weir_counters[0]));
	memset(weir_presence, 0, sizeof(weir_presence));
	memset(gate_buckets, 0, sizeof(gate_buckets));
	memset(gate_refused, 0, sizeof(gate_refused));
	memset(tries, 0, sizeof(tries));
}

bool gate_host_rule(int family, unsigned policy, const struct weir_acl_key6 *key, uint32_t verdict)
{
	struct trie *t = &tries[family == 6][policy];
	unsigned i;

	t->there = true;
	for (i = 0; i < t->n; i++)
		if (!memcmp(&t->key[i], key, sizeof(*key)))
			break;
	if (i == RULES_MAX)
		return false;
	t->n += i == t->n;
	t->key[i] = *key;
	t->verdict[i] = verdict;
	return true;
}

void gate_host_service(const struct weir_service_key *key, uint32_t id)
{
	if (nservices == SERVICES_MAX)
		abort();
	service_table[nservices].key = *key;
	service_table[nservices++].id = id;
}

/* struct xdp_md has 32 bits for a pointer: the frame lies below 4 GiB. */
int gate_host_run(uint8_t *frame, size_t *len, size_t cap)
{
	static uint8_t *low;
	struct xdp_md ctx = {0};
	int act;

	if (!low)
		low = mmap(NULL, FRAME_ROOM, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED || cap > FRAME_ROOM)
		abort();
	memcpy(low, frame, *len);
	frame_cap = (__u32)cap;
	ctx.data = (__u32)(unsigned long)low;
	ctx.data_end = (__u32)(ctx.data + *len);
	act = weir_gate(&ctx);
	*len = ctx.data_end - ctx.data;
	memcpy(frame, low, *len);
	return act;
}

unsigned gate_host_flows(int family)
{
	return flow_table[family == 6].n;
}

void gate_host_flow(int family, unsigned i, void *key, struct weir_flow *f)
{
	const struct table *t = &flow_table[family == 6];

	memcpy(key, t->key[i], t->key_size);
	memcpy(f, t->value[i], sizeof(*f));
}
