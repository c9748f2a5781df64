// SPDX-License-Identifier: BSD-2-Clause
/* echo and discard. Every byte is fetched: a server wants what it was sent. */
#include "kserver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct echo {
	struct kconn c;
	unsigned char *held; /* read and not yet sent; nothing more is read meanwhile */
	size_t at, len;
};

static enum kverdict failed(ssize_t n)
{
	return n < 0 && errno == EAGAIN ? KCONN_WAIT : KCONN_OVER;
}

/* KCONN_AGAIN: nothing is held any more. */
static enum kverdict flush(struct echo *e)
{
	ssize_t n;

	while (e->at < e->len) {
		n = send(e->c.fd, e->held + e->at, e->len - e->at, MSG_NOSIGNAL);
		if (n < 0) {
			e->c.blocked = errno == EAGAIN;
			return failed(n);
		}
		e->at += (size_t)n;
	}
	free(e->held);
	e->held = NULL;
	e->at = e->len = 0;
	return KCONN_AGAIN;
}

static enum kverdict hold(struct echo *e, const unsigned char *p, size_t len)
{
	e->held = malloc(len);
	if (!e->held)
		return KCONN_OVER;
	memcpy(e->held, p, len);
	e->len = len;
	e->c.blocked = true;
	return KCONN_WAIT;
}

static enum kverdict echo_serve(struct kconn *c, uint32_t events)
{
	struct echo *e = (struct echo *)c;
	enum kverdict v;
	ssize_t n, sent;

	for (int i = 0; i < KSERVER_TURNS; i++) {
		if (e->held && (v = flush(e)) != KCONN_AGAIN)
			return v;
		n = recv(c->fd, kserver_buf, KSERVER_PIECE, 0);
		if (n <= 0)
			return failed(n);
		sent = send(c->fd, kserver_buf, (size_t)n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return KCONN_OVER;
		sent = sent < 0 ? 0 : sent;
		if (sent < n)
			return hold(e, kserver_buf + sent, (size_t)(n - sent));
		/* A short read has emptied it; its end, if that is there too, is next. */
		if (n < KSERVER_PIECE)
			return events & EPOLLRDHUP ? KCONN_OVER : KCONN_WAIT;
	}
	return KCONN_AGAIN;
}

static void echo_end(struct kconn *c)
{
	free(((struct echo *)c)->held);
}

static enum kverdict discard_serve(struct kconn *c, uint32_t events)
{
	ssize_t n;

	for (int i = 0; i < KSERVER_TURNS; i++) {
		n = recv(c->fd, kserver_buf, KSERVER_PIECE, 0);
		if (n <= 0)
			return failed(n);
		if (n < KSERVER_PIECE)
			return events & EPOLLRDHUP ? KCONN_OVER : KCONN_WAIT;
	}
	return KCONN_AGAIN;
}

const struct service service_echo = {
	.name = "echo",
	.conn_size = sizeof(struct echo),
	.serve = echo_serve,
	.end = echo_end,
};

const struct service service_discard = {
	.name = "discard",
	.conn_size = sizeof(struct kconn),
	.serve = discard_serve,
};
