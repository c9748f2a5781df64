/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed-size blocks carved from memory that the caller gives: the store behind
 * send and receive queues. No malloc; one thread.
 *
 *     blocks in use + blocks free = blocks carved
 *
 * Idle connections hold no block. When the pool is empty tcp_pool_get() returns
 * NULL and the caller offers no space (send) or drops the segment (receive),
 * counted.
 */
#ifndef WEIR_TCP_POOL_H
#define WEIR_TCP_POOL_H

#include <stddef.h>
#include <stdint.h>

#define TCP_BLOCK_SIZE 2048 /* header included */

struct tcp_block {
	struct tcp_block *next;
	uint64_t index; /* position in its queue: stream offset / TCP_BLOCK_DATA */
	uint8_t data[TCP_BLOCK_SIZE - 16];
};
#define TCP_BLOCK_DATA (TCP_BLOCK_SIZE - 16)

/* Some bytes of one block. */
struct tcp_span {
	uint8_t *p;
	size_t len;
};

struct tcp_pool {
	struct tcp_block *free;
	uint8_t *fresh; /* memory never handed out yet: pages stay untouched until used */
	size_t nfresh;
	size_t total;
	size_t in_use;
};

/* mem: n * TCP_BLOCK_SIZE bytes, 16-byte aligned; stays the caller's. */
void tcp_pool_init(struct tcp_pool *p, void *mem, size_t n);
struct tcp_block *tcp_pool_get(struct tcp_pool *p); /* NULL when empty */

/*
 * Blocks that may still be taken for received data. The last eighth is kept for
 * sending: were all of it received data, an application that must answer before
 * it reads on could do neither.
 */
static inline size_t tcp_pool_receivable(const struct tcp_pool *p)
{
	size_t left = p->total - p->in_use, kept = p->total / 8;

	return left > kept ? left - kept : 0;
}
void tcp_pool_put(struct tcp_pool *p, struct tcp_block *b);

#endif
