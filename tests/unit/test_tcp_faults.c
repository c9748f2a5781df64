/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What old stacks got wrong, one test a fault, by its name. Some have their whole
 * story elsewhere: urgent pointers in test_tcp_urgent, duplicates in test_tcp_dsack.
 */
#include "tcp_fixture.h"

static const struct fx_opt with_sack = FX_OPT(.sack = true);

/* ---- options: RFC 9293 3.1, MUST-6, MUST-7 --------------------------------------- */

/* A SYN with these option bytes, in memory that ends with them. */
static int parse(struct tcp_seg *s, const uint8_t *opt, size_t n)
{
	uint8_t *tcp = calloc(1, 20 + n);
	int rc;

	assert_non_null(tcp);
	tcp[12] = (uint8_t)((20 + n) / 4 << 4);
	tcp[13] = TCP_SYN;
	memcpy(tcp + 20, opt, n);
	rc = tcp_seg_parse(s, tcp, 20 + n);
	free(tcp);
	return rc;
}

/* An endless loop, in stacks that added 0 and looked again. */
static void option_length_0(void **state)
{
	static const uint8_t opt[] = {2, 4, 5, 180, 8, 0, 3, 3};
	struct tcp_seg s;

	(void)state;
	assert_int_equal(parse(&s, opt, sizeof(opt)), 0);
	assert_int_equal(s.mss, 1460); /* what came before counts */
	assert_false(s.has_ts);
	assert_int_equal(s.wscale, WEIR_WSCALE_NONE);
}

static void option_length_1(void **state)
{
	static const uint8_t opt[] = {2, 4, 5, 180, 3, 1, 3, 3, 7, 1, 1, 1};
	struct tcp_seg s;

	(void)state;
	assert_int_equal(parse(&s, opt, sizeof(opt)), 0);
	assert_int_equal(s.mss, 1460);
	assert_int_equal(s.wscale, WEIR_WSCALE_NONE); /* what comes after does not */
}

static void option_past_the_end(void **state)
{
	static const uint8_t ends[][4] = {
		{2, 8, 5, 180}, {8, 10, 0, 0}, {1, 1, 1, 2}, {5, 255, 0, 0}, {254, 5, 0, 0},
	};
	struct tcp_seg s;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		assert_int_equal(parse(&s, ends[i], 4), 0);
		assert_int_equal(s.mss, 0);
		assert_false(s.has_ts);
		assert_int_equal(s.nsack, 0);
	}
}

/* ---- the ACK field ------------------------------------------------------------------ */

/* Data in SYN_RCVD without the ACK of our SYN is nobody's yet. */
static void data_before_ack(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	IN(f, .bare = true, .len = 100);
	IN(f, .ack = -1, .len = 100);
	assert_int_equal(tcp_recv_ready(f->c), 0);
	STATE(f, SYN_RCVD);
	COUNTED(f, drop_no_ack, 1);
	COUNTED(f, drop_ack_syn_rcvd, 1);
	assert_int_equal(fx_pop(f)->seg.flags, TCP_RST);
	fx_free(f);
}

/* Two ends that each acknowledge what the other has not sent: ten answers a second. */
static void ack_of_unsent_data(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	for (int i = 0; i < 1000; i++)
		IN(f, .ack = 1000);
	COUNTED(f, drop_ack_unsent, 1000);
	assert_int_equal(fx_waiting(f), 10);
	assert_int_equal(f->c->snd_una, f->c->snd_nxt);
	fx_skip(f);
	fx_free(f);
}

/* Empty segments below the window, as its own answers would be: once in half a second. */
static void ack_war_out_of_the_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	for (int i = 0; i < 1000; i++)
		IN(f, .seq = -5000);
	assert_int_equal(fx_waiting(f), 1);
	COUNTED(f, ack_oow_limited, 999);
	fx_skip(f);
	fx_run(f, 500 * FX_MS);
	IN(f, .seq = -5000);
	EXPECT(f, .seq = 1, .ack = 1);
	/* Data that comes again waits for an ACK that was lost: always answered. */
	for (int i = 0; i < 30; i++) {
		IN(f, .seq = -100, .len = 100);
		EXPECT(f, .seq = 1, .ack = 1);
	}
	/* Beyond the window, within the budget of the challenges. */
	for (int i = 0; i < 30; i++)
		IN(f, .seq = 1 << 20, .len = 100);
	assert_in_range(fx_waiting(f), 1, 10);
	fx_skip(f);
	fx_free(f);
}

/* ---- SACK --------------------------------------------------------------------------------- */

static void sack_outside_the_window_or_inverted(void **state)
{
	static const uint32_t bad[][2] = {
		{2001, 1001},		  /* inverted */
		{1001, 1001},		  /* empty */
		{3001, 5001},		  /* beyond what was sent */
		{5001, 6001},		  /* all of it */
		{0x80000000, 0x80001000}, /* half a circle away */
		{1001, 0x80001001},
	};
	struct fx *f = fx_established(&with_sack);

	(void)state;
	fx_send(f, 3000);
	fx_skip(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (int k = 0; k < 4; k++)
			IN(f, .ack = -3000, .nsack = 1, .sack = {bad[i][0], bad[i][1]});
	NOTHING(f); /* no retransmission, no loss */
	assert_int_equal(f->c->log.sacked, 0);
	assert_int_equal(f->c->log.lost, 0);
	COUNTED(f, rtx_fast, 0);
	IN(f, .len = 0);
	fx_free(f);
}

/* ---- the window ------------------------------------------------------------------------------ */

/* A peer that takes back what it had offered (RFC 9293 3.8.6, "shrinking"). */
static void window_shrink(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	f->peer_wnd = 3000;
	IN(f, .len = 0);
	fx_send(f, 5000);
	fx_skip(f);
	IN(f, .ack = -3000, .wnd = 1000);
	NOTHING(f);
	IN(f, .ack = -2000, .wnd = 500); /* the usable window is negative */
	NOTHING(f);
	assert_int_equal(f->c->snd_nxt - FX_ISS, 3001);
	IN(f, .len = 10, .ack = -2000, .wnd = 500);
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .seq = 1501, .ack = 11); /* an ACK that the peer can accept */
	IN(f, .wnd = 3000);
	EXPECT(f, .seq = 3001, .ack = 11, .len = 1000);
	EXPECT(f, .flags = PSH_ACK, .seq = 4001, .ack = 11, .len = 1000);
	fx_free(f);
}

/* ---- FIN
 * ----------------------------------------------------------------------------------------- */

/* The FIN counts once all before it is there, and data beyond it never does. */
static void fin_with_data_out_of_order(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	IN(f, .seq = 200, .len = 100, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .ack = 1, .nsack = 1, .sack = {201, 301});
	STATE(f, ESTABLISHED);
	IN(f, .seq = 301, .len = 100); /* beyond the FIN */
	fx_skip(f);
	IN(f, .seq = 150, .len = 50);
	fx_skip(f);
	assert_false(tcp_recv_fin(f->c));
	IN(f, .len = 150);
	EXPECT(f, .seq = 1, .ack = 302);
	STATE(f, CLOSE_WAIT);
	assert_int_equal(tcp_recv_ready(f->c), 300);
	fx_read(f, 300);
	assert_true(tcp_recv_eof(f->c));
	fx_free(f);
}

/* ---- PAWS: RFC 7323 5.5
 * ---------------------------------------------------------------------------- */

/* After 24 days of silence the peer's clock may have gone half-way round. */
static void paws_with_idle_of_more_than_24_days(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.ts = true;
	for (int days = 23; days <= 49; days += 26) {
		f = fx_established(&opt);
		f->now += (uint64_t)days * 86400 * FX_SEC;
		f->peer_ts -= (uint32_t)days * 86400u * 1000 + 1; /* older than any before */
		IN(f, .len = 10);
		COUNTED(f, drop_paws, days < 24);
		assert_int_equal(tcp_recv_ready(f->c), days < 24 ? 0 : 10);
		fx_run(f, 50 * FX_MS);
		fx_skip(f);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(option_length_0),
		cmocka_unit_test(option_length_1),
		cmocka_unit_test(option_past_the_end),
		cmocka_unit_test(data_before_ack),
		cmocka_unit_test(ack_of_unsent_data),
		cmocka_unit_test(ack_war_out_of_the_window),
		cmocka_unit_test(sack_outside_the_window_or_inverted),
		cmocka_unit_test(window_shrink),
		cmocka_unit_test(fin_with_data_out_of_order),
		cmocka_unit_test(paws_with_idle_of_more_than_24_days),
	};

	return cmocka_run_group_tests_name("tcp_faults", tests, NULL, NULL);
}
