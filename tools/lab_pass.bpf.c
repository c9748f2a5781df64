// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The XDP program on the client's end of a lab.
 *
 * veth delivers what the server's end sends with XDP_TX only to a peer that has
 * an XDP program itself, so this one passes everything. Two things are off until
 * lab_config says otherwise: it loses a share of the TCP frames (tools/lab
 * --loss), each by itself and before GRO could merge them, and it counts and
 * drops the answers to a flood's spoofed sources (weir-flood), which would
 * otherwise cost the client's stack more than the flood itself.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lab_pass.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lab_config);
} lab_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lab_count);
} lab_count SEC(".maps");

static const __u32 zero;

static __always_inline void count_answer(struct lab_count *n, const struct tcphdr *tcp)
{
	if (tcp->syn && tcp->ack)
		n->syn_ack++;
	else if (tcp->rst)
		n->rst++;
	else
		n->other++;
}

static __always_inline int in_flood6(const struct lab_config *cfg, const __be32 *addr)
{
	return cfg->flood6 && (addr[0] & cfg->flood6_mask[0]) == cfg->flood6_net[0] &&
	       (addr[1] & cfg->flood6_mask[1]) == cfg->flood6_net[1] &&
	       (addr[2] & cfg->flood6_mask[2]) == cfg->flood6_low[0] &&
	       (addr[3] & cfg->flood6_mask[3]) == cfg->flood6_low[1];
}

/* Past Ethernet and up to two tags; NULL when there is no whole header. */
static __always_inline void *find_ip(void *data, void *end, __be16 *type)
{
	struct ethhdr *eth = data;
	struct vlan_tag {
		__be16 tci, type;
	} * tag;
	void *at = eth + 1;
	int i;

	if (at > end)
		return 0;
	*type = eth->h_proto;
#pragma unroll
	for (i = 0; i < 2; i++) {
		if (*type != bpf_htons(ETH_P_8021Q) && *type != bpf_htons(ETH_P_8021AD))
			break;
		tag = at;
		at = tag + 1;
		if (at > end)
			return 0;
		*type = tag->type;
	}
	return at;
}

/* The TCP header of an IP frame without options or extension headers, else NULL. */
static __always_inline struct tcphdr *find_tcp(void *data, void *end, const struct lab_config *cfg,
					       int *flooded)
{
	struct tcphdr *tcp = 0;
	__be16 type = 0;
	void *at = find_ip(data, end, &type);

	if (!at)
		return 0;
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end || ip->protocol != IPPROTO_TCP || ip->ihl != 5)
			return 0;
		*flooded = cfg->flood4_mask && (ip->daddr & cfg->flood4_mask) == cfg->flood4_net;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = at;

		tcp = (void *)(ip6 + 1);
		if ((void *)(tcp + 1) > end || ip6->nexthdr != IPPROTO_TCP)
			return 0;
		*flooded = in_flood6(cfg, ip6->daddr.in6_u.u6_addr32);
	}
	return tcp;
}

SEC("xdp.frags")
int lab_pass(struct xdp_md *ctx)
{
	struct lab_config *cfg = bpf_map_lookup_elem(&lab_config, &zero);
	struct lab_count *n = bpf_map_lookup_elem(&lab_count, &zero);
	struct tcphdr *tcp;
	int flooded = 0;

	if (!cfg || !n || !cfg->active)
		return XDP_PASS;
	tcp = find_tcp((void *)(long)ctx->data, (void *)(long)ctx->data_end, cfg, &flooded);
	if (!tcp)
		return XDP_PASS;
	if (flooded) {
		count_answer(n, tcp);
		return XDP_DROP;
	}
	if (cfg->loss && bpf_get_prandom_u32() < cfg->loss) {
		n->lost++;
		return XDP_DROP;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
