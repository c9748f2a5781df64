/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * A message of n words whose last word holds its final 7 bytes and, on top, its
 * length needs 2n + 4 rounds. The cookie's messages are made to be such: 23
 * bytes (IPv4) are 3 words and 10 rounds, 47 bytes (IPv6) 6 words and 16. The
 * caller packs the words, so that nothing is copied or loaded bytewise.
 *
 * weir_siphash24() takes any message; the tests hold it against the published
 * vectors and the packed form against it.
 */
#ifndef WEIR_SIPHASH_H
#define WEIR_SIPHASH_H

#include <weir/seq.h>

struct weir_sip {
	__u64 v0, v1, v2, v3;
};

weir_inline __u64 weir_rotl64(__u64 x, int b)
{
	return x << b | x >> (64 - b);
}

weir_inline void weir_sip_round(struct weir_sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = weir_rotl64(s->v1, 13) ^ s->v0;
	s->v3 = weir_rotl64(s->v3, 16) ^ s->v2;
	s->v0 = weir_rotl64(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = weir_rotl64(s->v1, 17) ^ s->v2;
	s->v3 = weir_rotl64(s->v3, 21) ^ s->v0;
	s->v2 = weir_rotl64(s->v2, 32);
}

weir_inline void weir_sip_init(struct weir_sip *s, const __u64 key[2])
{
	s->v0 = key[0] ^ 0x736f6d6570736575ULL;
	s->v1 = key[1] ^ 0x646f72616e646f6dULL;
	s->v2 = key[0] ^ 0x6c7967656e657261ULL;
	s->v3 = key[1] ^ 0x7465646279746573ULL;
}

weir_inline void weir_sip_word(struct weir_sip *s, __u64 m)
{
	s->v3 ^= m;
	weir_sip_round(s);
	weir_sip_round(s);
	s->v0 ^= m;
}

weir_inline __u64 weir_sip_final(struct weir_sip *s)
{
	s->v2 ^= 0xff;
	weir_sip_round(s);
	weir_sip_round(s);
	weir_sip_round(s);
	weir_sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* 23 bytes: little-endian words; w2's top byte is the length. */
weir_inline __u64 weir_siphash24_23(const __u64 key[2], __u64 w0, __u64 w1, __u64 w2)
{
	struct weir_sip s;

	weir_sip_init(&s, key);
	weir_sip_word(&s, w0);
	weir_sip_word(&s, w1);
	weir_sip_word(&s, (w2 & 0x00ffffffffffffffULL) | 23ULL << 56);
	return weir_sip_final(&s);
}

/* 47 bytes: as above, w[5]'s top byte is the length. */
weir_inline __u64 weir_siphash24_47(const __u64 key[2], const __u64 w[6])
{
	struct weir_sip s;

	weir_sip_init(&s, key);
	weir_sip_word(&s, w[0]);
	weir_sip_word(&s, w[1]);
	weir_sip_word(&s, w[2]);
	weir_sip_word(&s, w[3]);
	weir_sip_word(&s, w[4]);
	weir_sip_word(&s, (w[5] & 0x00ffffffffffffffULL) | 47ULL << 56);
	return weir_sip_final(&s);
}

#ifndef __bpf__
/* Any message, byte by byte: clear rather than quick. */
static inline __u64 weir_siphash24(const __u64 key[2], const void *msg, unsigned long len)
{
	const __u8 *p = (const __u8 *)msg;
	struct weir_sip s;
	__u64 m = 0;
	unsigned long i;

	weir_sip_init(&s, key);
	for (i = 0; i < len; i++) {
		m |= (__u64)p[i] << (8 * (i & 7));
		if ((i & 7) == 7) {
			weir_sip_word(&s, m);
			m = 0;
		}
	}
	weir_sip_word(&s, m | (__u64)len << 56);
	return weir_sip_final(&s);
}
#endif

#endif
