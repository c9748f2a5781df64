// SPDX-License-Identifier: BSD-2-Clause
/* The sized protocol (include/weir/sized.h) on the kernel's sockets. */
#include "kserver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <weir/sized_server.h>

#define PIECES 8 /* of the table in one send */

struct sized {
	struct kconn c;
	struct sized_course course;
	bool eof;
	unsigned char *held; /* came with a request and is behind it: the next one */
	size_t held_len;
};

static unsigned char table[SIZED_TABLE];

void sized_init(void)
{
	sized_fill(table);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool may_send(const struct sized *s)
{
	return sized_sends(&s->course) && !s->c.blocked;
}

/* As much as one call takes. False: the connection is over. */
static bool put(struct sized *s)
{
	struct iovec iov[PIECES];
	struct msghdr msg = {.msg_iov = iov};
	uint64_t offered = 0, n;
	ssize_t sent;

	while (msg.msg_iovlen < PIECES && offered < s->course.out) {
		n = least(s->course.out - offered, SIZED_WINDOW);
		iov[msg.msg_iovlen++] =
			(struct iovec){(void *)sized_at(table, s->course.at + offered), (size_t)n};
		offered += n;
	}
	sent = msg.msg_iovlen == 1 ? send(s->c.fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
				   : sendmsg(s->c.fd, &msg, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return false;
	if (sent < 0)
		s->c.blocked = true;
	if (sent > 0)
		sized_sent(&s->course, (size_t)sent);
	return true;
}

/* Takes in received bytes, up to the end of a request; how many, or -1: not the protocol. */
static ssize_t take(struct sized *s, const unsigned char *p, size_t len)
{
	size_t done = 0, n;

	while (done < len && sized_receives(&s->course)) {
		n = sized_take(&s->course, p + done, len - done);
		if (!n)
			return -1;
		done += n;
	}
	return (ssize_t)done;
}

/* Keeps what take() left of p. */
static bool hold(struct sized *s, const unsigned char *p, size_t len)
{
	unsigned char *old = s->held;

	s->held = len ? malloc(len) : NULL;
	s->held_len = s->held ? len : 0;
	if (s->held)
		memcpy(s->held, p, len);
	free(old);
	return !len || s->held;
}

/* KCONN_WAIT: the socket is empty. */
static enum kverdict get(struct sized *s, uint32_t events)
{
	ssize_t n, taken;

	if (s->held) {
		taken = take(s, s->held, s->held_len);
		if (taken < 0)
			return KCONN_RESET;
		return hold(s, s->held + taken, s->held_len - (size_t)taken) ? KCONN_AGAIN
									     : KCONN_OVER;
	}
	n = recv(s->c.fd, kserver_buf, KSERVER_PIECE, 0);
	if (n < 0)
		return errno == EAGAIN ? KCONN_WAIT : KCONN_OVER;
	taken = take(s, kserver_buf, (size_t)n);
	if (taken < 0)
		return KCONN_RESET;
	if (taken < n && !hold(s, kserver_buf + taken, (size_t)(n - taken)))
		return KCONN_OVER;
	/* A short read has emptied it; its end, if that is there too, is next. */
	s->eof = !n || (n < KSERVER_PIECE && events & EPOLLRDHUP);
	return n < KSERVER_PIECE ? KCONN_WAIT : KCONN_AGAIN;
}

static enum kverdict serve(struct kconn *c, uint32_t events)
{
	struct sized *s = (struct sized *)c;
	bool readable = true;
	enum kverdict v;

	for (int i = 0; i < KSERVER_TURNS; i++) {
		if (sized_receives(&s->course) && (s->held || (readable && !s->eof))) {
			v = get(s, events);
			if (v == KCONN_OVER || v == KCONN_RESET)
				return v;
			readable = v == KCONN_AGAIN;
		}
		if (s->eof && !s->held && sized_ends(&s->course))
			return KCONN_OVER;
		if (may_send(s) && !put(s))
			return KCONN_OVER;
		if (may_send(s) ||
		    (sized_receives(&s->course) && (s->held || (readable && !s->eof))))
			continue;
		if (s->eof && !s->held && !s->course.out)
			return KCONN_OVER;
		return KCONN_WAIT;
	}
	return KCONN_AGAIN;
}

static void end(struct kconn *c)
{
	free(((struct sized *)c)->held);
}

const struct service service_sized = {
	.name = "sized",
	.conn_size = sizeof(struct sized),
	.serve = serve,
	.end = end,
};
