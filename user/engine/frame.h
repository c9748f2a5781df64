/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames in and out: what is read from a received one, and the Ethernet and IP
 * headers of those we send (IPv4 with DF and id 0, RFC 6864; TTL 64).
 */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <weir/packet.h>
#include "engine/engine.h"

#define L2_MAX	       22 /* Ethernet and two VLAN tags */
#define L2_ADDRS_MAX   (L2_MAX - 2)
#define FRAME_HDRS_MAX (L2_MAX + 40)
#define FRAME_TTL      64

/* A link-layer header but for its type, which follows from the tuple. */
struct l2 {
	uint8_t len; /* with the type */
	uint8_t hdr[L2_ADDRS_MAX];
};

/* What was found out about a frame before its turn. */
struct rx_hint {
	bool hashed;
	uint32_t hash; /* the table's, if it is a good frame */
};

/* One received frame on its way through a worker. */
struct rx_pkt {
	const uint8_t *data;
	uint32_t len;
	uint32_t hash; /* of the frame's tuple, once `hashed` */
	bool hashed;
	unsigned io; /* which of the worker's queues it came from */
	bool handed; /* by another worker */
	struct weir_pkt v;
	struct tcp_seg seg;
	uint8_t state_before, state_after; /* for the trace */
};

/*
 * Parses and verifies; 0 or the drop's counter (enum weir_counter). Frames whose
 * checksum was left to the sender's device pass when accept_partial is set.
 */
int rx_pkt_parse(struct rx_pkt *p, const uint8_t *data, uint32_t len, bool accept_partial);

/* The header of an answer to the frame: its own, tags included, turned round. */
void l2_reply(struct l2 *l2, const struct rx_pkt *p);
bool l2_same(const struct l2 *a, const struct l2 *b);

static inline size_t frame_ip_len(const weir_tuple *t)
{
	return weir_tuple_is_v4(t) ? 20 : 40;
}

/* Writes the headers before a segment of seg_len bytes; returns the frame's length. */
size_t frame_headers(uint8_t *buf, const struct l2 *l2, const weir_tuple *t, size_t seg_len,
		     uint8_t ecn);

static inline uint32_t frame_pseudo(const weir_tuple *t)
{
	if (weir_tuple_is_v4(t))
		return tcp_pseudo_sum(&t->raddr[3], &t->laddr[3], 4);
	return tcp_pseudo_sum(t->raddr, t->laddr, 16);
}

#endif
