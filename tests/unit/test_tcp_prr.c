/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proportional Rate Reduction (RFC 9937, RFC 6937): what leaves for each ACK; and
 * the undoing of recoveries (RFC 3522, 3708, 4015, 5682).
 */
#include "tcp_flight.h"

static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);
static const struct fx_opt without = FX_OPT_SENDER(.cc = &tcp_cc_reno);
static const struct fx_opt with_ts = FX_OPT_SENDER(.ts = true, .sack = true, .cc = &tcp_cc_reno);
static const struct fx_opt ts_alone = FX_OPT_SENDER(.ts = true, .cc = &tcp_cc_reno);
static const struct fx_opt cubic_sack = FX_OPT_SENDER(.sack = true);

/* n segments in flight for a round trip, cwnd full. */
static struct fx *in_flight(const struct fx_opt *opt, unsigned n)
{
	struct fx *f = flight(opt, n, n);

	fx_run(f, RTT);
	return f;
}

/* ---- PRR --------------------------------------------------------------------------- */

/* One loss of twenty, ssthresh ten: one leaves for two that arrive (RFC 6937 4). */
static void half_of_what_arrives(void **state)
{
	struct fx *f = in_flight(&with_sack, 20);
	unsigned total = 0;

	(void)state;
	fx_send(f, 30 * FX_MSS);
	f->c->cwnd = 20 * FX_MSS;
	assert_int_equal(flight_left(f), 0);
	for (uint32_t i = 0; i < 19; i++) {
		unsigned n;

		IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, i + 2)});
		n = flight_left(f);
		/* Before recovery each that has arrived lets a new one out (RFC 3042). */
		assert_in_range(n, i < 2 ? 1 : 0, 1);
		total += n;
	}
	assert_in_range(total, 2 + 8, 2 + 10);
	COUNTED(f, rtx_fast, 1);
	assert_int_equal(f->c->ssthresh, 10 * FX_MSS);
	/* At the end of the round trip what is in flight is ssthresh, and not before. */
	assert_in_range(tcp_pipe(f->c), 9 * FX_MSS, 11 * FX_MSS);
	fx_run(f, RTT);
	IN(f, UNA(f, 20 * FX_MSS));
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_int_equal(f->c->cwnd, f->c->ssthresh);
	fx_finish(f);
}

/* The sums: delivered times ssthresh over RecoverFS, less what has left. */
static void the_sums(void **state)
{
	struct fx *f = in_flight(&with_sack, 20);
	uint32_t delivered = 0;

	(void)state;
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, 2)});
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, 3)});
	assert_int_equal(flight_left(f), 0);
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, 4)});
	assert_int_equal(flight_left(f), 1);
	/* SACKed before the recovery: two segments. */
	assert_int_equal(f->c->prr_flight, 18 * FX_MSS);
	fx_send(f, 30 * FX_MSS);
	delivered = FX_MSS;
	for (uint32_t i = 5; i <= 11; i++) {
		uint32_t before = f->c->prr_out, share;

		IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, i)});
		delivered += FX_MSS;
		assert_int_equal(f->c->prr_delivered, delivered);
		share = (delivered * 10 + 17) / 18;
		assert_int_equal(f->c->prr_out - before, share >= before + FX_MSS ? FX_MSS : 0);
		assert_int_equal(flight_left(f) * FX_MSS, f->c->prr_out - before);
	}
	fx_run(f, RTT);
	fx_finish(f);
}

/* Below ssthresh as much leaves as arrives, and a segment more while ACKs are good. */
static void conservation_then_slow_start(void **state)
{
	struct fx *f = in_flight(&with_sack, 20);

	(void)state;
	/* Only 18 to 20 arrive: pipe is 0, all else is lost. */
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(18, 20)});
	assert_int_equal(tcp_pipe(f->c), 3 * FX_MSS);
	assert_int_equal(flight_left(f), 3); /* as many as arrived: no burst (CRB) */
	fx_run(f, RTT);
	/* Each copy that arrives moves snd_una: two leave for one (SSRB). */
	IN(f, UNA(f, FX_MSS), .nsack = 1, .sack = {SEGS(18, 20)});
	assert_int_equal(flight_left(f), 2);
	IN(f, UNA(f, 2 * FX_MSS), .nsack = 1, .sack = {SEGS(18, 20)});
	assert_int_equal(flight_left(f), 2);
	/* One SACKed above another copy, which was lost: nothing extra (RFC 9937 6.2). */
	fx_run(f, FX_MS);
	IN(f, UNA(f, 2 * FX_MSS), .nsack = 2, .sack = {SEGS(4, 4), SEGS(18, 20)});
	assert_true(f->c->log.lost > 0);
	assert_int_equal(flight_left(f), 1);
	COUNTED(f, rtx_timeouts, 0);
	fx_run(f, RTT);
	fx_finish(f);
}

/* Without SACK a duplicate ACK is a segment that arrived. */
static void without_sack(void **state)
{
	struct fx *f = in_flight(&without, 20);
	unsigned n = 0;

	(void)state;
	fx_send(f, 30 * FX_MSS);
	f->c->cwnd = 20 * FX_MSS;
	for (uint32_t i = 0; i < 19; i++)
		IN(f, UNA(f, 0));
	n = flight_left(f);
	/* Two by limited transmit, the retransmission, then one for two. */
	assert_in_range(n, 10, 12);
	assert_in_range(tcp_pipe(f->c), 9 * FX_MSS, 11 * FX_MSS);
	fx_run(f, RTT);
	IN(f, .len = 0);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_true(f->c->cwnd <= f->c->ssthresh);
	fx_finish(f);
}

/* RFC 6582 3.2 (3): only the first partial ACK restarts the timer. */
static void many_holes_without_sack_end_by_timeout(void **state)
{
	struct fx *f = in_flight(&without, 20);

	(void)state;
	for (int i = 0; i < 3; i++)
		IN(f, UNA(f, 0));
	assert_int_equal(flight_left(f), 1);
	for (uint32_t i = 1; i < 8; i++) {
		fx_run(f, 200 * FX_MS);
		IN(f, UNA(f, i * FX_MSS));
	}
	COUNTED(f, rtx_timeouts, 1);
	assert_int_equal(f->c->recovery, TCP_REC_LOSS);
	fx_finish(f);
}

/* ---- undoing ------------------------------------------------------------------------ */

/* RFC 3522 and 4015: the ACK that moves on echoes a time before the copy was sent. */
static void eifel_undoes_a_fast_recovery(void **state)
{
	struct fx *f = in_flight(&with_ts, 10);
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	IN(f, UNA(f, 0), .tsecr = FX_TS_OURS, .nsack = 1, .sack = {989, 5 * 988 + 1});
	assert_int_equal(flight_left(f), 1);
	assert_true(f->c->ssthresh < cwnd);
	fx_run(f, 5 * FX_MS);
	IN(f, UNA(f, 5 * 988), .tsecr = FX_TS_OURS);
	COUNTED(f, rtx_undone, 1);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	fx_finish(f);
}

/* The copy's own time is no such echo, and neither is that of a later hole's filling. */
static void a_real_loss_is_not_undone(void **state)
{
	struct fx *f = in_flight(&with_ts, 10);

	(void)state;
	IN(f, UNA(f, 0), .tsecr = FX_TS_OURS, .nsack = 2,
	   .sack = {3 * 988 + 1, 6 * 988 + 1, 989, 2 * 988 + 1});
	assert_in_range(flight_left(f), 1, 2);
	fx_run(f, RTT);
	IN(f, UNA(f, 2 * 988), .tsecr = FX_TS_OURS + 40, .nsack = 1,
	   .sack = {3 * 988 + 1, 6 * 988 + 1});
	/* 3 was only late: its first copy fills the hole, with a time before. */
	IN(f, UNA(f, 6 * 988), .tsecr = FX_TS_OURS);
	COUNTED(f, rtx_undone, 0);
	fx_skip(f);
	IN(f, .len = 0);
	assert_true(f->c->ssthresh < UINT32_MAX);
	fx_skip(f);
	fx_free(f);
}

/* RFC 3708: everything that was sent again is reported as duplicate, after the end, too. */
static void dsack_undoes(void **state)
{
	struct fx *f = in_flight(&with_sack, 10);
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(2, 5)});
	assert_int_equal(flight_left(f), 1);
	fx_run(f, 5 * FX_MS);
	IN(f, .len = 0); /* it was late; all has arrived */
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_int_equal(f->c->cwnd, 5 * FX_MSS);
	fx_run(f, RTT);
	IN(f, .len = 0, .nsack = 1, .sack = {SEGS(1, 1)});
	COUNTED(f, sack_duplicate, 1);
	COUNTED(f, rtx_undone, 1);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->ssthresh, UINT32_MAX);
	fx_free(f);
}

/* Half of it is not everything. */
static void one_duplicate_of_two(void **state)
{
	struct fx *f = in_flight(&with_sack, 10);

	(void)state;
	IN(f, UNA(f, 0), .nsack = 1, .sack = {SEGS(3, 8)});
	assert_int_equal(flight_left(f), 2);
	fx_run(f, RTT);
	IN(f, .len = 0, .nsack = 1, .sack = {SEGS(1, 1)});
	COUNTED(f, sack_duplicate, 1);
	COUNTED(f, rtx_undone, 0);
	fx_skip(f);
	fx_free(f);
}

/* RFC 5682 2.1, without SACK or timestamps: a delay of the path, longer than the RTO. */
static void frto_by_acks(void **state)
{
	struct fx *f = in_flight(&without, 10);
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	fx_send(f, 20 * FX_MSS);
	fx_run(f, FX_SEC);
	COUNTED(f, rtx_timeouts, 1);
	assert_int_equal(flight_left(f), 1);
	assert_int_equal(f->c->cwnd, FX_MSS);
	/* Step 2b: two new segments, and nothing again. */
	IN(f, UNA(f, FX_MSS));
	EXPECT(f, .seq = 10001, .ack = 1, .len = FX_MSS);
	EXPECT(f, .seq = 11001, .ack = 1, .len = FX_MSS);
	NOTHING(f);
	/* Step 3b: what was sent once is acknowledged. */
	IN(f, UNA(f, 2 * FX_MSS));
	COUNTED(f, rtx_undone, 1);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->retransmits, 1);
	fx_finish(f);
}

/* Step 3a: a duplicate says that the rest is lost indeed. */
static void frto_finds_a_real_timeout(void **state)
{
	struct fx *f = in_flight(&without, 10);

	(void)state;
	fx_send(f, 20 * FX_MSS);
	fx_run(f, FX_SEC);
	assert_int_equal(flight_left(f), 1);
	IN(f, UNA(f, FX_MSS));
	assert_int_equal(flight_left(f), 2);
	IN(f, UNA(f, FX_MSS));
	COUNTED(f, rtx_undone, 0);
	EXPECT(f, .seq = 1001, .ack = 1, .len = FX_MSS);
	fx_skip(f);
	fx_finish(f);
}

/* RFC 5682 3.1: with SACK the report of the new data, alone, says so. */
static void frto_with_sack(void **state)
{
	for (int real = 0; real < 2; real++) {
		struct fx *f = in_flight(&with_sack, 10);
		uint32_t cwnd = f->c->cwnd;

		(void)state;
		fx_run(f, 2500 * FX_MS); /* the probe, then the timer */
		COUNTED(f, rtx_timeouts, 1);
		fx_skip(f);
		fx_send(f, 20 * FX_MSS);
		assert_int_equal(flight_left(f), 0);
		IN(f, UNA(f, FX_MSS));
		EXPECT(f, .seq = 10001, .ack = 1, .len = FX_MSS);
		EXPECT(f, .seq = 11001, .ack = 1, .len = FX_MSS);
		NOTHING(f);
		if (real) {
			IN(f, UNA(f, FX_MSS), .nsack = 1, .sack = {SEGS(11, 11)});
			COUNTED(f, rtx_undone, 0);
			EXPECT(f, .seq = 1001, .ack = 1, .len = FX_MSS);
			fx_skip(f);
		} else {
			IN(f, UNA(f, FX_MSS), .nsack = 1, .sack = {SEGS(3, 3)});
			COUNTED(f, rtx_undone, 1);
			assert_true(f->c->cwnd >= cwnd);
			fx_skip(f);
		}
		fx_finish(f);
	}
}

/* Eifel after a timeout, with timestamps alone. */
static void eifel_undoes_a_timeout(void **state)
{
	struct fx *f = in_flight(&ts_alone, 6);
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	fx_run(f, FX_SEC);
	assert_int_equal(flight_left(f), 1);
	IN(f, UNA(f, 988), .tsecr = FX_TS_OURS);
	COUNTED(f, rtx_undone, 1);
	NOTHING(f);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	IN(f, .len = 0);
	fx_free(f);
}

/* RFC 9438 4.9: CUBIC has its W_max, K and epoch back. */
static void cubic_gets_its_epoch_back(void **state)
{
	struct fx *f = in_flight(&cubic_sack, 20);
	uint32_t before[TCP_CC_PRIV];

	(void)state;
	f->c->ssthresh = f->c->cwnd;
	IN(f, UNA(f, FX_MSS));		/* the epoch begins */
	f->c->cc_priv[0] = 30 * FX_MSS; /* W_max, with what goes on from there */
	memcpy(before, f->c->cc_priv, sizeof(before));
	IN(f, UNA(f, FX_MSS), .nsack = 1, .sack = {SEGS(3, 8)});
	assert_int_equal(flight_left(f), 1);
	assert_in_range(f->c->cc_priv[0], 17 * FX_MSS, 17 * FX_MSS + 100); /* 4.7 */
	fx_run(f, 5 * FX_MS);
	IN(f, UNA(f, 8 * FX_MSS), .nsack = 1, .sack = {SEGS(2, 2)});
	COUNTED(f, rtx_undone, 1);
	/* W_max, cwnd_prior; K, the epoch */
	assert_memory_equal(before, f->c->cc_priv, 2 * sizeof(before[0]));
	assert_memory_equal(&before[3], &f->c->cc_priv[3], 2 * sizeof(before[0]));
	assert_int_equal(f->c->cwnd, 20 * FX_MSS);
	IN(f, .len = 0);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_of_what_arrives),
		cmocka_unit_test(the_sums),
		cmocka_unit_test(conservation_then_slow_start),
		cmocka_unit_test(without_sack),
		cmocka_unit_test(many_holes_without_sack_end_by_timeout),
		cmocka_unit_test(eifel_undoes_a_fast_recovery),
		cmocka_unit_test(a_real_loss_is_not_undone),
		cmocka_unit_test(dsack_undoes),
		cmocka_unit_test(one_duplicate_of_two),
		cmocka_unit_test(frto_by_acks),
		cmocka_unit_test(frto_finds_a_real_timeout),
		cmocka_unit_test(frto_with_sack),
		cmocka_unit_test(eifel_undoes_a_timeout),
		cmocka_unit_test(cubic_gets_its_epoch_back),
	};

	return cmocka_run_group_tests_name("tcp_prr", tests, NULL, NULL);
}
