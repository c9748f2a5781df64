// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's TCP as a back end: non-blocking sockets and edge-triggered epoll. A
 * connection costs socket, connect, epoll_ctl and close, a request send and recv.
 */
#include "backend.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FILES 32 /* beside the connections */

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

struct kernel {
	struct be_options o;
	int epoll;
	socklen_t addr_len;
	unsigned int port_low, ports; /* the system's range; 0: no windows of it */
	uint64_t opened;
};

enum { OPENING, OPEN }; /* be_conn.priv */

static int allow_files(unsigned int conns, const char **why)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	if (files.rlim_cur >= conns + SPARE_FILES)
		return 0;
	files.rlim_cur = conns + SPARE_FILES;
	if (files.rlim_max < files.rlim_cur)
		files.rlim_max = files.rlim_cur; /* which root may */
	if (!setrlimit(RLIMIT_NOFILE, &files))
		return 0;
	*why = "not so many files may be open: ulimit -n";
	return -errno;
}

/*
 * Who closes first keeps its port in TIME_WAIT for a minute. With half the range there,
 * connect() walks through all of that half, a millisecond for each connection, before it
 * tries the other. So every connection is given a small window of the range, which moves
 * on by one port a round of the local addresses (IP_LOCAL_PORT_RANGE, Linux 6.3).
 */
#define PORT_WINDOW 64
#define PORT_TRIES  4

static void find_ports(struct kernel *k)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int low = 0, high = 0;

	if (!f)
		return;
	if (fscanf(f, "%u %u", &low, &high) == 2 && low && low < high && high < 65536) {
		k->port_low = low;
		k->ports = high - low + 1;
		/* Not where the run before this one began. */
		k->opened = (uint64_t)getpid() * 7919 % k->ports;
		k->opened *= k->o.locals ? k->o.locals : 1;
	}
	fclose(f);
}

static void set_window(struct kernel *k, int fd, unsigned int try)
{
	uint64_t round =
		k->opened / (k->o.locals ? k->o.locals : 1) + try * (k->ports / PORT_TRIES);
	unsigned int low = k->port_low + (unsigned int)(round % k->ports);
	unsigned int high = low + PORT_WINDOW - 1;
	uint32_t window;

	if (high >= k->port_low + k->ports)
		high = k->port_low + k->ports - 1;
	window = try < PORT_TRIES ? high << 16 | low : 0; /* at last: anywhere */
	if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &window, sizeof(window)))
		k->ports = 0; /* an older kernel */
}

static int kernel_open(void **be, const struct be_options *o, const char **why)
{
	struct kernel *k;
	int err = allow_files(o->conns, why);

	if (err)
		return err;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->o = *o;
	k->addr_len =
		o->remote.sa.sa_family == AF_INET ? sizeof(o->remote.in) : sizeof(o->remote.in6);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll < 0) {
		err = -errno;
		free(k);
		return err;
	}
	find_ports(k);
	/* Else a sleep may last 50 us longer than asked for. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	*be = k;
	return 0;
}

static void kernel_close(void *be)
{
	struct kernel *k = be;

	close(k->epoll);
	free(k);
}

/* What is not the system's own default costs a call each. */
static int prepare(const struct kernel *k, int fd, const union be_addr *local)
{
	const int one = 1;
	int err = 0;

	if (k->o.nodelay)
		err |= setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (k->o.rcvbuf)
		err |= setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &k->o.rcvbuf, sizeof(int));
	if (k->o.sndbuf)
		err |= setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &k->o.sndbuf, sizeof(int));
	if (local) {
		/* The port is chosen by connect(), so that each address has all of them. */
		err |= setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		err |= bind(fd, &local->sa, k->addr_len);
	}
	return err ? -errno : 0;
}

static int try_connect(struct kernel *k, int fd)
{
	int err = 0;

	for (unsigned int try = 0; try <= PORT_TRIES; try++) {
		if (k->ports)
			set_window(k, fd, try);
		err = connect(fd, &k->o.remote.sa, k->addr_len) && errno != EINPROGRESS ? -errno
											: 0;
		if (err != -EADDRNOTAVAIL || !k->ports)
			break;
	}
	k->opened++;
	return err;
}

static int kernel_connect(void *be, struct be_conn *c, const union be_addr *local)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};
	struct kernel *k = be;
	int err;

	c->fd = socket(k->o.remote.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	c->priv = OPENING;
	err = prepare(k, c->fd, local);
	if (!err)
		err = try_connect(k, c->fd);
	if (!err && epoll_ctl(k->epoll, EPOLL_CTL_ADD, c->fd, &ev))
		err = -errno;
	if (err)
		close(c->fd);
	return err;
}

static ssize_t kernel_send(void *be, struct be_conn *c, const void *buf, size_t len)
{
	ssize_t n = send(c->fd, buf, len, MSG_NOSIGNAL);

	(void)be;
	return n < 0 ? -errno : n;
}

static ssize_t kernel_recv(void *be, struct be_conn *c, void *buf, size_t len)
{
	ssize_t n = recv(c->fd, buf, len, 0);

	(void)be;
	return n < 0 ? -errno : n;
}

/* Not wanted, it comes at most once; wanted again, asking anew reports what is there. */
static void kernel_want_in(void *be, struct be_conn *c, bool wanted)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};
	struct kernel *k = be;

	if (wanted)
		epoll_ctl(k->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static int kernel_shutdown(void *be, struct be_conn *c)
{
	(void)be;
	return shutdown(c->fd, SHUT_WR) ? -errno : 0;
}

static void kernel_hangup(void *be, struct be_conn *c)
{
	(void)be;
	close(c->fd);
}

static void kernel_abort(void *be, struct be_conn *c)
{
	const struct linger reset = {.l_onoff = 1};

	(void)be;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
}

static int kernel_error(void *be, struct be_conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	(void)be;
	return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) ? -errno : -err;
}

static size_t kernel_unacked(void *be, struct be_conn *c)
{
	int n = 0;

	(void)be;
	return ioctl(c->fd, SIOCOUTQ, &n) || n < 0 ? 0 : (size_t)n;
}

static unsigned int translate(struct be_conn *c, uint32_t e)
{
	unsigned int events = 0;

	if (e & EPOLLERR)
		return BE_ERROR;
	if (e & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		events |= BE_IN;
	if (e & (EPOLLRDHUP | EPOLLHUP))
		events |= BE_END;
	if (e & EPOLLOUT) {
		events |= c->priv == OPENING ? BE_CONNECTED : BE_OUT;
		c->priv = OPEN;
	}
	return events;
}

static int kernel_wait(void *be, struct be_event *ev, int max, uint64_t timeout_ns)
{
	struct kernel *k = be;
	struct epoll_event got[64];
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000),
			      .tv_nsec = (long)(timeout_ns % 1000000000)};
	int n;

	max = max < 64 ? max : 64;
	if (!timeout_ns || k->o.busy_poll)
		n = epoll_wait(k->epoll, got, max, 0);
	else
		n = epoll_pwait2(k->epoll, got, max, &ts, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		ev[i].conn = got[i].data.ptr;
		ev[i].events = translate(ev[i].conn, got[i].events);
	}
	return n;
}

const struct backend backend_kernel = {
	.name = "kernel",
	.open = kernel_open,
	.close = kernel_close,
	.connect = kernel_connect,
	.send = kernel_send,
	.recv = kernel_recv,
	.want_in = kernel_want_in,
	.shutdown = kernel_shutdown,
	.hangup = kernel_hangup,
	.abort = kernel_abort,
	.error = kernel_error,
	.unacked = kernel_unacked,
	.wait = kernel_wait,
};
