/* SPDX-License-Identifier: BSD-2-Clause */
/* The application's side: bytes out, bytes in. */
#include <string.h>

#include "tcp/tcp_conn.h"

#define SHARE_MIN (2 * TCP_BLOCK_DATA)

/* ---- receiving -------------------------------------------------------------- */

size_t tcp_recv_peek(const struct tcp_conn *c, const uint8_t **p)
{
	return recvq_peek(&c->rcvq, p);
}

unsigned tcp_recv_peekv(const struct tcp_conn *c, struct tcp_span *s, unsigned max)
{
	return recvq_peekv(&c->rcvq, s, max);
}

size_t tcp_recv_copy(const struct tcp_conn *c, size_t offset, uint8_t *buf, size_t len)
{
	return recvq_copy(&c->rcvq, offset, buf, len);
}

size_t tcp_recv_ready(const struct tcp_conn *c)
{
	return (size_t)(c->rcvq.ready - c->rcvq.read);
}

void tcp_recv_done(struct tcp_conn *c, size_t n, uint64_t now)
{
	size_t ready = tcp_recv_ready(c);

	recvq_consume(&c->rcvq, c->env->pool, n < ready ? n : ready, c->islands);
	tcp_urg_consumed(c);
	tcp_autotune_copied(c, now);
	tcp_window_opened(c);
}

bool tcp_recv_eof(const struct tcp_conn *c)
{
	return c->fin_rcvd && !tcp_recv_ready(c);
}

bool tcp_recv_fin(const struct tcp_conn *c)
{
	return c->fin_rcvd;
}

/* ---- sending ---------------------------------------------------------------- */

static bool may_send(const struct tcp_conn *c)
{
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_SYN_SENT: /* RFC 9293 3.10.2: queued until ESTABLISHED */
	case WEIR_SYN_RCVD:
	case WEIR_ESTABLISHED:
	case WEIR_CLOSE_WAIT:
		return !c->fin_queued;
	default:
		return false;
	}
}

size_t tcp_send_queued(const struct tcp_conn *c)
{
	return (size_t)(c->sndq.end - c->sndq.base);
}

static size_t below(size_t limit, size_t queued)
{
	return queued < limit ? limit - queued : 0;
}

/*
 * Three times as much as this connection holds is left free, above a half of the pool
 * (dynamic thresholds, Choudhury and Hahne 1998): however many readers stand still, the
 * pool is not all theirs, and who needs two blocks finds them, received data too.
 */
static size_t share(const struct tcp_conn *c)
{
	const struct tcp_pool *pool = c->env->pool;
	size_t blocks = pool->total - pool->in_use, kept = pool->total / 2;

	blocks = blocks > kept ? blocks - kept : 0;
	return u64_max((blocks * TCP_BLOCK_DATA + tcp_send_queued(c)) / 4, SHARE_MIN);
}

static size_t space(const struct tcp_conn *c)
{
	size_t limit = share(c);

	return below(limit < c->sndbuf ? limit : c->sndbuf, tcp_send_queued(c));
}

/*
 * The application ran into a full queue. Where the pool is what is full no ACK
 * of ours need ever come, so a timer looks again.
 */
static void note_full(struct tcp_conn *c, bool pool_empty)
{
	if (pool_empty ? c->t_room == TCP_NEVER : !c->want_write && tcp_send_queued(c) < c->sndbuf)
		COUNT(c, send_no_block);
	c->want_write = true;
	if (pool_empty && c->t_room == TCP_NEVER)
		c->t_room = 0;
}

size_t tcp_send_space(struct tcp_conn *c)
{
	size_t room, n;

	if (!may_send(c))
		return 0;
	n = space(c);
	room = sendq_room(&c->sndq, c->env->pool);
	if (!n || !room)
		note_full(c, !room);
	return n < room ? n : room;
}

size_t tcp_send_reserve(struct tcp_conn *c, uint8_t **p)
{
	size_t max, n;

	if (!may_send(c))
		return 0;
	max = space(c);
	n = sendq_reserve(&c->sndq, c->env->pool, p, max);
	if (!n)
		note_full(c, max);
	return n;
}

unsigned tcp_send_reservev(struct tcp_conn *c, struct tcp_span *s, unsigned max)
{
	size_t bytes;
	unsigned n;

	if (!may_send(c))
		return 0;
	bytes = space(c);
	n = sendq_reservev(&c->sndq, c->env->pool, s, max, bytes);
	if (!n)
		note_full(c, bytes);
	return n;
}

void tcp_send_commit(struct tcp_conn *c, size_t n)
{
	/* The block that was reserved is no longer free: the share was asked for before. */
	size_t max = below(c->sndbuf, tcp_send_queued(c));

	if (may_send(c))
		sendq_commit(&c->sndq, c->env->pool, n < max ? n : max);
}

size_t tcp_send(struct tcp_conn *c, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint8_t *p;
		size_t n = tcp_send_reserve(c, &p);

		if (!n)
			break;
		if (n > len - done)
			n = len - done;
		memcpy(p, (const uint8_t *)data + done, n);
		tcp_send_commit(c, n);
		done += n;
	}
	return done;
}
