/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any segment in any state: fields drawn from around the edges that matter, with
 * the application and the clock joining in at random. Nothing is expected but
 * that the invariants hold, memory is bounded, and a reader sees a stream
 * without holes. WEIR_SEED runs one seed alone.
 */
#include <errno.h>

#include "../random.h"
#include "tcp_fixture.h"

static uint64_t rng;

static uint32_t rnd(void)
{
	return (uint32_t)(xorshift64(&rng) >> 16);
}

static uint32_t near(const uint32_t *edges, unsigned n)
{
	switch (rnd() % 8) {
	case 0:
		return rnd();
	case 1:
		return edges[rnd() % n] + rnd() % 4000 - 2000;
	default:
		return edges[rnd() % n] + rnd() % 3 - 1;
	}
}

static void check(const struct fx *f, uint64_t seed)
{
	const struct tcp_conn *c = f->c;
	uint64_t read_edge = c->rcvq.read + c->env->cfg->rcvbuf + (1u << c->rcv_shift);
	uint64_t most = c->sndq.end - c->sndq.base;
	bool ok = seq_leq(c->snd_una, c->snd_nxt) && c->sndq.base <= c->sndq.end;

	ok &= c->rcvq.read <= c->rcvq.ready && most <= c->env->cfg->sndbuf;
	if (c->state > WEIR_SYN_SENT) {
		ok &= seq_leq(c->rcv_nxt, c->rcv_adv);
		ok &= c->rcv_nxt == c->irs + 1 + (uint32_t)c->rcvq.ready + c->fin_rcvd;
		ok &= seq_leq(c->rcv_adv, c->irs + 2 + (uint32_t)read_edge);
	}
	if (c->state >= WEIR_ESTABLISHED && c->state < WEIR_TIME_WAIT)
		ok &= c->snd_una - (c->iss + 1) - (uint32_t)c->sndq.base <= 1 && c->cwnd > 0;
	/* Blocks: one more than full ones at either end of each queue, and the lists. */
	most += c->env->cfg->rcvbuf + (1u << c->rcv_shift);
	ok &= f->pool.in_use <= most / TCP_BLOCK_DATA + 6;
	ok &= c->state != WEIR_CLOSED || tcp_next_timeout(c) == TCP_NEVER;
	if (!ok)
		print_error("seed %llu: state %s una %u nxt %u rcv_nxt %u rcv_adv %u in use %zu\n",
			    (unsigned long long)seed, tcp_state_name(tcp_get_state(c)),
			    c->snd_una - c->iss, c->snd_nxt - c->iss, c->rcv_nxt - c->irs,
			    c->rcv_adv - c->irs, f->pool.in_use);
	assert_true(ok);
}

static void random_segment(struct fx *f)
{
	static uint8_t payload[3000];
	const struct tcp_conn *c = f->c;
	const uint32_t seqs[] = {c->rcv_nxt, c->rcv_adv, c->irs, c->fin_seq, c->last_ack};
	const uint32_t acks[] = {c->snd_una, c->snd_nxt, c->iss, c->snd_una - c->snd_wnd_max};
	const uint32_t ts[] = {c->ts_recent, c->ts_ours};
	static const uint8_t flags[] = {TCP_ACK,	   TCP_ACK,	      TCP_ACK,
					TCP_PSH | TCP_ACK, TCP_FIN | TCP_ACK, TCP_SYN,
					TCP_SYN | TCP_ACK, TCP_RST,	      TCP_RST | TCP_ACK};
	struct tcp_seg s = {
		.seq = rnd() % 3 ? c->rcv_nxt : near(seqs, 5),
		.ack = rnd() % 3 ? c->snd_una : near(acks, 4),
		.flags = rnd() % 20 ? flags[rnd() % (rnd() % 10 ? 4 : 9)] : (uint8_t)rnd(),
		.wnd = (uint16_t)(rnd() % 4   ? 20000
				  : rnd() % 3 ? rnd() % 2000
					      : 0),
		.urg = (uint16_t)(rnd() % 4 ? 0 : rnd()),
		.len = rnd() % 2 ? 0 : rnd() % 3000,
		.ip_ecn = (uint8_t)(rnd() % 4),
		.nsack = (uint8_t)(rnd() % 3 ? 0 : rnd() % 5),
		.has_ts = f->opt.ts ? rnd() % 30 : !(rnd() % 30),
		.tsval = near(ts, 2),
		.tsecr = near(ts, 2),
		.mss = (uint16_t)(rnd() % 2 ? 0 : rnd()),
		.wscale = (uint8_t)(rnd() % 2 ? WEIR_WSCALE_NONE : rnd() % 255),
		.sack_permitted = rnd() % 2,
		.payload = payload,
	};
	uint32_t off;

	if (rnd() % 4)
		s.tsval = c->ts_recent + rnd() % 3;
	for (unsigned i = 0; i < s.nsack; i++) {
		s.sack[i].start = near(acks, 2);
		s.sack[i].end = s.sack[i].start + rnd() % 3000;
	}
	/* The stream it claims to be part of. */
	off = s.seq + !!(s.flags & TCP_SYN) - (c->irs + 1) - (uint32_t)c->rcvq.ready;
	if (c->state <= WEIR_SYN_SENT)
		off = 0;
	for (uint32_t i = 0; i < s.len; i++)
		payload[i] = fx_byte(c->rcvq.ready + (uint64_t)(int64_t)(int32_t)(off + i));
	tcp_input(f->c, &s, f->now);
	fx_drain(f);
}

static void random_icmp(struct fx *f)
{
	static const uint32_t mtus[] = {0, 68, 552, 1000, 1280, 1400, 65535};
	uint32_t seq = f->c->snd_una - FX_ISS + rnd() % (tcp_flight(f->c) + 2);

	fx_icmp(f, (enum tcp_icmp_kind)(rnd() % 3), EHOSTUNREACH, seq, mtus[rnd() % 7]);
}

static void random_opts(struct fx *f)
{
	struct tcp_opts o;

	tcp_get_opts(f->c, &o);
	o.nodelay = rnd() & 1;
	o.cork = !(rnd() % 4);
	o.quickack = rnd() & 1;
	o.linger = !(rnd() % 8);
	o.maxseg = (uint16_t)(rnd() % 2 ? 0 : rnd() % 2000);
	o.keep_idle_ms = rnd() % 2 ? 0 : rnd() % 5000;
	o.user_timeout_ms = rnd() % 4 ? 100000 : 1000 + rnd() % 5000;
	tcp_set_opts(f->c, &o, f->now);
	fx_drain(f);
}

static void random_urgent(struct fx *f)
{
	uint8_t buf[64];
	size_t n = 1 + rnd() % sizeof(buf);
	uint64_t ahead;

	for (size_t i = 0; i < n; i++)
		buf[i] = fx_byte(f->sent + i);
	f->sent += tcp_send_urgent(f->c, buf, n);
	if (tcp_recv_urgent(f->c, &ahead))
		assert_in_range(ahead, 1, tcp_recv_ready(f->c) + f->opt.rcvbuf + 65535 + 128);
	fx_drain(f);
}

static void step(struct fx *f)
{
	switch (rnd() % 24) {
	case 0:
		fx_run(f, rnd() % (rnd() % 4 ? 100 * FX_MS : 3 * FX_SEC));
		break;
	case 1:
		fx_send(f, 1 + rnd() % 5000);
		break;
	case 2:
	case 3:
		fx_read(f, rnd() % (tcp_recv_ready(f->c) + 1));
		break;
	case 4:
		if (!(rnd() % 30))
			tcp_shutdown(f->c);
		else if (!(rnd() % 60))
			tcp_close(f->c, f->now);
		else if (!(rnd() % 100))
			tcp_abort(f->c, TCP_END_ABORTED);
		fx_drain(f);
		break;
	case 5:
		random_icmp(f);
		break;
	case 6:
		if (!(rnd() % 4))
			random_opts(f);
		break;
	case 7:
		random_urgent(f);
		break;
	default:
		random_segment(f);
	}
	fx_skip(f);
	f->read = f->c->rcvq.read; /* tcp_close() discards */
}

static void run(uint64_t seed)
{
	static struct fx *(*const make[])(const struct fx_opt *) = {
		fx_listen,	fx_syn_sent,   fx_syn_rcvd,   fx_established,
		fx_established, fx_fin_wait_1, fx_fin_wait_2, fx_closing,
		fx_close_wait,	fx_last_ack,   fx_time_wait,
	};
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	rng = seed * 0x9e3779b97f4a7c15 + 1;
	opt.ts = rnd() & 1;
	opt.sack = rnd() & 1;
	opt.ecn = rnd() & 1;
	opt.wscale = rnd() & 1;
	opt.nagle = rnd() & 1;
	opt.mtu_probe = rnd() & 1;
	opt.quick = rnd() & 1;
	opt.peer_shift = (uint8_t)(rnd() % 15);
	opt.rcvbuf = 1000 + rnd() % 30000;
	opt.sndbuf = 1000 + rnd() % 30000;
	opt.blocks = rnd() % 4 ? 64 : 3 + rnd() % 8;
	opt.keepalive_us = rnd() % 2 ? 5 * FX_SEC : 0;
	f = make[rnd() % 11](&opt);
	f->seed = seed;
	for (int i = 0; i < 400; i++) {
		step(f);
		check(f, seed);
		if (f->c->state == WEIR_CLOSED)
			break;
	}
	fx_skip(f);
	fx_free(f);
}

static void any_segment_in_any_state(void **state)
{
	const char *one = getenv("WEIR_SEED");

	(void)state;
	if (one) {
		run(strtoull(one, NULL, 0));
		return;
	}
	for (uint64_t seed = 1; seed <= 3000; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_segment_in_any_state)};

	return cmocka_run_group_tests_name("tcp_random", tests, NULL, NULL);
}
