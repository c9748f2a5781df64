/* SPDX-License-Identifier: BSD-2-Clause */
/* Fast retransmit and SACK recovery. */
#include "tcp_flight.h"

/* Reno, whose sums are easily done by hand. */
static const struct fx_opt plain = FX_OPT(.cc = &tcp_cc_reno);
static const struct fx_opt with_sack = FX_OPT_SENDER(.sack = true, .cc = &tcp_cc_reno);

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
	struct tcp_block *held = NULL, *b;
	struct fx *f;

	(void)state;
	f = flight(&with_sack, 20, 6);
	while ((b = tcp_pool_get(&f->pool))) {
		b->next = held;
		held = b;
	}
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
	while ((b = held)) {
		held = b->next;
		tcp_pool_put(&f->pool, b);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests_name("tcp_recovery", tests, NULL, NULL);
}
