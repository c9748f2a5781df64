/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of frames from one worker to another: one producer, one consumer,
 * frames are copied in. A full ring is the producer's counted drop.
 *
 *     producer: head ──► slots ──► tail :consumer
 */
#ifndef WEIR_HANDOVER_H
#define WEIR_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handover {
	uint8_t *mem;
	uint32_t slot_size;
	uint32_t slots; /* a power of two */
	_Atomic uint32_t head __attribute__((aligned(64)));
	_Atomic uint32_t tail __attribute__((aligned(64)));
};

/* Slots are rounded up to a power of two; memory is touched as it is used. */
int handover_init(struct handover *h, uint32_t slots, uint32_t frame_max);
void handover_fini(struct handover *h);
/* false: full, or the frame is longer than frame_max */
bool handover_push(struct handover *h, const uint8_t *data, uint32_t len);
/* The oldest frame, lent until handover_pop(); NULL: none. */
const uint8_t *handover_peek(const struct handover *h, uint32_t *len);
void handover_pop(struct handover *h);

#endif
