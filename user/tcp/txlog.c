/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include <weir/seq.h>
#include "tcp/txlog.h"

#define CHUNK_CAP ((TCP_BLOCK_SIZE - sizeof(struct tx_chunk)) / sizeof(struct tx_rec))

_Static_assert(sizeof(struct tx_chunk) == 16, "the inner chunk of the log has the same layout");
_Static_assert(sizeof(struct tx_rec) == 12, "a record's size is paid for each burst in flight");

/* The inner chunk has the layout of one from the pool, with room for one record. */
static struct tx_chunk *inner(struct tcp_txlog *l)
{
	return (struct tx_chunk *)(void *)&l->first;
}

static struct tx_chunk *tail(struct tcp_txlog *l)
{
	return l->tail ? l->tail : inner(l);
}

void txlog_init(struct tcp_txlog *l, uint32_t start)
{
	memset(l, 0, sizeof(*l));
	l->first.cap = 1;
	l->start = start;
}

static void free_chunk(struct tcp_txlog *l, struct tcp_pool *pool, struct tx_chunk *ch)
{
	tcp_pool_put(pool, (struct tcp_block *)(void *)ch);
	l->chunks--;
}

void txlog_clear(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t start)
{
	struct tx_chunk *ch = l->first.next, *next;

	for (; ch; ch = next) {
		next = ch->next;
		free_chunk(l, pool, ch);
	}
	txlog_init(l, start);
}

uint32_t txlog_end(const struct tcp_txlog *l)
{
	const struct tx_chunk *ch = l->tail;

	if (!ch)
		return l->first.n ? l->first.r[0].end : l->start;
	return ch->r[ch->n - 1].end;
}

/* A chunk of its own behind `after`; NULL when the pool or the bound says no. */
static struct tx_chunk *new_chunk(struct tcp_txlog *l, struct tcp_pool *pool,
				  struct tx_chunk *after)
{
	uint32_t bound = 1 + ((txlog_end(l) - l->start) >> 16);
	struct tx_chunk *ch;

	if (l->chunks > bound)
		return NULL;
	ch = (struct tx_chunk *)(void *)tcp_pool_get(pool);
	if (!ch)
		return NULL;
	ch->skip = ch->n = 0;
	ch->cap = (uint16_t)CHUNK_CAP;
	ch->next = after->next;
	after->next = ch;
	if (after == tail(l))
		l->tail = ch;
	l->chunks++;
	return ch;
}

static void compact(struct tx_chunk *ch)
{
	memmove(&ch->r[0], &ch->r[ch->skip], (size_t)(ch->n - ch->skip) * sizeof(ch->r[0]));
	ch->n -= ch->skip;
	ch->skip = 0;
}

static void sums(struct tcp_txlog *l, uint8_t state, uint32_t bytes, bool add)
{
	uint32_t *sum = state == TX_SACKED ? &l->sacked : state == TX_LOST ? &l->lost : NULL;

	if (sum)
		*sum = add ? *sum + bytes : *sum - bytes;
}

/* What the last record tells must hold for all of it: not SACKed, sent now. */
static void stretch(struct tcp_txlog *l, uint32_t end, uint32_t now)
{
	struct tx_pos p, last = {0};

	for (bool more = txlog_first(l, &p); more; more = txlog_next(&p))
		last = p;
	txlog_set(l, &last, TX_OUT);
	tx_at(&last)->end = end;
	tx_at(&last)->xmit = now;
}

void txlog_append(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t end, uint32_t now)
{
	struct tx_chunk *ch = tail(l), *more;
	struct tx_rec *last = ch->n > ch->skip ? &ch->r[ch->n - 1] : NULL;

	if (last && last->state == TX_OUT && !last->rtx && last->xmit == now) {
		last->end = end;
		return;
	}
	if (ch->n == ch->cap && ch->skip >= (ch->cap + 1) / 2)
		compact(ch);
	if (ch->n == ch->cap) {
		more = new_chunk(l, pool, ch);
		if (!more) {
			stretch(l, end, now);
			return;
		}
		ch = more;
	}
	ch->r[ch->n++] = (struct tx_rec){.end = end, .xmit = now};
}

/* ---- walking ------------------------------------------------------------------ */

static bool settle(struct tx_pos *p)
{
	while (p->chunk && p->i >= p->chunk->n) {
		p->chunk = p->chunk->next;
		p->i = p->chunk ? p->chunk->skip : 0;
	}
	return p->chunk;
}

bool txlog_first(struct tcp_txlog *l, struct tx_pos *p)
{
	*p = (struct tx_pos){.chunk = inner(l), .i = l->first.skip, .start = l->start};
	return settle(p);
}

bool txlog_next(struct tx_pos *p)
{
	p->start = tx_at(p)->end;
	p->i++;
	return settle(p);
}

bool txlog_find(struct tcp_txlog *l, struct tx_pos *p, uint32_t seq)
{
	if (!txlog_first(l, p))
		return false;
	/* Whole chunks first. */
	while (seq_leq(p->chunk->r[p->chunk->n - 1].end, seq)) {
		p->i = p->chunk->n - 1u;
		if (!txlog_next(p))
			return false;
	}
	while (seq_leq(tx_at(p)->end, seq))
		if (!txlog_next(p))
			return false;
	return true;
}

/* ---- changing ------------------------------------------------------------------ */

/* `rec` becomes the first of the chunk. */
static void push_front(struct tx_chunk *ch, const struct tx_rec *rec)
{
	if (ch->skip) {
		ch->skip--;
	} else {
		memmove(&ch->r[1], &ch->r[0], ch->n * sizeof(ch->r[0]));
		ch->n++;
	}
	ch->r[ch->skip] = *rec;
}

static bool has_room(const struct tx_chunk *ch)
{
	return ch && (ch->skip || ch->n < ch->cap);
}

/* The chunk is full: `second` goes to the front of the next, the rest with it. */
static int split_full(struct tcp_txlog *l, struct tcp_pool *pool, struct tx_chunk *ch, uint32_t i,
		      const struct tx_rec *second)
{
	struct tx_chunk *to = ch->next;

	if (i < ch->n || !has_room(to)) {
		to = new_chunk(l, pool, ch);
		if (!to)
			return -ENOMEM;
		to->n = (uint16_t)(ch->n - i);
		memcpy(to->r, &ch->r[i], to->n * sizeof(to->r[0]));
		ch->n = (uint16_t)i;
	}
	push_front(to, second);
	return 0;
}

int txlog_split(struct tcp_txlog *l, struct tcp_pool *pool, struct tx_pos *p, uint32_t at)
{
	struct tx_chunk *ch = p->chunk;
	struct tx_rec second = *tx_at(p);

	if (seq_leq(at, p->start) || seq_geq(at, second.end))
		return 0;
	if (ch->n == ch->cap && ch->skip) {
		p->i -= ch->skip;
		compact(ch);
	}
	if (ch->n == ch->cap) {
		if (split_full(l, pool, ch, p->i + 1, &second))
			return -ENOMEM;
	} else {
		memmove(&ch->r[p->i + 2], &ch->r[p->i + 1], (ch->n - p->i - 1) * sizeof(ch->r[0]));
		ch->r[p->i + 1] = second;
		ch->n++;
	}
	tx_at(p)->end = at;
	return 0;
}

void txlog_join(struct tx_pos *p, uint32_t before)
{
	struct tx_chunk *ch = p->chunk;
	struct tx_rec *r = tx_at(p);

	if (p->i == ch->skip || r->state != TX_SACKED || r[-1].state != TX_SACKED)
		return;
	r[-1].end = r->end;
	r[-1].rtx |= r->rtx;
	memmove(r, r + 1, (ch->n - p->i - 1) * sizeof(*r));
	ch->n--;
	p->i--;
	p->start = before;
}

void txlog_set(struct tcp_txlog *l, const struct tx_pos *p, enum tx_state state)
{
	struct tx_rec *r = tx_at(p);

	sums(l, r->state, tx_len(p), false);
	r->state = (uint8_t)state;
	sums(l, r->state, tx_len(p), true);
}

void txlog_drop(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t to)
{
	struct tx_chunk *in = inner(l), *ch;
	struct tx_pos p;

	if (!txlog_first(l, &p))
		return;
	if (seq_lt(tx_at(&p)->end, to))
		to = tx_at(&p)->end;
	sums(l, tx_at(&p)->state, to - l->start, false);
	l->start = to;
	if (tx_at(&p)->end != to)
		return;
	ch = p.chunk;
	ch->skip++;
	if (ch->skip < ch->n)
		return;
	if (ch == in) {
		ch->skip = ch->n = 0;
		return;
	}
	in->next = ch->next;
	if (l->tail == ch)
		l->tail = NULL;
	free_chunk(l, pool, ch);
}
