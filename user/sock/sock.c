/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket's life, and what the engine tells of its connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock/sock.h"

/* RFC 9293 3.8.4: an interval of keep-alive that defaults to no less than two hours. */
#define KEEP_IDLE_MS 7200000

struct weir_sock *sock_new(struct weir_stack *s, int domain)
{
	struct weir_sock *k = slab_get(&s->socks);

	if (!k)
		return NULL;
	k->s = s;
	k->domain = (uint8_t)domain;
	k->state = SOCK_FRESH;
	list_init(&k->queue);
	tcp_opts_default(&k->opts, s->env.tcp);
	k->keep_idle_ms = k->opts.keep_idle_ms ? k->opts.keep_idle_ms : KEEP_IDLE_MS;
	return k;
}

int weir_sock_open(struct weir_stack *s, int domain, struct weir_sock **out)
{
	struct weir_sock *k;

	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	k = sock_new(s, domain);
	if (!k)
		return -ENFILE;
	k->local.family = domain == AF_INET ? 4 : 0;
	*out = k;
	return 0;
}

void sock_free(struct weir_sock *k)
{
	if (k->state == SOCK_LISTEN)
		listen_stop(k);
	sock_unlink_conn(k);
	list_del(&k->ready);
	list_del(&k->waiting);
	ports_release(k);
	free(k->rest);
	free(k->last);
	slab_put(&k->s->socks, k);
}

/* ---- the connection -------------------------------------------------------------- */

static struct sock_ref *ref_of(struct weir_conn *c)
{
	return weir_conn_state(c);
}

static struct weir_sock *sock_of(struct weir_conn *c)
{
	const struct sock_ref *r = ref_of(c);

	/* The slot's memory is there even when the socket is not. */
	if (!r->k || r->k->hdr.next != SLAB_IN_USE || r->k->hdr.gen != r->gen)
		return NULL;
	return r->k;
}

void sock_attach(struct weir_sock *k, struct weir_conn *c)
{
	struct sock_ref *r = ref_of(c);

	r->k = k;
	r->gen = k->hdr.gen;
	k->conn = c;
}

void sock_unlink_conn(struct weir_sock *k)
{
	if (k->conn)
		ref_of(k->conn)->gen = k->hdr.gen - 1;
	k->conn = NULL;
}

void sock_drop_conn(struct weir_sock *k)
{
	if (!k->conn)
		return;
	stack_clock(k->s);
	weir_abort(k->conn);
	sock_unlink_conn(k);
}

void sock_apply_opts(struct weir_sock *k)
{
	struct tcp_opts o = k->opts, now;

	if (!k->conn)
		return;
	conn_get_opts(k->conn, &now);
	/* Sizes that were not set are the core's to tune. */
	if (!o.rcvbuf_fixed)
		o.rcvbuf = now.rcvbuf;
	if (!o.sndbuf_fixed)
		o.sndbuf = now.sndbuf;
	o.cork = o.cork || k->more;
	stack_clock(k->s);
	conn_set_opts(k->conn, &o);
}

int sock_take_error(struct weir_sock *k)
{
	int err = k->error;

	k->error = 0;
	return -err;
}

/* ---- what the engine tells ---------------------------------------------------------- */

static int on_open(struct weir_conn *c, void *arg)
{
	struct weir_sock *k = sock_of(c);

	if (k) {
		sock_connect_opened(k);
		return 0;
	}
	/* Its socket was closed in between; or that of its listener, below. */
	return ref_of(c)->k ? -1 : listen_open(c, arg);
}

static void on_ready(struct weir_conn *c)
{
	struct weir_sock *k = sock_of(c);

	if (k)
		ready_check(k);
}

/*
 * The octet that an older mark named and that was not read yet is skipped now: once
 * the mark has moved on, nothing tells it from the stream.
 */
static void urgent_moved(struct weir_sock *k)
{
	uint64_t ahead;

	if (!conn_recv_urgent(k->conn, &ahead))
		return;
	if (k->mark && k->mark - 1 == k->read_off && k->read_off + ahead > k->mark &&
	    !k->oobinline && sock_unread(k))
		sock_consume(k, 1);
	if (conn_recv_urgent(k->conn, &ahead))
		k->mark = k->read_off + ahead;
}

static void on_event(struct weir_conn *c, unsigned events)
{
	struct weir_sock *k = sock_of(c);

	if (!k)
		return;
	if (events & TCP_EV_URGENT)
		urgent_moved(k);
	ready_check(k);
}

/* The connection's buffers go with it; what was not read stays readable. */
static void keep_rest(struct weir_sock *k)
{
	size_t n = weir_recv_ready(k->conn);

	if (!n)
		return;
	k->rest = malloc(n);
	if (!k->rest) {
		worker_count(k->s->w, WEIR_C_sock_rest_lost);
		k->error = ENOMEM;
		return;
	}
	k->rest_at = 0;
	k->rest_len = weir_recv_copy(k->conn, 0, k->rest, n);
}

static void ended(struct weir_sock *k)
{
	uint64_t ahead;

	if (conn_recv_urgent(k->conn, &ahead))
		k->mark = k->read_off + ahead;
	k->error = weir_conn_error(k->conn);
	keep_rest(k);
	k->last = malloc(sizeof(*k->last));
	if (k->last)
		conn_info(k->conn, k->last);
	k->state = SOCK_ENDED;
	k->conn = NULL;
	ready_check(k);
}

static void on_close(struct weir_conn *c, int reason)
{
	struct weir_sock *k = sock_of(c);

	if (!k)
		return;
	if (k->state == SOCK_CONNECTING)
		sock_connect_failed(k, tcp_reason_errno((enum tcp_reason)reason));
	else
		ended(k);
}

const struct weir_app sock_app = {
	.name = "socket",
	.conn_size = sizeof(struct sock_ref),
	.on_open = on_open,
	.on_data = on_ready,
	.on_writable = on_ready,
	.on_close = on_close,
	.on_event = on_event,
};

/* ---- ending ------------------------------------------------------------------------- */

static void shut_write(struct weir_sock *k)
{
	if (k->wr_shut)
		return;
	k->wr_shut = true;
	stack_clock(k->s);
	weir_shutdown(k->conn);
}

int weir_sock_shutdown(struct weir_sock *k, int how)
{
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	switch ((enum sock_state)k->state) {
	case SOCK_FRESH:
	case SOCK_ENDED:
		return -ENOTCONN;
	case SOCK_LISTEN:
	case SOCK_CONNECTING:
		if (k->state == SOCK_CONNECTING || how != SHUT_WR)
			sock_disconnect(k);
		return 0;
	case SOCK_CONNECTED:
		break;
	}
	if (how != SHUT_WR)
		k->rd_shut = true;
	if (how != SHUT_RD)
		shut_write(k);
	ready_check(k);
	return 0;
}

/*
 * RFC 1122 4.2.2.13: with data that nobody will read any more the peer is told so by
 * an RST. SO_LINGER with a time does not block here: what is queued is sent in the
 * background, as without it.
 */
static void close_conn(struct weir_sock *k)
{
	if (k->opts.linger || (sock_unread(k) && !sock_oob_alone(k))) {
		sock_drop_conn(k);
		return;
	}
	stack_clock(k->s);
	weir_close(k->conn);
	sock_unlink_conn(k);
}

int weir_sock_close(struct weir_sock *k)
{
	if (k->conn)
		close_conn(k);
	sock_free(k);
	return 0;
}
