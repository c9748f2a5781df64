/* SPDX-License-Identifier: BSD-2-Clause */
/* RACK and tail loss probes: RFC 8985, segment by segment. */
#include "tcp_flight.h"

static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);

/* The round trip is known: 40 ms, once; then n segments leave. */
static struct fx *flying(const struct fx_opt *opt, unsigned n)
{
	struct fx *f = fx_established(opt);

	fx_wide(f);
	fx_send(f, FX_MSS);
	fx_run(f, RTT);
	IN(f, .len = 0);
	fx_skip(f);
	assert_int_equal(f->c->min_rtt, RTT);
	flight_send(f, 20, n);
	return f;
}

static void expect_segs(struct fx *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to; i++) {
		struct fx_out *o = fx_pop(f);

		assert_int_equal(o->seg.seq - FX_ISS, (i - 1) * FX_MSS + 1);
		assert_int_equal(o->seg.len, FX_MSS);
	}
}

/* ---- RACK ----------------------------------------------------------------------- */

/* 6.2.4: fewer than three segments SACKed: a quarter of min_rtt may pass first. */
static void a_hole_waits_for_the_window(void **state)
{
	struct fx *f = flying(&with_sack, 5);

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 2), .nsack = 1, .sack = {SEGS(3, 3)});
	NOTHING(f);
	fx_run(f, RTT / 4 - 1);
	NOTHING(f);
	fx_run(f, 1);
	expect_segs(f, 2, 2);
	NOTHING(f);
	COUNTED(f, rtx_fast, 1);
	fx_run(f, RTT);
	IN(f, .len = 0);
	fx_free(f);
}

/* 6.2 step 3 and 5: what comes late, but in time, is not sent again. */
static void reordering_without_retransmission(void **state)
{
	struct fx *f = flying(&with_sack, 5);

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 2), .nsack = 1, .sack = {SEGS(3, 4)});
	fx_run(f, RTT / 8);
	IN(f, UNA_SEG(f, 5));
	assert_true(f->c->reordering);
	fx_run(f, RTT / 2);
	NOTHING(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->retransmits, 0);
	/* From now on three SACKed segments prove nothing, but wait as one does (6.2.4). */
	fx_send(f, 6 * FX_MSS);
	fx_skip(f);
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 7), .nsack = 1, .sack = {SEGS(8, 11)});
	NOTHING(f);
	fx_run(f, RTT / 8);
	IN(f, UNA_SEG(f, 12));
	fx_run(f, RTT / 2);
	NOTHING(f);
	IN(f, .len = 0);
	COUNTED(f, rtx_fast, 0);
	fx_free(f);
}

/* 6.2.4: a D-SACK widens the window by a quarter of min_rtt, once a round trip. */
static void dsack_widens_the_window(void **state)
{
	struct fx *f = flying(&with_sack, 8);

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 2), .nsack = 1, .sack = {SEGS(3, 5)});
	expect_segs(f, 2, 2);
	fx_run(f, RTT / 4);
	IN(f, UNA_SEG(f, 6)); /* the first copy */
	fx_skip(f);
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 10), .nsack = 1, .sack = {SEGS(2, 2)});
	COUNTED(f, sack_duplicate, 1);
	assert_int_equal(f->c->reo_mult, 2);
	IN(f, .len = 0, .nsack = 1, .sack = {SEGS(2, 2)});
	assert_int_equal(f->c->reo_mult, 3); /* all is acknowledged: another round */
	f->c->reo_mult = 2;
	fx_send(f, 6 * FX_MSS);
	fx_skip(f);
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 10), .nsack = 1, .sack = {SEGS(11, 12)});
	fx_run(f, RTT / 2 - 1);
	NOTHING(f);
	fx_run(f, 1);
	expect_segs(f, 10, 10);
	fx_run(f, RTT);
	IN(f, .len = 0);
	fx_free(f);
}

/* 6.2.4: after 16 recoveries without a D-SACK it is what it was. */
static void the_window_shrinks_again(void **state)
{
	struct fx *f = flying(&with_sack, 1);

	(void)state;
	IN(f, .len = 0, .nsack = 1, .sack = {SEGS(1, 1)});
	assert_int_equal(f->c->reo_mult, 2);
	assert_int_equal(f->c->reo_persist, 16);
	for (int i = 0; i < 16; i++) {
		uint32_t una = (f->c->snd_nxt - FX_ISS - 1) / FX_MSS + 1;

		assert_int_equal(f->c->reo_mult, 2);
		f->c->cwnd = 20 * FX_MSS;
		fx_send(f, 5 * FX_MSS);
		fx_run(f, RTT);
		IN(f, UNA_SEG(f, una), .nsack = 1, .sack = {SEGS(una + 1, una + 4)});
		fx_run(f, RTT);
		fx_skip(f);
		IN(f, .len = 0);
	}
	COUNTED(f, rtx_fast, 16);
	assert_int_equal(f->c->reo_mult, 1);
	fx_free(f);
}

/* 6.2 step 5 with a copy: one sent later has arrived, so it was lost in its turn. */
static void lost_retransmission(void **state)
{
	struct fx *f = flying(&with_sack, 10);

	(void)state;
	fx_run(f, RTT);
	/* 2 and 4 are lost. */
	IN(f, UNA_SEG(f, 2), .nsack = 2, .sack = {SEGS(5, 8), SEGS(3, 3)});
	expect_segs(f, 2, 2);
	expect_segs(f, 4, 4);
	NOTHING(f);
	IN(f, UNA_SEG(f, 2), .nsack = 2, .sack = {SEGS(5, 11), SEGS(3, 3)});
	NOTHING(f);
	/* The copy of 4 arrives, that of 2 does not. */
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 2), .nsack = 1, .sack = {SEGS(3, 11)});
	expect_segs(f, 2, 2);
	NOTHING(f);
	COUNTED(f, rtx_lost, 1);
	fx_run(f, RTT);
	IN(f, .len = 0);
	COUNTED(f, rtx_timeouts, 0);
	COUNTED(f, rtx_fast, 1);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	fx_free(f);
}

/* Ten in a row out of twenty: all found at once, all back in a few round trips. */
static void ten_losses_without_a_timeout(void **state)
{
	struct fx *f = flying(&with_sack, 20);
	unsigned again = 0;

	(void)state;
	fx_run(f, RTT);
	for (uint32_t i = 12; i <= 21; i++)
		IN(f, UNA_SEG(f, 2), .nsack = 1, .sack = {SEGS(12, i)});
	/* The peer acknowledges each copy a round trip after it was sent. */
	for (int round = 0; round < 8 && again < 10; round++) {
		unsigned n = fx_waiting(f);

		fx_skip(f);
		again += n;
		fx_run(f, RTT);
		if (again < 10)
			IN(f, UNA_SEG(f, 2 + again), .nsack = 1, .sack = {SEGS(12, 21)});
	}
	assert_int_equal(again, 10);
	IN(f, .len = 0);
	assert_int_equal(f->c->retransmits, 10);
	COUNTED(f, rtx_timeouts, 0);
	COUNTED(f, rtx_fast, 1);
	fx_skip(f);
	fx_free(f);
}

/* 6.3: the first is lost by timeout, what was sent just now is not. */
static void a_timeout_leaves_the_young_alone(void **state)
{
	struct fx *f = flying(&with_sack, 2);

	(void)state;
	fx_run(f, 2 * RTT);
	expect_segs(f, 3, 3); /* the probe */
	fx_run(f, 240 * FX_MS - 5 * FX_MS);
	fx_send(f, FX_MSS);
	expect_segs(f, 4, 4);
	fx_run(f, 5 * FX_MS);
	COUNTED(f, rtx_timeouts, 1);
	expect_segs(f, 2, 2);
	assert_int_equal(f->c->log.lost, FX_MSS); /* 3, and not 4 */
	fx_run(f, RTT);
	fx_finish(f);
}

/* ---- tail loss probes ---------------------------------------------------------------- */

/* 7.2: two round trips after the last new data, the last segment again. */
static void tail_loss(void **state)
{
	struct fx *f = flying(&with_sack, 4);

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 4));
	fx_run(f, 2 * RTT - 1);
	NOTHING(f);
	fx_run(f, 1);
	expect_segs(f, 5, 5);
	NOTHING(f);
	COUNTED(f, probe_tail, 1);
	/* The last but one was lost, too: the probe's SACK tells (6.2). */
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 4), .nsack = 1, .sack = {SEGS(5, 5)});
	fx_run(f, RTT / 4);
	expect_segs(f, 4, 4);
	fx_run(f, RTT);
	IN(f, .len = 0);
	COUNTED(f, rtx_timeouts, 0);
	COUNTED(f, rtx_fast, 1);
	fx_free(f);
}

/* 7.2: a single segment may have its ACK delayed; the RTO is no earlier. */
static void a_single_segment_waits_for_a_delayed_ack(void **state)
{
	struct fx *f = flying(&with_sack, 1);
	struct tcp_info info;

	(void)state;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PTO);
	assert_true(info.timer_at - f->now > 2 * RTT);
	assert_true(info.timer_at <= f->c->t_rtx);
	fx_run(f, 200 * FX_MS);
	NOTHING(f);
	fx_run(f, 100 * FX_MS);
	expect_segs(f, 2, 2);
	COUNTED(f, probe_tail, 1);
	COUNTED(f, rtx_timeouts, 0);
	IN(f, .len = 0);
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_NONE);
	fx_free(f);
}

/* 7.3: new data goes as the probe, over cwnd, where there is some. */
static void a_probe_of_new_data(void **state)
{
	struct fx *f = flying(&with_sack, 4);

	(void)state;
	f->c->cwnd = 4 * FX_MSS;
	fx_send(f, FX_MSS);
	NOTHING(f);
	fx_run(f, 2 * RTT);
	expect_segs(f, 6, 6);
	NOTHING(f);
	assert_false(f->c->tlp_rtx);
	/* One probe, then the timer (7.2, 7.3). */
	fx_run(f, 300 * FX_MS);
	COUNTED(f, probe_tail, 1);
	COUNTED(f, rtx_timeouts, 1);
	fx_finish(f);
}

/* 7.4.2: the ACK moves beyond the probe and no D-SACK came: it made good a loss. */
static void a_mended_loss_counts(void **state)
{
	struct fx *f = flying(&with_sack, 4);

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 5));
	f->c->cwnd = 20 * FX_MSS;
	fx_run(f, 2 * RTT + 200 * FX_MS);
	expect_segs(f, 5, 5);
	fx_run(f, RTT);
	IN(f, .len = 0);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	fx_send(f, FX_MSS);
	fx_skip(f);
	fx_run(f, RTT);
	IN(f, .len = 0);
	COUNTED(f, tlp_mended, 1);
	assert_true(f->c->ssthresh < UINT32_MAX);
	assert_int_equal(f->c->cwnd, f->c->ssthresh);
	fx_free(f);
}

/* 7.4.2: with a D-SACK both had arrived, and nothing was lost. */
static void a_probe_for_nothing(void **state)
{
	struct fx *f = flying(&with_sack, 4);
	uint32_t cwnd;

	(void)state;
	fx_run(f, RTT);
	IN(f, UNA_SEG(f, 5));
	fx_run(f, 2 * RTT + 200 * FX_MS);
	expect_segs(f, 5, 5);
	IN(f, .len = 0);
	cwnd = f->c->cwnd;
	fx_run(f, RTT);
	IN(f, .len = 0, .nsack = 1, .sack = {SEGS(5, 5)});
	assert_false(f->c->tlp_out);
	fx_send(f, FX_MSS);
	fx_skip(f);
	IN(f, .len = 0);
	COUNTED(f, tlp_mended, 0);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	assert_true(f->c->cwnd >= cwnd);
	fx_free(f);
}

/* The probe of a tail that ends the stream has the FIN. */
static void the_tail_with_its_fin(void **state)
{
	struct fx *f = flying(&with_sack, 2);

	(void)state;
	fx_run(f, RTT);
	IN(f, .len = 0);
	f->c->cwnd = 20 * FX_MSS;
	fx_send(f, FX_MSS + 300);
	fx_run(f, FX_MS);
	tcp_shutdown(f->c);
	fx_drain(f);
	fx_skip(f);
	fx_run(f, 2 * RTT + 200 * FX_MS);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 4301, .ack = 1);
	NOTHING(f);
	COUNTED(f, probe_tail, 1);
	IN(f, .len = 0);
	STATE(f, FIN_WAIT_2);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_waits_for_the_window),
		cmocka_unit_test(reordering_without_retransmission),
		cmocka_unit_test(dsack_widens_the_window),
		cmocka_unit_test(the_window_shrinks_again),
		cmocka_unit_test(lost_retransmission),
		cmocka_unit_test(ten_losses_without_a_timeout),
		cmocka_unit_test(a_timeout_leaves_the_young_alone),
		cmocka_unit_test(tail_loss),
		cmocka_unit_test(a_single_segment_waits_for_a_delayed_ack),
		cmocka_unit_test(a_probe_of_new_data),
		cmocka_unit_test(a_mended_loss_counts),
		cmocka_unit_test(a_probe_for_nothing),
		cmocka_unit_test(the_tail_with_its_fin),
	};

	return cmocka_run_group_tests_name("tcp_rack", tests, NULL, NULL);
}
