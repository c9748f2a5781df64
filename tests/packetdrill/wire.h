/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wire: packet I/O whose other end is the script. Frames are kept whole, whatever
 * their length: a script may send what a device that merges segments would hand up.
 */
#ifndef WEIR_PACKETDRILL_WIRE_H
#define WEIR_PACKETDRILL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pktio.h"

#define WIRE_ETH 14

struct wire_frame {
	struct wire_frame *next;
	uint64_t time_us; /* when it was sent */
	uint32_t len;
	uint8_t data[];
};

struct wire_queue {
	struct wire_frame *first, **last;
};

struct wire {
	struct pktio io; /* the engine's end */
	struct wire_queue in, out;
	const uint64_t *now_us; /* stamps what is sent */
	struct pktio_stats stats;
};

extern const uint8_t wire_mac[6];      /* the stack's */
extern const uint8_t wire_peer_mac[6]; /* the script's */

void wire_init(struct wire *w, uint32_t mtu, const uint64_t *now_us);
void wire_fini(struct wire *w);

/* Puts the Ethernet header before an IP packet. NULL: not IP, or no memory. */
struct wire_frame *wire_frame_new(const void *packet, size_t len);

/* To the engine; takes the frame. */
void wire_deliver(struct wire *w, struct wire_frame *f);
/* Out to the script, as if sent by the stack; takes the frame. */
void wire_emit(struct wire *w, struct wire_frame *f);
/* What the stack sent, oldest first; the caller frees it. NULL: nothing. */
struct wire_frame *wire_take(struct wire *w);
static inline bool wire_has_output(const struct wire *w)
{
	return w->out.first;
}

#endif
