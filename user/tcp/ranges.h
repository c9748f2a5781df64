/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded, sorted list of disjoint ranges of sequence numbers: what has
 * arrived beyond a hole (receiver), what the peer has reported as arrived
 * (sender's scoreboard). It lives in a block of the pool, taken when the first
 * range comes and given back with the last: a connection without loss has none.
 *
 *     r[i].start < r[i].end < r[i + 1].start        (touching ranges are merged)
 *
 * All members lie within 2^31 of each other, so seq_lt() orders them.
 */
#ifndef WEIR_TCP_RANGES_H
#define WEIR_TCP_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/pool.h"

#define TCP_MAX_RANGES 128
#define TCP_RECENT     4

struct tcp_range {
	uint32_t start, end; /* [start, end) */
};

struct tcp_ranges {
	uint32_t n;
	uint32_t nrecent;
	uint32_t recent[TCP_RECENT]; /* numbers within the ranges last added to, newest first */
	struct tcp_range r[TCP_MAX_RANGES];
};

/* All take the place where the owner keeps its list; *rs is NULL while empty. */

/*
 * Adds [start, end), merging what it overlaps or touches. 0; -ENOMEM without a
 * block for the list; -ENOSPC when the list is full and nothing can be merged.
 */
int ranges_add(struct tcp_ranges **rs, struct tcp_pool *pool, uint32_t start, uint32_t end);
/* Whether ranges_add() would succeed. */
bool ranges_fits(struct tcp_ranges *const *rs, const struct tcp_pool *pool, uint32_t start,
		 uint32_t end);
/* Forgets what is below `seq`. */
void ranges_trim(struct tcp_ranges **rs, struct tcp_pool *pool, uint32_t seq);
void ranges_clear(struct tcp_ranges **rs, struct tcp_pool *pool);

/* The first range that ends above `seq`; NULL when none. */
const struct tcp_range *ranges_after(const struct tcp_ranges *rs, uint32_t seq);
/* Bytes of [from, to) that are in a range. */
uint32_t ranges_bytes(const struct tcp_ranges *rs, uint32_t from, uint32_t to);

#endif
