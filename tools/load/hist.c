// SPDX-License-Identifier: BSD-2-Clause
#include "hist.h"

#include <math.h>
#include <string.h>

static uint64_t middle(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * HIST_SUB)
		return bucket;
	shift = bucket / HIST_SUB - 1;
	return ((uint64_t)(bucket - shift * HIST_SUB) << shift) + ((1ull << shift) - 1) / 2;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	/* 0.999 * 1000 may come out above 999. */
	double rank = ceil(q * (double)h->n - 1e-6);
	uint64_t seen = 0, v;

	if (!h->n)
		return 0;
	if (rank <= 1)
		return h->min;
	if (rank >= (double)h->n)
		return h->max;
	for (unsigned int i = 0; i < HIST_SIZE - 1; i++) {
		seen += h->count[i];
		if ((double)seen < rank)
			continue;
		v = middle(i);
		if (v < h->min)
			return h->min;
		return v < h->max ? v : h->max;
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->n ? h->sum / (double)h->n : 0;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (!from->n)
		return;
	if (!into->n || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->n += from->n;
	into->sum += from->sum;
	for (unsigned int i = 0; i < HIST_SIZE; i++)
		into->count[i] += from->count[i];
}

void hist_clear(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}
