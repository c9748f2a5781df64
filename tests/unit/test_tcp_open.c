/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening, the upper half of RFC 9293 figure 5: by cookie, passive, active,
 * simultaneous; how often it is tried, and what else may come in SYN_SENT.
 */
#include <errno.h>

#include "tcp_fixture.h"

static void cookie_is_established_at_once(void **state)
{
	struct fx *f = fx_new(NULL);
	struct weir_flow flow = {.iss = FX_ISS, .irs = FX_IRS, .mss = 1000, .wscale = 0xff};

	(void)state;
	tcp_open_cookie(f->c, &f->open, &flow, f->now);
	STATE(f, ESTABLISHED);
	assert_int_equal(tcp_events(f->c), TCP_EV_OPEN);
	assert_int_equal(f->c->snd_una, FX_ISS + 1);
	assert_int_equal(f->c->rcv_nxt, FX_IRS + 1);
	/* The window is not known before the first segment. */
	fx_send(f, 100);
	NOTHING(f);
	IN(f, .len = 10);
	EXPECT(f, .flags = TCP_ACK | TCP_PSH, .seq = 1, .ack = 11, .len = 100);
	fx_free(f);
}

static void passive_open(void **state)
{
	struct fx *f = fx_listen(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1, .wnd = 65535);
	STATE(f, SYN_RCVD);
	assert_int_equal(fx_events(f), 0);
	IN(f, .len = 0);
	NOTHING(f);
	STATE(f, ESTABLISHED);
	assert_int_equal(fx_events(f), TCP_EV_OPEN);
	fx_free(f);
}

static void passive_open_with_data_in_the_ack(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .len = 50, .flags = TCP_ACK | TCP_FIN);
	EXPECT(f, .seq = 1, .ack = 52);
	STATE(f, CLOSE_WAIT);
	fx_read(f, 50);
	assert_true(tcp_recv_eof(f->c));
	fx_free(f);
}

static void listen_ignores_rst_and_resets_acks(void **state)
{
	struct fx *f = fx_listen(NULL);

	(void)state;
	IN(f, .flags = TCP_RST);
	NOTHING(f);
	IN(f, .flags = TCP_ACK, .ack = 7);
	EXPECT(f, .flags = TCP_RST, .seq = 7);
	IN(f, .bare = true, .len = 3);
	NOTHING(f);
	COUNTED(f, drop_listen, 3);
	STATE(f, LISTEN);
	fx_free(f);
}

static void active_open(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 1);
	STATE(f, ESTABLISHED);
	assert_int_equal(fx_events(f), TCP_EV_OPEN);
	fx_free(f);
}

static void active_open_sends_what_was_queued(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_send(f, 300);
	NOTHING(f);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	EXPECT(f, .flags = TCP_ACK | TCP_PSH, .seq = 1, .ack = 1, .len = 300);
	fx_free(f);
}

static void syn_sent_wrong_ack_is_reset(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	EXPECT(f, .flags = TCP_RST, .seq = 2);
	IN(f, .flags = TCP_ACK, .ack = -2);
	EXPECT(f, .flags = TCP_RST, .seq = UINT32_MAX);
	COUNTED(f, drop_ack_syn_sent, 2);
	IN(f, .flags = TCP_RST | TCP_ACK, .ack = 1);
	NOTHING(f);
	STATE(f, SYN_SENT);
	fx_free(f);
}

static void syn_sent_rst(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_RST); /* without an ACK: anyone could say that */
	STATE(f, SYN_SENT);
	IN(f, .flags = TCP_ACK); /* neither SYN nor RST */
	COUNTED(f, drop_syn_sent, 1);
	IN(f, .flags = TCP_RST | TCP_ACK);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_REFUSED);
	assert_int_equal(fx_events(f), TCP_EV_ENDED);
	fx_free(f);
}

/* RFC 9293 figure 7 */
static void simultaneous_open(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	STATE(f, SYN_RCVD);
	IN(f, .flags = TCP_SYN | TCP_ACK, .seq = -1);
	STATE(f, ESTABLISHED);
	NOTHING(f);
	fx_free(f);
}

/* The SYN-ACK that ends it has a window that is not scaled, like every SYN's. */
static void simultaneous_open_with_window_scaling(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.wscale = true;
	opt.peer_shift = 5;
	f = fx_syn_sent(&opt);
	IN(f, .flags = TCP_SYN, .wnd = 3000);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	IN(f, .flags = TCP_SYN | TCP_ACK, .seq = -1, .in_place = true, .wnd = 3000);
	STATE(f, ESTABLISHED);
	assert_int_equal(f->c->snd_wnd, 3000);
	IN(f, .len = 0, .wnd = 3000);
	assert_int_equal(f->c->snd_wnd, 3000 << 5);
	fx_free(f);
}

static void syn_is_sent_again(void **state)
{
	struct fx *f = fx_syn_sent(NULL);
	uint64_t t0 = f->now;

	(void)state;
	fx_run(f, 8 * FX_SEC);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(f->q[f->qhead % 1024].at - t0, ((2ull << i) - 1) * FX_SEC);
		EXPECT(f, .flags = TCP_SYN);
	}
	NOTHING(f);
	/* RFC 6298 5.7, RFC 5681 3.1: 3 s and one segment after a lost SYN. */
	f->opt.ts = false;
	IN(f, .flags = TCP_SYN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 1);
	assert_int_equal(f->c->rto, 3 * FX_SEC);
	assert_int_equal(f->c->cwnd, f->c->mss);
	fx_free(f);
}

static void syn_sent_gives_up(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_run(f, 101 * FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	COUNTED(f, abort_user_timeout, 1);
	fx_skip(f);
	fx_free(f);
}

static void syn_rcvd_answers_a_repeated_syn(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN, .seq = -1, .in_place = true);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	COUNTED(f, syn_repeated, 1);
	fx_run(f, FX_SEC);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	STATE(f, SYN_RCVD);
	fx_free(f);
}

static void syn_rcvd_wrong_ack_is_reset(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .ack = 5);
	EXPECT(f, .flags = TCP_RST, .seq = 6);
	IN(f, .bare = true);
	NOTHING(f);
	COUNTED(f, drop_no_ack, 1);
	STATE(f, SYN_RCVD);
	fx_free(f);
}

static void syn_rcvd_rst(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .flags = TCP_RST);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_RESET);
	fx_free(f);
}

static void syn_rcvd_lives_as_long_as_a_cookie(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	fx_run(f, f->cfg.syn_rcvd_us - 1);
	STATE(f, SYN_RCVD);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	COUNTED(f, abort_syn_rcvd, 1);
	NOTHING(f);
	fx_free(f);
}

static void close_in_syn_rcvd_waits_for_established(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	tcp_shutdown(f->c);
	fx_drain(f);
	NOTHING(f);
	IN(f, .len = 0);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	STATE(f, FIN_WAIT_1);
	fx_free(f);
}

/* ---- how often, how long --------------------------------------------------------- */

static void syn_retries_end_an_active_open(void **state)
{
	struct tcp_opts o = fx_opts();
	struct fx_opt opt = fx_opt_default;
	struct fx *f;
	uint64_t t0;

	(void)state;
	o.syn_retries = 3;
	opt.opts = &o;
	f = fx_syn_sent(&opt);
	t0 = f->now;
	/* Sent after 1, 3 and 7 s; given up when the next was due, after 15. */
	fx_run(f, 15 * FX_SEC - 1);
	STATE(f, SYN_SENT);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(f->q[f->qhead % 1024].at - t0, ((2ull << i) - 1) * FX_SEC);
		EXPECT(f, .flags = TCP_SYN);
	}
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	assert_int_equal(tcp_get_error(f->c), ETIMEDOUT);
	COUNTED(f, abort_syn_retries, 1);
	fx_free(f); /* and no RST: nobody knows of us */
}

/* RFC 9293 3.10.8: deleted without a word; the address may have been forged. */
static void syn_ack_retries_end_a_passive_open(void **state)
{
	struct tcp_opts o = fx_opts();
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	o.syn_retries = 2;
	opt.opts = &o;
	f = fx_syn_rcvd(&opt);
	fx_run(f, 7 * FX_SEC - 1);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	NOTHING(f);
	STATE(f, SYN_RCVD);
	fx_run(f, 1);
	STATE(f, CLOSED);
	COUNTED(f, abort_syn_retries, 1);
	NOTHING(f);
	fx_free(f);
}

/* The final ACK was lost: the SYN-ACK comes again, and so does the answer to it. */
static void lost_final_ack(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	fx_send(f, 100); /* a server that speaks first */
	NOTHING(f);
	fx_run(f, FX_SEC);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	IN(f, .len = 0, .ack = 0);
	STATE(f, ESTABLISHED);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .seq = 1, .ack = 1, .len = 100);
	fx_free(f);
}

/* ---- RFC 9293 3.10.7.3 ------------------------------------------------------------- */

/* "If there are other controls or text in the segment, then continue processing". */
static void syn_ack_with_data_and_fin(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_send(f, 20);
	IN(f, .flags = TCP_SYN | TCP_ACK | TCP_FIN, .len = 30);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .seq = 1, .ack = 32, .len = 20);
	STATE(f, CLOSE_WAIT);
	fx_read(f, 30);
	assert_true(tcp_recv_eof(f->c));
	assert_int_equal(fx_events(f), TCP_EV_OPEN | TCP_EV_READABLE | TCP_EV_EOF);
	fx_free(f);
}

/* Text and FIN of a SYN are left for the peer to repeat, once it has our SYN-ACK. */
static void data_on_a_syn_comes_again(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct fx *f = i ? fx_syn_sent(NULL) : fx_listen(NULL);

		(void)state;
		IN(f, .flags = TCP_SYN | TCP_FIN, .len = 10);
		EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
		STATE(f, SYN_RCVD);
		assert_int_equal(tcp_recv_ready(f->c), 0);
		IN(f, .len = 10, .flags = TCP_ACK | TCP_FIN);
		STATE(f, CLOSE_WAIT);
		EXPECT(f, .seq = 1, .ack = 12);
		fx_read(f, 10);
		fx_free(f);
	}
}

static void rst_with_a_wrong_ack_is_dropped_in_syn_sent(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_RST | TCP_ACK, .ack = -1);
	IN(f, .flags = TCP_RST | TCP_SYN | TCP_ACK, .ack = 1);
	NOTHING(f); /* "unless the RST bit is set" */
	STATE(f, SYN_SENT);
	IN(f, .flags = TCP_RST | TCP_SYN | TCP_ACK);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_error(f->c), ECONNREFUSED);
	fx_free(f);
}

/* Either SYN-ACK of a simultaneous open may be lost. */
static void simultaneous_open_with_a_lost_syn_ack(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN);
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	fx_run(f, FX_SEC); /* the peer's was lost */
	EXPECT(f, .flags = TCP_SYN | TCP_ACK, .ack = 1);
	IN(f, .len = 0); /* the peer has ours, and is open */
	STATE(f, ESTABLISHED);
	/* Ours was lost: the peer repeats its own, and gets the ACK that opens it. */
	IN(f, .flags = TCP_SYN | TCP_ACK, .seq = -1, .in_place = true);
	EXPECT(f, .seq = 1, .ack = 1);
	STATE(f, ESTABLISHED);
	fx_free(f);
}

/* An open of our own in SYN_RCVD has its retries, not a cookie's life. */
static void simultaneous_open_is_refused(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN);
	fx_run(f, f->cfg.syn_rcvd_us + FX_SEC);
	STATE(f, SYN_RCVD);
	fx_skip(f);
	IN(f, .flags = TCP_RST);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_REFUSED);
	assert_int_equal(tcp_get_error(f->c), ECONNREFUSED);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookie_is_established_at_once),
		cmocka_unit_test(passive_open),
		cmocka_unit_test(passive_open_with_data_in_the_ack),
		cmocka_unit_test(listen_ignores_rst_and_resets_acks),
		cmocka_unit_test(active_open),
		cmocka_unit_test(active_open_sends_what_was_queued),
		cmocka_unit_test(syn_sent_wrong_ack_is_reset),
		cmocka_unit_test(syn_sent_rst),
		cmocka_unit_test(simultaneous_open),
		cmocka_unit_test(simultaneous_open_with_window_scaling),
		cmocka_unit_test(syn_is_sent_again),
		cmocka_unit_test(syn_sent_gives_up),
		cmocka_unit_test(syn_rcvd_answers_a_repeated_syn),
		cmocka_unit_test(syn_rcvd_wrong_ack_is_reset),
		cmocka_unit_test(syn_rcvd_rst),
		cmocka_unit_test(syn_rcvd_lives_as_long_as_a_cookie),
		cmocka_unit_test(close_in_syn_rcvd_waits_for_established),
		cmocka_unit_test(syn_retries_end_an_active_open),
		cmocka_unit_test(syn_ack_retries_end_a_passive_open),
		cmocka_unit_test(lost_final_ack),
		cmocka_unit_test(syn_ack_with_data_and_fin),
		cmocka_unit_test(data_on_a_syn_comes_again),
		cmocka_unit_test(rst_with_a_wrong_ack_is_dropped_in_syn_sent),
		cmocka_unit_test(simultaneous_open_with_a_lost_syn_ack),
		cmocka_unit_test(simultaneous_open_is_refused),
	};

	return cmocka_run_group_tests_name("tcp_open", tests, NULL, NULL);
}
