/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071), a machine word at a time.
 *
 * Sums are taken over 16-bit words as they lie in memory, so they are right on
 * either byte order without a swap; a partial sum is 64 bits wide and unfolded:
 *
 *     checksum field = (uint16_t)~csum_fold(sum of everything)
 *
 * Pieces whose offset in the whole is odd are added with csum_at().
 */
#ifndef WEIR_TCP_CSUM_H
#define WEIR_TCP_CSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* End-around carry: one's-complement addition of 64-bit sums. */
static inline uint64_t csum_add64(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* The last 0-7 bytes, padded with zeros as RFC 1071 pads the odd byte. */
static inline uint64_t csum_tail(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t last = 0;

	memcpy(&last, p, len);
	return csum_add64(sum, last);
}

/*
 * Sums of words, 128 bits wide: their carries cost an add-with-carry of zero and
 * are looked at once, at the end.
 */
typedef unsigned __int128 csum_wide;

/* A word by itself: a wider memcpy would go through the stack. */
static inline uint64_t csum_load(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return w;
}

static inline uint64_t csum_move(uint8_t *q, const uint8_t *p)
{
	uint64_t w = csum_load(p);

	memcpy(q, &w, 8);
	return w;
}

static inline uint64_t csum_narrow(csum_wide s0, csum_wide s1)
{
	uint64_t a = csum_add64((uint64_t)s0, (uint64_t)(s0 >> 64));

	return csum_add64(a, csum_add64((uint64_t)s1, (uint64_t)(s1 >> 64)));
}

static inline uint64_t csum_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	csum_wide s0 = 0, s1 = 0;

	for (; len >= 32; p += 32, len -= 32) {
		s0 += csum_load(p);
		s1 += csum_load(p + 8);
		s0 += csum_load(p + 16);
		s1 += csum_load(p + 24);
	}
	for (; len >= 8; p += 8, len -= 8)
		s0 += csum_load(p);
	return csum_tail(csum_narrow(s0, s1), p, len);
}

/* Copies and sums in one pass over the bytes. */
static inline uint64_t csum_copy(void *to, const void *from, size_t len)
{
	const uint8_t *p = from;
	uint8_t *q = to;
	csum_wide s0 = 0, s1 = 0;

	for (; len >= 32; p += 32, q += 32, len -= 32) {
		s0 += csum_move(q, p);
		s1 += csum_move(q + 8, p + 8);
		s0 += csum_move(q + 16, p + 16);
		s1 += csum_move(q + 24, p + 24);
	}
	for (; len >= 8; p += 8, q += 8, len -= 8)
		s0 += csum_move(q, p);
	memcpy(q, p, len);
	return csum_tail(csum_narrow(s0, s1), q, len);
}

/* A piece's sum as it counts at byte `offset` of the whole: odd ones swap bytes. */
static inline uint64_t csum_at(uint64_t sum, size_t offset)
{
	return offset & 1 ? __builtin_bswap16(csum_fold(sum)) : sum;
}

#endif
