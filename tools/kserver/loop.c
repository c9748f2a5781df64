// SPDX-License-Identifier: BSD-2-Clause
/* Listening, accepting in batches, and who is served next. */
#include "kserver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 128
/* Connections are carved from blocks: an idle one costs its size and no more. */
#define BLOCK 256

_Thread_local unsigned char kserver_buf[KSERVER_PIECE];

struct loop {
	const struct loop_options *o;
	int epoll, listener;
	struct kconn *free;
};

int loop_listen(const struct loop_options *o)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	bool v6 = inet_pton(AF_INET, o->addr, &sin.sin_addr) != 1;
	int fd, one = 1, err;

	if (v6 && inet_pton(AF_INET6, o->addr, &sin6.sin6_addr) != 1)
		return -EINVAL;
	sin.sin_port = sin6.sin6_port = htons((uint16_t)strtoul(o->port, NULL, 10));
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Accepted sockets inherit this one, so it costs nothing per connection. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (o->busy_poll_us)
		setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &o->busy_poll_us, sizeof(int));
	err = o->reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (!err)
		err = v6 ? bind(fd, (struct sockaddr *)&sin6, sizeof(sin6))
			 : bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (!err)
		err = listen(fd, 65535); /* net.core.somaxconn is the limit then */
	if (!err)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct kconn *take(struct loop *l)
{
	size_t size = (l->o->service->conn_size + 15) & ~(size_t)15;
	struct kconn *c = l->free;
	char *block;

	if (!c) {
		block = malloc(BLOCK * size);
		if (!block)
			return NULL;
		for (int i = 0; i < BLOCK; i++) {
			c = (struct kconn *)(block + (size_t)i * size);
			c->next = l->free;
			l->free = c;
		}
	}
	l->free = c->next;
	memset(c, 0, size);
	return c;
}

static void drop(struct loop *l, struct kconn *c)
{
	if (l->o->service->end)
		l->o->service->end(c);
	close(c->fd);
	c->next = l->free;
	l->free = c;
}

/* A new socket can be written to: to be told so would be one event more for each. */
#define EVENTS_IN (EPOLLIN | EPOLLRDHUP | EPOLLET)

static void accept_all(struct loop *l)
{
	struct epoll_event ev = {.events = EVENTS_IN};
	struct kconn *c;
	int fd;

	while ((fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = take(l);
		if (!c) {
			close(fd);
			continue;
		}
		c->fd = fd;
		ev.data.ptr = c;
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev))
			drop(l, c);
	}
}

static void serve(struct loop *l, struct kconn *c, uint32_t events)
{
	struct epoll_event ev = {.events = EVENTS_IN | EPOLLOUT, .data.ptr = c};
	const struct linger reset = {.l_onoff = 1};
	enum kverdict v;

	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		c->blocked = false;
	v = l->o->service->serve(c, events);
	/* An edge is reported once, but asking anew reports what is true already. */
	if (v == KCONN_AGAIN || (v == KCONN_WAIT && c->blocked && !c->out)) {
		c->out = true;
		if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev))
			v = KCONN_OVER;
	}
	if (v == KCONN_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (v == KCONN_OVER || v == KCONN_RESET)
		drop(l, c);
}

int loop_run(const struct loop_options *o, int listener, const volatile int *stop)
{
	struct loop l = {.o = o, .epoll = epoll_create1(EPOLL_CLOEXEC), .listener = listener};
	struct epoll_event ev = {.events = EPOLLIN}, events[EVENTS];
	int n, i;

	if (l.epoll < 0 || epoll_ctl(l.epoll, EPOLL_CTL_ADD, listener, &ev))
		return -errno;
	while (!*stop) {
		n = epoll_wait(l.epoll, events, EVENTS, o->busy_poll ? 0 : 1000);
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(&l, events[i].data.ptr, events[i].events);
			else
				accept_all(&l);
		}
	}
	close(l.epoll);
	return 0;
}
