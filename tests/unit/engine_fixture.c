/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/clock.h>
#include <weir/cookie.h>
#include <weir/packet.h>

/* ---- flows --------------------------------------------------------------------- */

static unsigned slot_of(const struct flowmap_mem *m, const weir_tuple *t)
{
	static const __u64 key[2] = {1, 2};

	return (unsigned)(weir_siphash24(key, t, sizeof(*t)) % m->cap);
}

static int find(const struct flowmap_mem *m, const weir_tuple *t, unsigned *pos)
{
	unsigned i = slot_of(m, t);

	for (unsigned n = 0; n < m->cap && m->e[i].used; n++, i = (i + 1) % m->cap) {
		if (!memcmp(&m->e[i].t, t, sizeof(*t))) {
			*pos = i;
			return 0;
		}
	}
	*pos = i;
	return -ENOENT;
}

static int mem_lookup(struct flowmap *map, const weir_tuple *t, struct weir_flow *f)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned i;
	int err;

	pthread_mutex_lock(&m->lock);
	m->lookups++;
	err = m->lookup_err ? m->lookup_err : find(m, t, &i);
	if (!err)
		*f = m->e[i].f;
	pthread_mutex_unlock(&m->lock);
	return err;
}

static int mem_insert(struct flowmap *map, const weir_tuple *t, const struct weir_flow *f)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned i;
	int err = 0;

	pthread_mutex_lock(&m->lock);
	m->inserts++;
	if (m->insert_err) {
		err = m->insert_err;
	} else if (!find(m, t, &i)) {
		err = -EEXIST;
	} else if (m->n >= m->cap / 2) {
		err = -E2BIG;
	} else {
		m->e[i].t = *t;
		m->e[i].f = *f;
		m->e[i].used = true;
		m->n++;
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

static void remove_one(struct flowmap_mem *m, const weir_tuple *t)
{
	unsigned hole, i;

	if (find(m, t, &hole))
		return;
	for (i = (hole + 1) % m->cap; m->e[i].used; i = (i + 1) % m->cap) {
		unsigned home = slot_of(m, &m->e[i].t);

		if ((i + m->cap - home) % m->cap < (i + m->cap - hole) % m->cap)
			continue;
		m->e[hole] = m->e[i];
		hole = i;
	}
	m->e[hole].used = false;
	m->n--;
}

static int mem_remove(struct flowmap *map, const weir_tuple *t, unsigned n)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	int err;

	pthread_mutex_lock(&m->lock);
	m->removes++;
	err = m->remove_err;
	for (unsigned i = 0; !err && i < n; i++)
		remove_one(m, &t[i]);
	pthread_mutex_unlock(&m->lock);
	return err;
}

static int mem_walk(struct flowmap *map, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
		    unsigned max)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned n = 0;

	pthread_mutex_lock(&m->lock);
	for (; *cursor < m->cap && n < max; (*cursor)++) {
		if (!m->e[*cursor].used)
			continue;
		t[n] = m->e[*cursor].t;
		f[n++] = m->e[*cursor].f;
	}
	if (*cursor >= m->cap)
		*cursor = 0;
	pthread_mutex_unlock(&m->lock);
	return (int)n;
}

static const struct flowmap_ops mem_ops = {
	.lookup = mem_lookup,
	.insert = mem_insert,
	.remove = mem_remove,
	.walk = mem_walk,
};

struct flowmap_mem *flowmap_mem_new(unsigned cap)
{
	struct flowmap_mem *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->m.ops = &mem_ops;
	m->cap = cap * 2;
	m->e = calloc(m->cap, sizeof(*m->e));
	assert_non_null(m->e);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void flowmap_mem_free(struct flowmap_mem *m)
{
	pthread_mutex_destroy(&m->lock);
	free(m->e);
	free(m);
}

/* ---- the rig ---------------------------------------------------------------------- */

void rig_config_default(struct rig_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	engine_config_default(&cfg->engine);
	cfg->engine.conns = 1024;
	cfg->engine.timewaits = 256;
	cfg->engine.tombstones = 1024;
	cfg->engine.buffer_bytes = 16 << 20;
	cfg->engine.handover_slots = 64;
	cfg->engine.tcp.msl_us = 5000000;
	cfg->queues = 1;
	cfg->frames = 512;
	cfg->mtu = RIG_MTU;
	cfg->flows = 4096;
	cfg->app = &echo_test_app;
}

static void gate_init(struct weir_gate_config *g, const struct rig_config *cfg)
{
	memset(g, 0, sizeof(*g));
	g->clock.wall_offset_ms = 1700000000000ULL;
	g->keys.key[0][0] = 0x1122334455667788ULL;
	g->keys.key[0][1] = 0x99aabbccddeeff00ULL;
	weir_mss_classes(g->mss_class, cfg->mtu);
	g->mss4 = (uint16_t)(cfg->mtu - 40);
	g->mss6 = (uint16_t)(cfg->mtu - 60);
	g->wscale = cfg->engine.tcp.wscale;
	g->ttl = 64;
}

static void open_queue(struct rig *r, unsigned q)
{
	struct pktio *ends[2];

	assert_int_equal(pktio_mem_pair(ends, r->cfg.frames, r->cfg.mtu), 0);
	r->server[q] = ends[0];
	r->client[q] = ends[1];
	if (r->cfg.impair) {
		struct impair_config a = *r->cfg.impair, b = a;

		a.seed += 2 * q;
		b.seed += 2 * q + 1;
		assert_int_equal(pktio_impair(&r->server[q], ends[0], &a), 0);
		assert_int_equal(pktio_impair(&r->client[q], ends[1], &b), 0);
	}
}

struct rig *rig_open(const struct rig_config *cfg)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct weir_addr a = {.family = 0, .port = RIG_PORT};
	struct engine_env env;

	assert_non_null(r);
	r->cfg = *cfg;
	r->now_us = RIG_START_US;
	gate_init(&r->gate, cfg);
	r->flows = flowmap_mem_new(cfg->flows);
	for (unsigned q = 0; q < cfg->queues; q++)
		open_queue(r, q);
	env = (struct engine_env){
		.queues = r->server,
		.nqueues = cfg->queues,
		.flows = &r->flows->m,
		.gate = &r->gate,
		.heartbeat = r->heartbeat,
	};
	assert_int_equal(engine_create(&r->e, &cfg->engine, &env), 0);
	assert_int_equal(engine_listen(r->e, &a, cfg->app, cfg->arg), 0);
	return r;
}

void rig_close(struct rig *r)
{
	engine_destroy(r->e);
	for (unsigned q = 0; q < r->cfg.queues; q++) {
		r->server[q]->ops->close(r->server[q]);
		r->client[q]->ops->close(r->client[q]);
	}
	flowmap_mem_free(r->flows);
	free(r);
}

void rig_poll(struct rig *r)
{
	for (unsigned i = 0; i < engine_workers(r->e); i++)
		worker_poll(engine_worker(r->e, i), r->now_us);
}

void rig_settle(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		rig_poll(r);
}

void rig_pass(struct rig *r, uint64_t us)
{
	uint64_t until = r->now_us + us;

	while (r->now_us < until) {
		/* A worker never sleeps longer than this: upkeep has its turns. */
		uint64_t next = r->now_us + 100000 < until ? r->now_us + 100000 : until;

		for (unsigned i = 0; i < engine_workers(r->e); i++) {
			uint64_t at = worker_next_timeout(engine_worker(r->e, i));

			if (at < next)
				next = at;
		}
		r->now_us = next > r->now_us ? next : r->now_us + 1000;
		if (r->now_us > until)
			r->now_us = until;
		rig_settle(r);
	}
}

uint64_t rig_count(struct rig *r, enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX];

	engine_get_counters(r->e, v);
	return v[c];
}

struct engine_status rig_status(struct rig *r)
{
	struct engine_status s;

	engine_get_status(r->e, &s);
	return s;
}

uint64_t rig_state(struct rig *r, enum weir_tcp_state s)
{
	return rig_status(r).states[s];
}

uint64_t rig_conns(struct rig *r)
{
	struct engine_status s = rig_status(r);
	uint64_t n = 0;

	for (int i = 0; i < WEIR_TIME_WAIT; i++)
		n += s.states[i];
	return n;
}

void rig_inject(struct rig *r, unsigned queue, const void *frame, size_t len)
{
	struct pktio *io = r->client[queue];
	struct pktio_frame f;

	assert_int_equal(io->ops->tx_reserve(io, &f, 1), 1);
	assert_true(len <= f.cap);
	memcpy(f.data, frame, len);
	f.len = (uint32_t)len;
	io->ops->tx_submit(io, &f, 1);
	io->ops->flush(io);
}

bool rig_silent(struct rig *r)
{
	bool silent = true;

	for (unsigned q = 0; q < r->cfg.queues; q++) {
		struct pktio_frame f;

		while (r->client[q]->ops->rx(r->client[q], &f, 1)) {
			silent = false;
			r->client[q]->ops->release(r->client[q], &f, 1);
		}
	}
	return silent;
}

uint64_t rig_gate_ms(const struct rig *r)
{
	return r->now_us / 1000;
}

/* ---- a client ------------------------------------------------------------------------ */

static const uint8_t server_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

void peer_init(struct peer *p, struct rig *r, int family, uint16_t port)
{
	memset(p, 0, sizeof(*p));
	p->r = r;
	p->ts = true;
	p->isn = 0x10000000 + port * 7919U;
	p->tsval = 777000;
	p->wnd = 0xffff;
	memcpy(p->mac, (const uint8_t[]){0x02, 0, 0, 0, 0, 0x01}, 6);
	p->t.rport = weir_htons(port);
	p->t.lport = weir_htons(RIG_PORT);
	if (family == 4) {
		p->t.raddr[2] = p->t.laddr[2] = weir_htonl(0xffff);
		p->t.raddr[3] = weir_htonl(0x0a000001);
		p->t.laddr[3] = weir_htonl(0x0a000002);
	} else {
		p->t.raddr[0] = p->t.laddr[0] = weir_htonl(0xfd000000);
		p->t.raddr[3] = weir_htonl(1);
		p->t.laddr[3] = weir_htonl(2);
	}
}

void peer_cookie(struct peer *p, bool enter)
{
	const struct weir_syn_opts o = {
		.mss = 1460,
		.wscale = 7,
		.flags = (__u8)(WEIR_OPT_SACK | (p->ts ? WEIR_OPT_TS : 0)),
		.tsval = p->tsval,
	};
	uint64_t ms = rig_gate_ms(p->r);
	struct weir_cookie c;
	struct weir_flow f;

	weir_cookie_make_tuple(&p->r->gate, weir_clock_wall_ms(&p->r->gate.clock, ms), &p->t,
			       p->isn, &o, &c);
	p->cookie = c.iss;
	p->seq = p->isn + 1;
	p->ack = c.iss + 1;
	p->tsecr = c.tsval;
	assert_int_equal(weir_cookie_check_tuple(&p->r->gate,
						 weir_clock_wall_ms(&p->r->gate.clock, ms), &p->t,
						 p->seq, p->ack, p->ts, p->tsval, p->tsecr, &f),
			 1);
	f.owner = p->queue;
	f.created_ms = ms;
	if (enter)
		assert_int_equal(p->r->flows->m.ops->insert(&p->r->flows->m, &p->t, &f), 0);
}

static size_t put_l2(const struct peer *p, uint8_t *f)
{
	size_t off = 12;
	bool v4 = weir_tuple_is_v4(&p->t);

	memcpy(f, server_mac, 6);
	memcpy(f + 6, p->mac, 6);
	for (unsigned i = 0; i < p->vlans; i++, off += 4) {
		bool outer = p->vlans == 2 && i == 0;

		weir_store16(f + off, weir_htons(outer ? WEIR_ETH_P_8021AD : WEIR_ETH_P_8021Q));
		weir_store16(f + off + 2, weir_htons(0x2064 + i));
	}
	weir_store16(f + off, weir_htons(v4 ? WEIR_ETH_P_IP : WEIR_ETH_P_IPV6));
	return off + 2;
}

static size_t put_l3(const struct peer *p, uint8_t *ip, size_t seg_len)
{
	if (weir_tuple_is_v4(&p->t)) {
		memset(ip, 0, 20);
		ip[0] = 0x45;
		weir_store16(ip + 2, weir_htons(20 + seg_len));
		weir_store16(ip + 4, weir_htons(0x1234));
		ip[8] = 63;
		ip[9] = 6;
		weir_store32(ip + 12, p->t.raddr[3]);
		weir_store32(ip + 16, p->t.laddr[3]);
		return 20;
	}
	memset(ip, 0, 40);
	ip[0] = 0x60;
	weir_store16(ip + 4, weir_htons(seg_len));
	ip[6] = 6;
	ip[7] = 63;
	memcpy(ip + 8, p->t.raddr, 16);
	memcpy(ip + 24, p->t.laddr, 16);
	return 40;
}

void frame_fix_checksums(uint8_t *frame, size_t len)
{
	struct weir_pkt v;
	uint64_t sum;

	assert_int_equal(weir_pkt_parse(frame, len, &v), WEIR_PKT_OK);
	if (v.family == 4) {
		weir_store16(frame + v.l3_off + 10, 0);
		sum = weir_csum_bytes(frame + v.l3_off, v.l4_off - v.l3_off, 0);
		weir_store16(frame + v.l3_off + 10, (__u16)~weir_csum_fold(sum));
	}
	weir_store16(frame + v.l4_off + 16, 0);
	sum = weir_csum_addr(&v.tuple, v.family) + weir_csum_proto(v.end - v.l4_off);
	sum = weir_csum_bytes(frame + v.l4_off, v.end - v.l4_off, sum);
	weir_store16(frame + v.l4_off + 16, (__u16)~weir_csum_fold(sum));
}

static size_t put_options(const struct peer *p, uint8_t *o, uint8_t flags)
{
	size_t n = 0;

	if (flags & TCP_SYN) {
		memcpy(o, (const uint8_t[]){2, 4, 5, 0xb4, 4, 2, 1, 1, 1, 3, 3, 7}, 12);
		n = 12;
	}
	if (p->ts) {
		weir_store32(o + n, weir_htonl(0x0101080a));
		weir_store32(o + n + 4, weir_htonl(p->tsval));
		weir_store32(o + n + 8, weir_htonl(p->tsecr));
		n += 12;
	}
	return n;
}

size_t peer_build(const struct peer *p, uint8_t *frame, uint8_t flags, uint32_t seq, uint32_t ack,
		  const void *data, size_t len)
{
	uint8_t tcp[80] = {0};
	size_t off = put_l2(p, frame), hlen;

	hlen = 20 + put_options(p, tcp + 20, flags);
	weir_store16(tcp, p->t.rport);
	weir_store16(tcp + 2, p->t.lport);
	weir_store32(tcp + 4, weir_htonl(seq));
	weir_store32(tcp + 8, weir_htonl(flags & TCP_ACK ? ack : 0));
	tcp[12] = (uint8_t)(hlen / 4 << 4);
	tcp[13] = flags;
	weir_store16(tcp + 14, weir_htons(p->wnd));
	off += put_l3(p, frame + off, hlen + len);
	memcpy(frame + off, tcp, hlen);
	if (len)
		memcpy(frame + off + hlen, data, len);
	frame_fix_checksums(frame, off + hlen + len);
	return off + hlen + len;
}

void peer_send_at(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, const void *data,
		  size_t len)
{
	struct sent s;

	s.len = peer_build(p, s.frame, flags, seq, ack, data, len);
	assert_true(s.len <= sizeof(s.frame));
	if (p->nlog < sizeof(p->log) / sizeof(p->log[0]))
		p->log[p->nlog++] = s;
	rig_inject(p->r, p->queue, s.frame, s.len);
}

void peer_send(struct peer *p, uint8_t flags, const void *data, size_t len)
{
	peer_send_at(p, flags, p->seq, p->ack, data, len);
	p->seq += (uint32_t)len + !!(flags & TCP_FIN) + !!(flags & TCP_SYN);
}

/* Every frame of ours is held against the rules for what we send. */
static void check_answer(const struct peer *p, const struct got *g, const struct weir_pkt *v)
{
	const uint8_t *ip = g->frame + v->l3_off;

	assert_int_equal(weir_csum_tcp(g->frame, v), WEIR_CSUM_GOOD);
	assert_true(weir_csum_ip_ok(g->frame, v));
	assert_int_equal(v->end, g->len);
	assert_int_equal(v->ttl, 64);
	assert_int_equal(v->vlans, p->vlans);
	assert_memory_equal(g->frame + 6, server_mac, 6);
	if (v->family == 4) {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[6], 0x40);
	}
	assert_memory_equal(v->tuple.raddr, p->t.laddr, 16);
	assert_memory_equal(v->tuple.laddr, p->t.raddr, 16);
	assert_int_equal(v->tuple.rport, p->t.lport);
	assert_int_equal(v->tuple.lport, p->t.rport);
}

bool peer_recv(struct peer *p, struct got *g)
{
	struct pktio *io = p->r->client[p->queue];
	struct pktio_frame f;
	struct weir_pkt v;

	do {
		if (!io->ops->rx(io, &f, 1))
			return false;
		assert_true(f.len <= sizeof(g->frame));
		g->len = f.len;
		memcpy(g->frame, f.data, f.len);
		io->ops->release(io, &f, 1);
		assert_int_equal(weir_pkt_parse(g->frame, g->len, &v), WEIR_PKT_OK);
	} while (v.tuple.lport != p->t.rport);
	check_answer(p, g, &v);
	g->l3_off = v.l3_off;
	assert_int_equal(tcp_seg_parse(&g->seg, g->frame + v.l4_off, v.end - v.l4_off), 0);
	memcpy(g->payload, g->seg.payload, g->seg.len);
	if (g->seg.has_ts)
		p->tsecr = g->seg.tsval;
	return true;
}

uint8_t peer_take(struct peer *p)
{
	struct got g;
	uint8_t flags = 0;

	while (peer_recv(p, &g)) {
		flags |= g.seg.flags;
		if (g.seg.seq == p->ack)
			p->ack += g.seg.len + !!(g.seg.flags & (TCP_FIN | TCP_SYN));
	}
	return flags;
}

void peer_open(struct peer *p)
{
	uint64_t before = rig_conns(p->r);

	peer_cookie(p, true);
	peer_send(p, TCP_ACK, NULL, 0);
	rig_settle(p->r);
	assert_int_equal(rig_conns(p->r), before + 1);
}

void peer_echo(struct peer *p, const char *text)
{
	size_t len = strlen(text), have = 0;
	struct got g;

	p->tsval++;
	peer_send(p, TCP_ACK | TCP_PSH, text, len);
	rig_settle(p->r);
	while (have < len) {
		assert_true(peer_recv(p, &g));
		if (!g.seg.len)
			continue;
		assert_int_equal(g.seg.seq, p->ack);
		assert_int_equal(g.seg.ack, p->seq);
		assert_memory_equal(g.payload, text + have, g.seg.len);
		have += g.seg.len;
		p->ack += g.seg.len;
	}
	assert_int_equal(have, len);
	peer_send(p, TCP_ACK, NULL, 0);
	rig_settle(p->r);
}

void peer_replay(struct peer *p)
{
	for (unsigned i = 0; i < p->nlog; i++) {
		rig_inject(p->r, p->queue, p->log[i].frame, p->log[i].len);
		rig_settle(p->r);
	}
}
