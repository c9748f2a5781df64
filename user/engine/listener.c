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

static int same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16);
}

int listeners_add(struct listeners *ls, const struct weir_addr *a, const struct weir_app *app,
		  void *arg)
{
	struct listener **p = &ls->bucket[a->port & 255];
	struct listener *l;

	if (!a->port || (a->family != 0 && a->family != 4 && a->family != 6))
		return -EINVAL;
	for (; *p; p = &(*p)->next) {
		if ((*p)->addr.port != a->port)
			continue;
		if (a->family == 0 ? (*p)->addr.family == 0 : same_addr(&(*p)->addr, a))
			return -EADDRINUSE;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->addr = *a;
	l->app = app;
	l->arg = arg;
	*p = l;
	if (app->conn_size > ls->state_max)
		ls->state_max = app->conn_size;
	return 0;
}

const struct listener *listeners_find(const struct listeners *ls, const weir_tuple *t)
{
	const struct listener *any = NULL;
	struct weir_addr a;

	tuple_local(t, &a);
	for (const struct listener *l = ls->bucket[a.port & 255]; l; l = l->next) {
		if (l->addr.port != a.port)
			continue;
		if (l->addr.family == 0)
			any = l;
		else if (same_addr(&l->addr, &a))
			return l;
	}
	return any;
}

void listeners_free(struct listeners *ls)
{
	for (int i = 0; i < 256; i++) {
		while (ls->bucket[i]) {
			struct listener *l = ls->bucket[i];

			ls->bucket[i] = l->next;
			free(l);
		}
	}
}
