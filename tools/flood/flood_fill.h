/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Writing one frame: the template, the random fields, the checksums. Shared by the
 * sender program and the host. Every byte is written each time: the page of a live
 * frame comes back with whatever its receiver left in it.
 */
#ifndef FLOOD_FILL_H
#define FLOOD_FILL_H

#include <weir/csum.h>
#include <weir/seq.h>

#include "flood_abi.h"

#define FLOOD_ETH_VLANS_MAX 22

/* SplitMix64: a counter, mixed; as cheap as it gets and good enough for addresses. */
weir_inline __u64 flood_random(__u64 *state)
{
	__u64 x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

#ifdef __bpf__
weir_inline void flood_store64(void *p, __u64 v)
{
	*(__u64 *)p = v;
}
#else
weir_inline void flood_store64(void *p, __u64 v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}
#endif

/* In whole words, and the last eight bytes over the last of them. */
weir_inline int flood_copy(const struct flood_template *t, __u8 *data, __u8 *end)
{
	__u32 rest = t->len - 8, i;
	__u8 *p;

#pragma GCC unroll 16
	for (i = 0; i < FLOOD_FRAME_MAX / 8; i++) {
		p = data + i * 8;
		if (p + 8 > end)
			break;
		flood_store64(p, t->word[i]);
	}
	weir_opaque(rest);
	if (rest > FLOOD_FRAME_MAX - 8)
		return -1;
	p = data + rest;
	if (p + 8 > end)
		return -1;
	flood_store64(p, t->tail);
	return 0;
}

weir_inline __be16 flood_port(__u32 lowest, __u32 ports, __u64 random)
{
	return weir_htons(lowest + (((random & 0xffff) * ports) >> 16));
}

/* Source address into the header at ip; returns what it adds to a checksum. */
weir_inline __u64 flood_source4(const struct flood_template *t, __u8 *ip, __u32 random)
{
	__be32 addr = t->src_net[0] | (random & t->src_mask[0]);

	weir_store32(ip + 12, addr);
	weir_store16(ip + 10, ~weir_csum_fold((__u64)t->ip_sum + addr));
	return addr;
}

weir_inline __u64 flood_source6(const struct flood_template *t, __u8 *ip, __u64 *rng)
{
	__u64 low = flood_random(rng), high = 0, sum;
	__be32 a[4];

	if (t->src_mask[1])
		high = flood_random(rng);
	a[0] = t->src_net[0] | ((__u32)(high >> 32) & t->src_mask[0]);
	a[1] = t->src_net[1] | ((__u32)high & t->src_mask[1]);
	a[2] = t->src_net[2] | ((__u32)(low >> 32) & t->src_mask[2]);
	a[3] = t->src_net[3] | ((__u32)low & t->src_mask[3]);
	weir_store32(ip + 8, a[0]);
	weir_store32(ip + 12, a[1]);
	weir_store32(ip + 16, a[2]);
	weir_store32(ip + 20, a[3]);
	sum = (__u64)a[0] + a[1];
	return sum + a[2] + a[3];
}

weir_inline void flood_tcp(const struct flood_template *t, __u8 *tcp, __u64 sum, __u64 r,
			   __u64 *rng)
{
	__be16 src = flood_port(t->src_port, t->src_ports, r);
	__be16 dst = flood_port(t->dst_port, t->dst_ports, r >> 16);
	__u64 numbers = flood_random(rng);
	__be32 seq = weir_htonl(t->seq + ((__u32)numbers & t->seq_mask));
	__be32 ack = (__u32)(numbers >> 32) & t->ack_mask;

	weir_store16(tcp, src);
	weir_store16(tcp + 2, dst);
	weir_store32(tcp + 4, seq);
	weir_store32(tcp + 8, ack);
	sum += (__u64)t->tcp_sum + src + dst;
	sum += (__u64)seq + ack;
	weir_store16(tcp + 16, ~weir_csum_fold(sum));
}

/* Writes a frame of the template to data, which ends at end and is as long as it. */
weir_inline int flood_fill(const struct flood_config *cfg, const struct flood_template *t,
			   __u64 *rng, __u8 *data, __u8 *end)
{
	__u64 r = flood_random(rng), sum;
	__u32 l3 = cfg->l3_off;
	__u8 *ip, *tcp;

	if (flood_copy(t, data, end))
		return -1;
	weir_opaque(l3);
	if (l3 > FLOOD_ETH_VLANS_MAX)
		return -1;
	ip = data + l3;
	if (cfg->ipv6) {
		tcp = ip + 40;
		if (tcp + 20 > end)
			return -1;
		sum = flood_source6(t, ip, rng);
	} else {
		tcp = ip + 20;
		if (tcp + 20 > end)
			return -1;
		sum = flood_source4(t, ip, (__u32)(r >> 32));
	}
	flood_tcp(t, tcp, sum, r, rng);
	return 0;
}

#endif
