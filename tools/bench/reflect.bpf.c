// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The ceiling of all that answers SYNs: swaps the MACs and the IP addresses and
 * sends the frame back. The other end's stack drops what comes, as it is no answer
 * to it. Up to two tags.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define TAG_LEN	 4

static __always_inline void swap16(__u16 *a, __u16 *b)
{
	__u16 t = *a;

	*a = *b;
	*b = t;
}

static __always_inline void swap32(__u32 *a, __u32 *b)
{
	__u32 t = *a;

	*a = *b;
	*b = t;
}

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(0x8100) || type == bpf_htons(0x88a8);
}

static __always_inline void swap_macs(void *eth)
{
	__u16 *mac = eth;

	swap16(mac, mac + 3);
	swap16(mac + 1, mac + 4);
	swap16(mac + 2, mac + 5);
}

SEC("xdp")
int bench_reflect(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	void *eth = (void *)(long)ctx->data;
	void *ip = eth + ETH_HLEN;
	__be16 type;
	__u32 *w;
	int i;

	if (ip > end)
		return XDP_PASS;
	type = *(__be16 *)(ip - 2);
#pragma unroll
	for (i = 0; i < 2; i++) {
		if (!is_tag(type))
			break;
		ip += TAG_LEN;
		if (ip > end)
			return XDP_PASS;
		type = *(__be16 *)(ip - 2);
	}
	w = ip;
	if (type == bpf_htons(0x0800) && ip + 20 <= end) {
		swap32(w + 3, w + 4);
	} else if (type == bpf_htons(0x86dd) && ip + 40 <= end) {
#pragma unroll
		for (i = 0; i < 4; i++)
			swap32(w + 2 + i, w + 6 + i);
	} else {
		return XDP_PASS;
	}
	swap_macs(eth);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
