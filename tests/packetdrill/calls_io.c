/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in and out. All forms are one: an array of buffers, and flags. */
#include <errno.h>
#include <string.h>

#include "pd.h"

/* What our sockets take; the others are the adapter's, or mean nothing here. */
#define RECV_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_OOB)
#define SEND_FLAGS (MSG_MORE | MSG_OOB)
#define REFUSED	   (MSG_FASTOPEN | MSG_ZEROCOPY)

/* Where byte `at` of all the buffers is; the length of what follows there, 0: past the end. */
static size_t locate(const struct pd_call *c, size_t at, uint8_t **p)
{
	for (int i = 0; i < c->niov; i++) {
		if (at < c->iov[i].iov_len) {
			*p = (uint8_t *)c->iov[i].iov_base + at;
			return c->iov[i].iov_len - at;
		}
		at -= c->iov[i].iov_len;
	}
	return 0;
}

static bool bad_buffers(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len && !iov[i].iov_base)
			return true;
	}
	return false;
}

/* `refused`: what the call is refused for, unless the descriptor is no socket at all; or 0. */
static ssize_t transfer(struct pd *pd, const struct pd_call *what, int refused, int at_once)
{
	struct pd_fd *f = fds_sock(pd, what->fd);
	struct pd_call c = *what;
	ssize_t r;

	if (!f)
		return -errno;
	if (refused)
		return refused;
	c.deadline_us = PD_NEVER;
	r = vtime_call(pd, &c, f->nonblock || c.flags & at_once);
	/* What was moved before it would have to wait is a result, too. */
	return r == -EAGAIN && c.done ? (ssize_t)c.done : r;
}

/* ---- in --------------------------------------------------------------------------------- */

static ssize_t recv_some(struct weir_sock *k, struct pd_call *c)
{
	size_t len, total = c->done;
	ssize_t r = 0;
	uint8_t *p;

	/* A peek always looks from the start: one buffer is all it can fill. */
	while ((len = locate(c, total, &p))) {
		r = weir_sock_recv(k, p, len, c->flags & RECV_FLAGS);
		if (r <= 0)
			break;
		total += (size_t)r;
		if (c->flags & (MSG_PEEK | MSG_OOB) || (size_t)r < len)
			break;
	}
	if (total == c->done)
		return r;
	c->done = total;
	return (ssize_t)total;
}

static ssize_t op_recv(struct pd *pd, struct pd_call *c)
{
	struct pd_fd *f = fds_sock(pd, c->fd);
	size_t before = c->done;
	uint8_t *p, none;
	ssize_t r;

	if (!f)
		return -errno;
	if (!locate(c, 0, &p))
		return weir_sock_recv(f->sock, &none, 0, c->flags & RECV_FLAGS);
	r = recv_some(f->sock, c);
	if (c->flags & MSG_WAITALL && !(c->flags & MSG_PEEK) && locate(c, c->done, &p)) {
		if (r > 0 && c->done != before)
			return -EAGAIN;
		if (r <= 0 && r != -EAGAIN && before)
			return (ssize_t)before;
	}
	return r;
}

static ssize_t receive(void *self, int fd, const struct iovec *iov, int n, int flags)
{
	const struct pd_call c = {.op = op_recv, .fd = fd, .flags = flags, .iov = iov, .niov = n};
	int refused = bad_buffers(iov, n) && !(flags & MSG_TRUNC) ? -EFAULT : 0;
	struct pd *pd = pd_enter(self);

	return pd_return(pd, transfer(pd, &c, refused, MSG_DONTWAIT | MSG_OOB));
}

static ssize_t c_recv(void *self, int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = {buf, len};

	return receive(self, fd, &iov, 1, flags);
}

static ssize_t c_read(void *self, int fd, void *buf, size_t len)
{
	return c_recv(self, fd, buf, len, 0);
}

static ssize_t c_readv(void *self, int fd, const struct iovec *iov, int n)
{
	return receive(self, fd, iov, n, 0);
}

static ssize_t c_recvfrom(void *self, int fd, void *buf, size_t len, int flags, struct sockaddr *a,
			  socklen_t *alen)
{
	/* A stream has no sender to name: the address is left alone, as tcp(7)'s is. */
	(void)a;
	if (alen)
		*alen = 0;
	return c_recv(self, fd, buf, len, flags);
}

static ssize_t c_recvmsg(void *self, int fd, struct msghdr *m, int flags)
{
	m->msg_flags = 0;
	m->msg_controllen = 0;
	m->msg_namelen = 0;
	return receive(self, fd, m->msg_iov, (int)m->msg_iovlen, flags);
}

/* ---- out ------------------------------------------------------------------------------------ */

static ssize_t op_send(struct pd *pd, struct pd_call *c)
{
	struct pd_fd *f = fds_sock(pd, c->fd);
	uint8_t *p, none = 0;
	size_t len;
	ssize_t r;

	if (!f)
		return -errno;
	if (!locate(c, 0, &p))
		return weir_sock_send(f->sock, &none, 0, c->flags & SEND_FLAGS);
	while ((len = locate(c, c->done, &p))) {
		uint8_t *next;
		int more = locate(c, c->done + len, &next) ? MSG_MORE : 0;

		r = weir_sock_send(f->sock, p, len, (c->flags & SEND_FLAGS) | more);
		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return c->done ? (ssize_t)c->done : r;
		c->done += (size_t)r;
	}
	return (ssize_t)c->done;
}

static ssize_t transmit(void *self, int fd, const struct iovec *iov, int n, int flags)
{
	const struct pd_call c = {.op = op_send, .fd = fd, .flags = flags, .iov = iov, .niov = n};
	int refused = flags & REFUSED ? -EOPNOTSUPP : bad_buffers(iov, n) ? -EFAULT : 0;
	struct pd *pd = pd_enter(self);
	ssize_t r = transfer(pd, &c, refused, MSG_DONTWAIT);

	vtime_turn(pd);
	return pd_return(pd, r);
}

static ssize_t c_send(void *self, int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	return transmit(self, fd, &iov, 1, flags);
}

static ssize_t c_write(void *self, int fd, const void *buf, size_t len)
{
	return c_send(self, fd, buf, len, 0);
}

static ssize_t c_writev(void *self, int fd, const struct iovec *iov, int n)
{
	return transmit(self, fd, iov, n, 0);
}

static ssize_t c_sendto(void *self, int fd, const void *buf, size_t len, int flags,
			const struct sockaddr *a, socklen_t alen)
{
	/* Of a connected stream the address is ignored; see send(2). */
	(void)a;
	(void)alen;
	return c_send(self, fd, buf, len, flags);
}

static ssize_t c_sendmsg(void *self, int fd, const struct msghdr *m, int flags)
{
	return transmit(self, fd, m->msg_iov, (int)m->msg_iovlen, flags);
}

void calls_io_fill(struct pd_interface *ifc)
{
	ifc->read = c_read;
	ifc->readv = c_readv;
	ifc->recv = c_recv;
	ifc->recvfrom = c_recvfrom;
	ifc->recvmsg = c_recvmsg;
	ifc->write = c_write;
	ifc->writev = c_writev;
	ifc->send = c_send;
	ifc->sendto = c_sendto;
	ifc->sendmsg = c_sendmsg;
}
