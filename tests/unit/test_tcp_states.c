/* SPDX-License-Identifier: BSD-2-Clause */
/* The closing half of RFC 9293 figure 5; who may end a connection, and how. */
#include "tcp_fixture.h"

/* ---- closing ------------------------------------------------------------------- */

static void active_close(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	STATE(f, FIN_WAIT_1);
	IN(f, .len = 0);
	STATE(f, FIN_WAIT_2);
	IN(f, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 2, .ack = 2);
	STATE(f, TIME_WAIT);
	assert_int_equal(fx_events(f), TCP_EV_SENT | TCP_EV_EOF | TCP_EV_ENDED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_NORMAL);
	fx_run(f, 2 * f->cfg.msl_us - 1);
	STATE(f, TIME_WAIT);
	fx_run(f, 1);
	STATE(f, CLOSED);
	fx_free(f);
}

static void passive_close(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = TCP_FIN | TCP_ACK, .seq = 2, .len = 3);
	EXPECT(f, .seq = 1, .ack = 1);
	assert_false(tcp_recv_fin(f->c)); /* there is a hole before it */
	IN(f, .len = 2);
	EXPECT(f, .seq = 1, .ack = 7);
	STATE(f, CLOSE_WAIT);
	assert_int_equal(fx_events(f), TCP_EV_READABLE | TCP_EV_EOF);
	assert_true(tcp_recv_fin(f->c));
	assert_false(tcp_recv_eof(f->c));
	fx_read(f, 5);
	assert_true(tcp_recv_eof(f->c));
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 7);
	STATE(f, LAST_ACK);
	IN(f, .len = 0);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_NORMAL);
	assert_int_equal(fx_events(f), TCP_EV_SENT | TCP_EV_ENDED);
	fx_free(f);
}

static void simultaneous_close(void **state)
{
	struct fx *f = fx_fin_wait_1(NULL);

	(void)state;
	IN(f, .flags = TCP_FIN | TCP_ACK, .ack = -1);
	EXPECT(f, .seq = 2, .ack = 2);
	STATE(f, CLOSING);
	IN(f, .len = 0);
	NOTHING(f);
	STATE(f, TIME_WAIT);
	fx_free(f);
}

static void fin_with_the_ack_of_ours(void **state)
{
	struct fx *f = fx_fin_wait_1(NULL);

	(void)state;
	IN(f, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 2, .ack = 2);
	STATE(f, TIME_WAIT);
	fx_free(f);
}

static void half_close_keeps_reading(void **state)
{
	struct fx *f = fx_fin_wait_2(NULL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		IN(f, .len = 1000);
		IN(f, .len = 1000);
		EXPECT(f, .seq = 2, .ack = 2001 + 2000 * (uint32_t)i);
		fx_read(f, 2000);
	}
	/* Half-closed by shutdown: no limit on how long the peer may send. */
	fx_run(f, 10 * f->cfg.fin_wait_2_us);
	STATE(f, FIN_WAIT_2);
	IN(f, .flags = TCP_FIN | TCP_ACK, .len = 10);
	EXPECT(f, .seq = 2, .ack = 6012);
	STATE(f, TIME_WAIT);
	fx_read(f, 10);
	assert_true(tcp_recv_eof(f->c));
	fx_free(f);
}

static void half_closed_by_the_peer_keeps_sending(void **state)
{
	struct fx *f = fx_close_wait(NULL);

	(void)state;
	fx_send(f, 1500);
	EXPECT(f, .seq = 1, .ack = 2, .len = 1000);
	EXPECT(f, .flags = TCP_ACK | TCP_PSH, .seq = 1001, .ack = 2, .len = 500);
	IN(f, .len = 0);
	STATE(f, CLOSE_WAIT);
	fx_free(f);
}

static void fin_follows_the_queue(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	f->peer_wnd = 1500;
	IN(f, .len = 0);
	fx_send(f, 2500);
	tcp_shutdown(f->c);
	assert_int_equal(tcp_send(f->c, "x", 1), 0);
	fx_drain(f);
	STATE(f, FIN_WAIT_1);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	NOTHING(f);
	IN(f, .len = 0);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	EXPECT(f, .flags = TCP_FIN | TCP_PSH | TCP_ACK, .seq = 2001, .ack = 1, .len = 500);
	STATE(f, FIN_WAIT_1);
	IN(f, .len = 0, .ack = -1); /* all but the FIN */
	STATE(f, FIN_WAIT_1);
	IN(f, .len = 0);
	STATE(f, FIN_WAIT_2);
	fx_free(f);
}

static void fin_ahead_of_a_hole_waits(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .seq = 100, .len = 50, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 1);
	STATE(f, ESTABLISHED);
	IN(f, .seq = 151, .len = 10); /* beyond the peer's own FIN */
	COUNTED(f, recv_beyond_window, 1);
	fx_skip(f);
	IN(f, .len = 100);
	EXPECT(f, .seq = 1, .ack = 152);
	STATE(f, CLOSE_WAIT);
	fx_read(f, 150);
	assert_true(tcp_recv_eof(f->c));
	fx_free(f);
}

static void fin_below_what_arrived_is_no_fin(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .seq = 200, .len = 50);
	IN(f, .seq = 100, .len = 50, .flags = TCP_FIN | TCP_ACK);
	COUNTED(f, drop_fin_conflict, 1);
	IN(f, .len = 200);
	assert_int_equal(tcp_recv_ready(f->c), 250);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_free(f);
}

static void fin_is_sent_again(void **state)
{
	struct fx *f = fx_last_ack(NULL);

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	IN(f, .flags = TCP_FIN | TCP_ACK, .seq = -1, .ack = -1); /* and the peer's */
	EXPECT(f, .seq = 2, .ack = 2);
	IN(f, .len = 0);
	STATE(f, CLOSED);
	fx_free(f);
}

static void close_without_a_connection(void **state)
{
	struct fx *f = fx_listen(NULL);

	(void)state;
	tcp_close(f->c, f->now);
	STATE(f, CLOSED);
	fx_free(f);
	f = fx_syn_sent(NULL);
	tcp_shutdown(f->c);
	fx_drain(f);
	STATE(f, CLOSED);
	fx_free(f);
}

/* ---- limits ------------------------------------------------------------------------ */

static void fin_wait_2_limit(void **state)
{
	struct fx *f = fx_fin_wait_2(NULL);
	struct tcp_info info;

	(void)state;
	fx_run(f, 5 * FX_SEC);
	tcp_close(f->c, f->now);
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_FIN_WAIT_2);
	assert_int_equal(info.timer_at, f->now + f->cfg.fin_wait_2_us);
	fx_run(f, f->cfg.fin_wait_2_us - 1);
	STATE(f, FIN_WAIT_2);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_FIN_WAIT_2);
	COUNTED(f, abort_fin_wait_2, 1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 2, .ack = 1);
	fx_free(f);
}

static void held_fin(struct fx *f, uint32_t ack)
{
	uint64_t end = f->now + f->cfg.last_ack_us;

	/* The peer lives and answers, but never acknowledges the FIN. */
	while (f->now + FX_SEC < end) {
		fx_run(f, FX_SEC);
		IN(f, .ack = -1);
	}
	assert_int_not_equal(tcp_get_state(f->c), WEIR_CLOSED);
	fx_skip(f);
	fx_run(f, FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_LAST_ACK);
	COUNTED(f, abort_last_ack, 1);
	while (fx_waiting(f) > 1)
		fx_pop(f);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 2, .ack = ack);
	fx_free(f);
}

static void last_ack_limit(void **state)
{
	(void)state;
	held_fin(fx_last_ack(NULL), 2);
	held_fin(fx_closing(NULL), 2);
}

static void data_after_close_is_reset(void **state)
{
	struct fx *(*const make[])(const struct fx_opt *) = {fx_established, fx_fin_wait_1,
							     fx_fin_wait_2};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fx *f = make[i](NULL);

		IN(f, .len = 100); /* unread when it is closed */
		tcp_close(f->c, f->now);
		fx_drain(f);
		fx_run(f, 50 * FX_MS);
		fx_skip(f);
		assert_int_equal(f->pool.in_use, 0);
		IN(f, .seq = -100, .len = 100); /* a duplicate is no new data */
		EXPECT(f, .ack = 101);
		IN(f, .len = 1);
		EXPECT(f, .flags = TCP_RST | TCP_ACK, .ack = 101);
		STATE(f, CLOSED);
		COUNTED(f, rst_data_after_close, 1);
		fx_free(f);
	}
}

/* Our FIN is lost, the peer goes on: its RCV.NXT is what it acknowledges (RFC 5961 3.2). */
static void rst_for_late_data_is_exact(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	tcp_close(f->c, f->now);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	IN(f, .len = 10, .ack = -1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 1, .ack = 1);
	STATE(f, CLOSED);
	fx_free(f);
}

static void close_delivers_what_is_queued(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 100);
	fx_send(f, 700);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .seq = 1, .ack = 101, .len = 700);
	tcp_close(f->c, f->now);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 701, .ack = 101);
	IN(f, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 702, .ack = 102);
	STATE(f, TIME_WAIT);
	fx_free(f);
}

/* ---- RST and SYN in every synchronized state ------------------------------------------ */

struct maker {
	const char *name;
	struct fx *(*make)(const struct fx_opt *);
};

static const struct maker synchronized[] = {
	{"ESTABLISHED", fx_established}, {"FIN_WAIT_1", fx_fin_wait_1},
	{"FIN_WAIT_2", fx_fin_wait_2},	 {"CLOSE_WAIT", fx_close_wait},
	{"CLOSING", fx_closing},	 {"LAST_ACK", fx_last_ack},
};
#define NSYNC (sizeof(synchronized) / sizeof(synchronized[0]))

static void rst_ends_only_with_the_exact_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSYNC; i++) {
		struct fx *f = synchronized[i].make(NULL);
		int32_t wnd = (int32_t)tcp_rcv_wnd(f->c);

		IN(f, .flags = TCP_RST, .seq = -1);
		IN(f, .flags = TCP_RST, .seq = wnd);
		NOTHING(f);
		COUNTED(f, drop_rst_out_of_window, 2);
		IN(f, .flags = TCP_RST, .seq = 1);
		EXPECT(f, .flags = TCP_ACK);
		IN(f, .flags = TCP_RST | TCP_ACK, .seq = wnd - 1);
		EXPECT(f, .flags = TCP_ACK);
		COUNTED(f, rst_challenged, 2);
		assert_string_equal(tcp_state_name(tcp_get_state(f->c)), synchronized[i].name);
		IN(f, .flags = TCP_RST);
		NOTHING(f);
		STATE(f, CLOSED);
		assert_int_equal(tcp_get_reason(f->c), TCP_END_RESET);
		COUNTED(f, rst_accepted, 1);
		fx_free(f);
	}
}

static void syn_is_challenged(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSYNC; i++) {
		struct fx *f = synchronized[i].make(NULL);

		IN(f, .flags = TCP_SYN, .in_place = true, .seq = 5);
		EXPECT(f, .flags = TCP_ACK);
		IN(f, .flags = TCP_SYN, .in_place = true, .seq = -100000);
		EXPECT(f, .flags = TCP_ACK);
		IN(f, .flags = TCP_SYN | TCP_ACK, .in_place = true);
		EXPECT(f, .flags = TCP_ACK);
		COUNTED(f, syn_challenged, 3);
		assert_string_equal(tcp_state_name(tcp_get_state(f->c)), synchronized[i].name);
		fx_free(f);
	}
}

static void challenges_are_limited(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	for (int i = 0; i < 25; i++)
		IN(f, .flags = TCP_RST, .seq = 5);
	assert_int_equal(fx_waiting(f), 10);
	COUNTED(f, ack_challenge_sent, 10);
	COUNTED(f, ack_challenge_limited, 15);
	fx_skip(f);
	fx_run(f, FX_SEC);
	IN(f, .flags = TCP_RST, .seq = 5);
	EXPECT(f, .seq = 1, .ack = 1);
	fx_free(f);
}

static void closed_answers_with_rst(void **state)
{
	struct fx *f = fx_closed(NULL);

	(void)state;
	IN(f, .len = 5, .ack = 3);
	EXPECT(f, .flags = TCP_RST, .seq = 4);
	IN(f, .bare = true, .len = 5, .seq = 10);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 0u - FX_ISS, .ack = 16);
	IN(f, .flags = TCP_RST);
	NOTHING(f);
	COUNTED(f, drop_closed, 3);
	STATE(f, CLOSED);
	fx_free(f);
}

static void abort_sends_rst_where_the_peer_knows_us(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSYNC; i++) {
		struct fx *f = synchronized[i].make(NULL);

		tcp_abort(f->c, TCP_END_APP_TIMEOUT);
		fx_drain(f);
		EXPECT(f, .flags = TCP_RST | TCP_ACK);
		assert_int_equal(tcp_get_reason(f->c), TCP_END_APP_TIMEOUT);
		assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
		fx_free(f);
	}
	for (int i = 0; i < 3; i++) {
		struct fx *(*const quiet[])(const struct fx_opt *) = {fx_listen, fx_syn_sent,
								      fx_time_wait};
		struct fx *f = quiet[i](NULL);

		tcp_abort(f->c, TCP_END_ABORTED);
		fx_drain(f);
		STATE(f, CLOSED);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(active_close),
		cmocka_unit_test(passive_close),
		cmocka_unit_test(simultaneous_close),
		cmocka_unit_test(fin_with_the_ack_of_ours),
		cmocka_unit_test(half_close_keeps_reading),
		cmocka_unit_test(half_closed_by_the_peer_keeps_sending),
		cmocka_unit_test(fin_follows_the_queue),
		cmocka_unit_test(fin_ahead_of_a_hole_waits),
		cmocka_unit_test(fin_below_what_arrived_is_no_fin),
		cmocka_unit_test(fin_is_sent_again),
		cmocka_unit_test(close_without_a_connection),
		cmocka_unit_test(fin_wait_2_limit),
		cmocka_unit_test(last_ack_limit),
		cmocka_unit_test(data_after_close_is_reset),
		cmocka_unit_test(rst_for_late_data_is_exact),
		cmocka_unit_test(close_delivers_what_is_queued),
		cmocka_unit_test(rst_ends_only_with_the_exact_number),
		cmocka_unit_test(syn_is_challenged),
		cmocka_unit_test(challenges_are_limited),
		cmocka_unit_test(closed_answers_with_rst),
		cmocka_unit_test(abort_sends_rst_where_the_peer_knows_us),
	};

	return cmocka_run_group_tests_name("tcp_states", tests, NULL, NULL);
}
