/* SPDX-License-Identifier: BSD-2-Clause */
/* Two engines joined by a wire, the ways and ports they ask for, and their application. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/weir.h>
#include "engine_fixture.h"

/* ---- ways and ports -------------------------------------------------------------- */

static void host_addr(struct weir_addr *a, uint8_t family, uint8_t host)
{
	memset(a->addr, 0, sizeof(a->addr));
	a->family = family;
	if (family == 4)
		memcpy(a->addr, (const uint8_t[]){10, 0, 0, host}, 4);
	else
		memcpy(a->addr, (const uint8_t[]){0xfd, [15] = host}, 16);
}

static int mem_path(struct netops *n, const struct weir_addr *remote, struct weir_addr *local,
		    struct net_path *path)
{
	struct netops_mem *m = (struct netops_mem *)n;

	m->paths++;
	if (m->path_err && !m->agains)
		return m->path_err;
	if (!local->family)
		host_addr(local, remote->family, m->host);
	path->mtu = m->mtu;
	if (m->agains) {
		m->agains--;
		return -EAGAIN;
	}
	memcpy(path->dst_mac, (const uint8_t[]){2, 0, 0, 0, 0, 0x77}, 6);
	memcpy(path->src_mac, (const uint8_t[]){2, 0, 0, 0, 0, m->host}, 6);
	return 0;
}

static int mem_free_port(struct netops_mem *m, uint16_t *port)
{
	unsigned range = m->last - m->first + 1u;

	for (unsigned i = 0; i < range; i++) {
		uint16_t p = m->next;

		m->next = p == m->last ? m->first : (uint16_t)(p + 1);
		if (!m->refs[p]) {
			*port = p;
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

static int mem_port_take(struct netops *n, struct weir_addr *local, bool shared)
{
	struct netops_mem *m = (struct netops_mem *)n;
	uint16_t port = local->port;
	int err = port ? 0 : mem_free_port(m, &port);

	if (err)
		return err;
	if (m->refs[port] && !(shared && m->shared[port]))
		return -EADDRINUSE;
	m->taken += !m->refs[port];
	m->refs[port]++;
	m->shared[port] = shared;
	local->port = port;
	return 0;
}

static int mem_port_pick(struct netops *n, struct weir_addr *local, const struct net_want *want)
{
	struct netops_mem *m = (struct netops_mem *)n;

	for (unsigned p = m->first; p <= m->last; p++) {
		local->port = (uint16_t)p;
		if (m->refs[p] && m->shared[p] && want->fits(want->arg, (uint16_t)p) == NET_FITS)
			return mem_port_take(n, local, true);
	}
	local->port = 0;
	return mem_port_take(n, local, true);
}

static void mem_port_put(struct netops *n, const struct weir_addr *local)
{
	struct netops_mem *m = (struct netops_mem *)n;

	assert_true(m->refs[local->port] > 0);
	m->taken -= !--m->refs[local->port];
}

static const struct netops_ops mem_ops = {
	.path = mem_path,
	.port_take = mem_port_take,
	.port_pick = mem_port_pick,
	.port_put = mem_port_put,
};

struct netops_mem *netops_mem_new(uint8_t host, uint32_t mtu)
{
	struct netops_mem *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->n.ops = &mem_ops;
	m->host = host;
	m->mtu = mtu;
	m->first = m->next = 32768;
	m->last = 60999;
	return m;
}

/* ---- the application ---------------------------------------------------------------- */

static int end_open(struct weir_conn *c, void *arg)
{
	struct end *e = arg;

	e->opens++;
	e->conn = c;
	if (e->hello)
		assert_int_equal(weir_send(c, e->hello, strlen(e->hello)), strlen(e->hello));
	return e->refuse;
}

static void end_data(struct weir_conn *c)
{
	struct end *e = weir_conn_arg(c);
	const uint8_t *p;
	size_t n;

	while ((n = weir_recv_peek(c, &p)) > 0) {
		assert_true(e->len + n < sizeof(e->in));
		memcpy(e->in + e->len, p, n);
		e->len += n;
		if (e->echo)
			assert_int_equal(weir_send(c, p, n), n);
		weir_recv_done(c, n);
	}
	if (weir_recv_eof(c) && e->close_on_eof)
		weir_close(c);
}

static void end_timer(struct weir_conn *c)
{
	struct end *e = weir_conn_arg(c);

	e->timers++;
}

static void end_close(struct weir_conn *c, int reason)
{
	struct end *e = weir_conn_arg(c);

	e->closes++;
	e->reason = reason;
	e->error = weir_conn_error(c);
	if (e->conn == c)
		e->conn = NULL;
}

static void end_event(struct weir_conn *c, unsigned events)
{
	struct end *e = weir_conn_arg(c);

	e->events++;
	e->event_bits |= events;
}

const struct weir_app end_app = {
	.name = "end",
	.on_open = end_open,
	.on_data = end_data,
	.on_timer = end_timer,
	.on_close = end_close,
	.on_event = end_event,
};

/* ---- the pair --------------------------------------------------------------------------- */

void pair_config(struct rig_config *cfg, bool a)
{
	rig_config_default(cfg);
	cfg->app = &end_app;
	cfg->engine.rst_unknown = true;
	cfg->net_host = a ? 1 : 2;
	cfg->no_listener = a;
}

void pair_open(struct pair *p, const struct rig_config *a, const struct rig_config *b)
{
	struct rig_config ca, cb;

	memset(p, 0, sizeof(*p));
	pair_config(&ca, true);
	pair_config(&cb, false);
	if (a)
		ca = *a;
	if (b)
		cb = *b;
	ca.arg = &p->ea;
	cb.arg = &p->eb;
	p->eb.echo = p->eb.close_on_eof = true;
	p->ea.close_on_eof = true;
	p->a = rig_open(&ca);
	p->b = rig_open(&cb);
	rig_poll(p->a);
	rig_poll(p->b);
}

void pair_close(struct pair *p)
{
	rig_close(p->a);
	rig_close(p->b);
}

static unsigned carry(struct pair *p, bool to_b)
{
	struct rig *from = to_b ? p->a : p->b, *to = to_b ? p->b : p->a;
	unsigned n = 0;

	for (unsigned q = 0; q < from->cfg.queues; q++) {
		struct pktio *io = from->client[q];
		struct pktio_frame f;

		while (io->ops->rx(io, &f, 1)) {
			struct weir_pkt v;

			assert_int_equal(weir_pkt_parse(f.data, f.len, &v), WEIR_PKT_OK);
			assert_int_equal(weir_csum_tcp(f.data, &v), WEIR_CSUM_GOOD);
			if (!p->cut && (!p->wire || p->wire(p, to_b, &v))) {
				rig_inject(to, to_b ? 0 : p->to_queue, f.data, f.len);
				p->moved++;
			}
			io->ops->release(io, &f, 1);
			n++;
		}
	}
	return n;
}

void pair_settle(struct pair *p)
{
	unsigned n = 1;

	for (int i = 0; i < 1000 && n; i++) {
		rig_settle(p->a);
		rig_settle(p->b);
		n = carry(p, true) + carry(p, false);
	}
	assert_int_equal(n, 0); /* they do not answer each other for ever */
}

static uint64_t next_of(struct rig *r, uint64_t next)
{
	for (unsigned i = 0; i < engine_workers(r->e); i++) {
		uint64_t at = worker_next_timeout(engine_worker(r->e, i));

		next = at < next ? at : next;
	}
	return next;
}

void pair_pass(struct pair *p, uint64_t us)
{
	uint64_t until = p->a->now_us + us;

	pair_settle(p);
	while (p->a->now_us < until) {
		uint64_t next = p->a->now_us + 100000 < until ? p->a->now_us + 100000 : until;

		next = next_of(p->b, next_of(p->a, next));
		if (next <= p->a->now_us)
			next = p->a->now_us + 1000;
		p->a->now_us = p->b->now_us = next < until ? next : until;
		pair_settle(p);
	}
}

int pair_connect(struct pair *p, int family, struct weir_conn **c)
{
	struct worker_connect o = {.app = &end_app, .arg = &p->ea};

	host_addr(&o.remote, (uint8_t)family, 2);
	o.remote.port = RIG_PORT;
	return worker_connect(engine_worker(p->a->e, 0), &o, c);
}

struct weir_conn *pair_up(struct pair *p, int family)
{
	struct weir_conn *c = NULL;
	unsigned opens = p->eb.opens;

	assert_int_equal(pair_connect(p, family, &c), 0);
	pair_settle(p);
	assert_int_equal(p->eb.opens, opens + 1);
	assert_ptr_equal(p->ea.conn, c);
	return c;
}

void rig_expect_clean(struct rig *r)
{
	struct engine_status s = rig_status(r);

	assert_int_equal(rig_conns(r), 0);
	assert_int_equal(s.states[WEIR_TIME_WAIT], 0);
	assert_int_equal(s.tombstones, 0);
	assert_int_equal(s.closing, 0);
	assert_int_equal(s.buffer_bytes_used, 0);
	assert_int_equal(r->flows->n, 0);
	if (r->net)
		assert_int_equal(r->net->taken, 0);
}

void pair_talk(struct pair *p, struct weir_conn *c, const char *text)
{
	size_t len = strlen(text), had = p->ea.len;

	assert_int_equal(weir_send(c, text, len), len);
	pair_settle(p);
	assert_int_equal(p->ea.len, had + len);
	assert_memory_equal(p->ea.in + had, text, len);
}

void pair_expect_over(struct pair *p)
{
	p->cut = false;
	pair_pass(p, 100 * SECOND);
	rig_expect_clean(p->a);
	rig_expect_clean(p->b);
}

int pair_setup(void **state)
{
	struct pair *p = malloc(sizeof(*p));

	assert_non_null(p);
	pair_open(p, NULL, NULL);
	*state = p;
	return 0;
}

int pair_teardown(void **state)
{
	pair_close(*state);
	free(*state);
	return 0;
}
