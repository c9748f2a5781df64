// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Somebody else's XDP programs, for the tests of the hook. Each counts what it sees:
 *
 *	front		a filter: drops TCP to port 9
 *	front_frags	the same, of a kind that multi-buffer frames may pass
 *	behind		sees what is left
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CLOSED 9

/* One for each: a map is a program's, and shows which by its place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen_front SEC(".maps"), seen_frags SEC(".maps"), seen_behind SEC(".maps");

static __always_inline void count(void *map)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(map, &zero);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline int filter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->protocol != IPPROTO_TCP || ip->ihl != 5)
		return XDP_PASS;
	return tcp->dest == bpf_htons(CLOSED) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int front(struct xdp_md *ctx)
{
	count(&seen_front);
	return filter(ctx);
}

SEC("xdp.frags")
int front_frags(struct xdp_md *ctx)
{
	count(&seen_frags);
	return filter(ctx);
}

SEC("xdp")
int behind(struct xdp_md *ctx)
{
	(void)ctx;
	count(&seen_behind);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
