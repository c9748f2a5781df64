/* SPDX-License-Identifier: BSD-2-Clause */
/* The congestion window where nothing is lost: RFC 5681, 6928, 3465, 3168. */
#include "tcp_flight.h"

/* Reno, whose sums are easily done by hand. */
static const struct fx_opt plain = FX_OPT(.cc = &tcp_cc_reno);
static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);

static void initial_window(void **state)
{
	struct fx *f = fx_established(&plain);

	(void)state;
	fx_wide(f);
	assert_int_equal(f->c->cwnd, 10 * FX_MSS);
	fx_send(f, 30000);
	assert_int_equal(fx_waiting(f), 10);
	fx_skip(f);
	/* Slow start: two segments more than it acknowledges, for each ACK of two. */
	IN(f, .ack = -8000);
	assert_int_equal(f->c->cwnd, 12 * FX_MSS);
	assert_int_equal(fx_waiting(f), 4);
	fx_skip(f);
	fx_free(f);
}

static void congestion_avoidance_grows_by_one_a_round(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	fx_wide(f);
	f->c->ssthresh = f->c->cwnd = 10 * FX_MSS;
	fx_send(f, 200000);
	for (int round = 0; round < 3; round++) {
		uint32_t cwnd = f->c->cwnd, n = cwnd / FX_MSS;

		for (uint32_t i = 0; i < n; i++)
			IN(f, .ack = -(int32_t)(f->c->snd_nxt - f->c->snd_una) + 1000);
		assert_int_equal(f->c->cwnd, cwnd + FX_MSS);
	}
	fx_skip(f);
	fx_free(f);
}

/* Bytes count and not ACKs (RFC 3465 1): an ACK for each byte gains nothing. */
static void ack_division(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct fx_opt opt = with_sack;
		struct fx *f;

		(void)state;
		opt.cc = tcp_cc_at(i);
		f = fx_established(&opt);
		fx_wide(f);
		fx_send(f, 30000);
		for (int k = 1; k <= 100; k++)
			IN(f, .ack = (int32_t)(FX_ISS + 1 + k * 10 - f->c->snd_nxt));
		assert_int_equal(f->c->cwnd, 11 * FX_MSS);
		/* Nor does an ACK of what was not sent. */
		IN(f, .ack = 1000);
		COUNTED(f, drop_ack_unsent, 1);
		assert_int_equal(f->c->cwnd, 11 * FX_MSS);
		fx_skip(f);
		fx_free(f);
	}
}

static void unused_window_does_not_grow(void **state)
{
	struct fx *f = fx_established(&plain);

	(void)state;
	for (int i = 0; i < 50; i++) {
		fx_send(f, 1000);
		IN(f, .len = 0);
	}
	assert_int_equal(f->c->cwnd, 10 * FX_MSS);
	fx_skip(f);
	fx_free(f);
}

static void idle_returns_to_the_initial_window(void **state)
{
	struct fx *f = flight(&plain, 20, 5);

	(void)state;
	f->c->cwnd = 50000;
	IN(f, .len = 0);
	fx_run(f, 2 * FX_SEC);
	fx_send(f, 1000);
	assert_int_equal(f->c->cwnd, 10 * FX_MSS);
	fx_skip(f);
	fx_free(f);
}

static void ecn_echo_halves_once_a_window(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.ecn = true;
	f = flight(&opt, 20, 10);
	assert_int_equal(f->q[0].ecn, 2); /* ECT(0) */
	IN(f, .flags = TCP_ACK | TCP_ECE, .ack = -9000);
	COUNTED(f, ecn_reduced, 1);
	assert_int_equal(f->c->cwnd, 4500);
	IN(f, .flags = TCP_ACK | TCP_ECE, .ack = -8000);
	COUNTED(f, ecn_reduced, 1);
	IN(f, .ack = -1000);
	fx_send(f, 2000);
	EXPECT(f, .flags = TCP_ACK | TCP_CWR, .len = 1000, .seq = 10001);
	EXPECT(f, .flags = PSH_ACK, .len = 1000, .seq = 11001);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_window),
		cmocka_unit_test(congestion_avoidance_grows_by_one_a_round),
		cmocka_unit_test(ack_division),
		cmocka_unit_test(unused_window_does_not_grow),
		cmocka_unit_test(idle_returns_to_the_initial_window),
		cmocka_unit_test(ecn_echo_halves_once_a_window),
	};

	return cmocka_run_group_tests_name("tcp_cwnd", tests, NULL, NULL);
}
