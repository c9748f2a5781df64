/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weir.h: what an application may do with its connection, from its callbacks; libweir's
 * sockets at any other time, too.
 */
#include <weir/loop.h>
#include <weir/weir.h>

#include "engine/conn.h"
#include "engine/conn_api.h"
#include "engine/worker.h"

const char *weir_reason_name(int reason)
{
	return tcp_reason_name((enum tcp_reason)reason);
}

void *weir_conn_state(struct weir_conn *c)
{
	return conn_app(c)->conn_size ? (uint8_t *)c + c->w->state_off : NULL;
}

void *weir_conn_arg(struct weir_conn *c)
{
	return c->arg;
}

uint64_t weir_now_us(struct weir_conn *c)
{
	return c->w->now_us;
}

void weir_conn_peer(struct weir_conn *c, struct weir_addr *a)
{
	tuple_remote(&c->tuple, a);
}

void weir_conn_local(struct weir_conn *c, struct weir_addr *a)
{
	tuple_local(&c->tuple, a);
}

size_t weir_recv_peek(struct weir_conn *c, const uint8_t **p)
{
	return tcp_recv_peek(conn_tcp(c), p);
}

#define SPANS 64 /* at most in one call */

static int to_iov(struct iovec *iov, const struct tcp_span *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){.iov_base = s[i].p, .iov_len = s[i].len};
	return (int)n;
}

int weir_recv_peekv(struct weir_conn *c, struct iovec *iov, int max)
{
	struct tcp_span s[SPANS];
	unsigned n = tcp_recv_peekv(conn_tcp(c), s, max < SPANS ? (unsigned)max : SPANS);

	return to_iov(iov, s, n);
}

size_t weir_recv_copy(struct weir_conn *c, size_t offset, void *buf, size_t len)
{
	return tcp_recv_copy(conn_tcp(c), offset, buf, len);
}

size_t weir_recv_ready(struct weir_conn *c)
{
	return tcp_recv_ready(conn_tcp(c));
}

void weir_recv_done(struct weir_conn *c, size_t n)
{
	tcp_recv_done(conn_tcp(c), n, c->w->now_us);
	conn_touch(c);
}

bool weir_recv_eof(struct weir_conn *c)
{
	return tcp_recv_eof(conn_tcp(c));
}

bool weir_recv_fin(struct weir_conn *c)
{
	return tcp_recv_fin(conn_tcp(c));
}

size_t weir_send_space(struct weir_conn *c)
{
	return c->flags & CONN_SHUT ? 0 : tcp_send_space(conn_tcp(c));
}

/*
 * The application found too little room: on_writable is owed. The core sees to it
 * that TCP_EV_WRITABLE comes even when it was the pool that had none.
 */
static void want_write(struct weir_conn *c)
{
	if (!(c->flags & CONN_SHUT))
		c->flags |= CONN_WANT_WRITE;
}

size_t weir_send_reserve(struct weir_conn *c, uint8_t **p)
{
	size_t n = c->flags & CONN_SHUT ? 0 : tcp_send_reserve(conn_tcp(c), p);

	if (!n)
		want_write(c);
	return n;
}

int weir_send_reservev(struct weir_conn *c, struct iovec *iov, int max)
{
	struct tcp_span s[SPANS];
	unsigned n = 0;

	if (!(c->flags & CONN_SHUT))
		n = tcp_send_reservev(conn_tcp(c), s, max < SPANS ? (unsigned)max : SPANS);
	if (!n)
		want_write(c);
	return to_iov(iov, s, n);
}

void weir_send_commit(struct weir_conn *c, size_t n)
{
	tcp_send_commit(conn_tcp(c), n);
	conn_touch(c);
}

size_t weir_send(struct weir_conn *c, const void *data, size_t len)
{
	size_t n = c->flags & CONN_SHUT ? 0 : tcp_send(conn_tcp(c), data, len);

	if (n < len)
		want_write(c);
	conn_touch(c);
	return n;
}

size_t weir_send_queued(struct weir_conn *c)
{
	return tcp_send_queued(conn_tcp(c));
}

void weir_shutdown(struct weir_conn *c)
{
	if (!(c->flags & CONN_SHUT))
		tcp_shutdown(conn_tcp(c));
	conn_touch(c);
}

void weir_close(struct weir_conn *c)
{
	if (c->flags & CONN_SHUT)
		return;
	c->flags |= CONN_SHUT;
	tcp_close(conn_tcp(c), c->w->now_us);
	conn_touch(c);
}

static void abort_conn(struct weir_conn *c, enum tcp_reason why)
{
	c->flags |= CONN_SHUT;
	if (tcp_get_state(conn_tcp(c)) != WEIR_CLOSED)
		tcp_abort(conn_tcp(c), why);
	conn_touch(c);
}

void weir_abort(struct weir_conn *c)
{
	abort_conn(c, TCP_END_ABORTED);
}

void weir_abort_timeout(struct weir_conn *c)
{
	worker_count(c->w, WEIR_C_abort_app_timeout);
	abort_conn(c, TCP_END_APP_TIMEOUT);
}

void weir_conn_nodelay(struct weir_conn *c, bool on)
{
	struct tcp_opts o;

	conn_get_opts(c, &o);
	o.nodelay = on;
	conn_set_opts(c, &o);
}

int weir_conn_error(struct weir_conn *c)
{
	return c->error ? c->error : tcp_get_error(conn_tcp(c));
}

struct weir_loop *weir_loop_get(struct weir_conn *c)
{
	return c->w->loop;
}

void weir_loop_set(struct weir_conn *c, struct weir_loop *l)
{
	c->w->loop = l;
}

void weir_conn_timer(struct weir_conn *c, uint64_t ms)
{
	c->deadline_us = ms ? c->w->now_us + ms * 1000 : 0;
	conn_touch(c);
}
