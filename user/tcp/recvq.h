/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Received bytes, each at its place in the stream from the start: in order or
 * not, a byte at offset o lies in block o / TCP_BLOCK_DATA, so reassembly moves
 * nothing and memory is bounded by the window, however small the segments.
 *
 *     read            ready                        read + window
 *      │◄── to the app ──►│   holes and islands        │
 *
 * The blocks are in order of index, with gaps where nothing has arrived. Which
 * bytes beyond `ready` are there is the caller's to know (ranges.h).
 */
#ifndef WEIR_TCP_RECVQ_H
#define WEIR_TCP_RECVQ_H

#include <stdbool.h>

#include "tcp/pool.h"

struct tcp_recvq {
	struct tcp_block *head;
	struct tcp_block *in, *ooo; /* where the last write in order, and out of it, went */
	uint64_t read, ready;
};

/* Stores bytes at `off` >= ready; fewer than len when the pool ran empty. */
size_t recvq_write(struct tcp_recvq *q, struct tcp_pool *pool, uint64_t off, const uint8_t *data,
		   size_t len);
size_t recvq_peek(const struct tcp_recvq *q, const uint8_t **p);
unsigned recvq_peekv(const struct tcp_recvq *q, struct tcp_span *s, unsigned max);
size_t recvq_copy(const struct tcp_recvq *q, size_t offset, uint8_t *to, size_t len);
/* n <= ready - read; `islands`: bytes beyond ready are held. */
void recvq_consume(struct tcp_recvq *q, struct tcp_pool *pool, size_t n, bool islands);
/* Gives back the blocks that lie wholly beyond `off`. */
void recvq_cut(struct tcp_recvq *q, struct tcp_pool *pool, uint64_t off);
void recvq_clear(struct tcp_recvq *q, struct tcp_pool *pool);

#endif
