// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * weir-flood's sender: writes one frame from the template with a random source,
 * and redirects it out of the interface. Run by BPF_PROG_TEST_RUN with live frames.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood_abi.h"

struct flood_config config;
__u64 next_ns; /* one thread sends */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps");

static const __u32 zero;

static __always_inline __u32 sum32(__u32 sum, __u32 v)
{
	return sum + (v & 0xffff) + (v >> 16);
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Ports from 1024 on: lower ones are rarely a client's. */
static __always_inline void fill_tcp(struct tcphdr *tcp, __u32 sum)
{
	__u32 r = bpf_get_prandom_u32();

	tcp->source = bpf_htons(1024 + (r & 0xffff) % (65536 - 1024));
	tcp->seq = bpf_get_prandom_u32();
	sum = sum32(sum + tcp->source, tcp->seq);
	if (config.ack) {
		tcp->ack_seq = bpf_get_prandom_u32();
		sum = sum32(sum, tcp->ack_seq);
	}
	tcp->check = fold(sum);
}

static __always_inline int fill4(void *data, void *end)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end)
		return -1;
	ip->saddr = config.src_net[0] | (bpf_get_prandom_u32() & config.host_mask);
	ip->check = fold(sum32(config.ip_sum, ip->saddr));
	fill_tcp(tcp, sum32(config.tcp_sum, ip->saddr));
	return 0;
}

static __always_inline int fill6(void *data, void *end)
{
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip6 + 1);
	__be32 *saddr = ip6->saddr.in6_u.u6_addr32;
	__u32 sum = config.tcp_sum;

	if ((void *)(tcp + 1) > end)
		return -1;
	saddr[0] = config.src_net[0];
	saddr[1] = config.src_net[1];
	saddr[2] = bpf_get_prandom_u32();
	saddr[3] = bpf_get_prandom_u32();
	sum = sum32(sum32(sum32(sum32(sum, saddr[0]), saddr[1]), saddr[2]), saddr[3]);
	fill_tcp(tcp, sum);
	return 0;
}

/*
 * Frames are delivered 64 at a time, each batch as fast as this program writes
 * it: quicker than any receiver on another CPU empties a ring of 256. Spinning
 * here is the only place to hold them apart.
 */
static __always_inline void pace(void)
{
	__u64 now = bpf_ktime_get_ns();
	int i;

	for (i = 0; i < 64 && now < next_ns; i++)
		now = bpf_ktime_get_ns();
	next_ns = now + config.gap_ns;
}

SEC("xdp")
int flood_send(struct xdp_md *ctx)
{
	__u64 *n = bpf_map_lookup_elem(&sent, &zero);
	__u32 len = config.len;
	void *data, *end;

	if (!n || len > FLOOD_FRAME_MAX || len < sizeof(struct ethhdr))
		return XDP_ABORTED;
	if (bpf_xdp_store_bytes(ctx, 0, config.frame, len))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (config.ipv6 ? fill6(data, end) : fill4(data, end))
		return XDP_ABORTED;
	if (config.gap_ns)
		pace();
	++*n;
	return bpf_redirect(config.ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
