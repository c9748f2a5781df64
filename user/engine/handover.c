/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/handover.h"

#include <errno.h>
#include <string.h>

#include "engine/mem.h"

int handover_init(struct handover *h, uint32_t slots, uint32_t frame_max)
{
	memset(h, 0, sizeof(*h));
	if (!slots || slots > 1U << 20)
		return -EINVAL;
	h->slots = 1;
	while (h->slots < slots)
		h->slots <<= 1;
	h->slot_size = (frame_max + (uint32_t)sizeof(uint32_t) + 63) & ~63U;
	h->mem = mem_map((size_t)h->slots * h->slot_size);
	if (!h->mem)
		return -ENOMEM;
	return 0;
}

void handover_fini(struct handover *h)
{
	mem_unmap(h->mem, (size_t)h->slots * h->slot_size);
	h->mem = NULL;
}

static uint8_t *slot(const struct handover *h, uint32_t pos)
{
	return h->mem + (size_t)(pos & (h->slots - 1)) * h->slot_size;
}

bool handover_push(struct handover *h, const uint8_t *data, uint32_t len)
{
	uint32_t head = atomic_load_explicit(&h->head, memory_order_relaxed);
	/* acquire: the consumer is done with a slot before its index says so */
	uint32_t tail = atomic_load_explicit(&h->tail, memory_order_acquire);
	uint8_t *s = slot(h, head);

	if (head - tail == h->slots || len > h->slot_size - sizeof(len))
		return false;
	memcpy(s, &len, sizeof(len));
	memcpy(s + sizeof(len), data, len);
	/* release: the frame before the index that shows it */
	atomic_store_explicit(&h->head, head + 1, memory_order_release);
	return true;
}

const uint8_t *handover_peek(const struct handover *h, uint32_t *len)
{
	uint32_t tail = atomic_load_explicit(&h->tail, memory_order_relaxed);
	const uint8_t *s = slot(h, tail);

	if (tail == atomic_load_explicit(&h->head, memory_order_acquire))
		return NULL;
	memcpy(len, s, sizeof(*len));
	return s + sizeof(*len);
}

void handover_pop(struct handover *h)
{
	uint32_t tail = atomic_load_explicit(&h->tail, memory_order_relaxed);

	atomic_store_explicit(&h->tail, tail + 1, memory_order_release);
}
