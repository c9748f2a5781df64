// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A server that costs next to nothing, to find out what a client costs: it answers
 * what `weir-load --request 40 request` sends (include/weir/sized.h: a header, 40
 * bytes, 64 bytes back) with the segments that a server would send, from the frame
 * at hand and without any state:
 *
 *      SYN      ──►  SYN-ACK          its sequence numbers are what the client
 *      ACK      ──►                   acknowledges, its acknowledgments what the
 *      request  ──►  response         frame ends with
 *      FIN      ──►  FIN
 *
 * IPv4 from a Linux client as it is out of the box (timestamps on); all else passes,
 * and the host's RST then shows that nothing was measured.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <weir/sized.h>

#define PAYLOAD	   64
#define ISS	   1000000
#define OPT_WORDS  5 /* of a SYN: MSS, SACK permitted, timestamps, NOP, window scale */
#define PROTO_TCP  6
#define TCP_OFF	   (sizeof(struct ethhdr) + sizeof(struct iphdr))
#define HEADS_LEN  (TCP_OFF + sizeof(struct tcphdr))
#define SYN_LEN	   (HEADS_LEN + 4 * OPT_WORDS)
#define OTHER_OPTS 12 /* NOP, NOP, timestamps */

struct heads {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline void turn_round(struct heads *h)
{
	__u8 mac[ETH_ALEN];
	__be32 addr = h->ip.saddr;
	__be16 port = h->tcp.source;

	__builtin_memcpy(mac, h->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(h->eth.h_dest, h->eth.h_source, ETH_ALEN);
	__builtin_memcpy(h->eth.h_source, mac, ETH_ALEN);
	h->ip.saddr = h->ip.daddr;
	h->ip.daddr = addr;
	h->tcp.source = h->tcp.dest;
	h->tcp.dest = port;
}

/* RFC 1624: the checksum after the words of `old` have become those of `new`. */
static __always_inline __u16 sum_changed(__u16 check, __be32 *old, __be32 *new, __u32 len)
{
	__u64 sum = (__u32)bpf_csum_diff(old, len, new, len, 0) + (__u64)(__u16)~check;

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline int answer_syn(struct heads *h, void *end)
{
	__be32 *w = (void *)h + TCP_OFF, old[5 + OPT_WORDS];

	if ((void *)h + SYN_LEN > end || h->tcp.doff != 5 + OPT_WORDS)
		return XDP_PASS;
	__builtin_memcpy(old, w, sizeof(old));
	h->tcp.ack_seq = bpf_htonl(bpf_ntohl(h->tcp.seq) + 1);
	h->tcp.seq = bpf_htonl(ISS);
	h->tcp.ack = 1;
	h->tcp.window = bpf_htons(0xffff);
	w[8] = w[7]; /* TSecr, after the SACK option's two bytes and the timestamps' two */
	w[7] = bpf_htonl(1);
	h->tcp.check = sum_changed(h->tcp.check, old, w, sizeof(old));
	return XDP_TX;
}

/* What a response carries in place of the request; the sums are over both. */
static __always_inline void fill(__u64 *payload)
{
#pragma unroll
	for (int i = 0; i < PAYLOAD / 8; i++) {
		__u64 word = 0;

#pragma unroll
		for (int k = 0; k < 8; k++)
			word |= (__u64)sized_byte((__u64)(i * 8 + k)) << 8 * k;
		payload[i] = word;
	}
}

static __always_inline int answer_rest(struct heads *h, void *end, __u32 len)
{
	__be32 *w = (void *)h + TCP_OFF, seq = h->tcp.seq, old[(20 + OTHER_OPTS + PAYLOAD) / 4];
	__u32 size = 20 + OTHER_OPTS;

	if ((void *)h + HEADS_LEN + OTHER_OPTS > end || h->tcp.doff != size / 4)
		return XDP_PASS;
	if (!len && !h->tcp.fin)
		return XDP_DROP; /* an ACK */
	if (len && ((void *)h + HEADS_LEN + OTHER_OPTS + PAYLOAD > end || len != PAYLOAD))
		return XDP_PASS;
	__builtin_memcpy(old, w, 20 + OTHER_OPTS);
	h->tcp.seq = h->tcp.ack_seq;
	h->tcp.ack_seq = bpf_htonl(bpf_ntohl(seq) + len + h->tcp.fin);
	h->tcp.window = bpf_htons(0xffff);
	w[7] = w[6]; /* TSecr */
	w[6] = bpf_htonl(1);
	if (!len) {
		h->tcp.check = sum_changed(h->tcp.check, old, w, 20 + OTHER_OPTS);
		return XDP_TX;
	}
	if ((void *)w + sizeof(old) > end)
		return XDP_PASS;
	__builtin_memcpy(old + size / 4, (void *)w + size, PAYLOAD);
	fill((void *)w + size);
	h->tcp.check = sum_changed(h->tcp.check, old, w, sizeof(old));
	return XDP_TX;
}

SEC("xdp")
int bench_answer(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct heads *h = (void *)(long)ctx->data;
	__u32 len;

	if ((void *)(h + 1) > end || h->eth.h_proto != bpf_htons(ETH_P_IP) || h->ip.ihl != 5 ||
	    h->ip.protocol != PROTO_TCP || h->tcp.rst)
		return XDP_PASS;
	len = bpf_ntohs(h->ip.tot_len) - 20 - 4 * h->tcp.doff;
	turn_round(h);
	return h->tcp.syn ? answer_syn(h, end) : answer_rest(h, end, len);
}

char _license[] SEC("license") = "Dual BSD/GPL";
