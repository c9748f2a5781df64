/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/cookie.h>

static void addr_of(struct weir_addr *a, const __be32 addr[4], __be16 port, int v4)
{
	memset(a, 0, sizeof(*a));
	a->family = v4 ? 4 : 6;
	a->port = weir_ntohs(port);
	if (v4)
		memcpy(a->addr, &addr[3], 4);
	else
		memcpy(a->addr, addr, 16);
}

void tuple_remote(const weir_tuple *t, struct weir_addr *a)
{
	addr_of(a, t->raddr, t->rport, weir_tuple_is_v4(t));
}

void tuple_local(const weir_tuple *t, struct weir_addr *a)
{
	addr_of(a, t->laddr, t->lport, weir_tuple_is_v4(t));
}

static void set_end(__be32 addr[4], __be16 *port, const struct weir_addr *a)
{
	memset(addr, 0, 16);
	if (a->family == 4) {
		addr[2] = weir_htonl(0xffff);
		memcpy(&addr[3], a->addr, 4);
	} else {
		memcpy(addr, a->addr, 16);
	}
	*port = weir_htons(a->port);
}

void tuple_make(weir_tuple *t, const struct weir_addr *local, const struct weir_addr *remote)
{
	set_end(t->raddr, &t->rport, remote);
	set_end(t->laddr, &t->lport, local);
}

static bool same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	if (a->port != b->port || a->family != b->family)
		return false;
	return !a->family || !memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16);
}

/* Where the listener of exactly this address is linked, or where it would be. */
static struct listener **place(struct listeners *ls, const struct weir_addr *a)
{
	struct listener **p = &ls->bucket[a->port & 255];

	while (*p && !same_addr(&(*p)->l.addr, a))
		p = &(*p)->next;
	return p;
}

int listeners_add(struct listeners *ls, const struct worker_listen *l, struct listener **out)
{
	const struct weir_addr *a = &l->addr;
	struct listener **p, *n;

	if (!a->port || (a->family != 0 && a->family != 4 && a->family != 6))
		return -EINVAL;
	p = place(ls, a);
	if (*p)
		return -EADDRINUSE;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->l = *l;
	if (l->opts) {
		n->opts = *l->opts;
		n->l.opts = &n->opts;
	}
	n->refs = 1;
	n->listed = true;
	*p = n;
	if (l->app->conn_size > ls->state_max)
		ls->state_max = l->app->conn_size;
	if (out)
		*out = n;
	return 0;
}

void listeners_set_opts(struct listeners *ls, const struct weir_addr *a, const struct tcp_opts *o)
{
	struct listener *l = *place(ls, a);

	if (!l)
		return;
	l->opts = *o;
	l->l.opts = &l->opts;
}

void listener_put(struct listener *l)
{
	if (!--l->refs)
		free(l);
}

static void unlist(struct listener **p)
{
	struct listener *l = *p;

	*p = l->next;
	l->listed = false;
	listener_put(l);
}

void listeners_remove(struct listeners *ls, const struct weir_addr *a)
{
	struct listener **p = place(ls, a);

	if (*p)
		unlist(p);
}

/* How closely a listener names a local address: 0 not at all, 3 exactly. */
static int match(const struct weir_addr *l, const struct weir_addr *a)
{
	static const uint8_t zero[16];

	if (l->port != a->port)
		return 0;
	if (!l->family)
		return 1;
	if (l->family == a->family && !memcmp(l->addr, zero, a->family == 4 ? 4 : 16))
		return 2;
	return same_addr(l, a) ? 3 : 0;
}

struct listener *listeners_find(const struct listeners *ls, const weir_tuple *t)
{
	struct listener *found = NULL;
	struct weir_addr a;
	int best = 0;

	tuple_local(t, &a);
	for (struct listener *l = ls->bucket[a.port & 255]; l && best < 3; l = l->next) {
		int m = match(&l->l.addr, &a);

		if (m > best) {
			best = m;
			found = l;
		}
	}
	return found;
}

void listeners_free(struct listeners *ls)
{
	for (int i = 0; i < 256; i++) {
		while (ls->bucket[i])
			unlist(&ls->bucket[i]);
	}
}
