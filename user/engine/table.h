/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's connection table: 4-tuple → typed reference of 32 bits.
 *
 * Open addressing with linear probing, 8 bytes a slot (hash and reference), at
 * most half full. The tuple itself lives in what the reference names; it is
 * fetched only when all 32 bits of the hash agree. Deletion moves the entries
 * behind back into the hole, so there are no dead slots and no rebuilding.
 *
 * The hash is keyed per process: the peers choose the tuples, and must not be
 * able to choose where they fall.
 */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

enum ref_type {
	REF_CONN = 0,
	REF_TIMEWAIT = 1,
	REF_TOMBSTONE = 2,
	REF_CLOSING = 3, /* a tombstone's slot whose delete is under way */
};

#define REF_INDEX_MASK	 0x3fffffffU
#define REF(type, index) ((uint32_t)(type) << 30 | (uint32_t)(index))
#define REF_TYPE(ref)	 ((enum ref_type)((ref) >> 30))
#define REF_INDEX(ref)	 ((ref)&REF_INDEX_MASK)

struct table_slot {
	uint32_t hash;
	uint32_t ref1; /* reference + 1; 0: empty */
};

struct table {
	struct table_slot *slots;
	uint32_t mask;
	uint32_t used;
	uint32_t max;
	__u64 key[2];
	/* The tuple behind a reference. */
	const weir_tuple *(*tuple_of)(const void *ctx, uint32_t ref);
	const void *ctx;
};

int table_init(struct table *t, uint32_t max, const __u64 key[2],
	       const weir_tuple *(*tuple_of)(const void *ctx, uint32_t ref), const void *ctx);
void table_fini(struct table *t);

/*
 * An IPv4 tuple is hashed by its 12 bytes: as in the frame, the remote port in the
 * first half of `ports`.
 */
uint32_t table_hash(const struct table *t, const weir_tuple *key);
uint32_t table_hash4(const struct table *t, uint32_t raddr, uint32_t laddr, uint32_t ports);

/* A guess for prefetching: what a tuple of this hash most likely refers to. */
static inline void table_prefetch(const struct table *t, uint32_t hash)
{
	__builtin_prefetch(&t->slots[hash & t->mask]);
}

static inline bool table_guess(const struct table *t, uint32_t hash, uint32_t *ref)
{
	for (uint32_t i = hash & t->mask; t->slots[i].ref1; i = (i + 1) & t->mask) {
		if (t->slots[i].hash == hash) {
			*ref = t->slots[i].ref1 - 1;
			return true;
		}
	}
	return false;
}

/* 0 and *ref, or -ENOENT. */
int table_find(const struct table *t, uint32_t hash, const weir_tuple *key, uint32_t *ref);
/* 0, -EEXIST, or -ENOSPC at `max` entries. */
int table_insert(struct table *t, uint32_t hash, const weir_tuple *key, uint32_t ref);
/* Makes the entry refer to something else with the same tuple; -ENOENT. */
int table_replace(struct table *t, uint32_t hash, uint32_t old, uint32_t ref);
int table_remove(struct table *t, uint32_t hash, uint32_t ref); /* -ENOENT */

size_t table_bytes(const struct table *t);
size_t table_bytes_for(uint64_t max);

#endif
