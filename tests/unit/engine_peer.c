/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of the engine's tests: builds segments, checks and takes answers. */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/clock.h>
#include <weir/cookie.h>
#include <weir/packet.h>

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

void peer_syn(struct peer *p)
{
	peer_send_at(p, TCP_SYN, p->isn, 0, NULL, 0);
	rig_settle(p->r);
}

struct got peer_syn_ack(struct peer *p)
{
	struct got g;

	assert_true(peer_recv(p, &g));
	assert_int_equal(g.seg.flags & (TCP_SYN | TCP_ACK | TCP_RST), TCP_SYN | TCP_ACK);
	assert_int_equal(g.seg.ack, p->isn + 1);
	p->seq = p->isn + 1;
	p->ack = g.seg.seq + 1;
	return g;
}

void peer_handshake(struct peer *p)
{
	peer_syn(p);
	peer_syn_ack(p);
	peer_send(p, TCP_ACK, NULL, 0);
	rig_settle(p->r);
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
