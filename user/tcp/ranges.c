/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include <weir/seq.h>
#include "tcp/ranges.h"

_Static_assert(sizeof(struct tcp_ranges) <= TCP_BLOCK_SIZE, "a list of ranges fits in a block");

/* The ranges that [start, end) overlaps or touches: [*lo, *hi). */
static void touching(const struct tcp_ranges *rs, uint32_t start, uint32_t end, uint32_t *lo,
		     uint32_t *hi)
{
	uint32_t i = rs->n;

	/* From the end: new data mostly lies beyond what is known. */
	while (i > 0 && seq_gt(rs->r[i - 1].start, end))
		i--;
	*hi = i;
	while (i > 0 && seq_geq(rs->r[i - 1].end, start))
		i--;
	*lo = i;
}

bool ranges_fits(struct tcp_ranges *const *rs, const struct tcp_pool *pool, uint32_t start,
		 uint32_t end)
{
	uint32_t lo, hi;

	if (!*rs)
		return pool->in_use < pool->total;
	if ((*rs)->n < TCP_MAX_RANGES)
		return true;
	touching(*rs, start, end, &lo, &hi);
	return lo < hi;
}

static void note_recent(struct tcp_ranges *rs, uint32_t seq)
{
	memmove(&rs->recent[1], &rs->recent[0], sizeof(rs->recent[0]) * (TCP_RECENT - 1));
	rs->recent[0] = seq;
	if (rs->nrecent < TCP_RECENT)
		rs->nrecent++;
}

int ranges_add(struct tcp_ranges **list, struct tcp_pool *pool, uint32_t start, uint32_t end)
{
	struct tcp_ranges *rs = *list;
	uint32_t lo, hi;

	if (!rs) {
		rs = (struct tcp_ranges *)(void *)tcp_pool_get(pool);
		if (!rs)
			return -ENOMEM;
		rs->n = rs->nrecent = 0;
		*list = rs;
	}
	touching(rs, start, end, &lo, &hi);
	if (lo == hi) {
		if (rs->n == TCP_MAX_RANGES)
			return -ENOSPC;
		memmove(&rs->r[lo + 1], &rs->r[lo], (rs->n - lo) * sizeof(rs->r[0]));
		rs->r[lo] = (struct tcp_range){start, end};
		rs->n++;
	} else {
		if (seq_lt(start, rs->r[lo].start))
			rs->r[lo].start = start;
		rs->r[lo].end = rs->r[hi - 1].end;
		if (seq_gt(end, rs->r[lo].end))
			rs->r[lo].end = end;
		memmove(&rs->r[lo + 1], &rs->r[hi], (rs->n - hi) * sizeof(rs->r[0]));
		rs->n -= hi - lo - 1;
	}
	note_recent(rs, start);
	return 0;
}

void ranges_trim(struct tcp_ranges **list, struct tcp_pool *pool, uint32_t seq)
{
	struct tcp_ranges *rs = *list;
	uint32_t i = 0;

	if (!rs)
		return;
	while (i < rs->n && seq_leq(rs->r[i].end, seq))
		i++;
	rs->n -= i;
	if (!rs->n) {
		ranges_clear(list, pool);
		return;
	}
	memmove(&rs->r[0], &rs->r[i], rs->n * sizeof(rs->r[0]));
	if (seq_lt(rs->r[0].start, seq))
		rs->r[0].start = seq;
}

void ranges_clear(struct tcp_ranges **list, struct tcp_pool *pool)
{
	if (*list)
		tcp_pool_put(pool, (struct tcp_block *)(void *)*list);
	*list = NULL;
}

const struct tcp_range *ranges_after(const struct tcp_ranges *rs, uint32_t seq)
{
	for (uint32_t i = 0; rs && i < rs->n; i++)
		if (seq_gt(rs->r[i].end, seq))
			return &rs->r[i];
	return NULL;
}

uint32_t ranges_bytes(const struct tcp_ranges *rs, uint32_t from, uint32_t to)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; rs && i < rs->n; i++) {
		uint32_t start = seq_lt(rs->r[i].start, from) ? from : rs->r[i].start;
		uint32_t end = seq_gt(rs->r[i].end, to) ? to : rs->r[i].end;

		if (seq_lt(start, end))
			sum += end - start;
	}
	return sum;
}
