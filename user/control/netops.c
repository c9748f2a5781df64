/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/netops.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "control/netports.h"
#include "control/route.h"

#define WAYS	      4096 /* a power of two */
#define WAY_SET	      4	   /* of them one answer may be in */
#define WAY_US	      1000000
#define WAY_UNSURE_US 4000 /* as long as the neighbour is looked for */

struct way {
	struct weir_addr remote, want; /* want: the local address asked for, port 0 */
	uint64_t until_us;
	bool looked_for; /* the neighbour, since it was last known or given up */
	int err;
	struct weir_addr local;
	struct net_path path;
};

struct netops_host {
	struct netops n;
	struct netif nif;
	pthread_mutex_t lock; /* of all that follows */
	struct route_nl nl;
	struct way ways[WAYS];
	struct netports *ports;
};

static uint64_t mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- ways ------------------------------------------------------------------------- */

static bool is_zero(const struct weir_addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->addr, zero, sizeof(zero));
}

static bool same(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static void forget(struct way *w, const struct weir_addr *remote, const struct weir_addr *want)
{
	memset(w, 0, sizeof(*w));
	w->remote = *remote;
	w->want = *want;
}

/* FNV-1a: local users choose the addresses, and a clash costs them only a question. */
static struct way *find(struct netops_host *h, const struct weir_addr *remote,
			const struct weir_addr *want)
{
	struct way *set, *oldest;
	uint32_t x = 2166136261u;

	for (int i = 0; i < 16; i++)
		x = ((x ^ remote->addr[i]) * 16777619u ^ want->addr[i]) * 16777619u;
	set = oldest = &h->ways[(x ^ x >> 16) & (WAYS - 1) & ~(WAY_SET - 1u)];
	for (struct way *w = set; w < set + WAY_SET; w++) {
		if (same(&w->remote, remote) && same(&w->want, want))
			return w;
		if (w->until_us < oldest->until_us)
			oldest = w;
	}
	forget(oldest, remote, want);
	return oldest;
}

static int neighbour(struct netops_host *h, struct way *w, const struct weir_addr *next)
{
	int s = neigh_get(&h->nl, h->nif.ifindex, next, w->path.dst_mac);

	if (s < 0)
		return s;
	if (s == NEIGH_GOOD) {
		w->looked_for = false;
		return 0;
	}
	/* A failure from before we asked means nothing now. */
	if (s == NEIGH_FAILED && w->looked_for) {
		w->looked_for = false;
		return -EHOSTUNREACH;
	}
	if (s != NEIGH_PENDING)
		neigh_use(&h->nl, h->nif.ifindex, next);
	w->looked_for = true;
	return s == NEIGH_STALE ? 0 : -EAGAIN;
}

static int ask(struct netops_host *h, struct way *w)
{
	const struct weir_addr *src = w->want.family ? &w->want : NULL;
	struct route r;
	int err;

	/* IPv6 does not look at the source of a question. */
	if (src && src->family == 6) {
		err = netif_has_addr(&h->nif, src);
		if (err <= 0)
			return err ? err : -EADDRNOTAVAIL;
	}
	err = route_get(&h->nl, h->nif.ifindex, &w->remote, src, &r);
	if (err)
		return err;
	if (!r.src.family)
		return -EADDRNOTAVAIL;
	w->local = r.src;
	memcpy(w->path.src_mac, h->nif.mac, 6);
	w->path.mtu = r.mtu && r.mtu < h->nif.mtu ? r.mtu : h->nif.mtu;
	return neighbour(h, w, &r.next_hop);
}

static int host_path(struct netops *n, const struct weir_addr *remote, struct weir_addr *local,
		     struct net_path *path)
{
	struct netops_host *h = (struct netops_host *)n;
	struct weir_addr want = {0}, peer = *remote;
	uint64_t now = mono_us();
	struct way *w;
	int err;

	peer.port = 0;
	if (local->family && !is_zero(local)) {
		want = *local;
		want.port = 0;
	}
	pthread_mutex_lock(&h->lock);
	w = find(h, &peer, &want);
	if (now >= w->until_us) {
		w->err = ask(h, w);
		w->until_us = now + (w->err == -EAGAIN ? WAY_UNSURE_US : WAY_US);
	}
	err = w->err;
	if (!err || err == -EAGAIN) {
		uint16_t port = local->port;

		*local = w->local;
		local->port = port;
		*path = w->path;
	}
	pthread_mutex_unlock(&h->lock);
	return err;
}

/* ---- ports -------------------------------------------------------------------------- */

static int host_port_take(struct netops *n, struct weir_addr *local, bool shared)
{
	struct netops_host *h = (struct netops_host *)n;
	int err;

	pthread_mutex_lock(&h->lock);
	err = netports_take(h->ports, &local->port, shared);
	pthread_mutex_unlock(&h->lock);
	return err;
}

static int host_port_pick(struct netops *n, struct weir_addr *local, const struct net_want *want)
{
	struct netops_host *h = (struct netops_host *)n;
	int err;

	pthread_mutex_lock(&h->lock);
	err = netports_pick(h->ports, &local->port, want);
	pthread_mutex_unlock(&h->lock);
	return err;
}

static void host_port_put(struct netops *n, const struct weir_addr *local)
{
	struct netops_host *h = (struct netops_host *)n;

	pthread_mutex_lock(&h->lock);
	netports_put(h->ports, local->port);
	pthread_mutex_unlock(&h->lock);
}

/* ---- opening ------------------------------------------------------------------------- */

static const struct netops_ops host_ops = {
	.path = host_path,
	.port_take = host_port_take,
	.port_pick = host_port_pick,
	.port_put = host_port_put,
};

static void raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

int netops_open(struct netops **out, const struct netif *nif, netops_port_fn port, void *arg)
{
	struct netops_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->ports = netports_new(port, arg);
	err = h->ports ? route_open(&h->nl) : -ENOMEM;
	if (err) {
		netports_free(h->ports);
		free(h);
		return err;
	}
	h->n.ops = &host_ops;
	h->nif = *nif;
	pthread_mutex_init(&h->lock, NULL);
	raise_descriptor_limit();
	*out = &h->n;
	return 0;
}

void netops_close(struct netops *n)
{
	struct netops_host *h = (struct netops_host *)n;

	if (!h)
		return;
	netports_free(h->ports);
	route_close(&h->nl);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
