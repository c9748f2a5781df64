/* SPDX-License-Identifier: BSD-2-Clause */
/* RTT and RTO, fast retransmit, SACK recovery, congestion control. */
#include "tcp_flight.h"

/* Reno, whose sums are easily done by hand. */
static const struct fx_opt plain = FX_OPT(.cc = &tcp_cc_reno);
static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);
static const struct fx_opt with_ts = FX_OPT(.ts = true, .sack = true, .cc = &tcp_cc_reno);

/* Without SACK there are no loss probes: the timeouts are where they are counted. */
static const struct fx_opt ts_only = FX_OPT(.ts = true, .cc = &tcp_cc_reno);

/* ---- RTT and RTO ------------------------------------------------------------------ */

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

/* ---- fast retransmit ---------------------------------------------------------------------- */

static void three_duplicates_without_sack(void **state)
{
	struct fx *f = flight(&plain, 20, 10);

	(void)state;
	for (int i = 0; i < 2; i++)
		IN(f, .ack = -10000);
	NOTHING(f);
	IN(f, .ack = -10000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	NOTHING(f);
	COUNTED(f, rtx_fast, 1);
	assert_int_equal(f->c->ssthresh, 5000);
	/* RFC 9937: the first goes whatever the sums say; pipe is 6000 before it. */
	assert_int_equal(f->c->cwnd, 7000);
	/* Further ones let new segments out, one for two. */
	fx_send(f, 3000);
	NOTHING(f);
	for (int i = 0; i < 3; i++)
		IN(f, .ack = -10000);
	EXPECT(f, .seq = 10001, .ack = 1, .len = 1000);
	NOTHING(f);
	/* A partial acknowledgment: the next hole, at once (RFC 6582). */
	IN(f, .ack = -6000);
	EXPECT(f, .seq = 5001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 11001, .ack = 1, .len = 1000);
	assert_int_equal(f->c->cwnd, f->c->ssthresh);
	fx_skip(f);
	/* A full one ends it. */
	IN(f, .len = 0);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_true(f->c->cwnd <= f->c->ssthresh);
	fx_skip(f);
	fx_free(f);
}

static void what_is_no_duplicate(void **state)
{
	struct fx *f = flight(&plain, 20, 5);

	(void)state;
	for (int i = 0; i < 5; i++) {
		IN(f, .ack = -5000, .wnd = (uint16_t)(30000 + i)); /* window updates */
		IN(f, .ack = -5000, .len = 10);			   /* with data */
	}
	COUNTED(f, rtx_fast, 0);
	fx_skip(f);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* RFC 3042: the first two duplicates let one new segment out each. */
static void limited_transmit(void **state)
{
	struct fx *f = flight(&plain, 20, 4);

	(void)state;
	f->c->cwnd = 4000;
	fx_send(f, 3000);
	NOTHING(f);
	IN(f, .ack = -4000);
	EXPECT(f, .seq = 4001, .ack = 1, .len = 1000);
	IN(f, .ack = -5000);
	EXPECT(f, .seq = 5001, .ack = 1, .len = 1000);
	IN(f, .ack = -6000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	fx_skip(f);
	fx_free(f);
}

/* RFC 6582 3.2 (2): echoes of what a timeout sent again do not start another. */
static void no_fast_retransmit_right_after_a_timeout(void **state)
{
	struct fx *f = flight(&plain, 20, 5);

	(void)state;
	fx_run(f, FX_SEC);
	fx_skip(f);
	for (int i = 0; i < 5; i++)
		IN(f, .ack = -5000);
	IN(f, .len = 0);
	fx_send(f, 4000);
	fx_skip(f);
	for (int i = 0; i < 5; i++)
		IN(f, .ack = -(int32_t)(f->c->snd_nxt - f->c->snd_una));
	COUNTED(f, rtx_fast, 0);
	fx_skip(f);
	fx_free(f);
}

/* What marks a place in the sequence space must not lie ahead after half of it. */
static void markers_survive_a_long_stream(void **state)
{
	struct fx *f = flight(&plain, 20, 6);
	const uint32_t gib = 1u << 30;

	(void)state;
	for (int i = 0; i < 3; i++)
		IN(f, .ack = -6000);
	COUNTED(f, rtx_fast, 1);
	IN(f, .len = 0);
	fx_send(f, 10);
	IN(f, .len = 0);
	fx_skip(f);
	f->cfg.nagle = true;
	for (int i = 0; i < 3; i++) {
		f->c->sndq.base += gib;
		f->c->sndq.end += gib;
		f->sent += gib;
		f->c->snd_una += gib;
		f->c->snd_nxt += gib;
		f->c->snd_wl2 += gib;
		fx_send(f, FX_MSS);
		IN(f, .len = 0);
	}
	fx_skip(f);
	fx_send(f, 10); /* Nagle: nothing small is outstanding */
	assert_int_equal(fx_waiting(f), 1);
	fx_skip(f);
	IN(f, .len = 0);
	f->c->cwnd = 20 * FX_MSS;
	fx_send(f, 5 * FX_MSS);
	for (int i = 0; i < 3; i++)
		IN(f, .ack = -5000);
	COUNTED(f, rtx_fast, 2);
	fx_skip(f);
	fx_free(f);
}

/* ---- SACK recovery ------------------------------------------------------------------------------
 */

static void several_losses_in_one_window(void **state)
{
	struct fx *f = flight(&with_sack, 20, 12);
	uint32_t una = 1;

	(void)state;
	fx_run(f, 20 * FX_MS);
	/* Lost: 1, 4, 5 and 8 (counting from 1). */
	IN(f, .ack = -12000, .nsack = 1, .sack = {1001, 2001});
	IN(f, .ack = -12000, .nsack = 1, .sack = {1001, 3001});
	NOTHING(f);
	/* Three segments (RFC 8985 6.2.4: no window), and 1, 4 and 5 were sent before 6. */
	IN(f, .ack = -12000, .nsack = 2, .sack = {5001, 6001, 1001, 3001});
	EXPECT(f, .seq = una, .ack = 1, .len = 1000);
	COUNTED(f, rtx_fast, 1);
	assert_int_equal(f->c->ssthresh, 6000);
	NOTHING(f); /* pipe, 7, is above ssthresh, 6 */
	IN(f, .ack = -12000, .nsack = 2, .sack = {5001, 7001, 1001, 3001});
	NOTHING(f);
	/* Now 8 counts as lost, too: pipe is 4, and PRR lets two more go. */
	IN(f, .ack = -12000, .nsack = 3, .sack = {8001, 9001, 5001, 7001, 1001, 3001});
	EXPECT(f, .seq = 3001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 4001, .ack = 1, .len = 1000);
	NOTHING(f);
	IN(f, .ack = -12000, .nsack = 3, .sack = {8001, 10001, 5001, 7001, 1001, 3001});
	EXPECT(f, .seq = 7001, .ack = 1, .len = 1000);
	IN(f, .ack = -12000, .nsack = 3, .sack = {8001, 11001, 5001, 7001, 1001, 3001});
	IN(f, .ack = -12000, .nsack = 3, .sack = {8001, 12001, 5001, 7001, 1001, 3001});
	NOTHING(f);
	/* The repairs arrive. */
	IN(f, .ack = -9000, .nsack = 2, .sack = {8001, 12001, 5001, 7001});
	IN(f, .ack = -8000, .nsack = 2, .sack = {8001, 12001, 5001, 7001});
	IN(f, .ack = -5000, .nsack = 1, .sack = {8001, 12001});
	NOTHING(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_int_equal(f->c->cwnd, f->c->ssthresh);
	assert_int_equal(f->c->retransmits, 4);
	COUNTED(f, sack_invalid, 0);
	COUNTED(f, sack_duplicate, 0);
	COUNTED(f, rtx_timeouts, 0);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

static void enough_sacked_bytes_need_no_third_duplicate(void **state)
{
	struct fx *f = flight(&with_sack, 20, 6);

	(void)state;
	IN(f, .ack = -6000, .nsack = 1, .sack = {1001, 4001}); /* one ACK for three */
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	fx_skip(f);
	fx_free(f);
}

static void an_ack_that_moves_on_may_show_a_loss(void **state)
{
	struct fx *f = flight(&with_sack, 20, 8);

	(void)state;
	IN(f, .ack = -7000, .nsack = 1, .sack = {2001, 5001});
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	COUNTED(f, rtx_fast, 1);
	fx_skip(f);
	fx_free(f);
}

static void sack_blocks_that_make_no_sense(void **state)
{
	struct fx *f = flight(&with_sack, 20, 4);

	(void)state;
	IN(f, .ack = -4000, .nsack = 4,
	   .sack = {2001, 2001, 3001, 2001, 3001, 9001, 0xf0000000, 0xf0000010});
	/* empty, reversed, beyond what was sent, and before all of it */
	COUNTED(f, sack_invalid, 4);
	COUNTED(f, sack_duplicate, 0);
	assert_int_equal(f->c->log.sacked, 0);
	fx_free(f);
	f = flight(&plain, 20, 4); /* not agreed on */
	IN(f, .ack = -4000, .nsack = 1, .sack = {1001, 2001});
	assert_int_equal(f->c->log.sacked, 0);
	fx_free(f);
}

/* An ACK may end within what was SACKed; the rest of the report stands. */
static void an_ack_into_what_was_sacked(void **state)
{
	struct fx *f = flight(&with_sack, 20, 10);

	(void)state;
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -10000, .nsack = 1, .sack = {1001, 3001});
	IN(f, .ack = -10000 + 1500, .nsack = 1, .sack = {4001, 5001});
	assert_int_equal(f->c->log.start, f->c->snd_una);
	assert_int_equal(f->c->log.sacked, 1500 + 1000);
	IN(f, .ack = -10000 + 4500);
	assert_int_equal(f->c->log.sacked, 500);
	IN(f, .len = 0);
	assert_int_equal(f->c->log.sacked, 0);
	assert_int_equal(f->c->log.lost, 0);
	fx_skip(f);
	fx_free(f);
}

/* Blocks that begin before the ACK, or repeat one of before it (RFC 2883 4, 5). */
static void sack_blocks_of_old(void **state)
{
	struct fx *f = flight(&with_sack, 20, 10);

	(void)state;
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -5000);
	IN(f, .ack = -5000, .nsack = 1, .sack = {4001, 6001});
	COUNTED(f, sack_old, 1);
	IN(f, .ack = -5000, .nsack = 2, .sack = {7001, 8001, 2001, 3001});
	COUNTED(f, sack_old, 2);
	assert_int_equal(f->c->log.sacked, 1000);
	IN(f, .ack = -5000, .nsack = 1, .sack = {2001, 3001});
	COUNTED(f, sack_duplicate, 1);
	/* Above the ACK, within the second block. */
	IN(f, .ack = -5000, .nsack = 2, .sack = {7001, 7501, 7001, 8001});
	COUNTED(f, sack_duplicate, 2);
	assert_int_equal(f->c->log.sacked, 1000);
	fx_run(f, 10 * FX_MS);
	fx_finish(f);
}

static void scoreboard_without_a_block(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.blocks = 3;
	f = flight(&opt, 20, 6); /* fills the pool */
	assert_int_equal(f->pool.in_use, 3);
	IN(f, .ack = -6000, .nsack = 1, .sack = {1001, 2001});
	COUNTED(f, sack_not_kept, 1);
	IN(f, .ack = -6000, .nsack = 1, .sack = {1001, 3001});
	NOTHING(f);
	/* It falls back to counting (RFC 5681 3.2, RFC 6582)… */
	IN(f, .ack = -6000, .nsack = 1, .sack = {1001, 4001});
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -2000);
	EXPECT(f, .seq = 4001, .ack = 1, .len = 1000);
	fx_run(f, FX_SEC); /* …and to the timer. */
	EXPECT(f, .seq = 4001, .ack = 1, .len = 1000);
	IN(f, .len = 0);
	fx_free(f);
}

/* Of the tail nothing is SACKed above; what was sent again after it tells (RFC 8985 6.2). */
static void a_repair_tells_of_the_tail(void **state)
{
	struct fx *f = flight(&with_sack, 20, 8);

	(void)state;
	fx_run(f, 20 * FX_MS);
	/* 1 and 8 are lost. */
	for (uint32_t i = 2; i <= 7; i++)
		IN(f, .ack = -8000, .nsack = 1, .sack = {1001, i * 1000 + 1});
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	NOTHING(f);
	fx_run(f, 20 * FX_MS);
	IN(f, .ack = -1000);
	EXPECT(f, .flags = PSH_ACK, .seq = 7001, .ack = 1, .len = 1000);
	NOTHING(f);
	IN(f, .len = 0);
	COUNTED(f, rtx_timeouts, 0);
	fx_free(f);
}

/* ---- congestion control
 * ------------------------------------------------------------------------------- */

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
		cmocka_unit_test(three_duplicates_without_sack),
		cmocka_unit_test(what_is_no_duplicate),
		cmocka_unit_test(limited_transmit),
		cmocka_unit_test(no_fast_retransmit_right_after_a_timeout),
		cmocka_unit_test(markers_survive_a_long_stream),
		cmocka_unit_test(several_losses_in_one_window),
		cmocka_unit_test(enough_sacked_bytes_need_no_third_duplicate),
		cmocka_unit_test(an_ack_that_moves_on_may_show_a_loss),
		cmocka_unit_test(sack_blocks_that_make_no_sense),
		cmocka_unit_test(an_ack_into_what_was_sacked),
		cmocka_unit_test(sack_blocks_of_old),
		cmocka_unit_test(scoreboard_without_a_block),
		cmocka_unit_test(a_repair_tells_of_the_tail),
		cmocka_unit_test(initial_window),
		cmocka_unit_test(congestion_avoidance_grows_by_one_a_round),
		cmocka_unit_test(ack_division),
		cmocka_unit_test(unused_window_does_not_grow),
		cmocka_unit_test(idle_returns_to_the_initial_window),
		cmocka_unit_test(ecn_echo_halves_once_a_window),
	};

	return cmocka_run_group_tests_name("tcp_recovery", tests, NULL, NULL);
}
