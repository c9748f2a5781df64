/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames into a worker, over packet I/O in memory: the input is a program that four
 * clients (IPv4 with and without timestamps, IPv6, tagged) and the worker's own
 * connects play. Flows open by cookie, as in mode always, and by SYN, as in mode
 * never; frames are near the connections' numbers, or any bytes; ICMP quotes what
 * was sent; the application closes, aborts, refuses or starves as the head says.
 *
 * What must hold: no sanitizer finding, every frame that leaves is whole, summed
 * right and of a tuple that somebody used; at the end, once TIME_WAIT and cookies are
 * over, no slot, flow, port or block is left. Changes of state are watched.
 */
#include "fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "../unit/engine_fixture.h"

#define PEERS	   4
#define CONNECT_TO 7000 /* the port that the worker connects to */

struct fz {
	struct rig *r;
	struct echo_log log;
	struct peer peer[PEERS];
	uint8_t last[2048]; /* the last frame of the worker's, for ICMP to quote */
	size_t last_len;
};

/* ---- what leaves ----------------------------------------------------------------- */

static struct peer *peer_of(struct fz *f, const struct weir_pkt *v)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (f->peer[i].t.rport == v->tuple.lport)
			return &f->peer[i];
	return NULL;
}

static void learn(struct peer *p, const struct weir_pkt *v, const struct tcp_seg *s)
{
	if ((s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		p->ack = v->seq + 1;
	else if (v->seq == p->ack)
		p->ack += s->len + !!(s->flags & TCP_FIN);
	if (s->has_ts)
		p->tsecr = s->tsval;
}

static void check_frame(struct fz *f, const uint8_t *data, uint32_t len)
{
	struct tcp_seg s;
	struct weir_pkt v;
	struct peer *p;

	REQUIRE(weir_pkt_parse(data, len, &v) == WEIR_PKT_OK && v.end == len);
	REQUIRE(weir_csum_ip_ok(data, &v) && weir_csum_tcp(data, &v) == WEIR_CSUM_GOOD);
	REQUIRE(!tcp_seg_parse(&s, data + v.l4_off, v.end - v.l4_off));
	REQUIRE(s.flags & (TCP_ACK | TCP_RST | TCP_SYN));
	p = peer_of(f, &v);
	if (p)
		learn(p, &v, &s);
	f->last_len = len < sizeof(f->last) ? len : sizeof(f->last);
	memcpy(f->last, data, f->last_len);
}

static void take_all(struct fz *f)
{
	struct pktio *io = f->r->client[0];
	struct pktio_frame fr;

	while (io->ops->rx(io, &fr, 1)) {
		check_frame(f, fr.data, fr.len);
		io->ops->release(io, &fr, 1);
	}
}

static void turn(struct fz *f)
{
	for (int i = 0; i < 3; i++) {
		rig_poll(f->r);
		take_all(f);
	}
}

static void inject(struct fz *f, const uint8_t *frame, size_t len)
{
	if (len > RIG_MTU + 14)
		len = RIG_MTU + 14;
	rig_inject(f->r, 0, frame, len);
	turn(f);
}

/* ---- what arrives -------------------------------------------------------------------- */

static void send_at(struct fz *f, struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack,
		    size_t len)
{
	static const uint8_t zeros[1400];
	uint8_t frame[2048];

	p->tsval++;
	inject(f, frame, peer_build(p, frame, flags, seq, ack, zeros, len < 1400 ? len : 1400));
}

static void by_cookie(struct fz *f, struct peer *p, struct in *in)
{
	uint8_t bits = in8(in);
	struct weir_flow old;
	bool enter = bits & 1;

	p->isn = in32(in);
	/* The gate never overwrites an entry. */
	if (!f->r->flows->m.ops->lookup(&f->r->flows->m, &p->t, &old))
		enter = false;
	if (f->r->flows->n >= f->r->flows->cap / 2)
		enter = false;
	peer_cookie(p, enter);
	send_at(f, p, TCP_ACK | (bits & 2 ? TCP_FIN : 0), p->seq, p->ack, bits >> 2);
	p->seq += bits >> 2;
	p->seq += bits & 2 ? 1 : 0;
}

static void by_syn(struct fz *f, struct peer *p, struct in *in)
{
	p->isn = in32(in);
	p->seq = p->isn;
	p->ack = 0;
	send_at(f, p, TCP_SYN, p->seq, 0, 0);
	p->seq++;
	send_at(f, p, TCP_ACK, p->seq, p->ack, 0);
}

static void near(struct fz *f, struct peer *p, struct in *in)
{
	uint32_t seq = p->seq, ack = p->ack;
	uint8_t mask = in8(in), flags = TCP_ACK;
	size_t len = 0;

	if (mask & 1)
		seq += (uint32_t)(int16_t)in16(in);
	if (mask & 2)
		ack += (uint32_t)(int16_t)in16(in);
	if (mask & 4)
		flags = in8(in);
	if (mask & 8)
		len = in16(in) % 1400;
	if (mask & 16)
		p->wnd = in16(in);
	if (mask & 32)
		p->tsval += (uint32_t)(int8_t)in8(in);
	send_at(f, p, flags, seq, ack, len);
	if (mask & 64)
		p->seq += (uint32_t)len + !!(flags & TCP_FIN);
}

/* A good frame with some bytes changed, its sums made good again or not. */
static void mangled(struct fz *f, struct peer *p, struct in *in)
{
	uint8_t frame[2048], n = in8(in);
	size_t len = peer_build(p, frame, TCP_ACK, p->seq, p->ack, "weir", 4);
	struct weir_pkt v;

	for (uint8_t i = 0; i < (n & 15); i++) {
		size_t at = in8(in) % len;

		frame[at] = in8(in);
	}
	if (n & 16)
		len = in8(in) % (len + 1);
	if (n & 32 && weir_pkt_parse(frame, len, &v) == WEIR_PKT_OK)
		frame_fix_checksums(frame, len);
	inject(f, frame, len);
}

static void raw(struct fz *f, struct in *in)
{
	size_t n = in16(in) % 1600;
	const uint8_t *p = in_bytes(in, &n);

	if (n)
		inject(f, p, n);
}

/* An ICMPv4 error that quotes the last frame sent, to where that came from. */
static void icmp(struct fz *f, struct in *in)
{
	uint8_t frame[128] = {0}, *ip = frame + 14, *m = ip + 20;
	size_t quote = in8(in) % 61;
	struct weir_pkt v;

	if (!f->last_len || weir_pkt_parse(f->last, f->last_len, &v) || v.family != 4 || v.vlans)
		return;
	if (quote > f->last_len - v.l3_off)
		quote = f->last_len - v.l3_off;
	memcpy(frame, f->last + 6, 6);
	memcpy(frame + 6, f->last, 6);
	frame[12] = 8;
	ip[0] = 0x45;
	weir_store16(ip + 2, weir_htons(20 + 8 + quote));
	ip[8] = 60;
	ip[9] = 1;
	weir_store32(ip + 12, weir_htonl(0x0a0000fe));
	memcpy(ip + 16, f->last + v.l3_off + 12, 4);
	m[0] = in8(in) & 1 ? 3 : in8(in);
	m[1] = in8(in) & 1 ? 4 : in8(in) & 15;
	weir_store16(m + 6, weir_htons(in16(in)));
	memcpy(m + 8, f->last + v.l3_off, quote);
	weir_store16(m + 2, (__u16)~weir_csum_fold(weir_csum_bytes(m, 8 + quote, 0)));
	weir_store16(ip + 10, (__u16)~weir_csum_fold(weir_csum_bytes(ip, 20, 0)));
	inject(f, frame, 14 + 20 + 8 + quote);
}

/* ---- the worker's own --------------------------------------------------------------------- */

/* The client then plays the server: by SYN-ACK, SYN, RST or nothing. */
static void connects(struct fz *f, struct peer *p, struct in *in)
{
	struct worker_connect o = {
		.app = &echo_test_app,
		.arg = &f->log,
		.remote = {.family = weir_tuple_is_v4(&p->t) ? 4 : 6,
			   .port = weir_ntohs(p->t.rport)},
	};
	struct weir_conn *c = NULL;
	uint8_t how = in8(in);

	if (o.remote.family == 4)
		memcpy(o.remote.addr, &p->t.raddr[3], 4);
	else
		memcpy(o.remote.addr, p->t.raddr, 16);
	if (worker_connect(engine_worker(f->r->e, 0), &o, &c))
		return;
	turn(f);
	if (how & 1) {
		struct weir_pkt v;

		/* Answer the SYN that has just left, if it did. */
		if (weir_pkt_parse(f->last, f->last_len, &v) || v.flags != TCP_SYN)
			return;
		p->t.lport = v.tuple.rport;
		p->seq = in32(in);
		p->ack = v.seq + 1;
		send_at(f, p, how & 2 ? TCP_SYN | TCP_ACK : TCP_SYN, p->seq, p->ack, 0);
		p->seq++;
	}
}

static void pass(struct fz *f, uint64_t us)
{
	while (us) {
		uint64_t step = us < 500000 ? us : 500000;

		rig_pass(f->r, step);
		take_all(f);
		us -= step;
	}
}

/* ---- the program ------------------------------------------------------------------------------
 */

static void operation(struct fz *f, struct in *in)
{
	uint8_t op = in8(in);
	struct peer *p = &f->peer[op >> 6];

	switch ((op & 63) % 11) {
	case 0:
		by_cookie(f, p, in);
		break;
	case 1:
		by_syn(f, p, in);
		break;
	case 2:
	case 3:
		near(f, p, in);
		break;
	case 4:
		mangled(f, p, in);
		break;
	case 5:
		raw(f, in);
		break;
	case 6:
		pass(f, in16(in) * 20ull);
		break;
	case 7:
		icmp(f, in);
		break;
	case 8:
		connects(f, p, in);
		break;
	case 9:
		send_at(f, p, TCP_ACK | TCP_FIN, p->seq, p->ack, 0);
		p->seq++;
		break;
	default:
		pass(f, in8(in) * 20000ull);
	}
}

static void begin(struct fz *f, struct in *in)
{
	uint8_t bits = in8(in);
	struct rig_config cfg;

	rig_config_default(&cfg);
	cfg.arg = &f->log;
	cfg.net_host = 2;
	cfg.frames = 64;
	cfg.flows = 64;
	cfg.engine.conns = 6;
	cfg.engine.timewaits = 3;
	cfg.engine.tombstones = 6;
	cfg.engine.backlog = 3;
	cfg.engine.buffer_bytes = bits & 1 ? 64 * 2048 : 8 * 2048;
	cfg.engine.tcp.msl_us = 500000;
	/* So that peers which are silent for ever are found out. */
	cfg.engine.tcp.keepalive_idle_us = 5000000;
	cfg.engine.tcp.keepalive_interval_us = 1000000;
	cfg.engine.tcp.keepalive_probes = 2;
	cfg.engine.tcp.user_timeout_us = 8000000;
	cfg.engine.tcp.syn_rcvd_us = 4000000;
	cfg.engine.tcp.fin_wait_2_us = cfg.engine.tcp.last_ack_us = 4000000;
	cfg.engine.tcp.persist_limit_us = 4000000;
	cfg.engine.rst_unknown = bits & 2;
	f->log.close_on_data = bits & 4;
	f->log.refuse = bits & 8;
	f->log.abort_on_data = bits & 16;
	f->log.hold = bits & 32;
	f->log.shutdown_on_open = bits & 64;
	f->log.timer_ms = bits & 128 ? 100 : 0;
	f->r = rig_open(&cfg);
	for (unsigned i = 0; i < PEERS; i++) {
		peer_init(&f->peer[i], f->r, i == 2 ? 6 : 4, (uint16_t)(CONNECT_TO + i));
		f->peer[i].ts = i != 1;
		f->peer[i].vlans = i == 3;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct in in = {data, len};
	struct fz f = {0};
	bool to_the_end;

	to_the_end = in8(&in) % 64 == 0;
	begin(&f, &in);
	for (unsigned ops = 0; in.left && ops < 60; ops++)
		operation(&f, &in);
	if (to_the_end) {
		/* Every limit of the core, then 2 MSL, then a cookie's life. */
		pass(&f, 60 * 1000000ull);
		rig_expect_clean(f.r);
	}
	rig_close(f.r);
	return 0;
}
