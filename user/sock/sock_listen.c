/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets. A connection is made into a socket when its handshake is done
 * and waits in the listener's queue for accept(). With the queue full nothing is let
 * in (may_open): the client's SYN or first segment is dropped, counted, and comes again.
 */
#include <errno.h>

#include "sock/sock.h"

/* A backlog of n lets n + 1 wait, as Linux and 4.2BSD's users expect. */
static bool may_open(void *arg)
{
	const struct weir_sock *k = arg;

	return k->state == SOCK_LISTEN && k->queued <= k->backlog;
}

static unsigned clamp_backlog(int backlog)
{
	return backlog < 0 || backlog > SOMAXCONN ? SOMAXCONN : (unsigned)backlog;
}

static int start(struct weir_sock *k)
{
	const struct stack_env *env = &k->s->env;
	const struct worker_listen l = {
		.addr = k->local,
		.app = &sock_app,
		.arg = k,
		.opts = &k->opts,
		.backlog = k->backlog + 1,
		.may_open = may_open,
	};
	int err;

	/* First: the engine asks for the gate's record of the service. */
	err = env->serve ? env->serve(env->arg, &k->local) : 0;
	if (err)
		return err;
	stack_clock(k->s);
	err = worker_listen(k->s->w, &l);
	if (err && env->unserve)
		env->unserve(env->arg, &k->local);
	return err;
}

int weir_sock_listen(struct weir_sock *k, int backlog)
{
	struct weir_addr any = k->local;
	int err;

	if (k->state == SOCK_LISTEN) {
		k->backlog = clamp_backlog(backlog);
		return 0;
	}
	if (k->state != SOCK_FRESH)
		return -EINVAL;
	if (!list_linked(&k->port)) {
		if (k->v6only)
			any.family = 6;
		any.port = 0;
		err = ports_bind(k, &any);
		if (err)
			return err;
	}
	err = ports_listen(k);
	if (err)
		return err;
	k->backlog = clamp_backlog(backlog);
	err = start(k);
	if (err)
		return err;
	k->state = SOCK_LISTEN;
	k->was_connecting = false;
	return 0;
}

/* The engine's connections that had not got so far find a listener that is gone. */
void listen_stop(struct weir_sock *k)
{
	const struct stack_env *env = &k->s->env;
	struct list *n;

	k->state = SOCK_FRESH;
	if (env->unserve)
		env->unserve(env->arg, &k->local);
	worker_unlisten(k->s->w, &k->local);
	while ((n = list_pop(&k->queue))) {
		struct weir_sock *child = CONTAINER_OF(n, struct weir_sock, waiting);

		sock_drop_conn(child);
		sock_free(child);
	}
	k->queued = 0;
}

/* What accept(2) hands down on Linux: everything set on the listener. */
static void inherit(struct weir_sock *child, const struct weir_sock *l)
{
	child->opts = l->opts;
	child->keep_idle_ms = l->keep_idle_ms;
	child->user_timeout_ms = l->user_timeout_ms;
	child->linger_on = l->linger_on;
	child->linger_s = l->linger_s;
	child->reuse = l->reuse;
	child->v6only = l->v6only;
	child->oobinline = l->oobinline;
}

/* A handshake is done. Non-zero: RST. */
int listen_open(struct weir_conn *c, struct weir_sock *l)
{
	struct weir_addr local;
	struct weir_sock *k;

	weir_conn_local(c, &local);
	/* A slot may have become another socket since: then it is not asked for. */
	if (l->hdr.next != SLAB_IN_USE || l->state != SOCK_LISTEN ||
	    !addr_covers(&l->local, &local))
		return -ECONNREFUSED;
	k = sock_new(l->s, l->domain);
	if (!k) {
		worker_count(l->s->w, WEIR_C_sock_full);
		return -ENFILE;
	}
	inherit(k, l);
	sock_attach(k, c);
	k->state = SOCK_CONNECTED;
	k->told_open = true;
	weir_conn_peer(c, &k->remote);
	ports_join(k, &local);
	if (l->opts_late)
		sock_apply_opts(k);
	list_add_tail(&l->queue, &k->waiting);
	l->queued++;
	ready_check(l);
	return 0;
}

int weir_sock_accept(struct weir_sock *k, struct weir_sock **out, struct sockaddr *a,
		     socklen_t *len)
{
	struct list *n;

	if (k->state != SOCK_LISTEN)
		return -EINVAL;
	n = list_pop(&k->queue);
	if (!n)
		return -EAGAIN;
	k->queued--;
	*out = CONTAINER_OF(n, struct weir_sock, waiting);
	addr_to_sockaddr(*out, &(*out)->remote, a, len);
	return 0;
}
