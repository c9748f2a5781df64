/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a connection ended, as errno values: what SO_ERROR of a socket says. */
#include <errno.h>

#include "tcp/tcp_conn.h"

int tcp_reason_errno(enum tcp_reason r)
{
	switch (r) {
	case TCP_END_NONE:
	case TCP_END_NORMAL:
		return 0;
	case TCP_END_RESET:
		return ECONNRESET;
	case TCP_END_REFUSED:
		return ECONNREFUSED;
	case TCP_END_TIMEOUT:
	case TCP_END_KEEPALIVE:
	case TCP_END_FIN_WAIT_2:
	case TCP_END_LAST_ACK:
	case TCP_END_PERSIST:
		return ETIMEDOUT;
	case TCP_END_NOMEM:
		return ENOBUFS;
	case TCP_END_UNREACHABLE:
		return EHOSTUNREACH;
	case TCP_END_ABORTED:
	case TCP_END_APP_TIMEOUT:
	case TCP_END_SHUTDOWN:
		break;
	}
	return ECONNABORTED;
}

/*
 * Called when c->reason has become known, in the state it found. RFC 1122 4.2.3.9:
 * a soft error is what a connection that timed out is told to have died of. A
 * peer that had sent its FIN and resets does not take what we write: EPIPE, as
 * sockets have it.
 */
void tcp_error_end(struct tcp_conn *c)
{
	enum tcp_reason r = (enum tcp_reason)c->reason;

	if (r == TCP_END_UNREACHABLE && c->error)
		return;
	if ((r == TCP_END_TIMEOUT || r == TCP_END_KEEPALIVE) && c->error)
		return;
	c->error = (uint8_t)tcp_reason_errno(r);
	if (r == TCP_END_RESET && c->state == WEIR_CLOSE_WAIT)
		c->error = EPIPE;
}

int tcp_get_error(const struct tcp_conn *c)
{
	return c->error;
}
