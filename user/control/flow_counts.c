/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/flow_counts.h"

void flow_counts_init(struct flow_counts *c, struct weir_source_counts *sources,
		      const uint64_t *key)
{
	c->sources = sources;
	c->key = key;
	pthread_rwlock_init(&c->lock, NULL);
}

uint8_t flow_counts_mark(const struct flow_counts *c)
{
	switch (atomic_load_explicit(&c->in, memory_order_relaxed)) {
	case 1:
		return WEIR_FLOW_COUNTED_0;
	case 2:
		return WEIR_FLOW_COUNTED_1;
	}
	return 0;
}

static bool is_v6(const __be32 a[4])
{
	return a[0] || a[1] || a[2] != __builtin_bswap32(0xffff);
}

void flow_counts_add(struct flow_counts *c, const __be32 raddr[4], uint8_t flags, int by)
{
	struct weir_source_counts *s;
	uint64_t hash;
	unsigned row;

	if (!(flags & WEIR_FLOW_COUNTED) || !c->sources)
		return;
	s = &c->sources[flags & WEIR_FLOW_COUNTED_1 ? 1 : 0];
	hash = weir_source_hash((const __u64 *)c->key, s->by.mask[is_v6(raddr)], raddr);
	for (row = 0; row < WEIR_SOURCE_ROWS; row++)
		__atomic_fetch_add(&s->row[row][weir_source_cell(hash, row)], (uint32_t)by,
				   __ATOMIC_RELAXED);
}
