/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which socket has which local address and port: bind(2)'s rules, as Linux keeps
 * them. Two sockets may share a port where their addresses differ, or where both
 * have SO_REUSEADDR and neither listens. TIME_WAIT does not hold a port here.
 */
#include <errno.h>
#include <string.h>

#include "sock/sock.h"

/* The range from which a socket without bind() gets its port, as Linux's default. */
#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_COUNT 28232u

static struct list *bucket(struct weir_stack *s, uint16_t port)
{
	return &s->ports[port & (PORT_BUCKETS - 1)];
}

bool addr_covers(const struct weir_addr *pattern, const struct weir_addr *a)
{
	if (pattern->port != a->port)
		return false;
	if (!pattern->family)
		return true;
	return pattern->family == a->family && (addr_is_any(pattern) || addr_same_host(pattern, a));
}

static bool overlap(const struct weir_addr *a, const struct weir_addr *b)
{
	return addr_covers(a, b) || addr_covers(b, a);
}

static bool conflict(struct weir_sock *k, const struct weir_addr *a)
{
	struct list *b = bucket(k->s, a->port);

	for (struct list *n = b->next; n != b; n = n->next) {
		const struct weir_sock *o = CONTAINER_OF(n, struct weir_sock, port);

		if (o == k || !overlap(&o->local, a))
			continue;
		if (!k->reuse || !o->reuse || o->state == SOCK_LISTEN)
			return true;
	}
	return false;
}

static uint32_t next_random(struct weir_stack *s)
{
	/* xorshift32 (Marsaglia) */
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 17;
	s->rng ^= s->rng << 5;
	return s->rng;
}

/* Where nobody else uses ports: one that none of our sockets has (RFC 6056 3.3.1). */
static int pick(struct weir_sock *k, struct weir_addr *a)
{
	uint32_t first = next_random(k->s) % EPHEMERAL_COUNT;
	struct weir_addr any = {0};

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		struct list *b;
		bool taken = false;

		any.port = (uint16_t)(EPHEMERAL_FIRST + (first + i) % EPHEMERAL_COUNT);
		b = bucket(k->s, any.port);
		for (struct list *n = b->next; n != b && !taken; n = n->next)
			taken = CONTAINER_OF(n, struct weir_sock, port)->local.port == any.port;
		if (!taken) {
			a->port = any.port;
			return 0;
		}
	}
	return -EADDRINUSE;
}

int ports_bind(struct weir_sock *k, const struct weir_addr *want)
{
	const struct stack_env *env = &k->s->env;
	struct netops *net = env->net;
	struct weir_addr a = *want;
	int err = 0;

	if (env->may_bind && !addr_is_any(&a))
		err = env->may_bind(env->arg, &a);
	if (err)
		return err;
	if (a.port && conflict(k, &a))
		return -EADDRINUSE;
	if (net)
		err = net->ops->port_take(net, &a, true); /* connect() takes it again */
	else if (!a.port)
		err = pick(k, &a);
	if (err)
		return err;
	k->port_held = net != NULL;
	k->local = a;
	list_add_tail(bucket(k->s, a.port), &k->port);
	return 0;
}

int ports_listen(const struct weir_sock *k)
{
	struct list *b = bucket(k->s, k->local.port);

	for (struct list *n = b->next; n != b; n = n->next) {
		const struct weir_sock *o = CONTAINER_OF(n, struct weir_sock, port);

		if (o != k && o->state == SOCK_LISTEN && overlap(&o->local, &k->local))
			return -EADDRINUSE;
	}
	return 0;
}

void ports_join(struct weir_sock *k, const struct weir_addr *a)
{
	k->local = *a;
	list_add_tail(bucket(k->s, a->port), &k->port);
}

void ports_release(struct weir_sock *k)
{
	struct netops *net = k->s->env.net;

	list_del(&k->port);
	if (k->port_held)
		net->ops->port_put(net, &k->local);
	k->port_held = false;
}
