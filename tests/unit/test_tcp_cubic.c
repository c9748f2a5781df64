/* SPDX-License-Identifier: BSD-2-Clause */
/* Congestion control: the interface, CUBIC (RFC 9438), HyStart++ (RFC 9406). */
#include <math.h>

#include "tcp/cc_cubic.h"
#include "../random.h"
#include "tcp_fixture.h"

static const struct fx_opt cubic = {
	.sack = true,
	.wscale = true,
	.peer_shift = 8,
	.mss = FX_MSS,
	.rcvbuf = 65535,
	.sndbuf = 1 << 20,
	.blocks = 2048,
};

/* The window is always full: acknowledges n segments as two ACKs for three would. */
static void round_trip(struct fx *f, uint64_t rtt)
{
	uint32_t end = f->c->snd_nxt;

	fx_run(f, rtt);
	while (seq_lt(f->c->snd_una, end)) {
		uint32_t n = u32_min(2 * FX_MSS, end - f->c->snd_una);
		size_t room = tcp_send_space(f->c);

		if (room)
			fx_send(f, room);
		IN(f, .ack = (int32_t)(f->c->snd_una + n - f->c->snd_nxt));
		fx_skip(f);
	}
}

static struct fx *full(uint32_t cwnd, uint32_t ssthresh)
{
	struct fx *f = fx_established(&cubic);

	fx_wide(f);
	f->c->cwnd = cwnd;
	f->c->ssthresh = ssthresh;
	fx_send(f, 900000);
	fx_skip(f);
	return f;
}

static void done(struct fx *f)
{
	while (tcp_send_queued(f->c)) {
		IN(f, .len = 0);
		fx_skip(f);
	}
	fx_free(f);
}

/* Three segments above a hole: the beginning of a recovery. */
static void lose_one(struct fx *f)
{
	uint32_t una = f->c->snd_una - FX_ISS;

	fx_run(f, 50 * FX_MS);
	IN(f, .ack = -(int32_t)tcp_flight(f->c), .nsack = 1, .sack = {una + 1000, una + 5000});
	fx_skip(f);
}

/* ---- arithmetic ------------------------------------------------------------------- */

static void cube_roots_are_exact(void **state)
{
	uint64_t rng = 88172645463325252ull;

	(void)state;
	assert_int_equal(tcp_cbrt(0), 0);
	assert_int_equal(tcp_cbrt(1), 1);
	assert_int_equal(tcp_cbrt(7), 1);
	assert_int_equal(tcp_cbrt(UINT64_MAX), 2642245);
	for (uint64_t y = 1; y <= 2642245; y += 1 + y / 64) {
		assert_int_equal(tcp_cbrt(y * y * y), y);
		assert_int_equal(tcp_cbrt(y * y * y - 1), y - 1);
	}
	for (int i = 0; i < 100000; i++) {
		uint64_t x, y;

		xorshift64(&rng);
		x = rng >> (i % 60);
		y = tcp_cbrt(x);
		assert_true(y * y * y <= x);
		assert_true(y == 2642245 || (y + 1) * (y + 1) * (y + 1) > x);
	}
}

/* RFC 9438 figures 1 and 2, in real numbers, against ours. */
static void the_curve(void **state)
{
	static const uint32_t segs[] = {4, 20, 100, 1000, 20000, 700000};

	(void)state;
	for (unsigned i = 0; i < sizeof(segs) / sizeof(segs[0]); i++) {
		uint32_t mss = 1460, w_max = segs[i] * mss;
		uint32_t cwnd = (uint32_t)(w_max * 0.7), k = tcp_cubic_k(w_max - cwnd, mss);
		double kk = cbrt((w_max - cwnd) / (double)mss / 0.4);

		assert_true(fabs(k / 1000.0 - kk) < 0.0011);
		for (uint32_t t = 0; t < 3 * k; t += 1 + k / 37) {
			double d = t / 1000.0 - kk, w = (0.4 * d * d * d + segs[i]) * mss;
			double got = tcp_cubic_window(t, k, w_max, mss);

			if (w > TCP_CC_MAX)
				w = TCP_CC_MAX;
			/* A millisecond of K is worth this much. */
			assert_true(fabs(got - w) < 2 + 0.0012 * 1.2 * d * d * mss + w * 1e-6);
		}
		assert_true(fabs(tcp_cubic_window(0, k, w_max, mss) - (double)cwnd) <
			    2 + 0.0012 * kk * kk * mss * 1.2);
		assert_int_equal(tcp_cubic_window(k, k, w_max, mss), w_max);
	}
}

/* No time and no window overflows: it only ever rises. */
static void nothing_overflows(void **state)
{
	static const uint32_t mss[] = {88, 1460, 65495};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t k = tcp_cubic_k(UINT32_MAX, mss[i]), last = 0;

		assert_true(k > 0);
		for (uint64_t t = 0; t <= UINT32_MAX; t += 1 + t / 9) {
			uint32_t w = tcp_cubic_window((uint32_t)t, k, TCP_CC_MAX, mss[i]);

			assert_true(w >= last && w <= TCP_CC_MAX);
			last = w;
		}
		assert_int_equal(last, TCP_CC_MAX);
		assert_int_equal(tcp_cubic_window(UINT32_MAX, 0, 0, mss[i]), TCP_CC_MAX);
		assert_int_equal(tcp_cubic_window(0, UINT32_MAX, 1000, mss[i]), 0);
	}
}

/* ---- the interface ------------------------------------------------------------------ */

static void by_name(void **state)
{
	(void)state;
	assert_ptr_equal(tcp_cc_find("cubic"), &tcp_cc_cubic);
	assert_ptr_equal(tcp_cc_find("reno"), &tcp_cc_reno);
	assert_null(tcp_cc_find("cubi"));
	assert_null(tcp_cc_find("cubics"));
	assert_null(tcp_cc_find(""));
	for (unsigned i = 0; tcp_cc_at(i); i++)
		assert_ptr_equal(tcp_cc_find(tcp_cc_name(tcp_cc_at(i))), tcp_cc_at(i));
	assert_null(tcp_cc_at(2));
}

static void changed_while_it_lives(void **state)
{
	struct fx *f = full(40 * FX_MSS, 20 * FX_MSS);
	struct tcp_opts o;
	struct tcp_info info;

	(void)state;
	round_trip(f, 50 * FX_MS);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t cwnd = f->c->cwnd, ssthresh = f->c->ssthresh;

		tcp_get_opts(f->c, &o);
		o.cc = tcp_cc_at(i % 2);
		tcp_set_opts(f->c, &o, f->now);
		tcp_get_info(f->c, &info);
		assert_string_equal(info.cc, tcp_cc_name(o.cc));
		assert_int_equal(f->c->cwnd, cwnd);
		assert_int_equal(f->c->ssthresh, ssthresh);
		round_trip(f, 50 * FX_MS);
		assert_in_range(f->c->cwnd, cwnd, cwnd + 2 * FX_MSS);
	}
	done(f);
}

/* ---- CUBIC -------------------------------------------------------------------------- */

/* 4.6 and 4.7: seven tenths; and less than before makes room for others. */
static void decrease_and_fast_convergence(void **state)
{
	struct fx *f = full(100 * FX_MSS, 50 * FX_MSS);

	(void)state;
	lose_one(f);
	COUNTED(f, rtx_fast, 1);
	assert_int_equal(f->c->ssthresh, 70 * FX_MSS);
	assert_int_equal(f->c->cc_priv[0], 100 * FX_MSS); /* W_max */
	assert_int_equal(f->c->cc_priv[1], 100 * FX_MSS); /* cwnd_prior */
	IN(f, .ack = (int32_t)(f->c->recover - f->c->snd_nxt));
	fx_skip(f);
	assert_int_equal(f->c->cwnd, 70 * FX_MSS);
	lose_one(f);
	assert_int_equal(f->c->ssthresh, 49 * FX_MSS);
	assert_in_range(f->c->cc_priv[0], 59 * FX_MSS, 60 * FX_MSS); /* 70 (1 + beta) / 2 */
	done(f);
}

/* 4.2, 4.4, 4.5: after a loss cwnd follows W_cubic(t) through W_max and beyond. */
static void follows_the_curve(void **state)
{
	struct fx *f = full(400 * FX_MSS, 200 * FX_MSS);
	double k = cbrt(0.3 * 400 / 0.4);
	uint64_t t0;

	(void)state;
	lose_one(f);
	IN(f, .ack = (int32_t)(f->c->recover - f->c->snd_nxt));
	fx_skip(f);
	assert_int_equal(f->c->cwnd, 280 * FX_MSS);
	fx_send(f, 900000);
	round_trip(f, 50 * FX_MS);
	t0 = f->now;
	while (f->now < t0 + (uint64_t)(1.2 * k * FX_SEC)) {
		double d, w, got;

		round_trip(f, 50 * FX_MS);
		d = (double)(f->now - t0) / FX_SEC - k;
		w = 0.4 * d * d * d + 400;
		got = f->c->cwnd / (double)FX_MSS;
		/* Within what it grows in two round trips, and the Reno-friendly region's start. */
		assert_true(fabs(got - w) < 2 + 0.13 * 1.2 * d * d);
	}
	assert_true(f->c->cwnd > 400 * FX_MSS);
	done(f);
}

/* 4.3: on a short path Reno is faster, and W_est goes as fast: 9/17 a round trip. */
static void reno_friendly(void **state)
{
	struct fx *f = full(20 * FX_MSS, 10 * FX_MSS);
	uint32_t from;

	(void)state;
	lose_one(f);
	IN(f, .ack = (int32_t)(f->c->recover - f->c->snd_nxt));
	fx_skip(f);
	from = f->c->cwnd;
	assert_int_equal(from, 14 * FX_MSS);
	for (int i = 0; i < 11; i++)
		round_trip(f, FX_MS);
	/* 14 + 11 * 9 / 17 = 19.8; up to cwnd_prior, 20 */
	assert_in_range(f->c->cwnd, 18 * FX_MSS, 20 * FX_MSS);
	for (int i = 0; i < 10; i++)
		round_trip(f, FX_MS);
	/* from there alpha is one */
	assert_in_range(f->c->cwnd, 27 * FX_MSS, 31 * FX_MSS);
	done(f);
}

/* 4.8: K is 0 and W_max where congestion avoidance begins. */
static void after_a_timeout(void **state)
{
	struct fx *f = full(100 * FX_MSS, 50 * FX_MSS);

	(void)state;
	fx_run(f, 2500 * FX_MS);
	COUNTED(f, rtx_timeouts, 1);
	assert_int_equal(f->c->cwnd, FX_MSS);
	assert_int_equal(f->c->ssthresh, 70 * FX_MSS);
	fx_skip(f);
	IN(f, .ack = (int32_t)(f->c->recover - f->c->snd_nxt));
	fx_skip(f);
	f->c->cwnd = f->c->ssthresh;
	fx_send(f, 900000);
	fx_skip(f);
	round_trip(f, 50 * FX_MS);
	assert_int_equal(f->c->cc_priv[3], 0); /* K */
	assert_in_range(f->c->cc_priv[0], 70 * FX_MSS, 71 * FX_MSS);
	done(f);
}

/* 5.8: time without a full window is no time. */
static void unused_time_does_not_count(void **state)
{
	struct fx *f = full(100 * FX_MSS, 50 * FX_MSS);
	uint32_t cwnd;

	(void)state;
	lose_one(f);
	IN(f, .ack = (int32_t)(f->c->recover - f->c->snd_nxt));
	fx_skip(f);
	fx_send(f, 900000);
	round_trip(f, 50 * FX_MS);
	while (tcp_send_queued(f->c)) {
		fx_run(f, FX_MS);
		IN(f, .len = 0);
		fx_skip(f);
	}
	cwnd = f->c->cwnd;
	for (int i = 0; i < 200; i++) {
		fx_send(f, FX_MSS);
		fx_run(f, 50 * FX_MS);
		IN(f, .len = 0);
		fx_skip(f);
	}
	assert_int_equal(f->c->cwnd, cwnd);
	/* Ten seconds would have meant 400 segments and more. */
	fx_send(f, 900000);
	fx_skip(f);
	round_trip(f, 50 * FX_MS);
	assert_in_range(f->c->cwnd, cwnd, cwnd + 15 * FX_MSS);
	done(f);
}

/* RFC 3168 6.1.2: an echo is answered as a loss is, once a window, with CWR. */
static void ecn_echo(void **state)
{
	struct fx_opt opt = cubic;
	struct fx *f;

	(void)state;
	opt.ecn = true;
	f = fx_established(&opt);
	fx_wide(f);
	f->c->cwnd = 100 * FX_MSS;
	fx_send(f, 100 * FX_MSS);
	fx_skip(f);
	IN(f, .flags = TCP_ACK | TCP_ECE, .ack = -99 * FX_MSS);
	IN(f, .flags = TCP_ACK | TCP_ECE, .ack = -98 * FX_MSS);
	COUNTED(f, ecn_reduced, 1);
	assert_in_range(f->c->cwnd, 70 * FX_MSS, 71 * FX_MSS);
	assert_int_equal(f->c->cwnd, f->c->ssthresh);
	fx_skip(f);
	done(f);
}

/* ---- slow start ---------------------------------------------------------------------- */

/* RFC 9406 4.2: delay that grows ends slow start without loss, after five rounds of CSS. */
static void hystart_leaves_before_the_loss(void **state)
{
	struct fx *f = full(16 * FX_MSS, UINT32_MAX);
	uint64_t rtt = 50 * FX_MS;
	uint32_t cwnd = 0;
	int rounds = 0;

	(void)state;
	round_trip(f, rtt);
	round_trip(f, rtt);
	assert_in_range(f->c->cwnd, 60 * FX_MSS, 64 * FX_MSS); /* doubled twice */
	/* An eighth of 50 ms is 6.25 ms. */
	round_trip(f, rtt + 6 * FX_MS);
	round_trip(f, rtt);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	cwnd = f->c->cwnd;
	for (; f->c->ssthresh == UINT32_MAX && rounds < 10; rounds++)
		round_trip(f, rtt + 8 * FX_MS);
	assert_in_range(rounds, 5, 8);
	assert_int_equal(f->c->ssthresh != UINT32_MAX, 1);
	/* Doubling would be 2^5 at least; a quarter of it each is 1.25^5. */
	assert_true(f->c->cwnd < 8 * cwnd);
	COUNTED(f, rtx_fast, 0);
	done(f);
}

/* It was jitter: slow start goes on. */
static void hystart_goes_on_after_jitter(void **state)
{
	struct fx *f = full(16 * FX_MSS, UINT32_MAX);

	(void)state;
	round_trip(f, 50 * FX_MS);
	round_trip(f, 70 * FX_MS);
	for (int i = 0; i < 3; i++)
		round_trip(f, 50 * FX_MS);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	assert_true(f->c->cwnd > 200 * FX_MSS);
	done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cube_roots_are_exact),
		cmocka_unit_test(the_curve),
		cmocka_unit_test(nothing_overflows),
		cmocka_unit_test(by_name),
		cmocka_unit_test(changed_while_it_lives),
		cmocka_unit_test(decrease_and_fast_convergence),
		cmocka_unit_test(follows_the_curve),
		cmocka_unit_test(reno_friendly),
		cmocka_unit_test(after_a_timeout),
		cmocka_unit_test(unused_time_does_not_count),
		cmocka_unit_test(ecn_echo),
		cmocka_unit_test(hystart_leaves_before_the_loss),
		cmocka_unit_test(hystart_goes_on_after_jitter),
	};

	return cmocka_run_group_tests_name("tcp_cubic", tests, NULL, NULL);
}
