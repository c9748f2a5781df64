/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Urgent data (RFC 9293 3.8.5) as sockets show it: one octet, the last before the
 * urgent pointer, out of band; with SO_OOBINLINE it stays in the stream, which RFC
 * 6093 5 recommends to those who write programs. A read never crosses the mark: it
 * stops before the octet, and the next one begins behind it (or with it, in line).
 */
#include <errno.h>

#include "sock/sock.h"

bool sock_oob_mark(const struct weir_sock *k, uint64_t *at)
{
	uint64_t mark = k->mark, ahead;

	if (k->conn && conn_recv_urgent(k->conn, &ahead))
		mark = k->read_off + ahead;
	if (mark <= k->read_off)
		return false;
	*at = mark - 1 - k->read_off;
	return true;
}

/* The octet is there and was not taken. */
bool sock_oob_ready(const struct weir_sock *k)
{
	uint64_t at;

	return sock_oob_mark(k, &at) && at < sock_unread(k) && k->oob_taken != k->read_off + at + 1;
}

bool sock_oob_alone(const struct weir_sock *k)
{
	return !k->oobinline && sock_unread(k) == 1 && k->oob_taken == k->read_off + 1;
}

ssize_t sock_oob_recv(struct weir_sock *k, void *buf, size_t len, int flags)
{
	uint64_t at;

	if (k->state == SOCK_FRESH || k->state == SOCK_LISTEN)
		return -ENOTCONN;
	if (k->oobinline || !sock_oob_mark(k, &at) || k->oob_taken == k->read_off + at + 1)
		return -EINVAL;
	if (at >= sock_unread(k))
		return k->state == SOCK_ENDED || k->rd_shut ? 0 : -EAGAIN;
	if (!(flags & MSG_PEEK))
		k->oob_taken = k->read_off + at + 1;
	if (!len)
		return 0;
	if (!(flags & MSG_TRUNC))
		sock_copy(k, (size_t)at, buf, 1);
	return 1;
}

int weir_sock_atmark(struct weir_sock *k)
{
	uint64_t at;

	return sock_oob_mark(k, &at) && at == 0;
}
