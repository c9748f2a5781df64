/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine stands on where there is no kernel: flows in an array, and a
 * network in which every local address is ours and every remote one is next door.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pd.h"

/* ---- flows ------------------------------------------------------------------------ */

#define FLOWS 4096

struct host_flows {
	struct flowmap m;
	unsigned n;
	struct {
		weir_tuple t;
		struct weir_flow f;
	} e[FLOWS];
};

static int find(const struct host_flows *h, const weir_tuple *t, unsigned *at)
{
	for (unsigned i = 0; i < h->n; i++) {
		if (!memcmp(&h->e[i].t, t, sizeof(*t))) {
			*at = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int flows_lookup(struct flowmap *m, const weir_tuple *t, struct weir_flow *f)
{
	struct host_flows *h = (struct host_flows *)m;
	unsigned i;

	if (find(h, t, &i))
		return -ENOENT;
	*f = h->e[i].f;
	return 0;
}

static int flows_insert(struct flowmap *m, const weir_tuple *t, const struct weir_flow *f)
{
	struct host_flows *h = (struct host_flows *)m;
	unsigned i;

	if (!find(h, t, &i))
		return -EEXIST;
	if (h->n == FLOWS)
		return -E2BIG;
	h->e[h->n].t = *t;
	h->e[h->n++].f = *f;
	return 0;
}

static int flows_remove(struct flowmap *m, const weir_tuple *t, unsigned n)
{
	struct host_flows *h = (struct host_flows *)m;
	unsigned at;

	for (unsigned i = 0; i < n; i++) {
		if (!find(h, &t[i], &at))
			h->e[at] = h->e[--h->n];
	}
	return 0;
}

static int flows_walk(struct flowmap *m, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
		      unsigned max)
{
	struct host_flows *h = (struct host_flows *)m;
	unsigned n = 0;

	for (; n < max && *cursor < h->n; n++, (*cursor)++) {
		t[n] = h->e[*cursor].t;
		f[n] = h->e[*cursor].f;
	}
	if (*cursor >= h->n)
		*cursor = 0;
	return (int)n;
}

static const struct flowmap_ops flows_ops = {
	.lookup = flows_lookup,
	.insert = flows_insert,
	.remove = flows_remove,
	.walk = flows_walk,
};

struct flowmap *host_flowmap_new(void)
{
	struct host_flows *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->m.ops = &flows_ops;
	return &h->m;
}

void host_flowmap_free(struct flowmap *m)
{
	free((struct host_flows *)m);
}

/* ---- paths and ports ------------------------------------------------------------------ */

#define PORT_FIRST 32768 /* of those given out; deterministic, unlike a host's */
#define PORT_LAST  60999

struct host_net {
	struct netops n;
	struct pd *pd;
	uint16_t next;
	uint16_t taken[65536]; /* by how many */
};

static int net_path(struct netops *n, const struct weir_addr *remote, struct weir_addr *local,
		    struct net_path *path)
{
	const struct pd *pd = ((struct host_net *)n)->pd;

	if (!local->family) {
		local->family = remote->family;
		memset(local->addr, 0, sizeof(local->addr));
		if (remote->family == 4)
			memcpy(local->addr, &pd->set.local4, 4);
		else
			memcpy(local->addr, &pd->set.local6, 16);
	}
	memcpy(path->dst_mac, wire_peer_mac, 6);
	memcpy(path->src_mac, wire_mac, 6);
	path->mtu = pd->set.mtu;
	return 0;
}

static int net_port_take(struct netops *n, struct weir_addr *local, bool shared)
{
	struct host_net *h = (struct host_net *)n;

	if (!local->port) {
		for (unsigned i = PORT_FIRST; i <= PORT_LAST && h->taken[h->next]; i++)
			h->next = h->next == PORT_LAST ? PORT_FIRST : (uint16_t)(h->next + 1);
		local->port = h->next;
		h->next = h->next == PORT_LAST ? PORT_FIRST : (uint16_t)(h->next + 1);
	}
	if (h->taken[local->port] && !shared)
		return -EADDRINUSE;
	if (!h->taken[local->port]++ && h->pd->front)
		gate_port_active(front_gate(h->pd->front), local->port, true);
	return 0;
}

static void net_port_put(struct netops *n, const struct weir_addr *local)
{
	struct host_net *h = (struct host_net *)n;

	if (h->taken[local->port] && !--h->taken[local->port] && h->pd->front)
		gate_port_active(front_gate(h->pd->front), local->port, false);
}

static const struct netops_ops net_ops = {
	.path = net_path,
	.port_take = net_port_take,
	.port_put = net_port_put,
};

struct netops *host_net_new(struct pd *pd)
{
	struct host_net *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->n.ops = &net_ops;
	h->pd = pd;
	h->next = PORT_FIRST;
	return &h->n;
}

void host_net_free(struct netops *n)
{
	free((struct host_net *)n);
}
