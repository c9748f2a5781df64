/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of times with a bounded relative error, for any range at a fixed size.
 *
 *     value   0 ..... 127 | 128 ... 255 | 256 ... 511 | 512 ... 1023 | …  2^40
 *     bucket  one each    | one each    | 128, each 2 | 128, each 4  | …
 *
 * Each power of two has HIST_SUB buckets, so a bucket is at most 1/HIST_SUB of its values
 * wide. A quantile is the middle of the bucket that holds it: off by at most
 * 1/(2*HIST_SUB), 0.4%. Count, sum, minimum and maximum are exact, and a quantile never
 * leaves [min, max]. Nothing is lost: what is beyond 2^HIST_TOP is in the last bucket.
 */
#ifndef LOAD_HIST_H
#define LOAD_HIST_H

#include <stdint.h>

#define HIST_BITS 7
#define HIST_SUB  (1u << HIST_BITS)
#define HIST_TOP  40 /* in ns: 18 minutes */
#define HIST_SIZE ((HIST_TOP - HIST_BITS + 1) * HIST_SUB + 1)

struct hist {
	uint64_t n, min, max;
	double sum;
	uint64_t count[HIST_SIZE];
};

static inline unsigned int hist_bucket(uint64_t v)
{
	unsigned int shift;

	if (v < HIST_SUB)
		return (unsigned int)v;
	if (v >> HIST_TOP)
		return HIST_SIZE - 1;
	shift = 63 - HIST_BITS - (unsigned int)__builtin_clzll(v);
	return shift * HIST_SUB + (unsigned int)(v >> shift);
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	if (!h->n || v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
	h->n++;
	h->sum += (double)v;
	h->count[hist_bucket(v)]++;
}

/*
 * The smallest value that at least q of the samples do not exceed (0 <= q <= 1), within
 * the error above; 0 when there is none.
 */
uint64_t hist_quantile(const struct hist *h, double q);
double hist_mean(const struct hist *h);
void hist_merge(struct hist *into, const struct hist *from);
void hist_clear(struct hist *h);

#endif
