/* SPDX-License-Identifier: BSD-2-Clause */
/* The receive window: how it moves, and what it takes of the pool. */
#include <limits.h>

#include "../random.h"
#include "tcp_fixture.h"

static const struct fx_opt with_sack = FX_OPT(.sack = true);

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

		xorshift64(&rng);
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
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	assert_int_equal(fx_hold(f, UINT_MAX), 7);
	IN(f, .len = 1000, .flags = TCP_FIN | TCP_ACK);
	COUNTED(f, drop_recv_no_block, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	STATE(f, ESTABLISHED);
	IN(f, .seq = 1000, .len = 1000);
	COUNTED(f, drop_recv_ranges, 1);
	fx_skip(f);
	fx_give_back(f, 1);
	/* One block: the first 2032 bytes of these are kept. */
	IN(f, .len = 3000);
	EXPECT(f, .seq = 1, .ack = 1 + TCP_BLOCK_DATA);
	fx_read(f, TCP_BLOCK_DATA);
	fx_skip(f);
	fx_give_back(f, UINT_MAX);
	IN(f, .len = 3000 - TCP_BLOCK_DATA, .flags = TCP_FIN | TCP_ACK);
	EXPECT(f, .seq = 1, .ack = 3002);
	STATE(f, CLOSE_WAIT);
	fx_read(f, 3000 - TCP_BLOCK_DATA);
	fx_free(f);
}

/*
 * Where the path has no delay, an answer to what was dropped brings it again at once: as
 * many as a sender needs to see that something is missing, not as many as it sends.
 */
static void dry_pool_answers_no_faster_than_a_challenge(void **state)
{
	struct fx_opt opt = with_sack;
	unsigned answers = 0;
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	fx_hold(f, UINT_MAX);
	for (unsigned i = 0; i < 1000; i++) {
		IN(f, .len = 1000);
		IN(f, .seq = 1000, .len = 1000);
		answers += fx_waiting(f);
		fx_skip(f);
	}
	assert_in_range(answers, 3, f->c->env->cfg->challenge_per_sec);
	COUNTED(f, drop_recv_no_block, 1000);
	/* A second later it may be told again; and what is kept is told as ever. */
	fx_run(f, 1000 * FX_MS);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 1, .ack = 1);
	fx_give_back(f, UINT_MAX);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .seq = 1, .ack = 2001);
	fx_read(f, 2000);
	fx_free(f);
}

/* What lies beyond the hole must not keep out what fills it: RFC 2018 8. */
static void islands_give_way_to_what_fills_the_hole(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	IN(f, .seq = 2 * TCP_BLOCK_DATA, .len = 1000);
	IN(f, .seq = 4 * TCP_BLOCK_DATA, .len = 1000);
	fx_skip(f);
	fx_hold(f, UINT_MAX);
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
	fx_give_back(f, UINT_MAX);
	fx_free(f);
}

/* The block that holds the end of what is in order stays, whatever is in it beyond. */
static void giving_way_keeps_what_is_in_order(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.blocks = 7;
	f = fx_established(&opt);
	IN(f, .len = 1000);
	IN(f, .seq = 500, .len = 300);
	IN(f, .seq = 2 * TCP_BLOCK_DATA, .len = 1000);
	fx_skip(f);
	fx_hold(f, UINT_MAX);
	IN(f, .len = 2000);
	COUNTED(f, recv_reneged, 1);
	assert_int_equal(tcp_recv_ready(f->c), 3000);
	fx_skip(f);
	fx_read(f, 3000);
	fx_give_back(f, UINT_MAX);
	fx_free(f);
}

/* What others receive must not keep an application from answering. */
static void the_last_eighth_is_for_sending(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.blocks = 16;
	f = fx_established(&opt);
	assert_int_equal(fx_hold(f, 13), 13);
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
	fx_give_back(f, 13);
	fx_free(f);
}

/* The last block went to the data, none is left for the list of what has arrived. */
static void last_block_is_given_back(void **state)
{
	struct fx_opt opt = with_sack;
	struct fx *f;

	(void)state;
	opt.blocks = 2;
	f = fx_established(&opt);
	fx_hold(f, 1);
	IN(f, .seq = 100, .len = 10);
	COUNTED(f, drop_recv_no_block, 1);
	EXPECT(f, .seq = 1, .ack = 1);
	assert_int_equal(f->pool.in_use, 1);
	fx_give_back(f, 1);
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
	struct fx *f;
	uint8_t *p;

	(void)state;
	opt.blocks = 4;
	f = fx_established(&opt);
	assert_int_equal(fx_hold(f, 4), 4);
	assert_int_equal(tcp_send_space(f->c), 0);
	assert_int_equal(tcp_send_reserve(f->c, &p), 0);
	fx_run(f, 100 * FX_MS);
	assert_int_equal(fx_events(f), 0);
	fx_give_back(f, 4);
	fx_run(f, 10 * FX_MS);
	assert_int_equal(fx_events(f), TCP_EV_WRITABLE);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	assert_int_equal(tcp_send_space(f->c), 2 * TCP_BLOCK_DATA);
	fx_send(f, 20000);
	assert_int_equal(f->sent, 2 * TCP_BLOCK_DATA);
	fx_skip(f);
	fx_free(f);
}

/* A share shrinks with the pool, to two blocks: however many have theirs, some is left. */
static void a_full_pool_leaves_small_shares(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_block *held[120];
	struct fx *f;

	(void)state;
	opt.blocks = 256;
	opt.sndbuf = 256 * TCP_BLOCK_SIZE;
	f = fx_established(&opt);
	assert_int_equal(tcp_send_space(f->c), 32 * TCP_BLOCK_DATA);
	for (int i = 0; i < 120; i++) {
		held[i] = tcp_pool_get(&f->pool);
		if (i == 87)
			assert_int_equal(tcp_send_space(f->c), (128 - 88) / 4 * TCP_BLOCK_DATA);
	}
	/* What was said holds, though it is taken block by block. */
	assert_int_equal(tcp_send_space(f->c), 2 * TCP_BLOCK_DATA);
	fx_send(f, 20 * TCP_BLOCK_DATA);
	assert_int_equal(f->sent, 2 * TCP_BLOCK_DATA);
	COUNTED(f, send_no_block, 1);
	assert_int_equal(tcp_send_space(f->c), 0);
	COUNTED(f, send_no_block, 1);
	for (int i = 0; i < 120; i++)
		tcp_pool_put(&f->pool, held[i]);
	assert_true(tcp_send_space(f->c) > 2 * TCP_BLOCK_DATA);
	fx_skip(f);
	fx_free(f);
}

static void space_is_what_the_pool_can_hold(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_block *held[3];
	struct fx *f;

	(void)state;
	opt.blocks = 4;
	f = fx_established(&opt);
	held[0] = tcp_pool_get(&f->pool);
	held[1] = tcp_pool_get(&f->pool);
	held[2] = tcp_pool_get(&f->pool);
	assert_int_equal(tcp_send_space(f->c), TCP_BLOCK_DATA);
	fx_send(f, 100);
	assert_int_equal(tcp_send_space(f->c), TCP_BLOCK_DATA - 100);
	fx_skip(f);
	/* An empty queue goes on in the middle of a block. */
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 3);
	assert_int_equal(tcp_send_space(f->c), TCP_BLOCK_DATA - 100);
	fx_send(f, 10000);
	assert_int_equal(f->sent, TCP_BLOCK_DATA);
	fx_skip(f);
	for (int i = 0; i < 3; i++)
		tcp_pool_put(&f->pool, held[i]);
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
		cmocka_unit_test(window_follows_the_buffer),
		cmocka_unit_test(window_never_shrinks),
		cmocka_unit_test(small_segments_do_not_stretch_the_window),
		cmocka_unit_test(window_scaling_both_ways),
		cmocka_unit_test(dry_pool_drops_and_recovers),
		cmocka_unit_test(dry_pool_answers_no_faster_than_a_challenge),
		cmocka_unit_test(islands_give_way_to_what_fills_the_hole),
		cmocka_unit_test(giving_way_keeps_what_is_in_order),
		cmocka_unit_test(the_last_eighth_is_for_sending),
		cmocka_unit_test(last_block_is_given_back),
		cmocka_unit_test(data_beyond_the_fin_is_dropped),
		cmocka_unit_test(dry_pool_stops_the_writer_until_there_is_room),
		cmocka_unit_test(a_full_pool_leaves_small_shares),
		cmocka_unit_test(space_is_what_the_pool_can_hold),
		cmocka_unit_test(unused_reservation_holds_no_block),
	};

	return cmocka_run_group_tests_name("tcp_window", tests, NULL, NULL);
}
