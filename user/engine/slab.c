/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/slab.h"

#include <errno.h>
#include <string.h>

#include "engine/mem.h"

int slab_init(struct slab *s, size_t obj_size, uint32_t cap)
{
	memset(s, 0, sizeof(*s));
	if (!cap || cap >= SLAB_IN_USE)
		return -EINVAL;
	s->slot_size = (obj_size + 15) & ~(size_t)15;
	s->cap = cap;
	s->free = SLAB_NIL;
	s->mem = mem_map(s->slot_size * cap);
	if (!s->mem)
		return -ENOMEM;
	mem_huge(s->mem, s->slot_size * cap);
	return 0;
}

void slab_fini(struct slab *s)
{
	mem_unmap(s->mem, s->slot_size * s->cap);
	s->mem = NULL;
}

void *slab_get(struct slab *s)
{
	struct slab_hdr *h;

	if (s->free != SLAB_NIL) {
		h = slab_at(s, s->free);
		s->free = h->next;
		memset(h + 1, 0, s->slot_size - sizeof(*h));
	} else if (s->fresh < s->cap) {
		h = slab_at(s, s->fresh++); /* the kernel's zeroes */
	} else {
		return NULL;
	}
	h->gen++;
	h->next = SLAB_IN_USE;
	s->used++;
	return h;
}

void slab_put(struct slab *s, void *obj)
{
	struct slab_hdr *h = obj;

	h->next = s->free;
	s->free = slab_index(s, obj);
	s->used--;
}
