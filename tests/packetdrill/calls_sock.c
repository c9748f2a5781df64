/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets come and go: socket, bind, listen, accept, connect, shutdown, close. */
#include <errno.h>
#include <poll.h>

#include "pd.h"
#include "sock/linux_tcp.h"

static int c_socket(void *self, int domain, int type, int protocol)
{
	struct pd *pd = pd_enter(self);
	struct weir_sock *k;
	int r;

	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
	    (protocol && protocol != IPPROTO_TCP))
		return (int)pd_return(pd, -EPROTONOSUPPORT);
	r = weir_sock_open(pd->stack, domain, &k);
	if (!r) {
		r = fds_put(pd, k, NULL, type & SOCK_NONBLOCK);
		if (r < 0)
			weir_sock_close(k);
	}
	return (int)pd_return(pd, r);
}

static int c_bind(void *self, int fd, const struct sockaddr *a, socklen_t len)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);

	return (int)pd_return(pd, f ? weir_sock_bind(f->sock, a, len) : -errno);
}

static int c_listen(void *self, int fd, int backlog)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);

	return (int)pd_return(pd, f ? weir_sock_listen(f->sock, backlog) : -errno);
}

/* ---- accept ------------------------------------------------------------------------- */

struct accepted {
	struct sockaddr *a;
	socklen_t *len;
};

static ssize_t op_accept(struct pd *pd, struct pd_call *call)
{
	struct pd_fd *f = fds_sock(pd, call->fd);
	const struct accepted *to = call->arg;
	struct weir_sock *k;
	int r = f ? weir_sock_accept(f->sock, &k, to->a, to->len) : -errno;

	if (r)
		return r;
	r = fds_put(pd, k, NULL, false);
	if (r < 0)
		weir_sock_close(k);
	return r;
}

static int c_accept(void *self, int fd, struct sockaddr *a, socklen_t *len)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);
	struct accepted to = {a, len};
	struct pd_call call = {.op = op_accept, .fd = fd, .arg = &to, .deadline_us = PD_NEVER};

	if (!f)
		return (int)pd_return(pd, -errno);
	return (int)pd_return(pd, vtime_call(pd, &call, f->nonblock));
}

/* ---- connect ---------------------------------------------------------------------------- */

static int sock_error(struct weir_sock *k)
{
	int error = 0;
	socklen_t len = sizeof(error);
	int r = weir_sock_getopt(k, SOL_SOCKET, SO_ERROR, &error, &len);

	return r ? r : -error;
}

static ssize_t op_connected(struct pd *pd, struct pd_call *call)
{
	struct pd_fd *f = fds_sock(pd, call->fd);

	if (!f)
		return -errno;
	if (!(weir_sock_poll(f->sock) & (POLLOUT | POLLERR | POLLHUP)))
		return -EAGAIN;
	return sock_error(f->sock);
}

static int c_connect(void *self, int fd, const struct sockaddr *a, socklen_t len)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);
	struct pd_call call = {.op = op_connected, .fd = fd, .deadline_us = PD_NEVER};
	int r = f ? weir_sock_connect(f->sock, a, len) : -errno;

	if (r == -EINPROGRESS && !f->nonblock)
		return (int)pd_return(pd, vtime_call(pd, &call, false));
	vtime_turn(pd);
	return (int)pd_return(pd, r);
}

/* ---- shutdown and close --------------------------------------------------------------------- */

static int c_shutdown(void *self, int fd, int how)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_sock(pd, fd);
	int r = f ? weir_sock_shutdown(f->sock, how) : -errno;

	vtime_turn(pd);
	return (int)pd_return(pd, r);
}

/* SO_LINGER with a time: close() returns once our FIN is acknowledged, or the time is over. */
static ssize_t op_lingered(struct pd *pd, struct pd_call *call)
{
	struct pd_fd *f = fds_sock(pd, call->fd);
	struct linux_tcp_info info;
	socklen_t len = sizeof(info);

	if (!f || weir_sock_getopt(f->sock, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	switch (info.tcpi_state) {
	case 4:	 /* FIN_WAIT_1 */
	case 9:	 /* LAST_ACK */
	case 11: /* CLOSING, in the kernel's numbering */
		return -EAGAIN;
	}
	return 0;
}

static int c_close(void *self, int fd)
{
	struct pd *pd = pd_enter(self);
	struct pd_fd *f = fds_get(pd, fd);
	struct pd_call call = {.op = op_lingered, .fd = fd};
	int r = 0;

	if (!f)
		return (int)pd_return(pd, -errno);
	if (f->sock && f->linger_s > 0 && !f->nonblock && !weir_sock_unread(f->sock) &&
	    !weir_sock_shutdown(f->sock, SHUT_WR)) {
		call.deadline_us = pd->now_us + (uint64_t)f->linger_s * 1000000;
		vtime_call(pd, &call, false);
	}
	if (f->sock) {
		epoll_forget(pd, fd);
		r = weir_sock_close(f->sock);
	} else {
		epoll_free(pd, f->epoll);
	}
	fds_drop(pd, fd);
	vtime_turn(pd);
	return (int)pd_return(pd, r);
}

void calls_sock_fill(struct pd_interface *ifc)
{
	ifc->socket = c_socket;
	ifc->bind = c_bind;
	ifc->listen = c_listen;
	ifc->accept = c_accept;
	ifc->connect = c_connect;
	ifc->shutdown = c_shutdown;
	ifc->close = c_close;
}
