/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp/csum.h"
#include "tcp/sendq.h"

static void free_head(struct tcp_sendq *q, struct tcp_pool *pool)
{
	struct tcp_block *b = q->head;

	for (int i = 0; i < SENDQ_CURSORS; i++)
		if (q->cursor[i] == b)
			q->cursor[i] = NULL;
	q->head = b->next;
	if (!q->head)
		q->tail = NULL;
	tcp_pool_put(pool, b);
}

static size_t tail_room(const struct tcp_sendq *q)
{
	if (!q->tail || q->tail->index != q->end / TCP_BLOCK_DATA)
		return 0;
	return TCP_BLOCK_DATA - q->end % TCP_BLOCK_DATA;
}

size_t sendq_room(const struct tcp_sendq *q, const struct tcp_pool *pool)
{
	size_t blocks = pool->total - pool->in_use;
	size_t room = tail_room(q) + blocks * TCP_BLOCK_DATA;

	/* An empty queue starts where the last block left off. */
	if (!q->tail && blocks)
		room -= q->end % TCP_BLOCK_DATA;
	return room;
}

/* Behind `last`, the queue's last block or one reserved; NULL when the pool is empty. */
static struct tcp_block *append(struct tcp_sendq *q, struct tcp_pool *pool, struct tcp_block *last,
				uint64_t index)
{
	struct tcp_block *b = tcp_pool_get(pool);

	if (!b)
		return NULL;
	b->index = index;
	if (last)
		last->next = b;
	else
		q->head = b;
	return b;
}

unsigned sendq_reservev(struct tcp_sendq *q, struct tcp_pool *pool, struct tcp_span *s,
			unsigned max, size_t bytes)
{
	struct tcp_block *b = q->tail;
	size_t room = tail_room(q);
	uint64_t at = q->end;
	unsigned n;

	for (n = 0; n < max && bytes; n++, room = 0) {
		if (!room) {
			struct tcp_block *more = append(q, pool, b, at / TCP_BLOCK_DATA);

			if (!more)
				break;
			if (!n)
				q->tail = more;
			b = more;
			room = TCP_BLOCK_DATA - at % TCP_BLOCK_DATA;
		}
		s[n] = (struct tcp_span){.p = b->data + at % TCP_BLOCK_DATA,
					 .len = room < bytes ? room : bytes};
		at += s[n].len;
		bytes -= s[n].len;
	}
	return n;
}

size_t sendq_reserve(struct tcp_sendq *q, struct tcp_pool *pool, uint8_t **p, size_t max)
{
	struct tcp_span s;

	if (!sendq_reservev(q, pool, &s, 1, max))
		return 0;
	*p = s.p;
	return s.len;
}

void sendq_commit(struct tcp_sendq *q, struct tcp_pool *pool, size_t n)
{
	size_t room = tail_room(q);

	for (; n > room && q->tail && q->tail->next; room = tail_room(q)) {
		q->end += room;
		n -= room;
		q->tail = q->tail->next;
	}
	q->end += n < room ? n : room;
	while (q->tail && q->tail->next) {
		struct tcp_block *unused = q->tail->next;

		q->tail->next = unused->next;
		tcp_pool_put(pool, unused);
	}
	if (q->end == q->base)
		sendq_clear(q, pool);
}

static struct tcp_block *find(struct tcp_sendq *q, enum sendq_cursor who, uint64_t index)
{
	struct tcp_block *b = q->cursor[who];

	if (!b || b->index > index)
		b = q->head;
	while (b && b->index < index)
		b = b->next;
	q->cursor[who] = b;
	return b;
}

uint64_t sendq_copy(struct tcp_sendq *q, enum sendq_cursor who, uint64_t off, uint8_t *to,
		    size_t len)
{
	uint64_t sum = 0;
	size_t done = 0;

	while (done < len) {
		size_t at = (off + done) % TCP_BLOCK_DATA, n = TCP_BLOCK_DATA - at;
		struct tcp_block *b = find(q, who, (off + done) / TCP_BLOCK_DATA);

		if (n > len - done)
			n = len - done;
		sum = csum_add64(sum, csum_at(csum_copy(to + done, b->data + at, n), done));
		done += n;
	}
	return sum;
}

const struct tcp_block *sendq_at(struct tcp_sendq *q, enum sendq_cursor who, uint64_t off)
{
	return find(q, who, off / TCP_BLOCK_DATA);
}

void sendq_ack(struct tcp_sendq *q, struct tcp_pool *pool, size_t n)
{
	q->base += n;
	if (q->base == q->end) {
		sendq_clear(q, pool);
		return;
	}
	while (q->head && q->head->index < q->base / TCP_BLOCK_DATA)
		free_head(q, pool);
}

void sendq_clear(struct tcp_sendq *q, struct tcp_pool *pool)
{
	while (q->head)
		free_head(q, pool);
	q->base = q->end;
}
