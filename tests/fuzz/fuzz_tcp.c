/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection in every state against segments, calls, ICMP and time: the input is
 * a program. Its head chooses how the connection was opened and what was agreed on;
 * then each opcode is a segment with numbers near the connection's own, raw bytes
 * as a TCP header, a call of the application, or a step in time.
 *
 * The peer's octet at sequence number s is always pattern(s), and so is ours, so
 * whatever arrives in whatever order, what is read must be the pattern. After each
 * operation the invariants of tcp_conn.h are checked, and every segment that leaves
 * is parsed, summed and held against the windows. Changes of state are watched
 * (tests/unit/fsm_watch.h).
 */
#include "fuzz.h"

#include "tcp/tcp.h"
#include "tcp/tcp_conn.h"

#define BLOCKS	 96
#define START_US 1000000000ull
#define MTU_MSS	 1460
#define CAP	 1700
#define OUT_MAX	 3000 /* segments that one operation may cause */
#define DAY_US	 (86400ull * 1000000)
#define LPORT	 80
#define RPORT	 40000

struct fz {
	struct tcp_config cfg;
	struct tcp_env env;
	struct tcp_pool pool;
	struct tcp_open open;
	struct tcp_opts opts;
	uint64_t counters[WEIR_C_MAX];
	struct tcp_conn *c;
	uint64_t now;
	uint32_t edge; /* the farthest right edge that the peer has offered */
	bool edge_known;
	uint64_t read;
	struct tcp_timewait tw;
	bool has_tw;
};

static uint8_t memory[BLOCKS * TCP_BLOCK_SIZE] __attribute__((aligned(64)));
static uint8_t payload[65536];

static uint8_t pattern(uint32_t seq)
{
	return (uint8_t)(seq * 131 + (seq >> 8) * 17);
}

/* ---- what leaves ------------------------------------------------------------- */

static void check_payload(const struct fz *f, const struct tcp_seg *s)
{
	const struct tcp_conn *c = f->c;

	if (!s->len)
		return;
	for (uint32_t i = 0; i < s->len; i++)
		REQUIRE(s->payload[i] == pattern(s->seq + i));
	/* Within what was queued, within the window but for a probe's one octet. */
	REQUIRE(seq_geq(s->seq, c->snd_una - 1));
	REQUIRE(seq_leq(s->seq + s->len, tcp_snd_end(c)));
	REQUIRE(f->edge_known && seq_leq(s->seq + s->len, f->edge + 1));
}

static void check_out(const struct fz *f, const uint8_t *buf, size_t n, uint8_t ecn)
{
	struct tcp_seg s;

	REQUIRE(n <= 60u + f->c->mss || n <= CAP);
	REQUIRE(tcp_csum_ok(f->open.pseudo, buf, n));
	REQUIRE(!tcp_seg_parse(&s, buf, n));
	REQUIRE(s.sport == LPORT && s.dport == RPORT);
	REQUIRE(ecn < 4 && (!ecn || f->c->ecn_ok));
	REQUIRE(s.len <= f->c->mtu_mss);
	/* One of the forms that there are. */
	REQUIRE(s.flags & (TCP_ACK | TCP_SYN | TCP_RST));
	if (s.flags & (TCP_SYN | TCP_RST))
		REQUIRE(!(s.flags & TCP_FIN) && !s.len);
	REQUIRE((s.flags & (TCP_SYN | TCP_RST)) != (TCP_SYN | TCP_RST));
	REQUIRE(!(s.flags & TCP_URG) == !s.urg);
	for (uint8_t i = 0; i < s.nsack; i++)
		REQUIRE(seq_lt(s.sack[i].start, s.sack[i].end));
	check_payload(f, &s);
}

static void drain(struct fz *f)
{
	uint8_t buf[CAP], ecn;
	unsigned n = 0;
	size_t len;

	while ((len = tcp_output(f->c, buf, sizeof(buf), &ecn, f->now)) > 0) {
		check_out(f, buf, len, ecn);
		REQUIRE(++n < OUT_MAX);
	}
	tcp_events(f->c);
}

/* ---- what must hold after each operation ------------------------------------------ */

static void check_numbers(const struct fz *f)
{
	const struct tcp_conn *c = f->c;

	REQUIRE(seq_leq(c->snd_una, c->snd_nxt));
	REQUIRE(c->sndq.base <= c->sndq.end);
	REQUIRE(c->rcvq.read <= c->rcvq.ready);
	if (c->state == WEIR_CLOSED || c->state == WEIR_LISTEN)
		return;
	REQUIRE(seq_leq(c->snd_nxt, tcp_snd_end(c) + c->fin_sent));
	if (c->state == WEIR_SYN_SENT)
		return;
	REQUIRE(seq_leq(c->rcv_nxt, c->rcv_adv));
	REQUIRE(c->rcv_nxt == c->irs + 1 + (uint32_t)c->rcvq.ready + c->fin_rcvd);
	if (c->state >= WEIR_ESTABLISHED && c->state < WEIR_TIME_WAIT)
		REQUIRE(c->cwnd > 0 && c->mss > 0);
}

static void check_timers(struct fz *f)
{
	const struct tcp_conn *c = f->c;

	/* Nothing that is due stays due: the caller would spin. */
	for (int i = 0; tcp_next_timeout(c) <= f->now; i++) {
		REQUIRE(i < 16);
		tcp_timeout(f->c, f->now);
		drain(f);
	}
	if (c->state == WEIR_CLOSED)
		REQUIRE(tcp_next_timeout(c) == TCP_NEVER);
	if (c->state == WEIR_TIME_WAIT)
		REQUIRE(tcp_next_timeout(c) != TCP_NEVER);
	/* Who has something unacknowledged waits for no one for ever. */
	if (c->state != WEIR_CLOSED && c->state != WEIR_TIME_WAIT && tcp_flight(c))
		REQUIRE(tcp_next_timeout(c) != TCP_NEVER);
}

static void check(struct fz *f)
{
	struct tcp_info info;

	check_timers(f);
	check_numbers(f);
	REQUIRE(f->pool.in_use <= f->pool.total);
	tcp_get_info(f->c, &info);
	REQUIRE(info.state == tcp_get_state(f->c));
	REQUIRE(!(info.state == WEIR_CLOSED && info.reason == TCP_END_NONE) ||
		f->c->reason == TCP_END_NONE);
}

/* The peer's offers: what may be sent is bounded by the farthest of them. */
static void note_edge(struct fz *f)
{
	uint32_t edge = f->c->snd_una + f->c->snd_wnd;

	if (f->c->state <= WEIR_LISTEN)
		return;
	if (!f->edge_known || seq_gt(edge, f->edge))
		f->edge = edge;
	f->edge_known = true;
}

/* ---- segments --------------------------------------------------------------------------- */

static void deliver(struct fz *f, struct tcp_seg *s)
{
	uint32_t at = s->seq + !!(s->flags & TCP_SYN);

	for (uint32_t i = 0; i < s->len; i++)
		payload[i] = pattern(at + i);
	s->payload = payload;
	if (f->has_tw) {
		uint8_t out[128];
		size_t out_len;
		uint32_t iss;

		tcp_timewait_input(&f->tw, &f->env, s, f->now, out, &out_len, &iss);
		REQUIRE(!out_len || tcp_csum_ok(f->open.pseudo, out, out_len));
	}
	tcp_input(f->c, s, f->now);
	note_edge(f);
	drain(f);
}

/* The peer as it ought to be: in order, everything acknowledged. */
static struct tcp_seg polite(const struct fz *f)
{
	const struct tcp_conn *c = f->c;
	struct tcp_seg s = {
		.sport = RPORT,
		.dport = LPORT,
		.seq = c->rcv_nxt,
		.ack = c->snd_nxt,
		.flags = TCP_ACK,
		.wnd = 20000,
		.wscale = WEIR_WSCALE_NONE,
		.has_ts = c->ts_ok,
		.tsval = c->ts_recent + 1,
		.tsecr = tcp_ts_now(c, f->now),
	};

	return s;
}

static uint32_t edge_of(const struct tcp_conn *c, uint8_t which)
{
	const uint32_t edges[] = {c->rcv_nxt,
				  c->rcv_adv,
				  c->irs,
				  c->snd_una,
				  c->snd_nxt,
				  c->iss,
				  c->fin_seq,
				  c->snd_una - c->snd_wnd_max,
				  c->last_ack,
				  c->high_rxt,
				  c->snd_una + c->snd_wnd,
				  c->recover};

	return edges[which % (sizeof(edges) / sizeof(edges[0]))];
}

static void sack_blocks(struct fz *f, struct in *in, struct tcp_seg *s)
{
	s->nsack = in8(in) % (TCP_MAX_SACK + 1);
	for (uint8_t i = 0; i < s->nsack; i++) {
		s->sack[i].start = edge_of(f->c, in8(in)) + (uint32_t)(int16_t)in16(in);
		s->sack[i].end = s->sack[i].start + (uint32_t)(int16_t)in16(in);
	}
}

/* Each bit of the mask makes one field something else than polite. */
static void segment_near(struct fz *f, struct in *in)
{
	struct tcp_seg s = polite(f);
	uint8_t mask = in8(in);

	if (mask & 1)
		s.seq = edge_of(f->c, in8(in)) + (uint32_t)(int16_t)in16(in);
	if (mask & 2)
		s.ack = edge_of(f->c, in8(in)) + (uint32_t)(int16_t)in16(in);
	if (mask & 4)
		s.flags = in8(in);
	if (mask & 8)
		s.len = in16(in) % 3000;
	if (mask & 16)
		s.wnd = in16(in);
	if (mask & 32)
		sack_blocks(f, in, &s);
	if (mask & 64) {
		s.has_ts = in8(in) & 1;
		s.tsval = f->c->ts_recent + (uint32_t)(int16_t)in16(in);
		s.tsecr -= (uint32_t)(int8_t)in8(in) * 8u;
	}
	if (mask & 128) {
		s.urg = in16(in);
		s.ip_ecn = in8(in) & 3;
		s.mss = in16(in);
		s.wscale = in8(in);
		s.sack_permitted = s.wscale & 1;
	}
	if (s.wscale != WEIR_WSCALE_NONE && s.wscale > 14)
		s.wscale = 14; /* as the parser does */
	deliver(f, &s);
}

/* Bytes as they come; only ports are none of the core's business. */
static void segment_raw(struct fz *f, struct in *in)
{
	struct tcp_seg s;
	size_t n = in8(in);
	const uint8_t *p = in_bytes(in, &n);

	if (!tcp_seg_parse(&s, p, n))
		deliver(f, &s);
}

static void segment_polite(struct fz *f, uint8_t flags, uint32_t len)
{
	struct tcp_seg s = polite(f);

	s.flags = flags;
	s.len = len;
	deliver(f, &s);
}

/* Mostly about something in flight, which is what is believed. */
static void icmp(struct fz *f, struct in *in)
{
	struct tcp_icmp m = {.error = 111, .headers = 40};
	uint8_t kind = in8(in);

	m.kind = kind % 3;
	m.headers = kind & 128 ? 60 : 40;
	m.seq = kind & 64 ? edge_of(f->c, in8(in)) + (uint32_t)(int16_t)in16(in) : f->c->snd_una;
	m.mtu = in16(in);
	tcp_icmp(f->c, &m, f->now);
	drain(f);
}

/* ---- the application ------------------------------------------------------------------------ */

static void app_send(struct fz *f, size_t n, bool urgent)
{
	uint8_t buf[4096];
	uint32_t at = tcp_snd_end(f->c);
	size_t took;

	n = n < sizeof(buf) ? n : sizeof(buf);
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(at + (uint32_t)i);
	took = urgent ? tcp_send_urgent(f->c, buf, n) : tcp_send(f->c, buf, n);
	REQUIRE(took <= n);
	tcp_send_space(f->c);
	drain(f);
}

static void app_read(struct fz *f, size_t n)
{
	const uint8_t *p;
	uint64_t ahead;
	size_t got;

	while (n && (got = tcp_recv_peek(f->c, &p)) > 0) {
		uint32_t at = f->c->irs + 1 + (uint32_t)f->read;

		got = got < n ? got : n;
		for (size_t i = 0; i < got; i++)
			REQUIRE(p[i] == pattern(at + (uint32_t)i));
		tcp_recv_done(f->c, got, f->now);
		f->read += got;
		n -= got;
	}
	tcp_recv_urgent(f->c, &ahead);
	tcp_recv_eof(f->c);
	drain(f);
}

static void app_options(struct fz *f, struct in *in)
{
	struct tcp_opts o;
	uint8_t bits = in8(in);

	tcp_get_opts(f->c, &o);
	o.nodelay = bits & 1;
	o.cork = bits & 2;
	o.quickack = bits & 4;
	o.linger = bits & 8;
	if (bits & 16) {
		o.rcvbuf = in16(in);
		o.sndbuf = in16(in);
	}
	if (bits & 32)
		o.maxseg = in16(in);
	if (bits & 64) {
		o.user_timeout_ms = in16(in);
		o.keep_idle_ms = in16(in);
		o.keep_interval_ms = in8(in);
		o.keep_probes = in8(in);
	}
	if (bits & 128)
		o.cc = tcp_cc_at(in8(in) & 1);
	tcp_set_opts(f->c, &o, f->now);
	drain(f);
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void pass(struct fz *f, uint64_t us)
{
	f->now += us;
	tcp_timeout(f->c, f->now);
	drain(f);
}

static void until_next(struct fz *f)
{
	uint64_t at = tcp_next_timeout(f->c);

	if (at != TCP_NEVER && at > f->now)
		pass(f, at - f->now);
}

/* ---- the program --------------------------------------------------------------------------------
 */

static void to_timewait(struct fz *f)
{
	if (f->c->state != WEIR_TIME_WAIT)
		return;
	tcp_timewait_from(f->c, &f->tw);
	f->has_tw = true;
}

static void operation(struct fz *f, struct in *in)
{
	switch (in8(in) % 23) {
	case 0:
	case 1:
		segment_near(f, in);
		break;
	case 2:
		segment_raw(f, in);
		break;
	case 3:
		segment_polite(f, TCP_ACK, in16(in) % 3000);
		break;
	case 4:
		segment_polite(f, TCP_ACK, 0);
		break;
	case 5:
		segment_polite(f, TCP_ACK | TCP_FIN, in8(in));
		break;
	case 6:
		segment_polite(f, TCP_SYN, 0);
		break;
	case 7:
		segment_polite(f, TCP_SYN | TCP_ACK, 0);
		break;
	case 8:
		segment_polite(f, TCP_RST | TCP_ACK, 0);
		break;
	case 9:
	case 10:
		app_send(f, in16(in) % 4097, false);
		break;
	case 11:
		app_send(f, in8(in), true);
		break;
	case 12:
		app_read(f, in16(in));
		break;
	case 13:
		tcp_shutdown(f->c);
		drain(f);
		break;
	case 14:
		tcp_close(f->c, f->now);
		drain(f);
		break;
	case 15:
		tcp_abort(f->c, TCP_END_ABORTED);
		drain(f);
		break;
	case 16:
		app_options(f, in);
		break;
	case 17:
		pass(f, in16(in) * 100ull);
		break;
	case 18:
		until_next(f);
		break;
	case 19:
		pass(f, in8(in) * DAY_US);
		break;
	case 20:
		to_timewait(f);
		break;
	case 21:
		icmp(f, in);
		break;
	default:
		tcp_recv_copy(f->c, in8(in), payload, in8(in));
		tcp_get_error(f->c);
	}
}

static struct tcp_seg syn_of(struct in *in)
{
	struct tcp_seg s = {
		.sport = RPORT,
		.dport = LPORT,
		.seq = in32(in),
		.flags = TCP_SYN | (in8(in) & (TCP_ECE | TCP_CWR)),
		.wnd = in16(in),
		.mss = in16(in),
		.wscale = WEIR_WSCALE_NONE,
	};
	uint8_t bits = in8(in);

	s.has_ts = bits & 1;
	s.tsval = s.seq;
	s.sack_permitted = bits & 2;
	if (bits & 4)
		s.wscale = bits >> 4 > 14 ? 14 : bits >> 4;
	return s;
}

static void open_cookie(struct fz *f, const struct tcp_seg *syn, uint32_t iss)
{
	const struct weir_flow flow = {
		.iss = iss,
		.irs = syn->seq,
		.ts_ours = syn->has_ts ? iss : 0,
		.ts_peer = syn->tsval,
		.mss = syn->mss ? syn->mss : 536,
		.wscale = syn->wscale,
		.flags = (uint8_t)((syn->sack_permitted ? WEIR_OPT_SACK : 0) |
				   (syn->has_ts ? WEIR_OPT_TS : 0) |
				   (syn->flags & TCP_ECE ? WEIR_OPT_ECN : 0)),
	};

	tcp_open_cookie(f->c, &f->open, &flow, f->now);
}

static void open_it(struct fz *f, struct in *in)
{
	uint8_t how = in8(in) % 5;
	struct tcp_seg syn = syn_of(in);
	uint32_t iss = in32(in);

	if (how == 0)
		open_cookie(f, &syn, iss);
	else if (how == 1)
		tcp_open_passive(f->c, &f->open, &syn, iss, iss, f->now);
	else if (how == 2)
		tcp_open_active(f->c, &f->open, iss, iss, f->now);
	else if (how == 3)
		tcp_open_listen(f->c, &f->open, iss, f->now);
	else
		open_cookie(f, &syn, iss);
	note_edge(f);
	drain(f);
	if (how != 4)
		return;
	/* straight to TIME_WAIT */
	tcp_shutdown(f->c);
	drain(f);
	segment_polite(f, TCP_ACK | TCP_FIN, 0);
}

static void configure(struct fz *f, struct in *in)
{
	uint8_t bits = in8(in);

	tcp_config_default(&f->cfg);
	f->cfg.nagle = bits & 1;
	f->cfg.ecn = bits & 2;
	f->cfg.keepalive_idle_us = bits & 4 ? 1000000 : 0;
	f->cfg.rcvbuf = bits & 8 ? 3000 : 65536;
	f->cfg.sndbuf = bits & 16 ? 3000 : 65536;
	f->cfg.rcvbuf_max = bits & 32 ? 1 << 20 : f->cfg.rcvbuf;
	f->cfg.sndbuf_max = bits & 32 ? 1 << 20 : f->cfg.sndbuf;
	f->cfg.mtu_probe = bits & 64;
	f->cfg.cc = tcp_cc_at(bits >> 7);
	tcp_pool_init(&f->pool, memory, 1 + in8(in) % BLOCKS);
	f->env = (struct tcp_env){.cfg = &f->cfg, .pool = &f->pool, .counters = f->counters};
	f->open = (struct tcp_open){
		.env = &f->env,
		.pseudo = 0x12345,
		.lport = LPORT,
		.rport = RPORT,
		.mtu_mss = MTU_MSS,
		.mss_default = 536,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct in in = {data, len};
	struct fz f = {.now = START_US, .c = malloc(tcp_conn_size())};

	REQUIRE(f.c);
	configure(&f, &in);
	open_it(&f, &in);
	check(&f);
	for (unsigned ops = 0; in.left && ops < 400; ops++) {
		operation(&f, &in);
		check(&f);
	}
	tcp_release(f.c);
	REQUIRE(f.pool.in_use == 0);
	free(f.c);
	return 0;
}
