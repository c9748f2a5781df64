/* SPDX-License-Identifier: BSD-2-Clause */
/* PAWS and the echo of timestamps: RFC 7323 4 and 5. */
#include "tcp_fixture.h"

static const struct fx_opt with_ts = FX_OPT(.ts = true, .sack = true);

static void paws_drops_old_timestamps(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	IN(f, .len = 10, .ts = -1);
	COUNTED(f, drop_paws, 1);
	EXPECT(f, .ack = 1);
	assert_int_equal(tcp_recv_ready(f->c), 0);
	/* FX_TS_PEER lies just below 2^32: this one is newer. */
	IN(f, .len = 10, .ts = 100);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	IN(f, .len = 10, .ts = 99);
	COUNTED(f, drop_paws, 2);
	fx_skip(f);
	IN(f, .len = 10, .no_ts = true);
	COUNTED(f, drop_ts_missing, 1);
	NOTHING(f);
	/* An RST is judged by its number alone. */
	IN(f, .flags = TCP_RST, .ts = -1000);
	STATE(f, CLOSED);
	fx_free(f);
}

/*
 * What the later steps do not accept must not move TS.Recent either: one forged
 * segment would make PAWS drop all that the peer sends.
 */
static void refused_segments_move_no_timestamp(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	IN(f, .flags = TCP_FIN | TCP_ACK, .ack = 9999, .ts = 200000);
	COUNTED(f, drop_ack_unsent, 1);
	IN(f, .flags = TCP_SYN, .in_place = true, .ts = 200000);
	COUNTED(f, syn_challenged, 1);
	IN(f, .bare = true, .ts = 200000);
	COUNTED(f, drop_no_ack, 1);
	fx_skip(f);
	IN(f, .len = 10, .ts = 1);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	COUNTED(f, drop_paws, 0);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* RFC 7323 3.2: the option SHOULD be in an RST, which 5.2 then accepts whatever its value. */
static void rst_carries_timestamp(void **state)
{
	struct fx *f = fx_established(&with_ts);
	struct fx_out *o;

	(void)state;
	IN(f, .len = 10, .ts = 7);
	fx_skip(f);
	f->now += FX_SEC;
	tcp_abort(f->c, TCP_END_ABORTED);
	fx_drain(f);
	o = fx_pop(f);
	assert_int_equal(o->seg.flags, TCP_RST | TCP_ACK);
	assert_true(o->seg.has_ts);
	assert_int_equal(o->seg.tsecr, f->c->ts_recent);
	fx_free(f);
}

static void paws_forgets_after_24_days(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	f->now += 24 * 86400 * FX_SEC;
	f->peer_ts -= 1000 + 24u * 86400 * 1000;
	IN(f, .len = 10);
	COUNTED(f, drop_paws, 1);
	fx_skip(f);
	f->now += FX_SEC;
	f->peer_ts -= 1000;
	IN(f, .len = 10);
	COUNTED(f, drop_paws, 1);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

static void out_of_order_timestamps_are_not_echoed(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	IN(f, .seq = 100, .len = 10, .ts = 50);
	assert_int_equal(f->q[f->qhead % 1024].seg.tsecr, FX_TS_PEER);
	fx_skip(f);
	IN(f, .len = 100, .ts = 20);
	assert_int_equal(f->q[f->qhead % 1024].seg.tsecr, FX_TS_PEER + 20);
	fx_skip(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paws_drops_old_timestamps),
		cmocka_unit_test(paws_forgets_after_24_days),
		cmocka_unit_test(refused_segments_move_no_timestamp),
		cmocka_unit_test(rst_carries_timestamp),
		cmocka_unit_test(out_of_order_timestamps_are_not_echoed),
	};

	return cmocka_run_group_tests_name("tcp_paws", tests, NULL, NULL);
}
