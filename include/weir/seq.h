/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The small tools that everything reading a wire needs, for BPF and host alike:
 * byte order, loads that need no alignment, sequence numbers (RFC 9293 3.4).
 */
#ifndef WEIR_SEQ_H
#define WEIR_SEQ_H

#include <linux/types.h>

#define weir_inline static inline __attribute__((__always_inline__, __unused__))

/*
 * Makes the compiler forget what it knows of an integer. A bound that is checked
 * afterwards stays where it is written, in the register that is used: there the
 * verifier needs it, and there clang would else find it superfluous.
 */
#ifdef __bpf__
#define weir_opaque(x) __asm__ volatile("" : "+r"(x))
#else
#define weir_opaque(x) ((void)(x))
#endif

/* ---- byte order -------------------------------------------------------- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define weir_htons(x)	 ((__be16)__builtin_bswap16((__u16)(x)))
#define weir_htonl(x)	 ((__be32)__builtin_bswap32((__u32)(x)))
#define weir_le32(bytes) ((__u32)(bytes))
#define weir_le16(bytes) ((__u16)(bytes))
#else
#define weir_htons(x)	 ((__be16)(x))
#define weir_htonl(x)	 ((__be32)(x))
#define weir_le32(bytes) __builtin_bswap32((__u32)(bytes))
#define weir_le16(bytes) __builtin_bswap16((__u16)(bytes))
#endif
#define weir_ntohs(x) ((__u16)weir_htons(x))
#define weir_ntohl(x) ((__u32)weir_htonl(x))

/*
 * Fields of a frame lie at any address. BPF on the machines we support loads
 * them as they are (the compiler would turn a memcpy into byte loads); the host
 * leaves it to memcpy, which is one load too, and defined.
 */
#ifdef __bpf__
weir_inline __u16 weir_load16(const void *p)
{
	return *(const __u16 *)p;
}

weir_inline __u32 weir_load32(const void *p)
{
	return *(const __u32 *)p;
}

weir_inline void weir_store16(void *p, __u16 v)
{
	*(__u16 *)p = v;
}

weir_inline void weir_store32(void *p, __u32 v)
{
	*(__u32 *)p = v;
}
#else
weir_inline __u16 weir_load16(const void *p)
{
	__u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

weir_inline __u32 weir_load32(const void *p)
{
	__u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

weir_inline void weir_store16(void *p, __u16 v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

weir_inline void weir_store32(void *p, __u32 v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}
#endif

/* ---- sequence numbers: modulo 2^32, valid for distances below 2^31 ------- */

weir_inline int seq_lt(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

weir_inline int seq_leq(__u32 a, __u32 b)
{
	return (__s32)(a - b) <= 0;
}

weir_inline int seq_gt(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

weir_inline int seq_geq(__u32 a, __u32 b)
{
	return (__s32)(a - b) >= 0;
}

#endif
