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

static inline uint64_t csum_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t sum = 0, w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		sum = csum_add64(sum, w);
	}
	return csum_tail(sum, p, len);
}

/* Copies and sums in one pass over the bytes. */
static inline uint64_t csum_copy(void *to, const void *from, size_t len)
{
	const uint8_t *p = from;
	uint8_t *q = to;
	uint64_t s0 = 0, s1 = 0, w[2];

	for (; len >= 16; p += 16, q += 16, len -= 16) {
		memcpy(w, p, 16);
		memcpy(q, w, 16);
		s0 = csum_add64(s0, w[0]);
		s1 = csum_add64(s1, w[1]);
	}
	s0 = csum_add64(s0, s1);
	if (len >= 8) {
		memcpy(w, p, 8);
		memcpy(q, w, 8);
		s0 = csum_add64(s0, w[0]);
		p += 8, q += 8, len -= 8;
	}
	memcpy(q, p, len);
	return csum_tail(s0, q, len);
}

/* A piece's sum as it counts at byte `offset` of the whole: odd ones swap bytes. */
static inline uint64_t csum_at(uint64_t sum, size_t offset)
{
	return offset & 1 ? __builtin_bswap16(csum_fold(sum)) : sum;
}

#endif
