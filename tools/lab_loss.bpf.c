// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Loses a share of the TCP frames that leave the client (tools/lab --loss), on
 * the tc egress hook of the client's end.
 *
 * The verdict is STOLEN, not SHOT: SHOT comes back to the sender's TCP as a
 * local error, which it handles by other rules than a frame lost on the way.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32); /* lose a frame when a random u32 is below */
} lab_loss SEC(".maps");

static const __u32 zero;

SEC("tc")
int lab_lose(struct __sk_buff *skb)
{
	const __u32 *loss = bpf_map_lookup_elem(&lab_loss, &zero);
	__u32 at;
	__u8 proto;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		at = ETH_HLEN + __builtin_offsetof(struct iphdr, protocol);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		at = ETH_HLEN + __builtin_offsetof(struct ipv6hdr, nexthdr);
	else
		return TC_ACT_OK;
	if (!loss || bpf_skb_load_bytes(skb, at, &proto, sizeof(proto)) || proto != IPPROTO_TCP)
		return TC_ACT_OK;
	return bpf_get_prandom_u32() < *loss ? TC_ACT_STOLEN : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
