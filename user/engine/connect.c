/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active opens (RFC 9293 3.10.1).
 *
 *     worker_connect(): way, slot, port, table, flow entry ─► SYN_SENT
 *        the way is known ─► run list: the SYN leaves
 *        it is being resolved ─► w->resolving, asked again every RESOLVE_US
 *
 * The flow entry is made before the SYN leaves, so that whatever answers it finds its
 * owner, on whichever queue it comes. Port and entry are given back together, after
 * TIME_WAIT where there is one; there is no tombstone, as no cookie is involved.
 */
#include <errno.h>
#include <string.h>

#include <weir/siphash.h>
#include "engine/addr.h"
#include "engine/conn.h"
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define RESOLVE_US     5000
#define RESOLVE_MAX_MS 3000
#define PICKS	       8 /* of a port, where others take the tuples */

/*
 * RFC 6528 3: a clock of 4 us plus a keyed hash of the tuple. The other half of the
 * hash offsets the timestamps (RFC 7323 7.1), so that neither tells the uptime or
 * anything about other connections, and both go up for one tuple.
 */
static void isn(const struct worker *w, const weir_tuple *t, uint32_t *iss, uint32_t *ts)
{
	uint64_t h = weir_siphash24(w->e->iss_key, t, sizeof(*t));

	*iss = (uint32_t)h + (uint32_t)(w->now_us / 4);
	*ts = (uint32_t)(h >> 32) + (uint32_t)(w->now_us / 1000);
}

/* ---- the way to the peer ---------------------------------------------------------- */

static void set_l2(struct weir_conn *c, const struct net_path *path)
{
	c->l2.len = WEIR_ETH_HLEN;
	memcpy(c->l2.hdr, path->dst_mac, 6);
	memcpy(c->l2.hdr + 6, path->src_mac, 6);
}

void connect_resolved(struct weir_conn *c)
{
	list_del(&c->run);
	c->flags &= (uint16_t)~CONN_RESOLVING;
	c->dead_ms = 0;
}

static void resolve(struct worker *w, struct weir_conn *c)
{
	struct netops *net = w->env->net;
	struct weir_addr local, remote;
	struct net_path path;
	int err;

	tuple_local(&c->tuple, &local);
	tuple_remote(&c->tuple, &remote);
	err = net->ops->path(net, &remote, &local, &path);
	if (err == -EAGAIN && w->gate_ms < c->dead_ms) {
		list_add_tail(&w->resolving, &c->run);
		return;
	}
	connect_resolved(c);
	if (err) {
		c->error = (uint8_t)(err == -EAGAIN ? EHOSTUNREACH : -err);
		tcp_abort(conn_tcp(c), TCP_END_UNREACHABLE);
	} else {
		set_l2(c, &path);
	}
	conn_wake(w, c);
}

void connect_resolve(struct worker *w)
{
	struct list todo, *n;

	if (list_empty(&w->resolving) || w->now_us < w->resolve_us)
		return;
	w->resolve_us = w->now_us + RESOLVE_US;
	list_init(&todo);
	list_splice_tail(&todo, &w->resolving);
	while ((n = list_pop(&todo))) {
		struct weir_conn *c = CONTAINER_OF(n, struct weir_conn, run);

		if (tcp_get_state(conn_tcp(c)) != WEIR_CLOSED) {
			resolve(w, c);
			continue;
		}
		connect_resolved(c);
		conn_wake(w, c);
	}
}

/* ---- opening ------------------------------------------------------------------------ */

static int check(const struct worker *w, const struct worker_connect *o)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct weir_addr *r = &o->remote;

	if (!w->env->net)
		return -EOPNOTSUPP;
	if (engine_draining(w->e))
		return -ESHUTDOWN;
	if ((r->family != 4 && r->family != 6) || !r->port)
		return -EINVAL;
	/* Inside, such an address means IPv4: callers give it as that. */
	if (r->family == 6 && !memcmp(r->addr, mapped, sizeof(mapped)))
		return -EINVAL;
	if (o->local.family && o->local.family != r->family)
		return -EINVAL;
	if (o->app->conn_size > w->cfg->state_max)
		return -EINVAL;
	/* RFC 1122 4.2.3.10: neither groups nor broadcast. */
	if (addr_is_any(r) || (r->family == 4 ? r->addr[0] >= 224 : r->addr[0] == 0xff))
		return -ENETUNREACH;
	return 0;
}

/* A connection is entered into table and map, so that nobody else has its tuple. */
static int claim(struct worker *w, struct weir_conn *c, uint32_t *iss)
{
	struct flowmap *m = w->env->flows;
	const struct weir_flow f = {
		.owner = w->tx[c->io].queue,
		.iss = *iss,
		.wscale = WEIR_WSCALE_NONE,
		.created_ms = w->gate_ms,
	};
	uint32_t ref = REF(REF_CONN, slab_index(&w->conns, c)), old;
	int err;

	if (!table_find(&w->table, c->hash, &c->tuple, &old) && residue_reusable(w, old)) {
		*iss = residue_reuse(w, old, ref);
		return 0;
	}
	err = table_insert(&w->table, c->hash, &c->tuple, ref);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : -ENOBUFS;
	err = m->ops->insert(m, &c->tuple, &f);
	if (!err)
		return 0;
	table_remove(&w->table, c->hash, ref);
	if (err == -EEXIST)
		return -EADDRINUSE;
	return err == -E2BIG ? -ENOBUFS : err;
}

struct asked {
	struct worker *w;
	weir_tuple tuple;
};

static enum net_fit fits(void *arg, uint16_t port)
{
	struct asked *a = arg;
	uint32_t ref;

	a->tuple.lport = weir_htons(port);
	if (table_find(&a->w->table, table_hash(&a->w->table, &a->tuple), &a->tuple, &ref))
		return NET_FITS;
	if (residue_reusable(a->w, ref))
		return NET_FITS;
	return residue_waits(a->w, ref) ? NET_SOON : NET_TAKEN;
}

static int take_port(struct worker *w, const struct worker_connect *o, struct weir_addr *local)
{
	struct netops *net = w->env->net;
	struct asked a = {.w = w};
	struct net_want want = {.fits = fits, .arg = &a, .group = (uint8_t)w->index};

	if (local->port || !net->ops->port_pick)
		return net->ops->port_take(net, local, o->share_port);
	tuple_make(&a.tuple, local, &o->remote);
	want.hash = table_hash(&w->table, &a.tuple);
	return net->ops->port_pick(net, local, &want);
}

static void set_tuple(struct worker *w, struct weir_conn *c, const struct weir_addr *local,
		      const struct weir_addr *remote)
{
	tuple_make(&c->tuple, local, remote);
	c->hash = table_hash(&w->table, &c->tuple);
	c->io = (uint8_t)(c->hash % w->nio);
}

/*
 * A port and with it the tuple. A port that was picked may yet be of no use: the table
 * has this worker's tuples alone, the map everybody's, those just let in included.
 */
static int take_tuple(struct worker *w, const struct worker_connect *o, struct weir_conn *c,
		      const struct weir_addr *from, uint32_t *iss, uint32_t *ts_ours)
{
	int err = -EADDRINUSE;

	for (int i = 0; i < PICKS && err == -EADDRINUSE; i++) {
		struct weir_addr local = *from;

		err = take_port(w, o, &local);
		if (err)
			return err;
		set_tuple(w, c, &local, &o->remote);
		isn(w, &c->tuple, iss, ts_ours);
		err = claim(w, c, iss);
		if (err)
			w->env->net->ops->port_put(w->env->net, &local);
		if (from->port)
			break;
	}
	return err;
}

static struct weir_conn *new_slot(struct worker *w, const struct worker_connect *o)
{
	struct weir_conn *c = slab_get(&w->conns);

	if (!c)
		return NULL;
	c->w = w;
	c->from.app = o->app;
	c->arg = o->arg;
	c->flags = CONN_ACTIVE;
	return c;
}

static void start(struct worker *w, struct weir_conn *c, const struct net_path *path, bool known)
{
	if (known) {
		set_l2(c, path);
		conn_wake(w, c);
		return;
	}
	c->flags |= CONN_RESOLVING;
	c->dead_ms = w->gate_ms + RESOLVE_MAX_MS;
	if (list_empty(&w->resolving))
		w->resolve_us = w->now_us + RESOLVE_US;
	list_add_tail(&w->resolving, &c->run);
}

int worker_connect(struct worker *w, const struct worker_connect *o, struct weir_conn **out)
{
	struct netops *net = w->env->net;
	struct weir_addr local = o->local;
	struct net_path path = {0};
	uint32_t iss, ts_ours;
	struct weir_conn *c;
	struct tcp_open args;
	int err = check(w, o), way;

	if (err)
		return err;
	if (addr_is_any(&local))
		local.family = 0;
	way = net->ops->path(net, &o->remote, &local, &path);
	if (way && way != -EAGAIN)
		return way;
	if (local.family != o->remote.family)
		return -EADDRNOTAVAIL;
	c = new_slot(w, o);
	if (!c)
		return -ENOBUFS;
	err = take_tuple(w, o, c, &local, &iss, &ts_ours);
	if (err) {
		slab_put(&w->conns, c);
		return err;
	}
	args = conn_open_args(w, c, o->opts, path.mtu);
	tcp_open_active(conn_tcp(c), &args, iss, ts_ours, w->now_us);
	conn_born(w, c);
	start(w, c, &path, !way);
	worker_count(w, WEIR_C_connect_started);
	*out = c;
	return 0;
}

void connect_failed(struct worker *w, const struct weir_conn *c)
{
	switch (tcp_get_reason(conn_tcp(c))) {
	case TCP_END_REFUSED:
		worker_count(w, WEIR_C_connect_refused);
		break;
	case TCP_END_TIMEOUT:
		worker_count(w, WEIR_C_connect_timed_out);
		break;
	case TCP_END_UNREACHABLE:
		worker_count(w, WEIR_C_connect_unreachable);
		break;
	default:
		worker_count(w, WEIR_C_connect_given_up);
	}
}
