/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in and out. Nothing blocks; MSG_DONTWAIT is always as if set. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sock/sock.h"

#define RECV_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL)
#define SEND_FLAGS (MSG_MORE | MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR)

/* ---- receiving ---------------------------------------------------------------- */

size_t sock_unread(const struct weir_sock *k)
{
	return k->conn ? weir_recv_ready(k->conn) : k->rest_len - k->rest_at;
}

size_t sock_copy(const struct weir_sock *k, size_t at, void *buf, size_t len)
{
	size_t left = k->rest_len - k->rest_at;

	if (k->conn)
		return weir_recv_copy(k->conn, at, buf, len);
	if (at >= left)
		return 0;
	if (len > left - at)
		len = left - at;
	memcpy(buf, k->rest + k->rest_at + at, len);
	return len;
}

void sock_consume(struct weir_sock *k, size_t n)
{
	k->read_off += n;
	if (k->conn) {
		stack_clock(k->s);
		weir_recv_done(k->conn, n);
		return;
	}
	k->rest_at += n;
	if (k->rest_at < k->rest_len)
		return;
	free(k->rest);
	k->rest = NULL;
	k->rest_at = k->rest_len = 0;
}

/*
 * What one read may give: `skip` bytes that are passed over, then up to `n`. The
 * urgent octet ends a read before it, and is not part of one unless in line.
 */
static size_t span(const struct weir_sock *k, size_t *skip)
{
	size_t n = sock_unread(k);
	uint64_t at;

	*skip = 0;
	if (!sock_oob_mark(k, &at) || at >= n)
		return n;
	if (at)
		return (size_t)at;
	if (k->oobinline)
		return n;
	*skip = 1;
	return n - 1;
}

/* With nothing to read: the end, its cause, or not yet. */
static ssize_t nothing_to_read(struct weir_sock *k)
{
	switch ((enum sock_state)k->state) {
	case SOCK_FRESH:
		return k->error ? sock_take_error(k) : k->was_connecting ? 0 : -ENOTCONN;
	case SOCK_LISTEN:
		return -ENOTCONN;
	case SOCK_CONNECTING:
		return -EAGAIN;
	case SOCK_ENDED:
		return sock_take_error(k);
	case SOCK_CONNECTED:
		break;
	}
	return k->rd_shut || weir_recv_fin(k->conn) ? 0 : -EAGAIN;
}

static size_t copy_out(const struct weir_sock *k, size_t at, const struct iovec *iov, int niov,
		       size_t max)
{
	size_t done = 0;

	for (int i = 0; i < niov && done < max; i++) {
		size_t n = iov[i].iov_len < max - done ? iov[i].iov_len : max - done;

		if (n)
			done += sock_copy(k, at + done, iov[i].iov_base, n);
	}
	return done;
}

static ssize_t iov_total(const struct iovec *iov, int n)
{
	size_t total = 0;

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - total)
			return -EINVAL;
		total += iov[i].iov_len;
	}
	return (ssize_t)total;
}

static ssize_t receive(struct weir_sock *k, const struct iovec *iov, int niov, size_t len,
		       int flags)
{
	size_t skip, n = span(k, &skip);

	if (!n)
		return len || k->state != SOCK_CONNECTED ? nothing_to_read(k) : 0;
	if (n > len)
		n = len;
	if (!n)
		return 0;
	if (!(flags & MSG_TRUNC))
		copy_out(k, skip, iov, niov, n);
	if (!(flags & MSG_PEEK))
		sock_consume(k, skip + n);
	return (ssize_t)n;
}

ssize_t weir_sock_recv(struct weir_sock *k, void *buf, size_t len, int flags)
{
	const struct iovec iov = {.iov_base = buf, .iov_len = len};

	if (flags & ~RECV_FLAGS)
		return -EOPNOTSUPP;
	if (len > SSIZE_MAX)
		return -EINVAL;
	if (flags & MSG_OOB)
		return sock_oob_recv(k, buf, len, flags);
	return receive(k, &iov, 1, len, flags);
}

ssize_t weir_sock_read(struct weir_sock *k, void *buf, size_t len)
{
	return weir_sock_recv(k, buf, len, 0);
}

ssize_t weir_sock_readv(struct weir_sock *k, const struct iovec *iov, int n)
{
	ssize_t len = iov_total(iov, n);

	return len < 0 ? len : receive(k, iov, n, (size_t)len, 0);
}

/* As SIOCINQ: up to the urgent octet. */
size_t weir_sock_unread(const struct weir_sock *k)
{
	size_t n = sock_unread(k);
	uint64_t at;

	return !k->oobinline && sock_oob_mark(k, &at) && at < n ? (size_t)at : n;
}

/* ---- sending --------------------------------------------------------------------- */

/* 0 when something may be sent. An error that ended the connection goes before EPIPE. */
static int may_send(struct weir_sock *k)
{
	switch ((enum sock_state)k->state) {
	case SOCK_LISTEN:
		return -ENOTCONN;
	case SOCK_FRESH:
		if (k->error)
			return sock_take_error(k);
		return k->was_connecting ? -EPIPE : -ENOTCONN;
	case SOCK_CONNECTING:
		return -EAGAIN;
	case SOCK_ENDED:
		return k->error ? sock_take_error(k) : -EPIPE;
	case SOCK_CONNECTED:
		break;
	}
	return k->wr_shut ? -EPIPE : 0;
}

static void set_more(struct weir_sock *k, bool more)
{
	if (k->more == more)
		return;
	k->more = more;
	if (!k->opts.cork)
		sock_apply_opts(k);
}

static size_t push(struct weir_sock *k, const void *p, size_t len, bool urgent)
{
	return urgent ? conn_send_urgent(k->conn, p, len) : weir_send(k->conn, p, len);
}

static ssize_t transmit(struct weir_sock *k, const struct iovec *iov, int niov, size_t len,
			int flags)
{
	size_t done = 0;
	int err = may_send(k);

	if (err)
		return err;
	if (!len)
		return 0;
	stack_clock(k->s);
	/* Before the bytes, or they would leave uncorked; released after them. */
	if (flags & MSG_MORE)
		set_more(k, true);
	for (int i = 0; i < niov; i++) {
		size_t n = push(k, iov[i].iov_base, iov[i].iov_len, flags & MSG_OOB);

		done += n;
		if (n < iov[i].iov_len)
			break;
	}
	if (!(flags & MSG_MORE))
		set_more(k, false);
	return done ? (ssize_t)done : -EAGAIN;
}

ssize_t weir_sock_send(struct weir_sock *k, const void *buf, size_t len, int flags)
{
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

	if (flags & ~SEND_FLAGS)
		return -EOPNOTSUPP;
	if (len > SSIZE_MAX)
		return -EINVAL;
	return transmit(k, &iov, 1, len, flags);
}

ssize_t weir_sock_write(struct weir_sock *k, const void *buf, size_t len)
{
	return weir_sock_send(k, buf, len, 0);
}

ssize_t weir_sock_writev(struct weir_sock *k, const struct iovec *iov, int n)
{
	ssize_t len = iov_total(iov, n);

	return len < 0 ? len : transmit(k, iov, n, (size_t)len, 0);
}

size_t weir_sock_unsent(const struct weir_sock *k)
{
	return k->conn ? weir_send_queued(k->conn) : 0;
}
