/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls at the wrong time, and what is told of a connection at each time. */
#include "tcp_fixture.h"

static struct fx *(*const every[])(const struct fx_opt *) = {
	fx_closed,     fx_listen,     fx_syn_sent, fx_syn_rcvd, fx_established, fx_fin_wait_1,
	fx_fin_wait_2, fx_close_wait, fx_closing,  fx_last_ack, fx_time_wait,
};
#define NSTATES (sizeof(every) / sizeof(every[0]))

static void what_has_no_name_is_a_question_mark(void **state)
{
	(void)state;
	assert_string_equal(tcp_state_name((enum weir_tcp_state)WEIR_TCP_NSTATES), "?");
	assert_string_equal(tcp_timer_name((enum tcp_timer_kind)99), "?");
	assert_string_equal(tcp_reason_name((enum tcp_reason)99), "?");
	for (unsigned i = 0; i < WEIR_TCP_NSTATES; i++)
		assert_string_not_equal(tcp_state_name((enum weir_tcp_state)i), "?");
}

/* Options may change at any time; only where it means something does anything follow. */
static void options_change_in_every_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSTATES; i++) {
		struct fx *f = every[i](NULL);
		enum weir_tcp_state before = tcp_get_state(f->c);
		struct tcp_opts o, back;

		tcp_get_opts(f->c, &o);
		o.keep_idle_ms = 5000;
		o.keep_interval_ms = 1000;
		o.nodelay = !o.nodelay;
		o.cork = true;
		o.quickack = true;
		o.user_timeout_ms = 7000;
		o.rcvbuf /= 2;
		tcp_set_opts(f->c, &o, f->now);
		fx_drain(f);
		tcp_get_opts(f->c, &back);
		assert_int_equal(back.keep_idle_ms, 5000);
		assert_int_equal(back.user_timeout_ms, 7000);
		assert_true(back.cork && back.quickack);
		assert_int_equal(tcp_get_state(f->c), before);
		if (before == WEIR_CLOSED || before == WEIR_LISTEN)
			assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
		fx_skip(f);
		fx_free(f);
	}
}

/* Keep-alive where data may still come, and where nothing else runs. */
static void keepalive_set_late_runs(void **state)
{
	struct fx *(*const idle[])(const struct fx_opt *) = {fx_established, fx_fin_wait_2,
							     fx_close_wait};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fx *f = idle[i](NULL);
		struct tcp_opts o;

		tcp_get_opts(f->c, &o);
		o.keep_idle_ms = 5000;
		o.keep_interval_ms = 1000;
		o.keep_probes = 2;
		tcp_set_opts(f->c, &o, f->now);
		assert_int_equal(tcp_next_timeout(f->c), f->now + 5 * FX_SEC);
		fx_run(f, 9 * FX_SEC);
		STATE(f, CLOSED);
		assert_int_equal(tcp_get_reason(f->c), TCP_END_KEEPALIVE);
		COUNTED(f, probe_keepalive, 2);
		fx_skip(f);
		fx_free(f);
	}
}

/* A writer that waits is told when the buffer grows, too. */
static void a_larger_buffer_wakes_the_writer(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_opts o;
	struct fx *f;

	(void)state;
	opt.sndbuf = 4000;
	f = fx_established(&opt);
	fx_send(f, 4000);
	fx_skip(f);
	assert_int_equal(tcp_send_space(f->c), 0);
	tcp_get_opts(f->c, &o);
	o.sndbuf = 8000;
	tcp_set_opts(f->c, &o, f->now);
	assert_true(tcp_events(f->c) & TCP_EV_WRITABLE);
	assert_int_equal(tcp_send_space(f->c), 4000);
	fx_free(f);
}

/* Below the contract's room nothing is written, and nothing is lost by it. */
static void a_buffer_too_small_gets_nothing(void **state)
{
	struct fx *f = fx_established(NULL);
	uint8_t buf[64], ecn;

	(void)state;
	IN(f, .len = 1, .seq = 5);
	EXPECT(f, .seq = 1, .ack = 1);
	tcp_shutdown(f->c);
	assert_int_equal(tcp_output(f->c, buf, sizeof(buf), &ecn, f->now), 0);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	fx_free(f);
}

static void nothing_is_sent_or_read_without_a_connection(void **state)
{
	struct fx *(*const shut[])(const struct fx_opt *) = {fx_closed, fx_listen, fx_fin_wait_1,
							     fx_last_ack, fx_time_wait};

	(void)state;
	for (size_t i = 0; i < sizeof(shut) / sizeof(shut[0]); i++) {
		struct fx *f = shut[i](NULL);
		const uint8_t *p;
		uint8_t *w;

		assert_int_equal(tcp_send(f->c, "x", 1), 0);
		assert_int_equal(tcp_send_space(f->c), 0);
		assert_int_equal(tcp_send_reserve(f->c, &w), 0);
		tcp_send_commit(f->c, 1);
		assert_int_equal(tcp_send_urgent(f->c, "x", 1), 0);
		assert_int_equal(tcp_recv_peek(f->c, &p), 0);
		tcp_recv_done(f->c, 1, f->now);
		assert_int_equal(tcp_send_queued(f->c), 0);
		fx_drain(f);
		fx_skip(f);
		fx_free(f);
	}
}

/* What TCP_INFO shows of recovery, as the kernel counts it. */
static void info_tells_where_recovery_is(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_info info;
	struct fx *f;

	(void)state;
	opt.sack = true;
	f = fx_established(&opt);
	tcp_get_info(f->c, &info);
	assert_int_equal(info.recovery, 0);
	fx_send(f, 8000);
	fx_skip(f);
	fx_run(f, 20 * FX_MS); /* so that RACK's window is one */
	IN(f, .ack = -8000, .nsack = 1, .sack = {1001, 2001});
	tcp_get_info(f->c, &info);
	assert_int_equal(info.recovery, 1);
	IN(f, .ack = -8000, .nsack = 1, .sack = {1001, 4001});
	IN(f, .ack = -8000, .nsack = 1, .sack = {1001, 5001});
	tcp_get_info(f->c, &info);
	assert_int_equal(info.recovery, 3);
	assert_int_equal(info.sacked, 4000);
	fx_run(f, 10 * FX_SEC);
	tcp_get_info(f->c, &info);
	assert_int_equal(info.recovery, 4);
	assert_true(info.backoff > 0);
	fx_skip(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_name_is_a_question_mark),
		cmocka_unit_test(options_change_in_every_state),
		cmocka_unit_test(keepalive_set_late_runs),
		cmocka_unit_test(a_larger_buffer_wakes_the_writer),
		cmocka_unit_test(a_buffer_too_small_gets_nothing),
		cmocka_unit_test(nothing_is_sent_or_read_without_a_connection),
		cmocka_unit_test(info_tells_where_recovery_is),
	};

	return cmocka_run_group_tests_name("tcp_corners", tests, NULL, NULL);
}
