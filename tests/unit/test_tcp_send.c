/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: segments, ACK rules, Nagle, silly windows. */
#include "tcp_fixture.h"

static const struct fx_opt with_ts = FX_OPT(.ts = true, .sack = true);
static const struct fx_opt with_nagle = FX_OPT(.nagle = true);

/* ---- segments ------------------------------------------------------------------ */

static void segments_of_the_peers_mss(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 2500);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	EXPECT(f, .flags = PSH_ACK, .seq = 2001, .ack = 1, .len = 500);
	IN(f, .ack = -500);
	assert_int_equal(f->c->sndq.base, 2000);
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
	/* and of ours, if that is smaller */
	f = fx_new(NULL);
	f->open.mtu_mss = 500;
	tcp_open_active(f->c, &f->open, FX_ISS, 0, f->now);
	fx_drain(f);
	assert_int_equal(f->q[0].seg.mss, 500);
	fx_skip(f);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	fx_send(f, 600);
	EXPECT(f, .seq = 1, .ack = 1);
	EXPECT(f, .seq = 1, .ack = 1, .len = 500);
	EXPECT(f, .flags = PSH_ACK, .seq = 501, .ack = 1, .len = 100);
	fx_free(f);
}

static void options_take_their_room(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	fx_send(f, 2000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 988);
	EXPECT(f, .seq = 989, .ack = 1, .len = 988);
	EXPECT(f, .flags = PSH_ACK, .seq = 1977, .ack = 1, .len = 24);
	fx_free(f);
}

static void payload_at_odd_places_across_blocks(void **state)
{
	/* The fixture verifies the checksum and the bytes of every segment. */
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	for (uint16_t mss = 95; mss < 1460; mss += 137) {
		opt.mss = mss;
		f = fx_established(&opt);
		fx_wide(f);
		f->c->cwnd = 1 << 20;
		fx_send(f, 17);
		fx_send(f, 30001);
		assert_int_equal(f->c->snd_nxt - f->c->iss - 1, 30018);
		fx_skip(f);
		IN(f, .ack = -7777); /* the middle of a block */
		fx_send(f, 999);
		fx_skip(f);
		IN(f, .len = 0);
		fx_free(f);
	}
}

/* ---- in pieces ------------------------------------------------------------------- */

/* Writes n bytes of the fixture's pattern into the room that at most `max` pieces give. */
static size_t send_in_pieces(struct fx *f, unsigned max, size_t n)
{
	struct tcp_span s[16];
	unsigned pieces = tcp_send_reservev(f->c, s, max);
	size_t done = 0;

	for (unsigned i = 0; i < pieces; i++)
		for (size_t k = 0; k < s[i].len && done < n; k++, done++)
			s[i].p[k] = fx_byte(f->sent + done);
	tcp_send_commit(f->c, done);
	f->sent += done;
	fx_drain(f);
	return done;
}

static void room_in_pieces(void **state)
{
	struct fx *f = fx_established(NULL);
	struct tcp_span s[16];

	(void)state;
	/* The first ends with its block; those that are not used are given back. */
	assert_int_equal(tcp_send_reservev(f->c, s, 3), 3);
	assert_int_equal(s[0].len, TCP_BLOCK_DATA);
	assert_int_equal(s[2].len, TCP_BLOCK_DATA);
	assert_int_equal(f->pool.in_use, 3);
	tcp_send_commit(f->c, 0);
	assert_int_equal(f->pool.in_use, 0);
	assert_int_equal(send_in_pieces(f, 3, 100), 100);
	assert_int_equal(f->pool.in_use, 1);
	assert_int_equal(tcp_send_reservev(f->c, s, 2), 2);
	assert_int_equal(s[0].len, TCP_BLOCK_DATA - 100);
	tcp_send_commit(f->c, 0);
	assert_int_equal(f->pool.in_use, 1);
	/* Exactly full, then on. */
	assert_int_equal(send_in_pieces(f, 2, TCP_BLOCK_DATA - 100), TCP_BLOCK_DATA - 100);
	assert_int_equal(f->pool.in_use, 1);
	assert_int_equal(send_in_pieces(f, 4, 3 * TCP_BLOCK_DATA + 1), 3 * TCP_BLOCK_DATA + 1);
	assert_int_equal(f->pool.in_use, 5);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

/* Any mixture of the two forms, with acknowledgements in between: the fixture checks bytes. */
static void pieces_of_any_size(void **state)
{
	struct fx *f = fx_established(NULL);
	uint32_t seed = 7;

	(void)state;
	fx_wide(f);
	f->c->cwnd = 1 << 20;
	for (int i = 0; i < 400; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 30 == 0)
			fx_send(f, 1 + (seed >> 8) % 3000);
		else
			send_in_pieces(f, 1 + (seed >> 8) % 9, (seed >> 12) % 16000);
		fx_skip(f);
		if (seed >> 31)
			IN(f, .len = 0);
	}
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

/* What the send buffer and the pool do not have is not given. */
static void pieces_are_bounded(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_span s[16];
	struct fx *f;

	(void)state;
	opt.sndbuf = 5000;
	f = fx_established(&opt);
	assert_int_equal(tcp_send_reservev(f->c, s, 16), 3);
	assert_int_equal(s[0].len + s[1].len + s[2].len, 5000);
	tcp_send_commit(f->c, 0);
	assert_int_equal(send_in_pieces(f, 16, 9000), 5000);
	assert_int_equal(tcp_send_reservev(f->c, s, 16), 0);
	fx_skip(f);
	fx_free(f);
	opt.sndbuf = 1 << 20;
	opt.blocks = 4;
	f = fx_established(&opt);
	assert_in_range(tcp_send_reservev(f->c, s, 16), 1, 4);
	tcp_send_commit(f->c, 0);
	tcp_shutdown(f->c);
	assert_int_equal(tcp_send_reservev(f->c, s, 16), 0);
	fx_drain(f);
	fx_skip(f);
	fx_free(f);
}

static void timestamps_start_from_the_gates(void **state)
{
	struct fx *f = fx_established(&with_ts);

	(void)state;
	fx_run(f, 123 * FX_MS);
	fx_send(f, 10);
	assert_int_equal(f->q[0].seg.tsval, FX_TS_OURS + 123);
	assert_int_equal(f->q[0].seg.tsecr, FX_TS_PEER);
	fx_skip(f);
	fx_free(f);
}

static void stream_beyond_4_gib(void **state)
{
	struct fx *f = fx_established(NULL);
	uint64_t start = 0x100000000 - 700;

	(void)state;
	f->c->sndq.base = f->c->sndq.end = f->sent = start;
	f->c->iss = FX_ISS - (uint32_t)start;
	fx_send(f, 5000);
	assert_int_equal(fx_waiting(f), 5);
	fx_skip(f);
	IN(f, .ack = -3000);
	assert_int_equal(f->c->sndq.base, start + 2000);
	IN(f, .len = 0);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

/* ---- the ACK field ----------------------------------------------------------------- */

static void ack_of_unsent_data_is_challenged(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .ack = 1, .len = 10);
	EXPECT(f, .seq = 1, .ack = 1);
	COUNTED(f, drop_ack_unsent, 1);
	assert_int_equal(tcp_recv_ready(f->c), 0);
	fx_free(f);
}

static void old_acks(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 3000);
	fx_skip(f);
	IN(f, .len = 0);
	/* Old but plausible: ignored, its data is taken. */
	IN(f, .ack = -2000, .len = 10);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	assert_int_equal(f->c->snd_una, f->c->snd_nxt);
	/* Older than any window (RFC 5961 5.2). */
	IN(f, .ack = -(FX_WND + 1), .len = 10);
	COUNTED(f, drop_ack_too_old, 1);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	EXPECT(f, .ack = 11);
	IN(f, .bare = true, .len = 10);
	COUNTED(f, drop_no_ack, 1);
	fx_free(f);
}

static void old_acks_do_not_move_the_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .len = 10);
	IN(f, .len = 10, .wnd = 5000);
	IN(f, .seq = -20, .len = 30, .wnd = 100);
	assert_int_equal(tcp_recv_ready(f->c), 30);
	assert_int_equal(f->c->snd_wnd, 5000);
	fx_skip(f);
	fx_run(f, FX_SEC);
	fx_skip(f);
	fx_free(f);
}

/* It moves snd_una, so the window that counts from there must be its own. */
static void an_overtaken_ack_does_not_widen_the_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 4000);
	fx_skip(f);
	IN(f, .seq = 10, .len = 10, .ack = -4000, .wnd = 5000);
	assert_int_equal(f->c->snd_una + f->c->snd_wnd, FX_ISS + 1 + 5000);
	IN(f, .len = 10, .ack = -1000, .wnd = 2000);
	assert_int_equal(f->c->snd_una, FX_ISS + 1 + 3000);
	assert_int_equal(f->c->snd_wnd, 2000);
	fx_skip(f);
	IN(f);
	fx_skip(f);
	fx_free(f);
}

/* ---- Nagle, silly windows ------------------------------------------------------------------ */

static void nagle_holds_a_second_small_segment(void **state)
{
	struct fx *f = fx_established(&with_nagle);

	(void)state;
	fx_send(f, 10);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 10);
	fx_send(f, 10);
	NOTHING(f);
	fx_send(f, 989); /* one short of a full segment */
	NOTHING(f);
	fx_send(f, 1);
	EXPECT(f, .flags = PSH_ACK, .seq = 11, .ack = 1, .len = 1000);
	fx_free(f);
}

static void nagle_releases_on_ack(void **state)
{
	struct fx *f = fx_established(&with_nagle);

	(void)state;
	fx_send(f, 10);
	fx_send(f, 20);
	fx_send(f, 30);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 10);
	NOTHING(f);
	IN(f, .len = 0);
	EXPECT(f, .flags = PSH_ACK, .seq = 11, .ack = 1, .len = 50);
	/* Minshall: full segments in flight do not hold a tail back. */
	IN(f, .len = 0);
	fx_send(f, 1500);
	EXPECT(f, .seq = 61, .ack = 1, .len = 1000);
	EXPECT(f, .flags = PSH_ACK, .seq = 1061, .ack = 1, .len = 500);
	/* A FIN goes out with what is left. */
	fx_send(f, 7);
	NOTHING(f);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = PSH_ACK | TCP_FIN, .seq = 1561, .ack = 1, .len = 7);
	fx_free(f);
}

static void silly_window_is_not_used(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	f->peer_wnd = 4000;
	IN(f, .len = 0);
	fx_send(f, 10000);
	assert_int_equal(fx_waiting(f), 4);
	fx_skip(f);
	IN(f, .len = 0, .wnd = 300); /* less than a segment, less than half the largest */
	NOTHING(f);
	/* The override (RFC 9293 3.8.6.2.1 (4)) */
	fx_run(f, f->c->rto);
	EXPECT(f, .seq = 4001, .ack = 1, .len = 300);
	COUNTED(f, probe_zero_window, 0);
	IN(f, .len = 0, .wnd = 2000);
	EXPECT(f, .seq = 4301, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 5301, .ack = 1, .len = 1000);
	fx_skip(f);
	fx_free(f);
}

static void half_the_largest_window_is_used(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.mss = 1460;
	f = fx_new(&opt);
	f->peer_wnd = 600;
	tcp_open_listen(f->c, &f->open, FX_ISS, f->now);
	IN(f, .flags = TCP_SYN);
	IN(f, .len = 0);
	fx_skip(f);
	fx_send(f, 5000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 600);
	IN(f, .len = 0, .wnd = 300);
	EXPECT(f, .seq = 601, .ack = 1, .len = 300);
	IN(f, .len = 0, .wnd = 299);
	NOTHING(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_of_the_peers_mss),
		cmocka_unit_test(options_take_their_room),
		cmocka_unit_test(payload_at_odd_places_across_blocks),
		cmocka_unit_test(room_in_pieces),
		cmocka_unit_test(pieces_of_any_size),
		cmocka_unit_test(pieces_are_bounded),
		cmocka_unit_test(timestamps_start_from_the_gates),
		cmocka_unit_test(stream_beyond_4_gib),
		cmocka_unit_test(ack_of_unsent_data_is_challenged),
		cmocka_unit_test(old_acks),
		cmocka_unit_test(old_acks_do_not_move_the_window),
		cmocka_unit_test(an_overtaken_ack_does_not_widen_the_window),
		cmocka_unit_test(nagle_holds_a_second_small_segment),
		cmocka_unit_test(nagle_releases_on_ack),
		cmocka_unit_test(silly_window_is_not_used),
		cmocka_unit_test(half_the_largest_window_is_used),
	};

	return cmocka_run_group_tests_name("tcp_send", tests, NULL, NULL);
}
