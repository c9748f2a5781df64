/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp_fixture.h"
#include "tcp/csum.h"

#define QUEUE 1024

const struct fx_opt fx_opt_default = {FX_SIZES(65536, 512)};

uint8_t fx_byte(uint64_t off)
{
	return (uint8_t)(off * 131 + (off >> 8) * 17 + (off >> 16));
}

void fx_icmp(struct fx *f, enum tcp_icmp_kind kind, int error, uint32_t seq, uint32_t mtu)
{
	struct tcp_icmp icmp = {
		.kind = kind,
		.error = error,
		.seq = FX_ISS + seq,
		.mtu = mtu,
		.headers = f->c->v6 ? 60 : 40,
	};

	tcp_icmp(f->c, &icmp, f->now);
	fx_drain(f);
}

struct tcp_opts fx_opts(void)
{
	struct tcp_config cfg;
	struct tcp_opts o;

	tcp_config_default(&cfg);
	cfg.rcvbuf = fx_opt_default.rcvbuf;
	cfg.sndbuf = fx_opt_default.sndbuf;
	cfg.nagle = false;
	tcp_opts_default(&o, &cfg);
	return o;
}

void fx_user_timeout(struct fx *f, uint64_t us)
{
	struct tcp_opts o;

	tcp_get_opts(f->c, &o);
	o.user_timeout_ms = (uint32_t)(us / FX_MS);
	tcp_set_opts(f->c, &o, f->now);
}

/* ---- construction ------------------------------------------------------------ */

struct fx *fx_new(const struct fx_opt *opt)
{
	static const uint8_t addr[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
	struct fx *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->opt = opt ? *opt : fx_opt_default;
	tcp_config_default(&f->cfg);
	f->cfg.rcvbuf = f->opt.rcvbuf;
	f->cfg.sndbuf = f->opt.sndbuf;
	f->cfg.rcvbuf_max = f->opt.rcvbuf_max ? f->opt.rcvbuf_max : f->opt.rcvbuf;
	f->cfg.sndbuf_max = f->opt.sndbuf_max ? f->opt.sndbuf_max : f->opt.sndbuf;
	if (f->opt.cc)
		f->cfg.cc = f->opt.cc;
	f->cfg.nagle = f->opt.nagle;
	f->cfg.mtu_probe = f->opt.mtu_probe;
	f->cfg.keepalive_idle_us = f->opt.keepalive_us;
	f->mem = aligned_alloc(64, (size_t)f->opt.blocks * TCP_BLOCK_SIZE);
	f->q = calloc(QUEUE, sizeof(*f->q));
	f->c = calloc(1, tcp_conn_size());
	assert_true(f->mem && f->q && f->c);
	tcp_pool_init(&f->pool, f->mem, f->opt.blocks);
	f->env = (struct tcp_env){.cfg = &f->cfg, .pool = &f->pool, .counters = f->counters};
	f->open = (struct tcp_open){
		.env = &f->env,
		.pseudo = tcp_pseudo_sum(addr[0], addr[1], 4),
		.lport = 80,
		.rport = 40000,
		.mtu_mss = 1460,
		.mss_default = f->opt.mss_default,
		.opts = f->opt.opts,
	};
	f->now = 1000 * FX_SEC;
	f->peer_ts = FX_TS_PEER;
	f->peer_wnd = FX_WND;
	return f;
}

void fx_free(struct fx *f)
{
	NOTHING(f);
	tcp_release(f->c);
	assert_int_equal(f->pool.in_use, 0);
	free(f->c);
	free(f->q);
	free(f->mem);
	free(f);
}

void fx_finish(struct fx *f)
{
	do {
		fx_skip(f);
		IN(f, .len = 0);
	} while (fx_waiting(f));
	fx_free(f);
}

void fx_wide(struct fx *f)
{
	f->peer_wnd = 65535;
	IN(f, .len = 0);
}

unsigned fx_hold(struct fx *f, unsigned n)
{
	struct tcp_block *b;
	unsigned got = 0;

	for (; got < n && (b = tcp_pool_get(&f->pool)); got++) {
		b->next = f->held;
		f->held = b;
	}
	return got;
}

void fx_give_back(struct fx *f, unsigned n)
{
	for (; n && f->held; n--) {
		struct tcp_block *b = f->held;

		f->held = b->next;
		tcp_pool_put(&f->pool, b);
	}
}

/* ---- what leaves -------------------------------------------------------------- */

static void verify_payload(const struct fx *f, const struct tcp_seg *s)
{
	uint64_t base = f->c->sndq.base, off;
	uint32_t from_base = s->seq - (f->c->iss + 1 + (uint32_t)base);

	off = base + (uint64_t)(int64_t)(int32_t)from_base;
	for (uint32_t i = 0; i < s->len; i++)
		assert_int_equal(s->payload[i], fx_byte(off + i));
}

static void collect(struct fx *f, size_t len, uint8_t ecn)
{
	struct fx_out *o = &f->q[f->qtail % QUEUE];

	o->len = len;
	o->ecn = ecn;
	o->at = f->now;
	assert_true(tcp_csum_ok(f->open.pseudo, o->bytes, o->len));
	assert_int_equal(tcp_seg_parse(&o->seg, o->bytes, o->len), 0);
	assert_int_equal(o->seg.sport, 80);
	assert_int_equal(o->seg.dport, 40000);
	verify_payload(f, &o->seg);
	f->qtail++;
	assert_true(f->qtail - f->qhead < QUEUE);
}

/* Each `cut` bytes of payload behind a header of their own, as a device does it. */
static void collect_burst(struct fx *f, const uint8_t *header, size_t hlen,
			  const struct tcp_burst *b)
{
	uint8_t *payload = malloc(b->len);
	uint32_t at = 0;

	assert_true(payload && b->len > b->cut && b->len <= f->burst);
	for (unsigned i = 0; i < b->n; at += (uint32_t)b->piece[i++].len)
		memcpy(payload + at, b->piece[i].p, b->piece[i].len);
	assert_int_equal(at, b->len);
	/* What whoever cuts adds the header and the payload to. */
	assert_int_equal(
		weir_load16(header + 16),
		csum_fold((uint64_t)f->open.pseudo + weir_htons((uint16_t)(hlen + b->len))));
	for (at = 0; at < b->len; at += b->cut) {
		uint8_t *seg = f->q[f->qtail % QUEUE].bytes;
		uint32_t n = b->len - at < b->cut ? b->len - at : b->cut;

		memcpy(seg, header, hlen);
		memcpy(seg + hlen, payload + at, n);
		weir_store32(seg + 4, weir_htonl(weir_ntohl(weir_load32(header + 4)) + at));
		if (at + n < b->len)
			seg[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		weir_store16(seg + 16, 0);
		tcp_csum_write(seg, f->open.pseudo, hlen, csum_bytes(seg + hlen, n), n);
		collect(f, hlen + n, b->ecn);
	}
	free(payload);
	f->bursts++;
}

void fx_drain(struct fx *f)
{
	for (;;) {
		struct fx_out *o = &f->q[f->qtail % QUEUE];
		struct tcp_burst b = {.max = f->burst};
		uint8_t header[60];
		size_t len = tcp_output_burst(f->c, o->bytes, sizeof(o->bytes), &b, f->now);

		if (!len)
			break;
		if (!b.cut) {
			collect(f, len, b.ecn);
			continue;
		}
		memcpy(header, o->bytes, len);
		collect_burst(f, header, len, &b);
	}
	f->events |= tcp_events(f->c);
}

struct fx_out *fx_pop(struct fx *f)
{
	assert_int_not_equal(f->qhead, f->qtail);
	return &f->q[f->qhead++ % QUEUE];
}

unsigned fx_waiting(const struct fx *f)
{
	return f->qtail - f->qhead;
}

void fx_skip(struct fx *f)
{
	f->qhead = f->qtail;
}

static void describe(const struct fx *f, const struct tcp_seg *s, char *to, size_t len)
{
	snprintf(to, len, "flags %02x seq %u ack %u len %u wnd %u nsack %u", s->flags,
		 s->seq - f->c->iss, s->ack - f->c->irs, s->len, s->wnd, s->nsack);
}

void fx_nothing(struct fx *f, const char *file, int line)
{
	char text[160];

	if (f->qhead == f->qtail)
		return;
	describe(f, &f->q[f->qhead % QUEUE].seg, text, sizeof(text));
	print_error("%s:%d: unexpected segment: %s\n", file, line, text);
	_fail(file, line);
}

void fx_expect(struct fx *f, const struct fx_expect *e, const char *file, int line)
{
	uint8_t flags = e->flags ? e->flags : TCP_ACK;
	const struct tcp_seg *s;
	bool ok = true;
	char text[160];

	if (f->qhead == f->qtail) {
		print_error("%s:%d: nothing was sent\n", file, line);
		_fail(file, line);
		return;
	}
	s = &f->q[f->qhead++ % QUEUE].seg;
	ok &= s->flags == flags && s->len == e->len && s->nsack == e->nsack;
	ok &= s->seq - FX_ISS == (e->seq ? e->seq : f->c->snd_nxt - e->len - FX_ISS) ||
	      (!e->seq && flags & TCP_SYN && s->seq == FX_ISS);
	if (flags & TCP_ACK)
		ok &= s->ack - FX_IRS == (e->ack ? e->ack : f->c->rcv_nxt - FX_IRS);
	if (e->wnd || e->wnd_zero)
		ok &= s->wnd == e->wnd;
	for (uint8_t i = 0; i < e->nsack && ok; i++)
		ok &= s->sack[i].start - FX_IRS == e->sack[2 * i] &&
		      s->sack[i].end - FX_IRS == e->sack[2 * i + 1];
	if (ok)
		return;
	describe(f, s, text, sizeof(text));
	print_error("%s:%d: got      %s\n", file, line, text);
	for (uint8_t i = 0; i < s->nsack; i++)
		print_error("  sack %u-%u\n", s->sack[i].start - FX_IRS, s->sack[i].end - FX_IRS);
	print_error("%s:%d: expected flags %02x seq %u ack %u len %u wnd %u nsack %u\n", file, line,
		    flags, e->seq, e->ack, e->len, e->wnd, e->nsack);
	_fail(file, line);
}

/* ---- what arrives -------------------------------------------------------------- */

static uint32_t our_ts(const struct fx *f)
{
	return f->c->ts_ours + (uint32_t)((f->now - f->c->ts_base_us) / 1000);
}

void fx_in(struct fx *f, const struct fx_seg *s)
{
	static uint8_t payload[65536];
	struct tcp_seg seg = {
		.sport = 40000,
		.dport = 80,
		.seq = f->c->rcv_nxt + (uint32_t)s->seq,
		.ack = f->c->snd_nxt + (uint32_t)s->ack,
		.flags = s->flags ? s->flags : TCP_ACK,
		.wnd = s->zero_wnd ? 0
		       : s->wnd	   ? s->wnd
				   : f->peer_wnd,
		.urg = s->urg,
		.len = s->len,
		.ip_ecn = s->ip_ecn,
		.nsack = s->nsack,
		.wscale = WEIR_WSCALE_NONE,
		.payload = payload,
	};

	if (s->bare)
		seg.flags = 0;
	if (f->opt.ts && !s->no_ts) {
		seg.has_ts = true;
		seg.tsval =
			f->peer_ts + (uint32_t)((f->now / FX_SEC - 1000) * 1000) + (uint32_t)s->ts;
		seg.tsecr = s->tsecr ? s->tsecr : our_ts(f);
	}
	if (seg.flags & TCP_SYN && !s->in_place) {
		if (!f->c->rcv_nxt || f->c->state <= WEIR_SYN_SENT)
			seg.seq = FX_IRS + (uint32_t)s->seq;
		seg.mss = f->opt.mss;
		seg.sack_permitted = f->opt.sack;
		if (f->opt.wscale)
			seg.wscale = f->opt.peer_shift;
	}
	for (uint8_t i = 0; i < s->nsack; i++) {
		seg.sack[i].start = FX_ISS + s->sack[2 * i];
		seg.sack[i].end = FX_ISS + s->sack[2 * i + 1];
	}
	for (uint32_t i = 0; i < s->len; i++) {
		uint64_t base = f->c->rcvq.ready;
		uint32_t irs = f->c->state <= WEIR_SYN_SENT ? FX_IRS : f->c->irs;
		uint32_t at = seg.seq + !!(seg.flags & TCP_SYN);
		int32_t d = (int32_t)(at - (irs + 1 + (uint32_t)base));

		payload[i] = fx_byte(base + (uint64_t)(int64_t)d + i);
	}
	if (!f->opt.quick)
		f->c->quick = 0;
	tcp_input(f->c, &seg, f->now);
	if (!f->opt.quick)
		f->c->quick = 0;
	fx_drain(f);
}

/* ---- time and the application ---------------------------------------------------- */

void fx_run(struct fx *f, uint64_t us)
{
	uint64_t end = f->now + us;

	for (uint64_t at; (at = tcp_next_timeout(f->c)) <= end;) {
		if (at > f->now)
			f->now = at;
		tcp_timeout(f->c, f->now);
		fx_drain(f);
	}
	f->now = end;
}

void fx_send(struct fx *f, size_t n)
{
	uint8_t *buf = malloc(n);

	assert_non_null(buf);
	for (size_t i = 0; i < n; i++)
		buf[i] = fx_byte(f->sent + i);
	f->sent += tcp_send(f->c, buf, n);
	free(buf);
	fx_drain(f);
}

void fx_read(struct fx *f, size_t n)
{
	while (n) {
		const uint8_t *p;
		size_t got = tcp_recv_peek(f->c, &p);

		assert_int_not_equal(got, 0);
		got = got < n ? got : n;
		for (size_t i = 0; i < got; i++) {
			if (p[i] != fx_byte(f->read + i) && f->seed)
				print_error("seed %llu\n", (unsigned long long)f->seed);
			assert_int_equal(p[i], fx_byte(f->read + i));
		}
		tcp_recv_done(f->c, got, f->now);
		f->read += got;
		n -= got;
	}
	fx_drain(f);
}

uint32_t fx_events(struct fx *f)
{
	uint32_t e = f->events;

	f->events = 0;
	return e;
}

/* ---- one constructor per state ----------------------------------------------------- */

struct fx *fx_closed(const struct fx_opt *opt)
{
	struct fx *f = fx_established(opt);

	tcp_abort(f->c, TCP_END_ABORTED);
	fx_drain(f);
	fx_skip(f);
	fx_events(f);
	return f;
}

struct fx *fx_listen(const struct fx_opt *opt)
{
	struct fx *f = fx_new(opt);

	tcp_open_listen(f->c, &f->open, FX_ISS, f->now);
	fx_drain(f);
	return f;
}

struct fx *fx_syn_sent(const struct fx_opt *opt)
{
	struct fx *f = fx_new(opt);

	tcp_open_active(f->c, &f->open, FX_ISS, FX_TS_OURS, f->now);
	fx_drain(f);
	EXPECT(f, .flags = TCP_SYN, .wnd = u32_min(f->opt.rcvbuf, 65535));
	return f;
}

struct fx *fx_syn_rcvd(const struct fx_opt *opt)
{
	struct fx *f = fx_listen(opt);

	IN(f, .flags = TCP_SYN);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK | (f->c->ecn_ok ? TCP_ECE : 0), .ack = 1);
	return f;
}

struct fx *fx_established(const struct fx_opt *opt)
{
	struct fx *f = fx_new(opt);
	struct weir_flow flow = {
		.iss = FX_ISS,
		.irs = FX_IRS,
		.ts_ours = f->opt.ts ? FX_TS_OURS : 0,
		.ts_peer = f->opt.ts ? FX_TS_PEER : 0,
		.mss = f->opt.mss,
		.wscale = f->opt.wscale ? f->opt.peer_shift : WEIR_WSCALE_NONE,
		.flags = (uint8_t)((f->opt.sack ? WEIR_OPT_SACK : 0) |
				   (f->opt.ts ? WEIR_OPT_TS : 0) | (f->opt.ecn ? WEIR_OPT_ECN : 0)),
	};

	tcp_open_cookie(f->c, &f->open, &flow, f->now);
	IN(f, .len = 0);
	NOTHING(f);
	STATE(f, ESTABLISHED);
	fx_events(f);
	return f;
}

struct fx *fx_fin_wait_1(const struct fx_opt *opt)
{
	struct fx *f = fx_established(opt);

	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	STATE(f, FIN_WAIT_1);
	return f;
}

struct fx *fx_fin_wait_2(const struct fx_opt *opt)
{
	struct fx *f = fx_fin_wait_1(opt);

	IN(f, .len = 0);
	NOTHING(f);
	STATE(f, FIN_WAIT_2);
	return f;
}

struct fx *fx_close_wait(const struct fx_opt *opt)
{
	struct fx *f = fx_established(opt);

	IN(f, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 2);
	STATE(f, CLOSE_WAIT);
	return f;
}

struct fx *fx_closing(const struct fx_opt *opt)
{
	struct fx *f = fx_fin_wait_1(opt);

	IN(f, .flags = TCP_FIN | TCP_ACK, .ack = -1);
	EXPECT(f, .seq = 2, .ack = 2);
	STATE(f, CLOSING);
	return f;
}

struct fx *fx_last_ack(const struct fx_opt *opt)
{
	struct fx *f = fx_close_wait(opt);

	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	STATE(f, LAST_ACK);
	return f;
}

struct fx *fx_time_wait(const struct fx_opt *opt)
{
	struct fx *f = fx_fin_wait_2(opt);

	IN(f, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 2, .ack = 2);
	STATE(f, TIME_WAIT);
	return f;
}
