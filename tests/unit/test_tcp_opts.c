/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of one connection, its errors, and what it tells of itself. */
#include <errno.h>

#include "tcp_fixture.h"

static void change(struct fx *f, void (*how)(struct tcp_opts *o))
{
	struct tcp_opts o;

	tcp_get_opts(f->c, &o);
	how(&o);
	tcp_set_opts(f->c, &o, f->now);
	fx_drain(f);
}

static void no_delay(struct tcp_opts *o)
{
	o->nodelay = true;
}

static void defaults_are_the_workers(void **state)
{
	struct tcp_opts o;
	struct fx *f;

	(void)state;
	f = fx_new(NULL);
	f->cfg.user_timeout_us = 7 * FX_SEC;
	f->cfg.keepalive_idle_us = 3 * FX_SEC;
	f->cfg.keepalive_interval_us = 2 * FX_SEC;
	f->cfg.keepalive_probes = 1000;
	f->cfg.syn_retries = 4;
	f->cfg.nagle = true;
	f->cfg.ecn = true;
	tcp_open_active(f->c, &f->open, FX_ISS, 0, f->now);
	tcp_get_opts(f->c, &o);
	assert_ptr_equal(o.cc, f->cfg.cc);
	assert_int_equal(o.rcvbuf, f->opt.rcvbuf);
	assert_int_equal(o.sndbuf, f->opt.sndbuf);
	assert_int_equal(o.user_timeout_ms, 7000);
	assert_int_equal(o.keep_idle_ms, 3000);
	assert_int_equal(o.keep_interval_ms, 2000);
	assert_int_equal(o.keep_probes, 255);
	assert_int_equal(o.syn_retries, 4);
	assert_false(o.nodelay);
	assert_true(o.ecn);
	assert_int_equal(o.maxseg, 0);
	fx_free(f);
}

static void what_is_set_can_be_got(void **state)
{
	struct tcp_opts set = fx_opts(), got;
	struct fx *f = fx_established(NULL);

	(void)state;
	set.rcvbuf = 12345;
	set.sndbuf = 54321;
	set.user_timeout_ms = 1;
	set.keep_idle_ms = 2;
	set.keep_interval_ms = 3;
	set.keep_probes = 4;
	set.syn_retries = 5;
	set.maxseg = 600;
	set.nodelay = set.cork = set.quickack = set.rcvbuf_fixed = true;
	set.sndbuf_fixed = set.ecn = set.linger = true;
	tcp_set_opts(f->c, &set, f->now);
	tcp_get_opts(f->c, &got);
	assert_int_equal(got.rcvbuf, 12345);
	assert_int_equal(got.sndbuf, 54321);
	assert_int_equal(got.user_timeout_ms, 1);
	assert_int_equal(got.keep_idle_ms, 2);
	assert_int_equal(got.keep_interval_ms, 3);
	assert_int_equal(got.keep_probes, 4);
	assert_int_equal(got.syn_retries, 5);
	assert_int_equal(got.maxseg, 600);
	assert_true(got.nodelay && got.cork && got.quickack && got.rcvbuf_fixed);
	assert_true(got.sndbuf_fixed && got.ecn && got.linger);
	change(f, no_delay);
	tcp_get_opts(f->c, &got);
	assert_true(got.nodelay && got.linger);
	fx_free(f);
}

/* ---- TCP_NODELAY, TCP_CORK, TCP_QUICKACK, TCP_MAXSEG ------------------------------ */

static void nodelay_releases_what_nagle_holds(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.nagle = true;
	f = fx_established(&opt);
	fx_send(f, 10);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 10);
	fx_send(f, 10);
	NOTHING(f);
	change(f, no_delay);
	EXPECT(f, .flags = PSH_ACK, .seq = 11, .ack = 1, .len = 10);
	fx_free(f);
}

static void cork(struct tcp_opts *o)
{
	o->cork = true;
}

static void uncork(struct tcp_opts *o)
{
	o->cork = false;
}

static void cork_sends_full_segments_only(void **state)
{
	struct fx *f = fx_established(NULL);
	struct tcp_info info;

	(void)state;
	change(f, cork);
	fx_send(f, 2300);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	NOTHING(f);
	IN(f, .len = 0);
	NOTHING(f); /* nothing in flight, and still held */
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_CORK);
	fx_send(f, 700);
	EXPECT(f, .flags = PSH_ACK, .seq = 2001, .ack = 1, .len = 1000);
	fx_send(f, 5);
	NOTHING(f);
	change(f, uncork);
	EXPECT(f, .flags = PSH_ACK, .seq = 3001, .ack = 1, .len = 5);
	IN(f, .len = 0);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	fx_free(f);
}

/* As tcp(7) has it: setting TCP_NODELAY sends what waits, and the cork stays. */
static void nodelay_flushes_the_cork(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.nagle = true;
	f = fx_established(&opt);
	change(f, cork);
	fx_send(f, 100);
	NOTHING(f);
	change(f, no_delay);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 100);
	fx_send(f, 100);
	NOTHING(f);
	fx_free(f);
}

static void cork_lasts_200_ms(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	change(f, cork);
	for (uint32_t i = 0; i < 3; i++) {
		fx_send(f, 10);
		fx_run(f, 200 * FX_MS - 1);
		NOTHING(f);
		fx_run(f, 1);
		EXPECT(f, .flags = PSH_ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10);
		IN(f, .len = 0);
	}
	/* A FIN ends it. */
	fx_send(f, 10);
	NOTHING(f);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = PSH_ACK | TCP_FIN, .seq = 31, .ack = 1, .len = 10);
	fx_free(f);
}

/* What a window holds is probed (RFC 9293 3.8.6.1), cork or not. */
static void cork_does_not_stop_the_persist_timer(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	change(f, cork);
	IN(f, .zero_wnd = true);
	fx_send(f, 10);
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1);
	COUNTED(f, probe_zero_window, 1);
	fx_free(f);
}

static void quick(struct tcp_opts *o)
{
	o->quickack = true;
}

static void quickack_acknowledges_every_segment(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 100);
	NOTHING(f);
	change(f, quick); /* what waits, too */
	EXPECT(f, .seq = 1, .ack = 101);
	for (uint32_t i = 0; i < 30; i++) {
		IN(f, .len = 10);
		EXPECT(f, .seq = 1, .ack = 111 + 10 * i);
	}
	fx_free(f);
}

/* RFC 9293 3.8.6.3 bounds the delay; slow start is served by none at all. */
static void first_segments_are_acknowledged_at_once(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.quick = true;
	f = fx_established(&opt);
	for (uint32_t i = 0; i < 16; i++) {
		IN(f, .len = 1000);
		EXPECT(f, .seq = 1, .ack = 1001 + 1000 * i);
	}
	IN(f, .len = 1000);
	NOTHING(f);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 1, .ack = 18001);
	fx_free(f);
	/* Whoever answers carries its ACKs there. */
	f = fx_established(&opt);
	fx_send(f, 10);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 10);
	IN(f, .len = 1000);
	NOTHING(f);
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .seq = 11, .ack = 1001);
	fx_free(f);
	/* A half-close is no answer: what comes is a stream, and still in slow start. */
	f = fx_established(&opt);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 2, .ack = 1001);
	fx_free(f);
}

static void small_segments(struct tcp_opts *o)
{
	o->maxseg = 500;
}

static void tiny_segments(struct tcp_opts *o)
{
	o->maxseg = 1;
}

static void maxseg_bounds_what_is_sent(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	change(f, small_segments);
	fx_send(f, 600);
	EXPECT(f, .seq = 1, .ack = 1, .len = 500);
	EXPECT(f, .flags = PSH_ACK, .seq = 501, .ack = 1, .len = 100);
	change(f, tiny_segments);
	fx_send(f, 100);
	EXPECT(f, .seq = 601, .ack = 1, .len = 88);
	EXPECT(f, .flags = PSH_ACK, .seq = 689, .ack = 1, .len = 12);
	fx_free(f);
}

/* ---- buffers ------------------------------------------------------------------------ */

static void small_receive(struct tcp_opts *o)
{
	o->rcvbuf = 4000;
}

static void large_receive(struct tcp_opts *o)
{
	o->rcvbuf = 60000;
}

/* RFC 9293 3.8.6 (SHLD-14): a smaller buffer takes nothing back that was offered. */
static void receive_buffer_changes(void **state)
{
	struct fx_opt opt = fx_opt_default;
	uint32_t edge;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 20000;
	f = fx_established(&opt);
	edge = f->c->rcv_adv;
	change(f, small_receive);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 1, .ack = 2001, .wnd = 18000);
	assert_int_equal(f->c->rcv_adv, edge);
	for (int i = 0; i < 18; i++)
		IN(f, .len = 1000);
	assert_int_equal(tcp_recv_ready(f->c), 20000);
	fx_skip(f);
	fx_read(f, 20000);
	EXPECT(f, .seq = 1, .ack = 20001, .wnd = 4000);
	change(f, large_receive);
	EXPECT(f, .seq = 1, .ack = 20001, .wnd = 60000);
	fx_free(f);
}

static void double_send(struct tcp_opts *o)
{
	o->sndbuf *= 2;
}

static void larger_send_buffer_wakes_the_writer(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.sndbuf = 3000;
	f = fx_established(&opt);
	fx_send(f, 5000);
	fx_skip(f);
	assert_int_equal(f->sent, 3000);
	change(f, double_send);
	assert_int_equal(fx_events(f), TCP_EV_WRITABLE);
	assert_int_equal(tcp_send_space(f->c), 3000);
	fx_free(f);
}

/* ---- timers -------------------------------------------------------------------------- */

static void timeout_5_s(struct tcp_opts *o)
{
	o->user_timeout_ms = 5000;
}

/* RFC 9293 3.8.3 (MUST-21), also for what is in flight already. */
static void user_timeout_of_one_connection(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 10);
	fx_run(f, 3 * FX_SEC);
	change(f, timeout_5_s);
	fx_run(f, 2 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_error(f->c), ETIMEDOUT);
	fx_skip(f);
	fx_free(f);
}

static void keep(struct tcp_opts *o)
{
	o->keep_idle_ms = 10000;
	o->keep_interval_ms = 2000;
	o->keep_probes = 2;
}

static void keep_not(struct tcp_opts *o)
{
	o->keep_idle_ms = 0;
}

/* RFC 9293 3.8.4 (MUST-24): per connection, off by default. */
static void keepalive_of_one_connection(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	change(f, keep);
	change(f, keep_not);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	change(f, keep);
	fx_run(f, 10 * FX_SEC);
	assert_int_equal(fx_pop(f)->seg.seq, FX_ISS); /* SND.NXT - 1 */
	fx_run(f, 2 * FX_SEC);
	fx_skip(f);
	fx_run(f, 2 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_KEEPALIVE);
	assert_int_equal(tcp_get_error(f->c), ETIMEDOUT);
	fx_skip(f);
	fx_free(f);
}

/* ---- endings --------------------------------------------------------------------------- */

static void no_linger(struct tcp_opts *o)
{
	o->linger = true;
}

/* RFC 1122 4.2.2.13: SO_LINGER with 0 is an abort. */
static void linger_0_resets(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 10);
	fx_send(f, 10);
	fx_skip(f);
	change(f, no_linger);
	tcp_close(f->c, f->now);
	fx_drain(f);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 11, .ack = 11);
	STATE(f, CLOSED);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

static void errors_are_errno_values(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	assert_int_equal(tcp_get_error(f->c), 0);
	IN(f, .flags = TCP_RST);
	assert_int_equal(tcp_get_error(f->c), ECONNRESET);
	fx_free(f);
	f = fx_close_wait(NULL);
	IN(f, .flags = TCP_RST);
	assert_int_equal(tcp_get_error(f->c), EPIPE);
	fx_free(f);
	f = fx_last_ack(NULL);
	IN(f, .len = 0);
	assert_int_equal(tcp_get_error(f->c), 0);
	fx_free(f);
	f = fx_time_wait(NULL);
	assert_int_equal(tcp_get_error(f->c), 0);
	fx_free(f);
	f = fx_established(NULL);
	tcp_abort(f->c, TCP_END_SHUTDOWN);
	fx_drain(f);
	assert_int_equal(tcp_get_error(f->c), ECONNABORTED);
	fx_skip(f);
	fx_free(f);
	for (int r = TCP_END_NORMAL + 1; r <= TCP_END_UNREACHABLE; r++)
		assert_int_not_equal(tcp_reason_errno((enum tcp_reason)r), 0);
	assert_int_equal(tcp_reason_errno(TCP_END_NORMAL), 0);
	assert_int_equal(tcp_reason_errno(TCP_END_NONE), 0);
	assert_int_equal(tcp_reason_errno(TCP_END_NOMEM), ENOBUFS);
}

static void all_sent_is_told_once(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .len = 0);
	assert_int_equal(fx_events(f), TCP_EV_OPEN); /* our SYN is no byte of the application's */
	fx_send(f, 1500);
	fx_skip(f);
	IN(f, .ack = -500);
	assert_int_equal(fx_events(f), 0);
	tcp_shutdown(f->c);
	fx_drain(f);
	fx_skip(f);
	IN(f, .ack = -1); /* all but the FIN */
	assert_int_equal(fx_events(f), 0);
	IN(f, .len = 0);
	assert_int_equal(fx_events(f), TCP_EV_SENT);
	IN(f, .len = 0);
	assert_int_equal(fx_events(f), 0);
	fx_free(f);
}

static void info_tells_what_was_agreed(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_info info;
	struct fx *f;

	(void)state;
	opt.ts = opt.sack = opt.wscale = opt.ecn = true;
	opt.peer_shift = 3;
	f = fx_established(&opt);
	tcp_get_info(f->c, &info);
	assert_true(info.ts && info.sack && info.wscale && info.ecn);
	assert_int_equal(info.snd_wscale, 3);
	assert_int_equal(info.rcv_wscale, 7);
	assert_int_equal(info.advmss, 1460);
	assert_int_equal(info.pmtu, 1500);
	assert_int_equal(info.recovery, 0);
	assert_non_null(info.cc);
	fx_free(f);
	opt.mss_default = 1220;
	f = fx_established(&opt);
	f->c->mtu_mss = 1440;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.pmtu, 1500);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_workers),
		cmocka_unit_test(what_is_set_can_be_got),
		cmocka_unit_test(nodelay_releases_what_nagle_holds),
		cmocka_unit_test(cork_sends_full_segments_only),
		cmocka_unit_test(nodelay_flushes_the_cork),
		cmocka_unit_test(cork_lasts_200_ms),
		cmocka_unit_test(cork_does_not_stop_the_persist_timer),
		cmocka_unit_test(quickack_acknowledges_every_segment),
		cmocka_unit_test(first_segments_are_acknowledged_at_once),
		cmocka_unit_test(maxseg_bounds_what_is_sent),
		cmocka_unit_test(receive_buffer_changes),
		cmocka_unit_test(larger_send_buffer_wakes_the_writer),
		cmocka_unit_test(user_timeout_of_one_connection),
		cmocka_unit_test(keepalive_of_one_connection),
		cmocka_unit_test(linger_0_resets),
		cmocka_unit_test(errors_are_errno_values),
		cmocka_unit_test(all_sent_is_told_once),
		cmocka_unit_test(info_tells_what_was_agreed),
	};

	return cmocka_run_group_tests_name("tcp_opts", tests, NULL, NULL);
}
