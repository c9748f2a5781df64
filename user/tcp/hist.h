/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of times, log-linear: two buckets a power of two, from 16 us to 67 s.
 *
 *     bucket 0   up to 16 us                     bound(0) = 16
 *     bucket b   above bound(b - 1), up to bound(b) = 24, 32, 48, 64, 96, …
 *     the last   what is longer
 *
 * One thread writes; others may read, and see whole words.
 */
#ifndef WEIR_TCP_HIST_H
#define WEIR_TCP_HIST_H

#include <stdint.h>

#define TCP_HIST_LOW	 4  /* the first bound, as a power of two */
#define TCP_HIST_HIGH	 26 /* the last one */
#define TCP_HIST_BOUNDS	 (2 * (TCP_HIST_HIGH - TCP_HIST_LOW) + 1)
#define TCP_HIST_BUCKETS (TCP_HIST_BOUNDS + 1)

struct tcp_hist {
	uint64_t sum_us;
	uint64_t n[TCP_HIST_BUCKETS];
};

static inline unsigned tcp_hist_bucket(uint64_t us)
{
	unsigned k, half;

	if (us <= 1u << TCP_HIST_LOW)
		return 0;
	us--; /* a bound belongs to what is below it */
	k = 63u - (unsigned)__builtin_clzll(us);
	if (k >= TCP_HIST_HIGH)
		return TCP_HIST_BOUNDS;
	half = us >> (k - 1) & 1;
	return 2 * (k - TCP_HIST_LOW) + 1 + half;
}

/* In us, of a bucket below TCP_HIST_BOUNDS. */
static inline uint64_t tcp_hist_bound(unsigned bucket)
{
	uint64_t low = 1ull << (TCP_HIST_LOW + bucket / 2);

	return bucket % 2 ? low + low / 2 : low;
}

static inline void tcp_hist_add(struct tcp_hist *h, uint64_t us)
{
	uint64_t *n = &h->n[tcp_hist_bucket(us)];

	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->sum_us, h->sum_us + us, __ATOMIC_RELAXED);
}

#endif
