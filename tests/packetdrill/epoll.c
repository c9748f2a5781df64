/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll(7) on top of what poll() says. An edge is a bit that was not set at the last
 * sample, or more bytes to read than then; samples are taken after each turn, so
 * an edge between two calls of a script is not missed.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "pd.h"

#define ITEMS_MAX 64

struct item {
	int fd; /* -1: free */
	uint32_t events;
	epoll_data_t data;
	uint32_t seen;	/* bits at the last sample */
	uint32_t edges; /* bits that came since they were last reported */
	size_t unread;
};

struct pd_epoll {
	struct pd_epoll *next;
	struct item items[ITEMS_MAX];
};

static struct item *find(struct pd_epoll *e, int fd)
{
	for (int i = 0; i < ITEMS_MAX; i++) {
		if (e->items[i].fd == fd)
			return &e->items[i];
	}
	return NULL;
}

/* EPOLLIN and its like have the values of POLLIN and its like. */
static uint32_t ready_bits(struct pd *pd, int fd)
{
	return weir_sock_poll(pd->fds[fd].sock);
}

static void sample(struct pd *pd, struct item *it)
{
	uint32_t now = ready_bits(pd, it->fd);
	size_t unread = weir_sock_unread(pd->fds[it->fd].sock);

	it->edges |= now & ~it->seen;
	if (unread > it->unread)
		it->edges |= now & (EPOLLIN | EPOLLRDNORM);
	it->edges &= now;
	it->seen = now;
	it->unread = unread;
}

void epoll_sample(struct pd *pd)
{
	for (struct pd_epoll *e = pd->epolls; e; e = e->next) {
		for (int i = 0; i < ITEMS_MAX; i++) {
			if (e->items[i].fd >= 0)
				sample(pd, &e->items[i]);
		}
	}
}

void epoll_forget(struct pd *pd, int fd)
{
	for (struct pd_epoll *e = pd->epolls; e; e = e->next) {
		struct item *it = find(e, fd);

		if (it)
			it->fd = -1;
	}
}

void epoll_free(struct pd *pd, struct pd_epoll *e)
{
	struct pd_epoll **p = &pd->epolls;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	free(e);
}

static int c_create(void *self, int size)
{
	struct pd *pd = pd_enter(self);
	struct pd_epoll *e;
	int fd;

	if (size <= 0)
		return (int)pd_return(pd, -EINVAL);
	e = calloc(1, sizeof(*e));
	if (!e)
		return (int)pd_return(pd, -ENOMEM);
	fd = fds_put(pd, NULL, e, false);
	if (fd < 0) {
		free(e);
		return (int)pd_return(pd, fd);
	}
	for (int i = 0; i < ITEMS_MAX; i++)
		e->items[i].fd = -1;
	e->next = pd->epolls;
	pd->epolls = e;
	return (int)pd_return(pd, fd);
}

static int control(struct pd *pd, struct pd_epoll *e, int op, int fd, const struct epoll_event *ev)
{
	struct item *it = find(e, fd);

	if (op == EPOLL_CTL_ADD ? it != NULL : it == NULL)
		return op == EPOLL_CTL_ADD ? -EEXIST : -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		it->fd = -1;
		return 0;
	}
	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD)
		return -EINVAL;
	if (!it)
		it = find(e, -1);
	if (!it)
		return -ENOSPC;
	*it = (struct item){.fd = fd, .events = ev->events, .data = ev->data};
	sample(pd, it); /* what is ready already is an edge, too */
	return 0;
}

static int c_ctl(void *self, int epfd, int op, int fd, struct epoll_event *ev)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *e = fds_get(pd, epfd), *f = e ? fds_get(pd, fd) : NULL;

	if (!f)
		return (int)pd_return(pd, -errno);
	if (!e->epoll)
		return (int)pd_return(pd, -EINVAL);
	if (!f->sock)
		return (int)pd_return(pd, -EPERM);
	return (int)pd_return(pd, control(pd, e->epoll, op, fd, ev));
}

struct wanted {
	struct epoll_event *ev;
	int max;
};

static uint32_t take(struct pd *pd, struct item *it)
{
	uint32_t mask = it->events | EPOLLERR | EPOLLHUP, bits = ready_bits(pd, it->fd) & mask;

	/* An edge of one bit reports all that is true, as the kernel does. */
	if (it->events & EPOLLET && !(it->edges & mask))
		return 0;
	if (!bits)
		return 0;
	it->edges = 0;
	if (it->events & EPOLLONESHOT)
		it->events &= EPOLLONESHOT | EPOLLET;
	return bits;
}

static bool is_disarmed(const struct item *it)
{
	return !(it->events & ~(uint32_t)(EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP));
}

static ssize_t op_wait(struct pd *pd, struct pd_call *c)
{
	struct pd_fd *f = fds_get(pd, c->fd);
	const struct wanted *w = c->arg;
	int n = 0;

	if (!f)
		return -errno;
	if (!f->epoll)
		return -EINVAL;
	for (int i = 0; i < ITEMS_MAX && n < w->max; i++) {
		struct item *it = &f->epoll->items[i];
		uint32_t bits;

		if (it->fd < 0 || (it->events & EPOLLONESHOT && is_disarmed(it)))
			continue;
		bits = take(pd, it);
		if (bits)
			w->ev[n++] = (struct epoll_event){.events = bits, .data = it->data};
	}
	return n ? n : -EAGAIN;
}

static int c_wait(void *self, int epfd, struct epoll_event *ev, int max, int timeout_ms)
{
	struct pd *pd = pd_enter(self);
	struct wanted w = {ev, max};
	struct pd_call c = {.op = op_wait, .fd = epfd, .arg = &w};
	ssize_t r;

	if (max <= 0)
		return (int)pd_return(pd, -EINVAL);
	c.deadline_us = pd_deadline(pd, timeout_ms);
	r = vtime_call(pd, &c, timeout_ms == 0);
	return (int)pd_return(pd, r == -EAGAIN ? 0 : r);
}

void epoll_fill(struct pd_interface *ifc)
{
	ifc->epoll_create = c_create;
	ifc->epoll_ctl = c_ctl;
	ifc->epoll_wait = c_wait;
}
