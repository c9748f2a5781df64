// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "proxy/bio.h"

#define EVENTS 256 /* told in one go; the rest in the next */

struct bio_epoll {
	struct bio bio;
	struct epoll_event ev[EVENTS];
};

static int epoll_watch(struct bio *b, int fd, uint64_t token)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.u64 = token};

	return epoll_ctl(b->fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* A descriptor that is closed leaves the set by itself: it is nobody else's. */
static void epoll_forget(struct bio *b, uint64_t token)
{
	(void)b;
	(void)token;
}

static void epoll_poll(struct bio *b)
{
	struct bio_epoll *e = (struct bio_epoll *)b;
	int n = epoll_wait(b->fd, e->ev, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		uint32_t got = e->ev[i].events;
		unsigned what = (got & EPOLLIN ? BIO_IN : 0) | (got & EPOLLOUT ? BIO_OUT : 0) |
				(got & (EPOLLRDHUP | EPOLLHUP) ? BIO_HUP : 0) |
				(got & EPOLLERR ? BIO_ERR : 0);

		b->ready(b->arg, e->ev[i].data.u64, what);
	}
}

static ssize_t one(struct bio_op *op)
{
	ssize_t n;

	op->msg = (struct msghdr){.msg_iov = op->iov, .msg_iovlen = op->niov};
	do {
		if (op->send)
			n = sendmsg(op->fd, &op->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = recvmsg(op->fd, &op->msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void epoll_run(struct bio *b, struct bio_op *op, unsigned n)
{
	(void)b;
	for (unsigned i = 0; i < n; i++)
		op[i].res = one(&op[i]);
}

static void epoll_end(struct bio *b)
{
	close(b->fd);
	free(b);
}

static const struct bio_ops epoll_ops = {
	.name = "epoll",
	.watch = epoll_watch,
	.forget = epoll_forget,
	.poll = epoll_poll,
	.run = epoll_run,
	.close = epoll_end,
};

int bio_epoll_open(struct bio **out)
{
	struct bio_epoll *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->bio.ops = &epoll_ops;
	e->bio.fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->bio.fd < 0) {
		free(e);
		return -errno;
	}
	*out = &e->bio;
	return 0;
}
