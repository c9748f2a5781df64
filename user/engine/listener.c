/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/listener.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <weir/cookie.h>
#include "engine/addr.h"

#define BUCKETS_MIN 16

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

void tuple_make(weir_tuple *t, const struct weir_addr *local, const struct weir_addr *remote)
{
	addr_mapped(t->raddr, remote);
	addr_mapped(t->laddr, local);
	t->rport = weir_htons(remote->port);
	t->lport = weir_htons(local->port);
}

static bool same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->port == b->port && a->family == b->family && (!a->family || addr_same_host(a, b));
}

/* Addresses and ports are ours to choose, not the peers'. */
static uint32_t hash_of(const struct weir_addr *a)
{
	uint64_t w[2] = {0}, h = (uint64_t)a->family << 16 | a->port;

	if (a->family)
		memcpy(w, a->addr, a->family == 4 ? 4 : 16);
	h = (h ^ w[0]) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 32 ^ w[1]) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32);
}

/* Where the listener of exactly this address is linked, or where it would be. */
static struct listener **place(const struct listeners *ls, const struct weir_addr *a)
{
	struct listener **p = &ls->bucket[hash_of(a) & ls->mask];

	while (*p && !same_addr(&(*p)->l.addr, a))
		p = &(*p)->next;
	return p;
}

/* As many buckets as listeners, at least. */
static int grow(struct listeners *ls)
{
	uint32_t n = ls->bucket ? 2 * (ls->mask + 1) : BUCKETS_MIN;
	struct listeners wide = *ls;

	wide.mask = n - 1;
	wide.bucket = calloc(n, sizeof(*wide.bucket));
	if (!wide.bucket)
		return -ENOMEM;
	for (uint32_t i = 0; ls->bucket && i <= ls->mask; i++) {
		struct listener *l;

		while ((l = ls->bucket[i])) {
			struct listener **p = place(&wide, &l->l.addr);

			ls->bucket[i] = l->next;
			l->next = NULL;
			*p = l;
		}
	}
	free(ls->bucket);
	*ls = wide;
	return 0;
}

static struct listener *find(const struct listeners *ls, const struct weir_addr *a)
{
	return ls->bucket ? *place(ls, a) : NULL;
}

int listeners_init(struct listeners *ls)
{
	return ls->bucket ? 0 : grow(ls);
}

static bool usable(const struct weir_addr *a)
{
	return a->port && (a->family == 0 || a->family == 4 || a->family == 6);
}

struct listener *listener_new(const struct worker_listen *l)
{
	struct listener *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->l = *l;
	if (l->opts) {
		n->opts = *l->opts;
		n->l.opts = &n->opts;
	}
	n->refs = 1;
	n->listed = true;
	if (l->users)
		atomic_fetch_add_explicit(l->users, 1, memory_order_relaxed);
	return n;
}

void listeners_put(struct listeners *ls, struct listener *n)
{
	struct listener **p = place(ls, &n->l.addr), *old = *p;

	if (old) {
		n->next = old->next;
		*p = n;
		listener_put(old);
	} else {
		*p = n;
		ls->n++;
	}
	if (n->l.app->conn_size > ls->state_max)
		ls->state_max = n->l.app->conn_size;
	/* Fewer buckets than there might be are no failure. */
	if (ls->n > ls->mask + 1)
		grow(ls);
}

int listeners_add(struct listeners *ls, const struct worker_listen *l, struct listener **out)
{
	struct listener *n;

	if (!usable(&l->addr))
		return -EINVAL;
	if (find(ls, &l->addr))
		return -EADDRINUSE;
	if (listeners_init(ls))
		return -ENOMEM;
	n = listener_new(l);
	if (!n)
		return -ENOMEM;
	listeners_put(ls, n);
	if (out)
		*out = n;
	return 0;
}

void listeners_set_opts(struct listeners *ls, const struct weir_addr *a, const struct tcp_opts *o)
{
	struct listener *l = find(ls, a);

	if (!l)
		return;
	l->opts = *o;
	l->l.opts = &l->opts;
}

void listener_put(struct listener *l)
{
	if (--l->refs)
		return;
	/* release: what was done with `arg` comes before */
	if (l->l.users)
		atomic_fetch_sub_explicit(l->l.users, 1, memory_order_release);
	free(l);
}

static void unlist(struct listeners *ls, struct listener **p)
{
	struct listener *l = *p;

	*p = l->next;
	ls->n--;
	l->listed = false;
	listener_put(l);
}

void listeners_remove(struct listeners *ls, const struct weir_addr *a)
{
	if (find(ls, a))
		unlist(ls, place(ls, a));
}

struct listener *listeners_find(const struct listeners *ls, const weir_tuple *t)
{
	struct listener *l;
	struct weir_addr a;

	tuple_local(t, &a);
	l = find(ls, &a);
	if (!l) {
		memset(a.addr, 0, sizeof(a.addr));
		l = find(ls, &a);
	}
	if (!l) {
		a.family = 0;
		l = find(ls, &a);
	}
	return l;
}

int listeners_each(const struct listeners *ls, int (*fn)(void *arg, const struct worker_listen *l),
		   void *arg)
{
	int err = 0;

	for (uint32_t i = 0; ls->bucket && i <= ls->mask; i++) {
		for (const struct listener *l = ls->bucket[i]; l && !err; l = l->next)
			err = fn(arg, &l->l);
	}
	return err;
}

void listeners_free(struct listeners *ls)
{
	for (uint32_t i = 0; ls->bucket && i <= ls->mask; i++) {
		while (ls->bucket[i])
			unlist(ls, &ls->bucket[i]);
	}
	free(ls->bucket);
	ls->bucket = NULL;
}
