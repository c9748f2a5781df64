/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many flows each source has open, on the host's side (include/weir/policy.h has the
 * whole): what workers enter, end and delete is counted here, in the gate's own cells, as
 * each entry of the flow map says.
 *
 * That takes a lookup for each entry, and so is done only once something has been counted;
 * until then it is one load. An entry and its count change together under the lock: shared
 * by workers, who each change their own entries, and taken whole by who changes all.
 */
#ifndef WEIR_CONTROL_FLOW_COUNTS_H
#define WEIR_CONTROL_FLOW_COUNTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/policy.h>

struct flow_counts {
	struct weir_source_counts *sources; /* two of them; NULL: nothing is ever counted */
	const uint64_t *key;		    /* of the hash */
	_Atomic uint32_t in;		    /* 1, 2: new flows are counted, in that one; 0: not */
	_Atomic bool used;		    /* entries may be counted, from now or before */
	pthread_rwlock_t lock;
};

/* The cells and the key are the gate's. */
void flow_counts_init(struct flow_counts *c, struct weir_source_counts *sources,
		      const uint64_t *key);

static inline bool flow_counts_used(const struct flow_counts *c)
{
	return atomic_load_explicit(&c->used, memory_order_acquire);
}

/* What an entry made now says (WEIR_FLOW_COUNTED_*). Under the lock. */
uint8_t flow_counts_mark(const struct flow_counts *c);
/* Counts as the entry's flags say, if they do: by 1 or -1. raddr: IPv4 as ::ffff:a.b.c.d. */
void flow_counts_add(struct flow_counts *c, const __be32 raddr[4], uint8_t flags, int by);

#endif
