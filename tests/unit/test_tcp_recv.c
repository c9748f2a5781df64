/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: acceptability, reassembly, delayed ACK, SACK blocks, the window. */
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

		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
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

/* ---- the window -------------------------------------------------------------------- */

static void window_follows_the_buffer(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 4000;
	f = fx_established(&opt);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .ack = 2001, .wnd = 2000);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .ack = 4001, .wnd_zero = true);
	/* A probe is answered, its octet is not taken, its ACK is. */
	fx_send(f, 10);
	EXPECT(f, .flags = TCP_PSH | TCP_ACK, .len = 10);
	IN(f, .len = 1);
	EXPECT(f, .ack = 4001, .wnd_zero = true);
	COUNTED(f, drop_zero_window, 1);
	assert_int_equal(f->c->snd_una, f->c->snd_nxt);
	/* Silly: less than a segment is not told. */
	fx_read(f, 900);
	NOTHING(f);
	fx_read(f, 100);
	EXPECT(f, .ack = 4001, .wnd = 1000);
	fx_read(f, 3000);
	EXPECT(f, .ack = 4001, .wnd = 4000);
	fx_free(f);
}

static void window_never_shrinks(void **state)
{
	struct fx_opt opt = fx_opt_default;
	uint32_t edge = 0;
	uint64_t rng = 7;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 200000;
	opt.wscale = true;
	opt.peer_shift = 3;
	f = fx_established(&opt);
	assert_int_equal(f->c->rcv_shift, 7);
	f->peer_wnd = 65000;
	edge = f->c->rcv_adv;
	for (int i = 0; i < 20000; i++) {
		uint32_t n;

		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		n = 1 + (uint32_t)(rng % 1400);
		n = u32_min(n, tcp_rcv_wnd(f->c));
		IN(f, .len = n,
		   .seq = (int32_t)(rng / 64 % 16 ? 0 : u32_min(tcp_rcv_wnd(f->c), 900)));
		if (rng / 4096 % 3 == 0)
			fx_read(f, rng / 65536 % (tcp_recv_ready(f->c) + 1));
		assert_true(seq_geq(f->c->rcv_adv, edge));
		edge = f->c->rcv_adv;
		/* and is bounded by the buffer and a unit of the scale */
		assert_true(f->c->rcv_adv - (f->c->irs + 1 + (uint32_t)f->c->rcvq.read) <=
			    opt.rcvbuf + 128 + 1);
		while (fx_waiting(f)) {
			struct tcp_seg *s = &fx_pop(f)->seg;
			uint32_t told = s->ack + ((uint32_t)s->wnd << 7);

			assert_true(seq_leq(told, f->c->rcv_adv));
			assert_true(seq_gt(told + 128, seq_min(edge, f->c->rcv_adv)) ||
				    s->ack != f->c->rcv_nxt);
		}
	}
	fx_free(f);
}

/* Rounding up to the scale must not open the window anew for each octet. */
static void small_segments_do_not_stretch_the_window(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 4000;
	opt.wscale = true;
	f = fx_established(&opt);
	for (int i = 0; i < 10000; i++) {
		IN(f, .len = 1);
		if (i % 10 == 0)
			fx_run(f, 40 * FX_MS);
		fx_skip(f);
	}
	assert_in_range(tcp_recv_ready(f->c), 4000, 4000 + 128);
	assert_int_equal(tcp_rcv_wnd(f->c), 0);
	assert_int_equal(f->counters[WEIR_C_drop_zero_window], 10000 - tcp_recv_ready(f->c));
	fx_free(f);
}

static void window_scaling_both_ways(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 1 << 20;
	opt.blocks = 1024;
	opt.wscale = true;
	opt.peer_shift = 4;
	f = fx_established(&opt);
	assert_int_equal(f->c->snd_wnd, FX_WND << 4);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .ack = 2001, .wnd = ((1 << 20) - 2000) >> 7);
	fx_free(f);
	/* The SYN-ACK's own window is not scaled, and a SYN without gets none. */
	f = fx_syn_sent(&opt);
	IN(f, .flags = TCP_SYN | TCP_ACK, .wnd = 1000);
	assert_int_equal(f->c->snd_wnd, 1000);
	EXPECT(f, .seq = 1, .ack = 1, .wnd = (1 << 20) >> 7);
	fx_free(f);
	opt.wscale = false;
	f = fx_syn_sent(&opt);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 1, .wnd = 65535);
	assert_int_equal(f->c->snd_shift, 0);
	fx_free(f);
}

/* ---- the pool ------------------------------------------------------------------------ */

static void dry_pool_drops_and_recovers(void **state)
{
	struct fx_opt opt = with_sack;
	struct tcp_block *held[8]; /* and the NULL that ends them */
	struct fx *f;
	int n = 0;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	while ((held[n] = tcp_pool_get(&f->pool)))
		n++;
	assert_int_equal(n, 7);
	IN(f, .len = 1000, .flags = TCP_FIN | TCP_ACK);
	COUNTED(f, drop_recv_no_block, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	STATE(f, ESTABLISHED);
	IN(f, .seq = 1000, .len = 1000);
	COUNTED(f, drop_recv_ranges, 1);
	fx_skip(f);
	tcp_pool_put(&f->pool, held[--n]);
	/* One block: the first 2032 bytes of these are kept. */
	IN(f, .len = 3000);
	EXPECT(f, .seq = 1, .ack = 1 + TCP_BLOCK_DATA);
	fx_read(f, TCP_BLOCK_DATA);
	fx_skip(f);
	while (n)
		tcp_pool_put(&f->pool, held[--n]);
	IN(f, .len = 3000 - TCP_BLOCK_DATA, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 3002);
	STATE(f, CLOSE_WAIT);
	fx_read(f, 3000 - TCP_BLOCK_DATA);
	fx_free(f);
}

/* What lies beyond the hole must not keep out what fills it: RFC 2018 8. */
static void islands_give_way_to_what_fills_the_hole(void **state)
{
	struct fx_opt opt = with_sack;
	struct tcp_block *b, *held = NULL;
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	IN(f, .seq = 2 * TCP_BLOCK_DATA, .len = 1000);
	IN(f, .seq = 4 * TCP_BLOCK_DATA, .len = 1000);
	fx_skip(f);
	while ((b = tcp_pool_get(&f->pool))) {
		b->next = held;
		held = b;
	}
	/* The blocks of both, and of their list, are free; one is taken. */
	IN(f, .len = 1000);
	COUNTED(f, recv_reneged, 1);
	COUNTED(f, drop_recv_no_block, 0);
	EXPECT(f, .seq = 1, .ack = 1001);
	assert_null(f->c->islands);
	assert_int_equal(f->pool.in_use, 5);
	IN(f, .len = TCP_BLOCK_DATA + 10);
	assert_int_equal(tcp_recv_ready(f->c), TCP_BLOCK_DATA + 1010);
	fx_skip(f);
	fx_read(f, TCP_BLOCK_DATA + 1010);
	while ((b = held)) {
		held = b->next;
		tcp_pool_put(&f->pool, b);
	}
	fx_free(f);
}

/* The block that holds the end of what is in order stays, whatever is in it beyond. */
static void giving_way_keeps_what_is_in_order(void **state)
{
	struct fx_opt opt = with_sack;
	struct tcp_block *b, *held = NULL;
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	IN(f, .len = 1000);
	IN(f, .seq = 500, .len = 300);
	IN(f, .seq = 2 * TCP_BLOCK_DATA, .len = 1000);
	fx_skip(f);
	while ((b = tcp_pool_get(&f->pool))) {
		b->next = held;
		held = b;
	}
	IN(f, .len = 2000);
	COUNTED(f, recv_reneged, 1);
	assert_int_equal(tcp_recv_ready(f->c), 3000);
	fx_skip(f);
	fx_read(f, 3000);
	while ((b = held)) {
		held = b->next;
		tcp_pool_put(&f->pool, b);
	}
	fx_free(f);
}

/* What others receive must not keep an application from answering. */
static void the_last_eighth_is_for_sending(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_block *held[13];
	struct fx *f;

	(void)state;
	opt.blocks = 16;
	f = fx_established(&opt);
	for (int i = 0; i < 13; i++)
		held[i] = tcp_pool_get(&f->pool);
	IN(f, .len = 10);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	IN(f, .len = 3000);
	COUNTED(f, drop_recv_no_block, 1);
	assert_int_equal(tcp_recv_ready(f->c), TCP_BLOCK_DATA);
	fx_skip(f);
	fx_send(f, 2 * TCP_BLOCK_DATA);
	assert_int_equal(f->sent, 2 * TCP_BLOCK_DATA);
	assert_int_equal(f->pool.in_use, 16);
	fx_skip(f);
	fx_read(f, TCP_BLOCK_DATA);
	for (int i = 0; i < 13; i++)
		tcp_pool_put(&f->pool, held[i]);
	fx_free(f);
}

/* The last block went to the data, none is left for the list of what has arrived. */
static void last_block_is_given_back(void **state)
{
	struct fx_opt opt = with_sack;
	struct tcp_block *held;
	struct fx *f;

	(void)state;
	opt.blocks = 2;
	f = fx_established(&opt);
	held = tcp_pool_get(&f->pool);
	IN(f, .seq = 100, .len = 10);
	COUNTED(f, drop_recv_no_block, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	assert_int_equal(f->pool.in_use, 1);
	tcp_pool_put(&f->pool, held);
	fx_free(f);
}

static void data_beyond_the_fin_is_dropped(void **state)
{
	struct fx *f = fx_close_wait(NULL);

	(void)state;
	IN(f, .len = 10);
	COUNTED(f, drop_data_after_fin, 1);
	assert_int_equal(tcp_recv_ready(f->c), 0);
	IN(f, .seq = -1, .flags = TCP_FIN | TCP_ACK); /* the FIN itself, again */
	EXPECT(f, .seq = 1, .ack = 2);
	fx_free(f);
}

static void dry_pool_stops_the_writer_until_there_is_room(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_block *held[4];
	struct fx *f;
	uint8_t *p;

	(void)state;
	opt.blocks = 4;
	f = fx_established(&opt);
	for (int i = 0; i < 4; i++)
		held[i] = tcp_pool_get(&f->pool);
	assert_int_equal(tcp_send_space(f->c), 0);
	assert_int_equal(tcp_send_reserve(f->c, &p), 0);
	fx_run(f, 100 * FX_MS);
	assert_int_equal(fx_events(f), 0);
	for (int i = 0; i < 4; i++)
		tcp_pool_put(&f->pool, held[i]);
	fx_run(f, 10 * FX_MS);
	assert_int_equal(fx_events(f), TCP_EV_WRITABLE);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	assert_int_equal(tcp_send_space(f->c), 4 * TCP_BLOCK_DATA);
	fx_send(f, 20000);
	assert_int_equal(f->sent, 4 * TCP_BLOCK_DATA);
	fx_skip(f);
	fx_free(f);
}

static void space_is_what_the_pool_can_hold(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.blocks = 4;
	f = fx_established(&opt);
	assert_int_equal(tcp_send_space(f->c), 4 * TCP_BLOCK_DATA);
	fx_send(f, 100);
	assert_int_equal(tcp_send_space(f->c), 4 * TCP_BLOCK_DATA - 100);
	fx_skip(f);
	/* An empty queue goes on in the middle of a block. */
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 0);
	assert_int_equal(tcp_send_space(f->c), 4 * TCP_BLOCK_DATA - 100);
	fx_send(f, 10000);
	assert_int_equal(f->sent, 4 * TCP_BLOCK_DATA);
	fx_skip(f);
	fx_free(f);
}

static void unused_reservation_holds_no_block(void **state)
{
	struct fx *f = fx_established(NULL);
	uint8_t *p;

	(void)state;
	assert_int_equal(tcp_send_reserve(f->c, &p), TCP_BLOCK_DATA);
	tcp_send_commit(f->c, 0);
	assert_int_equal(f->pool.in_use, 0);
	tcp_send_commit(f->c, 100); /* nothing is reserved */
	assert_int_equal(f->c->sndq.end, 0);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_the_window),
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
		cmocka_unit_test(window_follows_the_buffer),
		cmocka_unit_test(window_never_shrinks),
		cmocka_unit_test(small_segments_do_not_stretch_the_window),
		cmocka_unit_test(window_scaling_both_ways),
		cmocka_unit_test(dry_pool_drops_and_recovers),
		cmocka_unit_test(islands_give_way_to_what_fills_the_hole),
		cmocka_unit_test(giving_way_keeps_what_is_in_order),
		cmocka_unit_test(the_last_eighth_is_for_sending),
		cmocka_unit_test(last_block_is_given_back),
		cmocka_unit_test(data_beyond_the_fin_is_dropped),
		cmocka_unit_test(dry_pool_stops_the_writer_until_there_is_room),
		cmocka_unit_test(space_is_what_the_pool_can_hold),
		cmocka_unit_test(unused_reservation_holds_no_block),
	};

	return cmocka_run_group_tests_name("tcp_recv", tests, NULL, NULL);
}
