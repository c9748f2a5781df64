/* SPDX-License-Identifier: BSD-2-Clause */
/* RTT and RTO: RFC 6298, RFC 7323 4; what a timeout sends. */
#include "tcp_flight.h"

/* Reno, whose sums are easily done by hand. */
static const struct fx_opt plain = FX_OPT(.cc = &tcp_cc_reno);
static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);
static const struct fx_opt with_ts = FX_OPT(.ts = true, .sack = true, .cc = &tcp_cc_reno);

/* Without SACK there are no loss probes: the timeouts are where they are counted. */
static const struct fx_opt ts_only = FX_OPT(.ts = true, .cc = &tcp_cc_reno);

static void rtt_by_rfc_6298(void **state)
{
	struct fx *f = flight(&plain, 20, 1);

	(void)state;
	assert_int_equal(f->c->rto, FX_SEC);
	fx_run(f, 400 * FX_MS);
	IN(f, .len = 0);
	assert_int_equal(f->c->srtt8 / 8, 400 * FX_MS);
	assert_int_equal(f->c->rto, 400 * FX_MS + 4 * 200 * FX_MS);
	fx_send(f, 100);
	fx_run(f, 200 * FX_MS);
	IN(f, .len = 0);
	/* RTTVAR = 3/4 200 + 1/4 |400 - 200|, SRTT = 7/8 400 + 1/8 200 */
	assert_int_equal(f->c->srtt8 / 8, 375 * FX_MS);
	assert_int_equal(f->c->rto, 375 * FX_MS + 4 * 200 * FX_MS);
	fx_skip(f);
	for (int i = 0; i < 50; i++) {
		fx_send(f, 100);
		IN(f, .len = 0);
	}
	assert_int_equal(f->c->rto, f->c->srtt8 / 8 + f->cfg.rto_min_us);
	fx_skip(f);
	fx_free(f);
}

static void rto_backs_off(void **state)
{
	struct fx *f = flight(&plain, 20, 3);
	uint64_t t0 = f->now;

	(void)state;
	for (int i = 0; i < 5; i++) {
		fx_run(f, t0 + ((2ull << i) - 1) * FX_SEC - f->now - 1);
		NOTHING(f);
		fx_run(f, 1);
		EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
		NOTHING(f); /* one segment, and once */
	}
	COUNTED(f, rtx_timeouts, 5);
	assert_int_equal(f->c->cwnd, f->c->mss);
	assert_int_equal(f->c->ssthresh, 2 * f->c->mss);
	fx_free(f);
}

/* Karn: an ACK of what was sent twice is no sample, and the back-off stays. */
static void karn(void **state)
{
	struct fx *f = flight(&plain, 20, 1);

	(void)state;
	fx_run(f, FX_SEC);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->srtt8, 0);
	assert_int_equal(f->c->backoff, 1);
	fx_send(f, 100);
	fx_run(f, 10 * FX_MS);
	IN(f, .len = 0);
	assert_int_equal(f->c->srtt8 / 8, 10 * FX_MS);
	assert_int_equal(f->c->backoff, 0);
	fx_skip(f);
	fx_free(f);
}

/* With timestamps the answer itself says which it answers. */
static void timestamps_end_the_back_off(void **state)
{
	struct fx *f = fx_established(&ts_only);

	(void)state;
	fx_send(f, 100);
	fx_run(f, 3 * FX_SEC);
	assert_int_equal(f->c->backoff, 2);
	fx_skip(f);
	fx_run(f, 50 * FX_MS);
	IN(f, .tsecr = FX_TS_OURS + 3000);
	assert_int_equal(f->c->srtt8 / 8, 50 * FX_MS);
	assert_int_equal(f->c->backoff, 0);
	/* What we never sent is no echo. */
	fx_send(f, 100);
	fx_run(f, FX_SEC);
	fx_skip(f);
	IN(f, .tsecr = FX_TS_OURS - 1000);
	assert_int_equal(f->c->srtt8 / 8, 50 * FX_MS);
	fx_free(f);
}

/*
 * The first copy had arrived, its ACK was lost, and the answer to the second echoes
 * the first (RFC 7323 5.3 R2: a duplicate does not move TS.Recent). What lies
 * between is back-off and no round trip: as without timestamps, it stays (Karn).
 */
static void echo_of_a_copy_before_the_timeout(void **state)
{
	struct fx *f = fx_established(&ts_only);

	(void)state;
	fx_send(f, 100);
	fx_run(f, 31 * FX_SEC);
	assert_int_equal(f->c->backoff, 5);
	fx_skip(f);
	IN(f, .tsecr = FX_TS_OURS);
	assert_int_equal(f->c->srtt8, 0);
	assert_int_equal(f->c->rto, FX_SEC);
	assert_int_equal(f->c->backoff, 5);
	/* Any copy but the last is such a one. */
	fx_send(f, 100);
	fx_run(f, 40 * FX_SEC);
	fx_skip(f);
	IN(f, .tsecr = FX_TS_OURS + 31000);
	assert_int_equal(f->c->srtt8, 0);
	assert_int_equal(f->c->backoff, 6);
	/* What is sent and answered once ends it. */
	fx_send(f, 100);
	fx_run(f, 10 * FX_MS);
	IN(f, .len = 0);
	assert_int_equal(f->c->srtt8 / 8, 10 * FX_MS);
	assert_int_equal(f->c->backoff, 0);
	assert_int_equal(f->c->rto, f->c->srtt8 / 8 + f->cfg.rto_min_us);
	fx_skip(f);
	fx_free(f);
}

/* The same with a SYN: RFC 6298 5.7 applies, not its back-off as a round trip. */
static void echo_of_the_first_syn(void **state)
{
	struct fx *f = fx_syn_sent(&with_ts);

	(void)state;
	fx_run(f, 3 * FX_SEC);
	fx_skip(f);
	IN(f, .flags = TCP_SYN | TCP_ACK, .tsecr = FX_TS_OURS);
	STATE(f, ESTABLISHED);
	assert_int_equal(f->c->srtt8, 0);
	assert_int_equal(f->c->rto, 3 * FX_SEC);
	fx_skip(f);
	fx_free(f);
}

/* And with the octet of a probe: the interval between two is no round trip. */
static void echo_of_the_first_probe(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	IN(f, .zero_wnd = true);
	fx_send(f, 500);
	fx_run(f, 15 * FX_SEC);
	assert_int_equal(fx_waiting(f), 4);
	fx_skip(f);
	IN(f, .ack = 1, .tsecr = FX_TS_OURS + 1000);
	assert_int_equal(f->c->srtt8, 0);
	assert_int_equal(f->c->rto, FX_SEC);
	fx_skip(f);
	fx_run(f, 5 * FX_MS);
	IN(f, .len = 0);
	assert_int_equal(f->c->srtt8 / 8, 5 * FX_MS);
	fx_free(f);
}

/* The timed segment was lost; another was timed since, and is not acknowledged yet. */
static void a_loss_leaves_the_echo(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	fx_send(f, 5 * 988);
	assert_int_equal(f->c->srtt8, 0);
	fx_run(f, 10 * FX_MS);
	for (uint32_t i = 1; i < 4; i++)
		IN(f, .ack = -(int32_t)tcp_flight(f->c), .tsecr = FX_TS_OURS, .nsack = 1,
		   .sack = {989, 988 * (i + 1) + 1});
	COUNTED(f, rtx_fast, 1);
	f->c->cwnd = 20 * FX_MSS;
	fx_send(f, 1000);
	fx_send(f, 1000); /* the rescue (RFC 6675 NextSeg 4) is over */
	fx_skip(f);
	assert_true(f->c->timing);
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -(int32_t)tcp_flight(f->c) + 3952, .tsecr = FX_TS_OURS + 10);
	/* 10 ms by the SACKed ones, then 20: 7/8 10 + 1/8 20 */
	assert_int_equal(f->c->srtt8 / 8, 11250);
	assert_int_equal(f->c->rto, f->c->srtt8 / 8 + f->cfg.rto_min_us);
	fx_skip(f);
	fx_run(f, FX_MS);
	/* One round trip, one sample (RFC 7323 4.1): this was sent before the last. */
	IN(f, .ack = -500, .tsecr = FX_TS_OURS + 10);
	assert_int_equal(f->c->srtt8 / 8, 11250);
	fx_finish(f);
}

/* A SACKed segment was sent once: its round trip counts while snd_una stands still. */
static void a_sacked_segment_is_a_sample(void **state)
{
	struct fx *f = flight(&with_sack, 20, 3);

	(void)state;
	fx_run(f, 30 * FX_MS);
	IN(f, .ack = -3000, .nsack = 1, .sack = {2001, 3001});
	assert_int_equal(f->c->srtt8 / 8, 30 * FX_MS);
	assert_int_equal(f->c->min_rtt, 30 * FX_MS);
	fx_run(f, 5 * FX_MS);
	/* And once in a round trip. */
	IN(f, .ack = -3000, .nsack = 1, .sack = {1001, 3001});
	assert_int_equal(f->c->srtt8 / 8, 30 * FX_MS);
	fx_finish(f);
}

/* A hole that is filled: the sender is slow now, and each segment is acknowledged. */
static void quick_acks_after_a_hole(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.quick = true;
	f = fx_established(&opt);
	f->cfg.quick_acks = 3;
	f->c->quick = 0; /* the connection's beginning is over */
	IN(f, .len = 500);
	NOTHING(f);
	IN(f, .seq = 500, .len = 500);
	fx_skip(f);
	IN(f, .len = 500);
	fx_skip(f);
	for (int i = 0; i < 2; i++) {
		IN(f, .len = 100);
		EXPECT(f, .seq = 1);
	}
	IN(f, .len = 100);
	fx_skip(f);
	IN(f, .len = 100);
	NOTHING(f);
	fx_run(f, FX_SEC);
	fx_skip(f);
	fx_free(f);
}

static void after_a_timeout_all_is_sent_again(void **state)
{
	struct fx *f = flight(&plain, 20, 4);

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -3000);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 2001, .ack = 1, .len = 1000);
	/* The rest had arrived: nothing more is sent twice. */
	IN(f, .len = 0);
	NOTHING(f);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_int_equal(f->c->retransmits, 3);
	fx_free(f);
}

static void after_a_timeout_sacked_data_is_left_alone(void **state)
{
	struct fx *f = flight(&with_sack, 20, 6);

	(void)state;
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -6000, .nsack = 1, .sack = {1001, 2001});
	IN(f, .ack = -6000, .nsack = 2, .sack = {4001, 5001, 1001, 2001});
	NOTHING(f);
	fx_run(f, 6 * FX_MS);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000); /* by RACK; and it is lost again */
	fx_run(f, 230 * FX_MS);
	COUNTED(f, rtx_timeouts, 1);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -4000, .nsack = 1, .sack = {4001, 5001});
	EXPECT(f, .seq = 2001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 3001, .ack = 1, .len = 1000);
	IN(f, .ack = -1000);
	EXPECT(f, .flags = PSH_ACK, .seq = 5001, .ack = 1, .len = 1000);
	IN(f, .len = 0);
	assert_int_equal(f->c->log.sacked, 0);
	fx_free(f);
}

static void reneging_is_noticed(void **state)
{
	struct fx *f = flight(&with_sack, 20, 3);

	(void)state;
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -3000, .nsack = 1, .sack = {1001, 2001});
	fx_run(f, 6 * FX_MS);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	fx_run(f, 230 * FX_MS);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -2000); /* and not up to 2001: the report was taken back */
	EXPECT(f, .flags = PSH_ACK, .seq = 2001, .ack = 1, .len = 1000);
	fx_run(f, 450 * FX_MS);
	COUNTED(f, sack_reneged, 1);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	fx_skip(f);
	IN(f, .len = 0);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rtt_by_rfc_6298),
		cmocka_unit_test(rto_backs_off),
		cmocka_unit_test(karn),
		cmocka_unit_test(timestamps_end_the_back_off),
		cmocka_unit_test(echo_of_a_copy_before_the_timeout),
		cmocka_unit_test(echo_of_the_first_syn),
		cmocka_unit_test(echo_of_the_first_probe),
		cmocka_unit_test(a_loss_leaves_the_echo),
		cmocka_unit_test(a_sacked_segment_is_a_sample),
		cmocka_unit_test(quick_acks_after_a_hole),
		cmocka_unit_test(after_a_timeout_all_is_sent_again),
		cmocka_unit_test(after_a_timeout_sacked_data_is_left_alone),
		cmocka_unit_test(reneging_is_noticed),
	};

	return cmocka_run_group_tests_name("tcp_rto", tests, NULL, NULL);
}
