/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Internet checksums (RFC 1071): of segments on their way in, whole or left to the
 * sender's device, and the pieces from which answers make theirs.
 */
#ifndef WEIR_CSUM_H
#define WEIR_CSUM_H

#include <weir/packet.h>
#include <weir/seq.h>

/*
 * One's complement sums (RFC 1071) over words as they lie in memory: the sum's
 * byte order is the words', whatever the machine's. 64 bits hold 2^32 words.
 */
weir_inline __u16 weir_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The addresses' part of the pseudo-header, the same in both directions. */
weir_inline __u64 weir_csum_addr(const struct weir_flow_key6 *t, int family)
{
	__u64 sum = (__u64)t->raddr[3] + t->laddr[3];

	if (family == 6)
		sum += (__u64)t->raddr[0] + t->raddr[1] + t->raddr[2] + t->laddr[0] + t->laddr[1] +
		       t->laddr[2];
	return sum;
}

/* The rest of it: protocol and TCP length (RFC 9293 3.1, RFC 8200 8.1). */
weir_inline __u64 weir_csum_proto(__u32 tcp_len)
{
	return (__u64)weir_htonl(tcp_len) + weir_htonl(WEIR_PROTO_TCP);
}

enum weir_csum {
	WEIR_CSUM_GOOD,
	WEIR_CSUM_BAD,
	WEIR_CSUM_PARTIAL, /* only the pseudo-header's: the sender left it to its device */
};

/* pseudo: weir_csum_addr() + weir_csum_proto(); tcp: header and payload, field included. */
weir_inline enum weir_csum weir_csum_judge(__u64 pseudo, __u64 tcp, __be16 field)
{
	if (weir_csum_fold(pseudo + tcp) == 0xffff)
		return WEIR_CSUM_GOOD;
	return field == weir_csum_fold(pseudo) ? WEIR_CSUM_PARTIAL : WEIR_CSUM_BAD;
}

#ifndef __bpf__

/* A word by itself: a wider memcpy would go through the stack. */
static inline __u64 weir_csum_load(const __u8 *p)
{
	__u64 w;

	__builtin_memcpy(&w, p, 8);
	return w;
}

/*
 * Any bytes; an odd one at the end is padded with zero. Words of 64 bits into sums of
 * 128, whose carries are looked at once, at the end. What it adds to `sum` is below 2^34,
 * so that a caller may add such sums up before it folds.
 */
static inline __u64 weir_csum_bytes(const void *data, unsigned long len, __u64 sum)
{
	const __u8 *p = (const __u8 *)data;
	unsigned __int128 s0 = 0, s1 = 0;
	__u64 a, b;

	for (; len >= 32; p += 32, len -= 32) {
		s0 += weir_csum_load(p);
		s1 += weir_csum_load(p + 8);
		s0 += weir_csum_load(p + 16);
		s1 += weir_csum_load(p + 24);
	}
	for (; len >= 8; p += 8, len -= 8)
		s0 += weir_csum_load(p);
	/* Not by a memcpy of any length: that is a call, and most are a header's. */
	if (len & 4) {
		s0 += weir_load32(p);
		p += 4;
	}
	if (len & 2) {
		s0 += weir_load16(p);
		p += 2;
	}
	if (len & 1) {
		const __u8 last[2] = {p[0], 0};

		s0 += weir_load16(last);
	}
	a = (__u64)s0;
	b = (__u64)s1;
	return sum + (a >> 32) + (a & 0xffffffff) + (b >> 32) + (b & 0xffffffff) +
	       (__u64)(s0 >> 64) + (__u64)(s1 >> 64);
}

/* The pseudo-header without its length, folded to 32 bits (struct tcp_open). */
static inline __u32 weir_pkt_pseudo(const struct weir_flow_key6 *t)
{
	__u64 sum = weir_csum_addr(t, weir_tuple_is_v4(t) ? 4 : 6) + weir_htonl(WEIR_PROTO_TCP);

	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

/* The whole frame's TCP checksum; *p as weir_pkt_parse() filled it, verdict OK. */
static inline enum weir_csum weir_csum_tcp(const void *frame, const struct weir_pkt *p)
{
	__u32 len = p->end - p->l4_off;

	return weir_csum_judge(weir_csum_addr(&p->tuple, p->family) + weir_csum_proto(len),
			       weir_csum_bytes((const __u8 *)frame + p->l4_off, len, 0), p->check);
}

/* IPv4's header checksum, options included; IPv6 has none. */
static inline int weir_csum_ip_ok(const void *frame, const struct weir_pkt *p)
{
	return p->family != 4 ||
	       weir_csum_fold(weir_csum_bytes((const __u8 *)frame + p->l3_off,
					      p->l4_off - p->l3_off, 0)) == 0xffff;
}

#endif

#endif
