/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "tcp/recvq.h"

static void free_head(struct tcp_recvq *q, struct tcp_pool *pool)
{
	struct tcp_block *b = q->head;

	if (q->in == b)
		q->in = NULL;
	if (q->ooo == b)
		q->ooo = NULL;
	q->head = b->next;
	tcp_pool_put(pool, b);
}

/* The last block at or before `index`, from the nearest place known; NULL when none. */
static struct tcp_block *floor_block(const struct tcp_recvq *q, uint64_t index)
{
	struct tcp_block *b = NULL;

	if (q->head && q->head->index <= index)
		b = q->head;
	if (q->in && q->in->index <= index)
		b = q->in;
	if (q->ooo && q->ooo->index <= index && (!b || q->ooo->index > b->index))
		b = q->ooo;
	while (b && b->next && b->next->index <= index)
		b = b->next;
	return b;
}

static struct tcp_block *get_block(struct tcp_recvq *q, struct tcp_pool *pool, uint64_t index)
{
	struct tcp_block *before = floor_block(q, index), *b;

	if (before && before->index == index)
		return before;
	b = tcp_pool_receivable(pool) ? tcp_pool_get(pool) : NULL;
	if (!b)
		return NULL;
	b->index = index;
	b->next = before ? before->next : q->head;
	if (before)
		before->next = b;
	else
		q->head = b;
	return b;
}

size_t recvq_write(struct tcp_recvq *q, struct tcp_pool *pool, uint64_t off, const uint8_t *data,
		   size_t len)
{
	bool in_order = off == q->ready;
	size_t done = 0;

	while (done < len) {
		size_t at = (off + done) % TCP_BLOCK_DATA, n = TCP_BLOCK_DATA - at;
		struct tcp_block *b = get_block(q, pool, (off + done) / TCP_BLOCK_DATA);

		if (!b)
			break;
		if (in_order)
			q->in = b;
		else
			q->ooo = b;
		if (n > len - done)
			n = len - done;
		memcpy(b->data + at, data + done, n);
		done += n;
	}
	return done;
}

size_t recvq_peek(const struct tcp_recvq *q, const uint8_t **p)
{
	size_t at = q->read % TCP_BLOCK_DATA, n = TCP_BLOCK_DATA - at;

	if (q->read == q->ready)
		return 0;
	*p = q->head->data + at;
	return n < q->ready - q->read ? n : (size_t)(q->ready - q->read);
}

unsigned recvq_peekv(const struct tcp_recvq *q, struct tcp_span *s, unsigned max)
{
	struct tcp_block *b = q->head;
	uint64_t off = q->read;
	unsigned n;

	/* [read, ready) has no gap. */
	for (n = 0; n < max && off < q->ready; n++, b = b->next) {
		size_t at = off % TCP_BLOCK_DATA, len = TCP_BLOCK_DATA - at;

		if (len > q->ready - off)
			len = (size_t)(q->ready - off);
		s[n] = (struct tcp_span){.p = b->data + at, .len = len};
		off += len;
	}
	return n;
}

size_t recvq_copy(const struct tcp_recvq *q, size_t offset, uint8_t *to, size_t len)
{
	uint64_t off = q->read + offset;
	const struct tcp_block *b = q->head;
	size_t done = 0;

	if (offset >= q->ready - q->read)
		return 0;
	if (len > q->ready - off)
		len = (size_t)(q->ready - off);
	while (done < len) {
		size_t at = (off + done) % TCP_BLOCK_DATA, n = TCP_BLOCK_DATA - at;

		/* [read, ready) has no gap, so the block is there. */
		while (b->index < (off + done) / TCP_BLOCK_DATA)
			b = b->next;
		if (n > len - done)
			n = len - done;
		memcpy(to + done, b->data + at, n);
		done += n;
	}
	return done;
}

void recvq_consume(struct tcp_recvq *q, struct tcp_pool *pool, size_t n, bool islands)
{
	q->read += n;
	while (q->head && q->head->index < q->read / TCP_BLOCK_DATA)
		free_head(q, pool);
	if (q->read == q->ready && !islands)
		recvq_clear(q, pool);
}

void recvq_cut(struct tcp_recvq *q, struct tcp_pool *pool, uint64_t off)
{
	struct tcp_block *last = q->head, *b;

	while (last && last->next && last->next->index <= off / TCP_BLOCK_DATA)
		last = last->next;
	if (last && last->index > off / TCP_BLOCK_DATA) {
		recvq_clear(q, pool);
		return;
	}
	q->ooo = NULL;
	while (last && (b = last->next)) {
		last->next = b->next;
		tcp_pool_put(pool, b);
	}
}

void recvq_clear(struct tcp_recvq *q, struct tcp_pool *pool)
{
	while (q->head)
		free_head(q, pool);
	q->read = q->ready;
}
