/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/takeover_msg.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x57484f01u /* of no JSON */

struct head {
	uint32_t magic;
	uint16_t type, nfds;
	uint32_t len;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Whether to try again: something can be done before the deadline. */
static bool wait_for(int sock, short what, uint64_t deadline)
{
	struct pollfd p = {.fd = sock, .events = what};
	uint64_t now = now_ms();
	int rc;

	if (now >= deadline)
		return false;
	rc = poll(&p, 1, (int)(deadline - now));
	return rc > 0 || (rc < 0 && errno == EINTR);
}

/* ---- out -------------------------------------------------------------------------- */

union fds {
	struct cmsghdr align;
	char buf[CMSG_SPACE(TAKEOVER_FDS_MAX * sizeof(int))];
};

static void put_fds(struct msghdr *m, union fds *u, const struct takeover_out *out)
{
	struct cmsghdr *c;

	memset(u, 0, sizeof(*u));
	m->msg_control = u->buf;
	m->msg_controllen = CMSG_SPACE(out->nfds * sizeof(int));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(out->nfds * sizeof(int));
	memcpy(CMSG_DATA(c), out->fd, out->nfds * sizeof(int));
}

static void skip(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen) {
		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
		m->msg_iov->iov_len -= n;
	}
}

int takeover_send(int sock, const struct takeover_out *out, int timeout_ms)
{
	struct head head = {MAGIC, (uint16_t)out->type, (uint16_t)out->nfds,
			    (uint32_t)(out->len + out->more_len)};
	struct iovec iov[] = {{&head, sizeof(head)},
			      {(void *)out->data, out->len},
			      {(void *)out->more, out->more_len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
	union fds u;

	if (out->nfds > TAKEOVER_FDS_MAX || out->len + out->more_len > TAKEOVER_DATA_MAX)
		return -EMSGSIZE;
	if (out->nfds)
		put_fds(&m, &u, out);
	while (m.msg_iovlen) {
		ssize_t n = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			skip(&m, (size_t)n);
			m.msg_control = NULL;
			m.msg_controllen = 0;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (!wait_for(sock, POLLOUT, deadline))
				return -EAGAIN;
		} else {
			return -errno;
		}
	}
	return 0;
}

int takeover_say(int sock, enum takeover_type type, int timeout_ms)
{
	const struct takeover_out out = {.type = type};

	return takeover_send(sock, &out, timeout_ms);
}

/* ---- in ----------------------------------------------------------------------------- */

void takeover_msg_close(struct takeover_msg *m)
{
	for (unsigned i = 0; i < TAKEOVER_FDS_MAX; i++) {
		if (m->fd[i] >= 0)
			close(m->fd[i]);
		m->fd[i] = -1;
	}
}

struct in {
	int sock;
	uint64_t deadline;
	struct takeover_msg *m;
	unsigned nfds; /* that have come */
};

/* Descriptors beyond what a message may have are closed, and it is none. */
static int take_fds(struct in *in, struct msghdr *h)
{
	bool too_many = h->msg_flags & MSG_CTRUNC;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int), i;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (in->nfds < TAKEOVER_FDS_MAX) {
				in->m->fd[in->nfds++] = fd;
			} else {
				close(fd);
				too_many = true;
			}
		}
	}
	return too_many ? -EPROTO : 0;
}

static int take(struct in *in, void *to, size_t len)
{
	union fds u;

	while (len) {
		struct iovec iov = {to, len};
		struct msghdr h = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = u.buf,
				   .msg_controllen = sizeof(u.buf)};
		ssize_t n = recvmsg(in->sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n > 0) {
			if (take_fds(in, &h))
				return -EPROTO;
			to = (char *)to + n;
			len -= (size_t)n;
		} else if (n == 0) {
			return -ECONNRESET;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (!wait_for(in->sock, POLLIN, in->deadline))
				return -ETIMEDOUT;
		} else {
			return -errno;
		}
	}
	return 0;
}

static int take_all(struct in *in)
{
	struct takeover_msg *m = in->m;
	struct head head;
	int rc = take(in, &head, sizeof(head));

	if (rc)
		return rc;
	if (head.magic != MAGIC || !head.type || head.type >= TAKEOVER_TYPES ||
	    head.nfds > TAKEOVER_FDS_MAX || head.len > TAKEOVER_DATA_MAX)
		return -EPROTO;
	rc = take(in, m->data, head.len);
	if (rc)
		return rc;
	m->type = head.type;
	m->nfds = head.nfds;
	m->len = head.len;
	return head.nfds == in->nfds ? 0 : -EPROTO;
}

int takeover_recv(int sock, struct takeover_msg *m, int timeout_ms)
{
	struct in in = {.sock = sock, .deadline = now_ms() + (uint64_t)timeout_ms, .m = m};
	int rc;

	for (unsigned i = 0; i < TAKEOVER_FDS_MAX; i++)
		m->fd[i] = -1;
	rc = take_all(&in);
	if (rc)
		takeover_msg_close(m);
	return rc;
}
