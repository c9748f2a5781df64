/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active opens. connect() answers as Linux's does on a non-blocking socket:
 *
 *     -EINPROGRESS   begun          -EALREADY  still under way
 *     0              once, when it is done     -EISCONN  from then on
 *     what it failed for, once; then it may be tried again
 */
#include <errno.h>
#include <stdlib.h>

#include "sock/sock.h"

static int check_remote(struct weir_addr *a)
{
	if (!a->port)
		return -ECONNREFUSED; /* nobody can listen on port 0 */
	if (addr_is_any(a) || (a->family == 4 && a->addr[0] >= 224) ||
	    (a->family == 6 && a->addr[0] == 0xff))
		return -ENETUNREACH; /* RFC 9293 3.9.2.3: no broadcast, no multicast */
	return 0;
}

static int start(struct weir_sock *k, const struct weir_addr *remote)
{
	struct worker_connect o = {
		.remote = *remote,
		.app = &sock_app,
		.arg = k,
		.opts = &k->opts,
		.share_port = list_linked(&k->port) || k->reuse,
	};
	struct weir_conn *c;
	int err;

	o.local = k->local;
	if (addr_is_any(&k->local))
		o.local.family = 0;
	else if (k->local.family != remote->family)
		return -EAFNOSUPPORT;
	stack_clock(k->s);
	err = worker_connect(k->s->w, &o, &c);
	if (err)
		return err;
	sock_attach(k, c);
	k->remote = *remote;
	k->state = SOCK_CONNECTING;
	k->error = k->soft_told = 0;
	k->was_connecting = k->told_open = k->rd_shut = k->wr_shut = false;
	k->read_off = k->mark = k->oob_taken = 0;
	return -EINPROGRESS;
}

/* FRESH again; connect() may be called anew, and the port of bind() is kept. */
static void reset(struct weir_sock *k)
{
	k->state = SOCK_FRESH;
	if (k->bound)
		return;
	ports_release(k);
	k->local = (struct weir_addr){.family = k->domain == AF_INET ? 4 : 0};
}

void sock_disconnect(struct weir_sock *k)
{
	if (k->state == SOCK_LISTEN)
		listen_stop(k);
	sock_drop_conn(k);
	reset(k);
	free(k->rest);
	free(k->last);
	k->rest = NULL;
	k->last = NULL;
	k->rest_len = k->rest_at = 0;
	k->was_connecting = k->rd_shut = k->wr_shut = false;
	k->error = 0;
}

void sock_connect_opened(struct weir_sock *k)
{
	k->state = SOCK_CONNECTED;
	if (!list_linked(&k->port))
		weir_conn_local(k->conn, &k->local);
	ready_check(k);
}

void sock_connect_failed(struct weir_sock *k, int error)
{
	int known = weir_conn_error(k->conn);

	k->conn = NULL;
	k->error = known ? known : error;
	k->was_connecting = true;
	reset(k);
	ready_check(k);
}

int weir_sock_connect(struct weir_sock *k, const struct sockaddr *sa, socklen_t len)
{
	struct weir_addr a;
	int err;

	if (sa && len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNSPEC) {
		sock_disconnect(k);
		return 0;
	}
	switch ((enum sock_state)k->state) {
	case SOCK_LISTEN:
		return -EISCONN;
	case SOCK_CONNECTING:
		return -EALREADY;
	case SOCK_CONNECTED:
	case SOCK_ENDED:
		if (k->told_open)
			return -EISCONN;
		k->told_open = true;
		return k->state == SOCK_ENDED ? sock_take_error(k) : 0;
	case SOCK_FRESH:
		break;
	}
	if (k->error)
		return sock_take_error(k);
	err = addr_from_sockaddr(&a, k, sa, len);
	if (!err)
		err = check_remote(&a);
	return err ? err : start(k, &a);
}
