/* SPDX-License-Identifier: BSD-2-Clause */
/* Zero windows: probes, shrinking, how long it is borne. */
#include "tcp_fixture.h"

static struct fx *zero_window(size_t queued)
{
	struct fx *f = fx_established(NULL);

	IN(f, .zero_wnd = true);
	fx_send(f, queued);
	NOTHING(f);
	return f;
}

static void zero_window_probes_back_off(void **state)
{
	struct fx *f = zero_window(500);
	uint64_t t0 = f->now;
	struct tcp_info info;

	(void)state;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	for (int i = 0; i < 5; i++) {
		fx_run(f, t0 + ((2ull << i) - 1) * FX_SEC - f->now);
		EXPECT(f, .seq = 1, .ack = 1, .len = 1);
		IN(f, .ack = 0, .zero_wnd = true);
		NOTHING(f);
	}
	COUNTED(f, probe_zero_window, 5);
	assert_int_equal(f->c->retransmits, 0);
	/* It opens: all of it goes, the octet again. */
	IN(f, .len = 0);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 500);
	IN(f, .len = 0);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	fx_free(f);
}

static void probe_that_is_taken(void **state)
{
	struct fx *f = zero_window(500);

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1);
	IN(f, .ack = 1, .wnd = 1000); /* snd_nxt has not moved for the probe */
	EXPECT(f, .flags = PSH_ACK, .seq = 2, .ack = 1, .len = 499);
	COUNTED(f, drop_ack_unsent, 0);
	IN(f, .len = 0);
	fx_free(f);
	f = zero_window(1); /* it was all there was */
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1);
	IN(f, .ack = 1, .zero_wnd = true);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	assert_int_equal(f->pool.in_use, 0);
	IN(f, .ack = 1);
	COUNTED(f, drop_ack_unsent, 1);
	fx_skip(f);
	fx_free(f);
}

static void persist_limit(void **state)
{
	struct fx *f = zero_window(500);
	uint64_t end = f->now + f->cfg.persist_limit_us;

	(void)state;
	/* The peer answers every probe, with the window still closed. */
	while (f->now + FX_SEC < end) {
		fx_run(f, FX_SEC);
		IN(f, .ack = 0, .zero_wnd = true);
	}
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	COUNTED(f, abort_persist, 1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 1, .ack = 1);
	fx_free(f);
}

static void persist_limit_starts_over_when_it_opens(void **state)
{
	struct fx *f = zero_window(5000);

	(void)state;
	fx_run(f, 50 * FX_SEC);
	fx_skip(f);
	IN(f, .ack = 0, .wnd = 1000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .zero_wnd = true);
	fx_run(f, 59 * FX_SEC);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 2 * FX_SEC);
	STATE(f, CLOSED);
	fx_skip(f);
	fx_free(f);
}

static void fin_goes_out_against_a_zero_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .zero_wnd = true);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	fx_free(f);
}

/* RFC 9293 3.8.6: a peer that takes its window back still gets ACKs it can accept. */
static void window_taken_back(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 5000);
	fx_skip(f);
	IN(f, .ack = -4000, .len = 1000, .wnd = 1500);
	IN(f, .ack = -4000, .len = 1000, .wnd = 1500);
	EXPECT(f, .seq = 2501, .ack = 2001);
	IN(f, .ack = -4000, .len = 10, .zero_wnd = true);
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .seq = 1001, .ack = 2011);
	/* What is in flight is sent again all the same. */
	fx_run(f, f->c->rto);
	EXPECT(f, .seq = 1001, .ack = 2011, .len = 1000);
	IN(f, .len = 0);
	fx_free(f);
}

/* Data in flight, and a peer that has taken back all of its window (RFC 9293 3.8.6). */
static struct fx *shrunk_window(void)
{
	struct fx *f = fx_established(NULL);

	fx_user_timeout(f, 10 * FX_SEC);
	fx_run(f, 500 * FX_SEC); /* how long it was idle before is of no account */
	fx_send(f, 5000);
	fx_skip(f);
	IN(f, .ack = -5000, .zero_wnd = true);
	NOTHING(f);
	return f;
}

/* The peer answers whatever it gets, its window shut, until the end. */
static void answer_shut(struct fx *f, int32_t ack, uint64_t end)
{
	while (f->now < end && f->c->state != WEIR_CLOSED) {
		uint64_t at = tcp_next_timeout(f->c);

		fx_run(f, (at < end ? at : end) - f->now);
		if (f->c->state != WEIR_CLOSED && fx_waiting(f)) {
			fx_skip(f);
			IN(f, .ack = ack, .zero_wnd = true);
			NOTHING(f);
		}
	}
}

static void shrunk_window_backs_off(void **state)
{
	struct fx *f = shrunk_window();
	uint64_t t0 = f->now;
	struct tcp_info info;

	(void)state;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	for (int i = 0; i < 5; i++) {
		fx_run(f, t0 + ((2ull << i) - 1) * FX_SEC - f->now - 1);
		/* It is alive: time without an answer is not what is counted. */
		IN(f, .ack = -5000, .zero_wnd = true);
		NOTHING(f);
		fx_run(f, 1);
		EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
		IN(f, .ack = -5000, .zero_wnd = true);
		NOTHING(f);
		if (i == 2)
			fx_user_timeout(f, 30 * FX_SEC);
	}
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	IN(f, .len = 0);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	fx_free(f);
}

static void shrunk_window_persist_limit(void **state)
{
	(void)state;
	for (int user = 0; user < 2; user++) {
		struct fx *f = shrunk_window();
		uint64_t end = f->now + f->cfg.persist_limit_us;

		fx_user_timeout(f, user ? 40 * FX_SEC : 0);
		answer_shut(f, -5000, end - 1);
		STATE(f, ESTABLISHED);
		fx_skip(f);
		fx_run(f, 1);
		STATE(f, CLOSED);
		assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
		COUNTED(f, abort_persist, 1);
		COUNTED(f, abort_user_timeout, 0);
		EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 1, .ack = 1);
		fx_free(f);
	}
}

/* A peer that falls silent is not waited for longer than any other. */
static void shrunk_window_user_timeout(void **state)
{
	struct fx *f = shrunk_window();

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -5000, .zero_wnd = true);
	fx_run(f, 10 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 5 * FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	fx_skip(f);
	fx_free(f);
}

static void shrunk_window_opens_again(void **state)
{
	struct fx *f = shrunk_window();
	uint64_t end = f->now + 32 * FX_SEC;

	(void)state;
	fx_user_timeout(f, 40 * FX_SEC);
	answer_shut(f, -5000, end);
	fx_user_timeout(f, 10 * FX_SEC);
	/* At once, as from the persist state, with a fresh RTO and user timeout. */
	IN(f, .ack = -5000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	NOTHING(f);
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	STATE(f, ESTABLISHED);
	IN(f, .ack = -4000);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 2001, .ack = 1, .len = 1000);
	IN(f, .ack = -2000, .zero_wnd = true); /* and shuts again: a new term */
	end = f->now + f->cfg.persist_limit_us;
	fx_user_timeout(f, 0);
	fx_skip(f);
	answer_shut(f, -2000, end - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 1);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	fx_skip(f);
	fx_free(f);
}

/* Nor does an open window that is not used well prolong the user timeout. */
static void window_shut_for_a_moment(void **state)
{
	struct fx *f = shrunk_window();

	(void)state;
	fx_run(f, 500 * FX_MS);
	IN(f, .ack = -5000);
	NOTHING(f); /* nothing was sent against it */
	fx_run(f, 10 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	fx_skip(f);
	fx_free(f);
}

static void fin_held_by_a_zero_window(void **state)
{
	struct fx *f = fx_established(NULL);
	uint64_t end;

	(void)state;
	fx_user_timeout(f, 0);
	IN(f, .zero_wnd = true);
	fx_run(f, 500 * FX_SEC);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	end = f->now + f->cfg.persist_limit_us;
	answer_shut(f, -1, end - 1);
	STATE(f, FIN_WAIT_1);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	fx_skip(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_window_probes_back_off),
		cmocka_unit_test(probe_that_is_taken),
		cmocka_unit_test(persist_limit),
		cmocka_unit_test(persist_limit_starts_over_when_it_opens),
		cmocka_unit_test(fin_goes_out_against_a_zero_window),
		cmocka_unit_test(window_taken_back),
		cmocka_unit_test(shrunk_window_backs_off),
		cmocka_unit_test(shrunk_window_persist_limit),
		cmocka_unit_test(shrunk_window_user_timeout),
		cmocka_unit_test(shrunk_window_opens_again),
		cmocka_unit_test(window_shut_for_a_moment),
		cmocka_unit_test(fin_held_by_a_zero_window),
	};

	return cmocka_run_group_tests_name("tcp_persist", tests, NULL, NULL);
}
