/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bursts: cut apart they are, byte for byte, the segments that leave one by one. Each
 * script is played to two connections that differ in nothing else (the fixture cuts).
 */
#include "tcp_fixture.h"

#define BURST 65000

typedef void (*script)(struct fx *f);

/* Both send the same; how many bursts it took. */
static unsigned play(const struct fx_opt *opt, uint32_t max, script run)
{
	struct fx *a = fx_established(opt), *b = fx_established(opt);
	unsigned bursts;

	b->burst = max;
	run(a);
	run(b);
	assert_int_equal(a->bursts, 0);
	assert_int_equal(fx_waiting(a), fx_waiting(b));
	while (fx_waiting(a)) {
		struct fx_out *x = fx_pop(a), *y = fx_pop(b);

		assert_int_equal(x->at, y->at);
		assert_int_equal(x->ecn, y->ecn);
		assert_int_equal(x->len, y->len);
		assert_memory_equal(x->bytes, y->bytes, x->len);
	}
	assert_int_equal(a->c->snd_nxt, b->c->snd_nxt);
	assert_int_equal(tcp_next_timeout(a->c), tcp_next_timeout(b->c));
	assert_memory_equal(a->counters, b->counters, sizeof(a->counters));
	bursts = b->bursts;
	fx_free(a);
	fx_free(b);
	return bursts;
}

static struct fx_opt all_options(void)
{
	struct fx_opt opt = fx_opt_default;

	opt.ts = opt.sack = opt.ecn = opt.nagle = true;
	opt.sndbuf = 200000;
	return opt;
}

/* Full segments, a tail, and what Nagle says of the next one. */
static void stream(struct fx *f)
{
	fx_send(f, 7300);
	IN(f);
	fx_send(f, 2500);
	fx_send(f, 300);
	IN(f);
	fx_send(f, 30000); /* beyond cwnd, and beyond the peer's window */
	for (int i = 0; i < 30; i++) {
		fx_run(f, 10 * FX_MS);
		IN(f);
	}
}

static void a_stream(void **state)
{
	struct fx_opt opt = all_options();

	(void)state;
	assert_true(play(&opt, BURST, stream) > 3);
	assert_true(play(&fx_opt_default, BURST, stream) > 3);
	/* No longer than allowed: 2 segments, and with room for less than 2, none. */
	assert_true(play(&opt, 2000, stream) > 10);
	assert_int_equal(play(&opt, 1900, stream), 0);
	assert_int_equal(play(&opt, 0, stream), 0);
}

/* The FIN ends the last piece, or comes behind it. */
static void ends(struct fx *f)
{
	fx_send(f, 3500);
	tcp_shutdown(f->c);
	fx_drain(f);
	IN(f);
}

static void ends_together(struct fx *f)
{
	f->peer_wnd = 100;
	IN(f);
	fx_send(f, 4000);
	tcp_shutdown(f->c); /* queued before its data may leave */
	fx_drain(f);
	f->peer_wnd = FX_WND;
	IN(f);
	IN(f);
}

static void the_end(void **state)
{
	struct fx_opt opt = all_options();

	(void)state;
	assert_true(play(&opt, BURST, ends) > 0);
	assert_true(play(&opt, BURST, ends_together) > 0);
}

/* A piece is lost: it alone is sent again, by itself. */
static void loses_one(struct fx *f)
{
	fx_send(f, 8000);
	fx_run(f, 10 * FX_MS);
	IN(f, .ack = -7000, .nsack = 1, .sack = {2001, 5001});
	fx_run(f, 10 * FX_MS);
	IN(f, .ack = -7000, .nsack = 1, .sack = {2001, 8001});
	fx_run(f, 10 * FX_MS);
	IN(f);
	fx_send(f, 8000);
	fx_run(f, 3 * FX_SEC); /* all lost: tail loss probe, then timeouts */
	IN(f);
}

static void losses(void **state)
{
	struct fx_opt opt = all_options();
	struct fx *f;

	(void)state;
	assert_true(play(&opt, BURST, loses_one) > 0);
	opt.sack = false;
	assert_true(play(&opt, BURST, loses_one) > 0);

	opt = fx_opt_default;
	opt.sack = true;
	f = fx_established(&opt);
	f->burst = BURST;
	fx_send(f, 8000);
	assert_int_equal(f->bursts, 1);
	fx_skip(f);
	fx_run(f, 10 * FX_MS);
	IN(f, .ack = -8000, .nsack = 1, .sack = {1001, 8001});
	EXPECT(f, .seq = 1, .len = 1000);
	COUNTED(f, rtx_segments, 1);
	assert_int_equal(f->bursts, 1);
	fx_free(f);
}

/* RFC 3168 6.1.2: CWR is on one segment, which leaves alone; ECT on all. */
static void congested(struct fx *f)
{
	fx_send(f, 8000);
	fx_run(f, 10 * FX_MS);
	IN(f, .ack = -4000, .flags = TCP_ACK | TCP_ECE);
	fx_run(f, 10 * FX_MS);
	IN(f);
	fx_send(f, 8000);
	fx_run(f, 10 * FX_MS);
	IN(f, .len = 100, .ip_ecn = 3); /* and what we echo is on every piece */
	fx_send(f, 4000);
	IN(f);
}

static void congestion_marks(void **state)
{
	struct fx_opt opt = all_options();

	(void)state;
	assert_true(play(&opt, BURST, congested) > 1);
}

/* The urgent pointer counts from its segment: no two pieces have the same. */
static void urges(struct fx *f)
{
	uint8_t buf[3000];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = fx_byte(i);
	f->sent += tcp_send_urgent(f->c, buf, sizeof(buf));
	fx_drain(f);
	IN(f);
	fx_send(f, 4000);
	IN(f);
}

static void urgent_data(void **state)
{
	struct fx_opt opt = all_options();

	(void)state;
	assert_int_equal(play(&opt, BURST, urges), 1); /* what comes after it */
}

/* The path has become narrower, and the pieces with it. */
static void narrows(struct fx *f)
{
	fx_send(f, 8000);
	fx_icmp(f, TCP_ICMP_TOO_BIG, 0, 1, 700);
	fx_run(f, 300 * FX_MS);
	IN(f);
	fx_send(f, 8000);
	IN(f);
}

static void path_mtu(void **state)
{
	struct fx_opt opt = all_options();

	(void)state;
	assert_true(play(&opt, BURST, narrows) > 1);
	opt.mtu_probe = true;
	assert_true(play(&opt, BURST, narrows) > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream),    cmocka_unit_test(the_end),
		cmocka_unit_test(losses),      cmocka_unit_test(congestion_marks),
		cmocka_unit_test(urgent_data), cmocka_unit_test(path_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
