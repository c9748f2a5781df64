/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window follows what the application takes, the send buffer follows cwnd:
 * never beyond their bounds, never back, and not where they were set by hand.
 */
#include "tcp_fixture.h"

#define RTT (50 * FX_MS)

static struct fx_opt growing(bool ts)
{
	struct fx_opt opt = fx_opt_default;

	opt.ts = ts;
	opt.sack = opt.wscale = true;
	opt.peer_shift = 7;
	opt.rcvbuf = 50000;
	opt.rcvbuf_max = 400000;
	opt.sndbuf = 50000;
	opt.sndbuf_max = 400000;
	opt.blocks = 4096;
	return opt;
}

/* A round trip of a sender that fills the window, and an application that reads it all. */
static void round_trip(struct fx *f, uint32_t most)
{
	uint32_t sent = u32_min(tcp_rcv_wnd(f->c), most);
	/* its data echoes what we sent a round trip ago */
	uint32_t echo = f->c->ts_ours + (uint32_t)((f->now - f->c->ts_base_us) / 1000);

	fx_run(f, RTT);
	while (sent) {
		uint32_t n = u32_min(sent, 988);

		IN(f, .len = n, .tsecr = echo);
		fx_read(f, tcp_recv_ready(f->c));
		sent -= n;
	}
	fx_skip(f);
}

/* With timestamps by their echo, without by the turn-over of the window. */
static void window_grows_with_what_is_taken(void **state)
{
	(void)state;
	for (int ts = 0; ts < 2; ts++) {
		struct fx_opt opt = growing(ts);
		struct fx *f = fx_established(&opt);
		uint32_t before = f->c->rcv_adv;
		struct tcp_info info;

		for (int i = 0; i < 12; i++) {
			round_trip(f, UINT32_MAX);
			assert_true(seq_geq(f->c->rcv_adv, before));
			before = f->c->rcv_adv;
		}
		assert_in_range(tcp_rcv_wnd(f->c), 350000, 400000 + 128);
		assert_int_equal(f->c->rcvbuf, 400000); /* its bound, and no further */
		tcp_get_info(f->c, &info);
		assert_in_range(info.rcv_rtt_us, RTT / 2, 2 * RTT);
		assert_true(info.rcv_space > 100000);
		fx_run(f, FX_SEC);
		fx_skip(f);
		assert_int_equal(f->pool.in_use, 0); /* a limit, not memory */
		fx_free(f);
	}
}

/* What the sender does, and the application takes, is what counts. */
static void window_stays_where_it_suffices(void **state)
{
	struct fx_opt opt = growing(true);
	struct fx *f = fx_established(&opt);

	(void)state;
	for (int i = 0; i < 20; i++)
		round_trip(f, 8000);
	assert_int_equal(f->c->rcvbuf, 50000);
	fx_free(f);
	/* A reader that is slow is not given more to hold. */
	f = fx_established(&opt);
	for (int i = 0; i < 20; i++) {
		fx_run(f, RTT);
		for (int k = 0; k < 5 && tcp_rcv_wnd(f->c) > 988; k++)
			IN(f, .len = 988);
		fx_read(f, u32_min(1000, (uint32_t)tcp_recv_ready(f->c)));
		fx_skip(f);
	}
	assert_int_equal(f->c->rcvbuf, 50000);
	fx_free(f);
}

static void window_that_was_set_does_not_move(void **state)
{
	struct tcp_opts o = fx_opts();
	struct fx_opt opt = growing(true);
	struct fx *f;

	(void)state;
	o.rcvbuf = 50000;
	o.sndbuf = 50000;
	o.rcvbuf_fixed = o.sndbuf_fixed = true;
	opt.opts = &o;
	f = fx_established(&opt);
	for (int i = 0; i < 12; i++)
		round_trip(f, UINT32_MAX);
	assert_int_equal(f->c->rcvbuf, 50000);
	f->c->cwnd = 1 << 20;
	fx_send(f, 1000);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->sndbuf, 50000);
	fx_free(f);
}

/* 65535 shifted by what the handshake agreed on is the most that can be said. */
static void window_is_bounded_by_the_scale(void **state)
{
	struct fx_opt opt = growing(true);
	struct fx *f;

	(void)state;
	opt.wscale = false;
	f = fx_established(&opt);
	for (int i = 0; i < 12; i++)
		round_trip(f, UINT32_MAX);
	assert_int_equal(f->c->rcvbuf, 65535);
	assert_in_range(tcp_rcv_wnd(f->c), 60000, 65535);
	fx_free(f);
}

/* A pool that is half used, or small, is shared by all of a worker's connections. */
static void limits_are_bounded_by_the_pool(void **state)
{
	struct fx_opt opt = growing(true);
	struct fx *f;

	(void)state;
	opt.blocks = 512; /* an eighth: 130 KB */
	f = fx_established(&opt);
	for (int i = 0; i < 12; i++)
		round_trip(f, UINT32_MAX);
	assert_int_equal(f->c->rcvbuf, 64 * TCP_BLOCK_DATA);
	fx_free(f);
	opt.blocks = 4096;
	f = fx_established(&opt);
	assert_int_equal(fx_hold(f, 2100), 2100);
	for (int i = 0; i < 12; i++)
		round_trip(f, UINT32_MAX);
	assert_int_equal(f->c->rcvbuf, 50000);
	f->c->cwnd = 1 << 20;
	fx_send(f, 1000);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->sndbuf, 50000);
	fx_give_back(f, 2100);
	fx_free(f);
}

/* Twice cwnd: one window in flight, one to follow. */
static void send_buffer_follows_cwnd(void **state)
{
	struct fx_opt opt = growing(true);
	struct fx *f = fx_established(&opt);

	(void)state;
	assert_int_equal(tcp_send_space(f->c), 50000);
	for (uint32_t cwnd = 20000; cwnd < 500000; cwnd *= 2) {
		f->c->cwnd = f->c->ssthresh = cwnd;
		fx_send(f, 1000);
		fx_skip(f);
		IN(f, .len = 0);
		assert_in_range(tcp_send_space(f->c), u32_min(u32_max(2 * cwnd, 50000), 400000),
				400000);
	}
	f->c->cwnd = 10000; /* and not back */
	fx_send(f, 1000);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(tcp_send_space(f->c), 400000);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

/* The clock's low bits wrap after 71 minutes. */
static void growth_across_the_wrap_of_the_clock(void **state)
{
	struct fx_opt opt = growing(false);
	struct fx *f = fx_new(&opt);
	struct weir_flow flow = {.iss = FX_ISS, .irs = FX_IRS, .mss = 1000, .wscale = 7};

	(void)state;
	f->now = 0xffffffffull - 150 * FX_MS;
	tcp_open_cookie(f->c, &f->open, &flow, f->now);
	IN(f, .len = 0);
	for (int i = 0; i < 12; i++)
		round_trip(f, UINT32_MAX);
	assert_true(f->now > 0xffffffffull);
	assert_int_equal(f->c->rcvbuf, 400000);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_grows_with_what_is_taken),
		cmocka_unit_test(window_stays_where_it_suffices),
		cmocka_unit_test(window_that_was_set_does_not_move),
		cmocka_unit_test(window_is_bounded_by_the_scale),
		cmocka_unit_test(limits_are_bounded_by_the_pool),
		cmocka_unit_test(send_buffer_follows_cwnd),
		cmocka_unit_test(growth_across_the_wrap_of_the_clock),
	};

	return cmocka_run_group_tests_name("tcp_autotune", tests, NULL, NULL);
}
