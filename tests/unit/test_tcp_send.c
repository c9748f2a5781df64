/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: ACK rules, PAWS, Nagle, silly windows, zero windows, keep-alive. */
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

/* ---- PAWS ------------------------------------------------------------------------------ */

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

/* ---- zero window
 * --------------------------------------------------------------------------------- */

static struct fx *zero_window(size_t queued)
{
	struct fx *f = fx_established(NULL);

	IN(f, .zero_wnd = true);
	fx_send(f, queued);
	NOTHING(f);
	return f;
}

static void zero_window_probes_back_off(void **state)
{
	struct fx *f = zero_window(500);
	uint64_t t0 = f->now;
	struct tcp_info info;

	(void)state;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	for (int i = 0; i < 5; i++) {
		fx_run(f, t0 + ((2ull << i) - 1) * FX_SEC - f->now);
		EXPECT(f, .seq = 1, .ack = 1, .len = 1);
		IN(f, .ack = 0, .zero_wnd = true);
		NOTHING(f);
	}
	COUNTED(f, probe_zero_window, 5);
	assert_int_equal(f->c->retransmits, 0);
	/* It opens: all of it goes, the octet again. */
	IN(f, .len = 0);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 500);
	IN(f, .len = 0);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	fx_free(f);
}

static void probe_that_is_taken(void **state)
{
	struct fx *f = zero_window(500);

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1);
	IN(f, .ack = 1, .wnd = 1000); /* snd_nxt has not moved for the probe */
	EXPECT(f, .flags = PSH_ACK, .seq = 2, .ack = 1, .len = 499);
	COUNTED(f, drop_ack_unsent, 0);
	IN(f, .len = 0);
	fx_free(f);
	f = zero_window(1); /* it was all there was */
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1);
	IN(f, .ack = 1, .zero_wnd = true);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	assert_int_equal(f->pool.in_use, 0);
	IN(f, .ack = 1);
	COUNTED(f, drop_ack_unsent, 1);
	fx_skip(f);
	fx_free(f);
}

static void persist_limit(void **state)
{
	struct fx *f = zero_window(500);
	uint64_t end = f->now + f->cfg.persist_limit_us;

	(void)state;
	/* The peer answers every probe, with the window still closed. */
	while (f->now + FX_SEC < end) {
		fx_run(f, FX_SEC);
		IN(f, .ack = 0, .zero_wnd = true);
	}
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	COUNTED(f, abort_persist, 1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 1, .ack = 1);
	fx_free(f);
}

static void persist_limit_starts_over_when_it_opens(void **state)
{
	struct fx *f = zero_window(5000);

	(void)state;
	fx_run(f, 50 * FX_SEC);
	fx_skip(f);
	IN(f, .ack = 0, .wnd = 1000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .zero_wnd = true);
	fx_run(f, 59 * FX_SEC);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 2 * FX_SEC);
	STATE(f, CLOSED);
	fx_skip(f);
	fx_free(f);
}

static void fin_goes_out_against_a_zero_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .zero_wnd = true);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	fx_free(f);
}

/* RFC 9293 3.8.6: a peer that takes its window back still gets ACKs it can accept. */
static void window_taken_back(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 5000);
	fx_skip(f);
	IN(f, .ack = -4000, .len = 1000, .wnd = 1500);
	IN(f, .ack = -4000, .len = 1000, .wnd = 1500);
	EXPECT(f, .seq = 2501, .ack = 2001);
	IN(f, .ack = -4000, .len = 10, .zero_wnd = true);
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .seq = 1001, .ack = 2011);
	/* What is in flight is sent again all the same. */
	fx_run(f, f->c->rto);
	EXPECT(f, .seq = 1001, .ack = 2011, .len = 1000);
	IN(f, .len = 0);
	fx_free(f);
}

/* Data in flight, and a peer that has taken back all of its window (RFC 9293 3.8.6). */
static struct fx *shrunk_window(void)
{
	struct fx *f = fx_established(NULL);

	fx_user_timeout(f, 10 * FX_SEC);
	fx_run(f, 500 * FX_SEC); /* how long it was idle before is of no account */
	fx_send(f, 5000);
	fx_skip(f);
	IN(f, .ack = -5000, .zero_wnd = true);
	NOTHING(f);
	return f;
}

/* The peer answers whatever it gets, its window shut, until the end. */
static void answer_shut(struct fx *f, int32_t ack, uint64_t end)
{
	while (f->now < end && f->c->state != WEIR_CLOSED) {
		uint64_t at = tcp_next_timeout(f->c);

		fx_run(f, (at < end ? at : end) - f->now);
		if (f->c->state != WEIR_CLOSED && fx_waiting(f)) {
			fx_skip(f);
			IN(f, .ack = ack, .zero_wnd = true);
			NOTHING(f);
		}
	}
}

static void shrunk_window_backs_off(void **state)
{
	struct fx *f = shrunk_window();
	uint64_t t0 = f->now;
	struct tcp_info info;

	(void)state;
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	for (int i = 0; i < 5; i++) {
		fx_run(f, t0 + ((2ull << i) - 1) * FX_SEC - f->now - 1);
		/* It is alive: time without an answer is not what is counted. */
		IN(f, .ack = -5000, .zero_wnd = true);
		NOTHING(f);
		fx_run(f, 1);
		EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
		IN(f, .ack = -5000, .zero_wnd = true);
		NOTHING(f);
		if (i == 2)
			fx_user_timeout(f, 30 * FX_SEC);
	}
	tcp_get_info(f->c, &info);
	assert_int_equal(info.timer, TCP_TIMER_PERSIST);
	IN(f, .len = 0);
	assert_int_equal(tcp_next_timeout(f->c), TCP_NEVER);
	fx_free(f);
}

static void shrunk_window_persist_limit(void **state)
{
	(void)state;
	for (int user = 0; user < 2; user++) {
		struct fx *f = shrunk_window();
		uint64_t end = f->now + f->cfg.persist_limit_us;

		fx_user_timeout(f, user ? 40 * FX_SEC : 0);
		answer_shut(f, -5000, end - 1);
		STATE(f, ESTABLISHED);
		fx_skip(f);
		fx_run(f, 1);
		STATE(f, CLOSED);
		assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
		COUNTED(f, abort_persist, 1);
		COUNTED(f, abort_user_timeout, 0);
		EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 1, .ack = 1);
		fx_free(f);
	}
}

/* A peer that falls silent is not waited for longer than any other. */
static void shrunk_window_user_timeout(void **state)
{
	struct fx *f = shrunk_window();

	(void)state;
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	IN(f, .ack = -5000, .zero_wnd = true);
	fx_run(f, 10 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 5 * FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	fx_skip(f);
	fx_free(f);
}

static void shrunk_window_opens_again(void **state)
{
	struct fx *f = shrunk_window();
	uint64_t end = f->now + 32 * FX_SEC;

	(void)state;
	fx_user_timeout(f, 40 * FX_SEC);
	answer_shut(f, -5000, end);
	fx_user_timeout(f, 10 * FX_SEC);
	/* At once, as from the persist state, with a fresh RTO and user timeout. */
	IN(f, .ack = -5000);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	NOTHING(f);
	fx_run(f, FX_SEC);
	EXPECT(f, .seq = 1, .ack = 1, .len = 1000);
	STATE(f, ESTABLISHED);
	IN(f, .ack = -4000);
	EXPECT(f, .seq = 1001, .ack = 1, .len = 1000);
	EXPECT(f, .seq = 2001, .ack = 1, .len = 1000);
	IN(f, .ack = -2000, .zero_wnd = true); /* and shuts again: a new term */
	end = f->now + f->cfg.persist_limit_us;
	fx_user_timeout(f, 0);
	fx_skip(f);
	answer_shut(f, -2000, end - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 1);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	fx_skip(f);
	fx_free(f);
}

/* Nor does an open window that is not used well prolong the user timeout. */
static void window_shut_for_a_moment(void **state)
{
	struct fx *f = shrunk_window();

	(void)state;
	fx_run(f, 500 * FX_MS);
	IN(f, .ack = -5000);
	NOTHING(f); /* nothing was sent against it */
	fx_run(f, 10 * FX_SEC - 1);
	STATE(f, ESTABLISHED);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	fx_skip(f);
	fx_free(f);
}

static void fin_held_by_a_zero_window(void **state)
{
	struct fx *f = fx_established(NULL);
	uint64_t end;

	(void)state;
	fx_user_timeout(f, 0);
	IN(f, .zero_wnd = true);
	fx_run(f, 500 * FX_SEC);
	tcp_shutdown(f->c);
	fx_drain(f);
	EXPECT(f, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	end = f->now + f->cfg.persist_limit_us;
	answer_shut(f, -1, end - 1);
	STATE(f, FIN_WAIT_1);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_PERSIST);
	fx_skip(f);
	fx_free(f);
}

/* ---- keep-alive, user timeout, write space
 * ------------------------------------------------------------- */

static void keepalive(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.keepalive_us = 100 * FX_SEC;
	f = fx_established(&opt);
	fx_send(f, 1);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 1);
	IN(f, .len = 0);
	fx_run(f, 60 * FX_SEC);
	IN(f, .len = 0);
	fx_run(f, 100 * FX_SEC - 1);
	NOTHING(f);
	fx_run(f, 1);
	EXPECT(f, .seq = 1, .ack = 1); /* SND.NXT - 1 */
	IN(f, .len = 0);	       /* alive */
	fx_run(f, 100 * FX_SEC);
	assert_int_equal(fx_waiting(f), 1);
	fx_skip(f);
	fx_run(f, f->cfg.keepalive_probes * f->cfg.keepalive_interval_us - 1);
	STATE(f, ESTABLISHED);
	assert_int_equal(fx_waiting(f), f->cfg.keepalive_probes - 1);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_KEEPALIVE);
	COUNTED(f, abort_keepalive, 1);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 2, .ack = 1);
	fx_free(f);
}

static void peers_keepalive_is_answered(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .seq = -1);
	EXPECT(f, .seq = 1, .ack = 1);
	IN(f, .seq = -1, .len = 1); /* the old kind, with an octet */
	EXPECT(f, .seq = 1, .ack = 1);
	fx_free(f);
}

static void user_timeout(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_run(f, 500 * FX_SEC);
	STATE(f, ESTABLISHED);
	fx_send(f, 100);
	fx_run(f, f->cfg.user_timeout_us - 1);
	STATE(f, ESTABLISHED);
	fx_skip(f);
	fx_run(f, 1);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	EXPECT(f, .flags = TCP_RST | TCP_ACK, .seq = 101, .ack = 1);
	assert_int_equal(f->pool.in_use, 0);
	fx_free(f);
}

static void writable_when_acked(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.sndbuf = 3000;
	f = fx_established(&opt);
	fx_send(f, 5000);
	assert_int_equal(f->sent, 3000);
	assert_int_equal(tcp_send_space(f->c), 0);
	assert_int_equal(tcp_send_queued(f->c), 3000);
	assert_int_equal(fx_events(f), 0);
	fx_skip(f);
	IN(f, .ack = -2000);
	assert_int_equal(fx_events(f), TCP_EV_WRITABLE);
	assert_int_equal(tcp_send_space(f->c), 1000);
	assert_int_equal(tcp_send_queued(f->c), 2000);
	/* The FIN is no byte of it. */
	tcp_shutdown(f->c);
	fx_drain(f);
	fx_skip(f);
	assert_int_equal(tcp_send_queued(f->c), 2000);
	IN(f, .len = 0);
	assert_int_equal(tcp_send_queued(f->c), 0);
	assert_int_equal(fx_events(f), TCP_EV_SENT);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_of_the_peers_mss),
		cmocka_unit_test(options_take_their_room),
		cmocka_unit_test(payload_at_odd_places_across_blocks),
		cmocka_unit_test(timestamps_start_from_the_gates),
		cmocka_unit_test(stream_beyond_4_gib),
		cmocka_unit_test(ack_of_unsent_data_is_challenged),
		cmocka_unit_test(old_acks),
		cmocka_unit_test(old_acks_do_not_move_the_window),
		cmocka_unit_test(an_overtaken_ack_does_not_widen_the_window),
		cmocka_unit_test(paws_drops_old_timestamps),
		cmocka_unit_test(paws_forgets_after_24_days),
		cmocka_unit_test(refused_segments_move_no_timestamp),
		cmocka_unit_test(rst_carries_timestamp),
		cmocka_unit_test(out_of_order_timestamps_are_not_echoed),
		cmocka_unit_test(nagle_holds_a_second_small_segment),
		cmocka_unit_test(nagle_releases_on_ack),
		cmocka_unit_test(silly_window_is_not_used),
		cmocka_unit_test(half_the_largest_window_is_used),
		cmocka_unit_test(zero_window_probes_back_off),
		cmocka_unit_test(probe_that_is_taken),
		cmocka_unit_test(persist_limit),
		cmocka_unit_test(persist_limit_starts_over_when_it_opens),
		cmocka_unit_test(fin_goes_out_against_a_zero_window),
		cmocka_unit_test(window_taken_back),
		cmocka_unit_test(shrunk_window_backs_off),
		cmocka_unit_test(shrunk_window_persist_limit),
		cmocka_unit_test(shrunk_window_user_timeout),
		cmocka_unit_test(shrunk_window_opens_again),
		cmocka_unit_test(window_shut_for_a_moment),
		cmocka_unit_test(fin_held_by_a_zero_window),
		cmocka_unit_test(keepalive),
		cmocka_unit_test(peers_keepalive_is_answered),
		cmocka_unit_test(user_timeout),
		cmocka_unit_test(writable_when_acked),
	};

	return cmocka_run_group_tests_name("tcp_send", tests, NULL, NULL);
}
