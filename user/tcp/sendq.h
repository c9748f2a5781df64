/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the application has sent and the peer has not acknowledged: a list of
 * blocks from the pool, by stream offset (0 is the first byte after the SYN).
 *
 *     base                         end
 *      │◄──────── queued ──────────►│
 *      block base / TCP_BLOCK_DATA ─► … ─► block of end
 *
 * An empty queue holds no block. Between a sendq_reservev() and its commit there may be
 * blocks behind `tail`, which is always that of the byte at `end`, or full.
 */
#ifndef WEIR_TCP_SENDQ_H
#define WEIR_TCP_SENDQ_H

#include "tcp/pool.h"

/* Who reads: each keeps the block where it was, so that no walk starts over. */
enum sendq_cursor { SENDQ_NEW, SENDQ_RTX, SENDQ_CURSORS };

struct tcp_sendq {
	struct tcp_block *head, *tail;
	struct tcp_block *cursor[SENDQ_CURSORS];
	uint64_t base, end;
};

/* Contiguous room at the end, at most `max` bytes; 0 when the pool is empty. */
size_t sendq_reserve(struct tcp_sendq *q, struct tcp_pool *pool, uint8_t **p, size_t max);
/* Room at the end in several pieces, at most s[max] and `bytes`; a commit follows. */
unsigned sendq_reservev(struct tcp_sendq *q, struct tcp_pool *pool, struct tcp_span *s,
			unsigned max, size_t bytes);
void sendq_commit(struct tcp_sendq *q, struct tcp_pool *pool, size_t n);
/* Room for more bytes as the pool stands. */
size_t sendq_room(const struct tcp_sendq *q, const struct tcp_pool *pool);
/* Copies [off, off + len), all of it queued, and returns its unfolded checksum. */
uint64_t sendq_copy(struct tcp_sendq *q, enum sendq_cursor who, uint64_t off, uint8_t *to,
		    size_t len);
/* The block of a queued byte; those after it follow by `next`. */
const struct tcp_block *sendq_at(struct tcp_sendq *q, enum sendq_cursor who, uint64_t off);
/* The first n bytes were acknowledged. */
void sendq_ack(struct tcp_sendq *q, struct tcp_pool *pool, size_t n);
void sendq_clear(struct tcp_sendq *q, struct tcp_pool *pool);

#endif
