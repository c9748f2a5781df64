/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed-size slots in one lazily touched mapping: connections, TIME_WAIT,
 * tombstones. A slot's generation grows at each use, so (generation, index)
 * names one use of it for ever. Slots that were never used cost no memory.
 *
 *     slots in use + free list + (cap - fresh) = cap
 */
#ifndef WEIR_SLAB_H
#define WEIR_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_NIL    UINT32_MAX
#define SLAB_IN_USE (UINT32_MAX - 1)

/* The first member of what is kept in a slab. */
struct slab_hdr {
	uint32_t gen;
	uint32_t next; /* of the free list, or SLAB_IN_USE */
};

struct slab {
	uint8_t *mem;
	size_t slot_size;
	uint32_t cap;
	uint32_t fresh; /* slots below were used at least once */
	uint32_t used;
	uint32_t free;
};

int slab_init(struct slab *s, size_t obj_size, uint32_t cap);
void slab_fini(struct slab *s);
void *slab_get(struct slab *s); /* zeroed past the header; NULL when full */
void slab_put(struct slab *s, void *obj);

static inline void *slab_at(const struct slab *s, uint32_t index)
{
	return s->mem + (size_t)index * s->slot_size;
}

static inline uint32_t slab_index(const struct slab *s, const void *obj)
{
	return (uint32_t)((size_t)((const uint8_t *)obj - s->mem) / s->slot_size);
}

static inline bool slab_in_use(const struct slab *s, uint32_t index)
{
	return ((const struct slab_hdr *)slab_at(s, index))->next == SLAB_IN_USE;
}

#endif
