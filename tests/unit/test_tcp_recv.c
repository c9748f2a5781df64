/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: acceptability, reassembly, delayed ACK, SACK blocks. */
#include "../random.h"
#include "tcp_fixture.h"

static const struct fx_opt with_sack = FX_OPT(.sack = true);
static const struct fx_opt with_ts = FX_OPT(.ts = true, .sack = true);

/* ---- acceptability ------------------------------------------------------------ */

static void edges_of_the_window(void **state)
{
	struct fx *f = fx_established(NULL);
	int32_t wnd = (int32_t)tcp_rcv_wnd(f->c);

	(void)state;
	assert_int_equal(wnd, 65535);
	IN(f, .seq = wnd, .len = 1); /* first beyond */
	COUNTED(f, drop_seq_out_of_window, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = wnd - 1, .len = 1); /* last within */
	COUNTED(f, recv_out_of_order, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = wnd - 10, .len = 100); /* reaches over the edge: cut */
	COUNTED(f, recv_beyond_window, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = -1, .len = 1); /* old */
	COUNTED(f, drop_seq_duplicate, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = -10, .len = 20); /* old and new */
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .seq = 1, .ack = 11);
	fx_read(f, 10);
	fx_free(f);
}

/* The pieces are the bytes that a copy gives, from any place on. */
static void ready_in_pieces(void **state)
{
	struct fx *f = fx_established(NULL);
	uint8_t copy[65536];
	struct tcp_span s[40];
	uint32_t seed = 3;

	(void)state;
	assert_int_equal(tcp_recv_peekv(f->c, s, 40), 0);
	for (int i = 0; i < 300; i++) {
		size_t ready, n = 0;
		unsigned pieces;

		seed = seed * 1664525 + 1013904223;
		if (tcp_recv_ready(f->c) < 60000)
			IN(f, .len = 1 + (seed >> 8) % 1000);
		fx_skip(f);
		ready = tcp_recv_ready(f->c);
		pieces = tcp_recv_peekv(f->c, s, 40);
		assert_int_equal(tcp_recv_copy(f->c, 0, copy, sizeof(copy)), ready);
		for (unsigned k = 0; k < pieces; n += s[k++].len)
			assert_memory_equal(s[k].p, copy + n, s[k].len);
		assert_int_equal(n, ready);
		if (pieces > 1)
			assert_int_equal(tcp_recv_peekv(f->c, s, pieces - 1), pieces - 1);
		if (seed >> 30 == 0)
			fx_read(f, (seed >> 4) % (ready + 1));
	}
	fx_read(f, tcp_recv_ready(f->c));
	fx_skip(f);
	fx_free(f);
}

static void larger_than_the_window_on_both_sides(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 1000;
	f = fx_established(&opt);
	IN(f, .seq = -100, .len = 2000);
	assert_int_equal(tcp_recv_ready(f->c), 1000);
	EXPECT(f, .seq = 1, .ack = 1001, .wnd_zero = true);
	fx_read(f, 1000);
	EXPECT(f, .seq = 1, .ack = 1001, .wnd = 1000);
	fx_free(f);
}

static void ack_at_the_right_edge_counts(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 100);
	fx_skip(f);
	/* The peer has filled our window, all of it lost, and acknowledges. */
	IN(f, .seq = (int32_t)tcp_rcv_wnd(f->c));
	assert_int_equal(f->c->snd_una, f->c->snd_nxt);
	fx_free(f);
}

/* ---- reassembly ------------------------------------------------------------------ */

static void holes_fill_in_any_order(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	IN(f, .seq = 300, .len = 100);
	EXPECT(f, .ack = 1, .nsack = 1, .sack = {301, 401});
	IN(f, .seq = 100, .len = 100);
	EXPECT(f, .ack = 1, .nsack = 2, .sack = {101, 201, 301, 401});
	IN(f, .seq = 500, .len = 100);
	EXPECT(f, .ack = 1, .nsack = 3, .sack = {501, 601, 101, 201, 301, 401});
	IN(f, .seq = 200, .len = 100);
	EXPECT(f, .ack = 1, .nsack = 2, .sack = {101, 401, 501, 601});
	/* Across a hole, both neighbours and a duplicate in one. */
	IN(f, .seq = 50, .len = 475);
	EXPECT(f, .ack = 1, .nsack = 2, .sack = {101, 401, 51, 601});
	IN(f, .len = 60);
	EXPECT(f, .ack = 601, .nsack = 1, .sack = {51, 61});
	assert_null(f->c->islands);
	fx_read(f, 600);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

static void in_order_data_swallows_several_islands(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	IN(f, .seq = 100, .len = 10);
	IN(f, .seq = 200, .len = 10);
	IN(f, .seq = 300, .len = 10);
	fx_skip(f);
	IN(f, .len = 200);
	EXPECT(f, .ack = 211, .nsack = 2, .sack = {101, 111, 301, 311});
	IN(f, .len = 300);
	EXPECT(f, .ack = 511, .nsack = 1, .sack = {301, 311});
	fx_read(f, 510);
	fx_free(f);
}

static void four_blocks_or_three_with_timestamps(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	for (int i = 1; i <= 6; i++)
		IN(f, .seq = i * 100, .len = 10);
	while (fx_waiting(f) > 1)
		fx_pop(f);
	EXPECT(f, .ack = 1, .nsack = 4, .sack = {601, 611, 501, 511, 401, 411, 301, 311});
	fx_free(f);
	f = fx_established(&with_ts);
	for (int i = 1; i <= 6; i++)
		IN(f, .seq = i * 100, .len = 10);
	while (fx_waiting(f) > 1)
		fx_pop(f);
	EXPECT(f, .ack = 1, .nsack = 3, .sack = {601, 611, 501, 511, 401, 411});
	/* A data segment makes room for them. */
	fx_send(f, 1000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000 - 12 - 28, .nsack = 3,
	       .sack = {601, 611, 501, 511, 401, 411});
	fx_skip(f);
	fx_free(f);
}

static void too_many_holes(void **state)
{
	struct fx *f = fx_established(&with_sack);

	(void)state;
	for (int i = 1; i <= TCP_MAX_RANGES + 1; i++)
		IN(f, .seq = i * 20, .len = 10);
	COUNTED(f, drop_recv_ranges, 1);
	COUNTED(f, recv_out_of_order, TCP_MAX_RANGES);
	IN(f, .seq = 30, .len = 10); /* closes a hole: always welcome */
	COUNTED(f, drop_recv_ranges, 1);
	fx_skip(f);
	IN(f, .len = 3000);
	EXPECT(f, .ack = 3001, .nsack = 1, .sack = {21, 51});
	fx_read(f, 3000);
	fx_free(f);
}

/*
 * Random pieces of a stream, against a map of the bytes that should be there.
 * Starts at any offset, below and above 4 GiB, so that blocks, sequence numbers
 * and offsets wrap at different places.
 */
static void property(uint64_t seed, uint64_t start)
{
	struct fx *f = fx_established(&with_sack);
	static uint8_t have[20000];
	uint64_t rng = seed * 0x9e3779b97f4a7c15 + 12345, nxt = 0, ready0;

	memset(have, 0, sizeof(have));
	f->c->rcvq.read = f->c->rcvq.ready = f->read = ready0 = start;
	f->c->irs = FX_IRS - (uint32_t)start;
	while (nxt < sizeof(have)) {
		uint64_t at, len;

		xorshift64(&rng);
		at = rng % (sizeof(have) - nxt < 8000 ? sizeof(have) - nxt : 8000);
		at = nxt + at > 500 ? nxt + at - rng / 65536 % 500 : nxt;
		len = 1 + rng / 4096 % 1400;
		if (at + len > sizeof(have))
			len = sizeof(have) - at;
		if (rng % 8 == 0)
			at = nxt;
		if (at + len > sizeof(have))
			len = sizeof(have) - at;
		IN(f, .seq = (int32_t)(at - nxt), .len = (uint32_t)len);
		memset(have + at, 1, len);
		while (nxt < sizeof(have) && have[nxt])
			nxt++;
		if (f->c->rcvq.ready - ready0 != nxt)
			print_error("seed %llu\n", (unsigned long long)seed);
		assert_int_equal(f->c->rcvq.ready - ready0, nxt);
		assert_int_equal(f->c->rcv_nxt, FX_IRS + 1 + (uint32_t)nxt);
		fx_skip(f);
		if (rng % 5 == 0)
			fx_read(f, rng / 32 % (tcp_recv_ready(f->c) + 1));
		fx_skip(f);
	}
	COUNTED(f, drop_recv_ranges, 0);
	fx_read(f, tcp_recv_ready(f->c));
	assert_int_equal(f->read - ready0, sizeof(have));
	assert_int_equal(f->pool.in_use, 0);
	fx_skip(f);
	fx_free(f);
}

static void random_order_against_a_reference(void **state)
{
	static const uint64_t starts[] = {0,	      1,	  2031,	       2032,
					  0xfffff000, 0xffffffff, 0x100000000, 0x123456789abc};

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			property(seed * 8 + i, starts[i]);
}

static void peek_and_copy_across_blocks(void **state)
{
	struct fx *f = fx_established(NULL);
	uint8_t buf[6000];
	const uint8_t *p;

	(void)state;
	for (int i = 0; i < 5; i++)
		IN(f, .len = 1000);
	fx_skip(f);
	assert_int_equal(tcp_recv_ready(f->c), 5000);
	assert_int_equal(tcp_recv_peek(f->c, &p), TCP_BLOCK_DATA);
	assert_int_equal(tcp_recv_copy(f->c, 1500, buf, sizeof(buf)), 3500);
	for (int i = 0; i < 3500; i++)
		assert_int_equal(buf[i], fx_byte(1500 + (uint64_t)i));
	assert_int_equal(tcp_recv_copy(f->c, 5000, buf, 1), 0);
	assert_int_equal(tcp_recv_copy(f->c, 4999, buf, 9), 1);
	assert_int_equal(tcp_recv_ready(f->c), 5000);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_read(f, 5000);
	fx_free(f);
}

/* ---- delayed ACK ---------------------------------------------------------------- */

static void every_second_full_segment_is_acked(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 1000);
	NOTHING(f);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 1, .ack = 2001);
	IN(f, .len = 1000);
	NOTHING(f);
	fx_run(f, 40 * FX_MS - 1);
	NOTHING(f);
	fx_run(f, 1);
	EXPECT(f, .seq = 1, .ack = 3001);
	fx_run(f, FX_SEC);
	NOTHING(f);
	fx_free(f);
}

static void data_carries_the_ack(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 200);
	fx_send(f, 10);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .seq = 1, .ack = 201, .len = 10);
	fx_run(f, 100 * FX_MS);
	NOTHING(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_the_window),
		cmocka_unit_test(ready_in_pieces),
		cmocka_unit_test(larger_than_the_window_on_both_sides),
		cmocka_unit_test(ack_at_the_right_edge_counts),
		cmocka_unit_test(holes_fill_in_any_order),
		cmocka_unit_test(in_order_data_swallows_several_islands),
		cmocka_unit_test(four_blocks_or_three_with_timestamps),
		cmocka_unit_test(too_many_holes),
		cmocka_unit_test(random_order_against_a_reference),
		cmocka_unit_test(peek_and_copy_across_blocks),
		cmocka_unit_test(every_second_full_segment_is_acked),
		cmocka_unit_test(data_carries_the_ack),
	};

	return cmocka_run_group_tests_name("tcp_recv", tests, NULL, NULL);
}
