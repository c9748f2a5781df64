/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path MTU: by ICMP (RFC 1191, RFC 8201, with the checks of RFC 5927 7), by loss
 * and by probing (RFC 4821). The device takes 1460, the peer 1460 unless said.
 */
#include <errno.h>

#include "tcp_fixture.h"

#define BIG(f, seq, mtu) fx_icmp(f, TCP_ICMP_TOO_BIG, EMSGSIZE, seq, mtu)

static struct fx *ethernet(const struct fx_opt *from)
{
	struct fx_opt opt = from ? *from : fx_opt_default;
	struct fx *f;

	opt.mss = 1460;
	opt.sack = true;
	f = fx_established(&opt);
	fx_wide(f);
	return f;
}

/* Until n more retransmission timeouts have passed. */
static void timeouts(struct fx *f, unsigned n)
{
	uint64_t end = f->counters[WEIR_C_rtx_timeouts] + n;

	while (f->counters[WEIR_C_rtx_timeouts] < end)
		fx_run(f, tcp_next_timeout(f->c) - f->now);
}

static uint32_t pmtu(const struct fx *f)
{
	struct tcp_info info;

	tcp_get_info(f->c, &info);
	return info.pmtu;
}

/* ---- ICMP ---------------------------------------------------------------------------- */

/* RFC 8201 5.4: sent again at once, in smaller pieces, and cwnd is not reduced. */
static void too_big_is_resegmented_at_once(void **state)
{
	struct fx *f = ethernet(NULL);
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	assert_int_equal(pmtu(f), 1500);
	fx_send(f, 4000);
	EXPECT(f, .seq = 1, .len = 1460);
	EXPECT(f, .seq = 1461, .len = 1460);
	EXPECT(f, .flags = PSH_ACK, .seq = 2921, .len = 1080);
	BIG(f, 1, 1400);
	EXPECT(f, .seq = 1, .len = 1360);
	EXPECT(f, .seq = 1361, .len = 1360);
	EXPECT(f, .flags = PSH_ACK, .seq = 2721, .len = 1280);
	NOTHING(f);
	assert_int_equal(pmtu(f), 1400);
	assert_int_equal(f->c->cwnd, cwnd);
	COUNTED(f, icmp_mtu_reduced, 1);
	IN(f, .len = 0);
	assert_true(f->c->cwnd >= cwnd);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	fx_send(f, 2000);
	EXPECT(f, .seq = 4001, .len = 1360);
	EXPECT(f, .flags = PSH_ACK, .seq = 5361, .len = 640);
	fx_free(f);
}

/* The same message once for each of the segments, as routers send it. */
static void one_message_a_segment(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 4000);
	fx_skip(f);
	BIG(f, 1, 1400);
	assert_int_equal(fx_waiting(f), 3);
	fx_skip(f);
	BIG(f, 1461, 1400);
	BIG(f, 2921, 1400);
	NOTHING(f);
	COUNTED(f, icmp_mtu_ignored, 2);
	assert_int_equal(pmtu(f), 1400);
	fx_free(f);
}

/* RFC 5927 7.2, RFC 1191 6.3: no larger than what was sent, and never upwards. */
static void a_claim_that_says_nothing_is_ignored(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 3000);
	fx_skip(f);
	BIG(f, 1, 1500);
	BIG(f, 1, 65535);
	BIG(f, 3001, 600); /* not in flight */
	NOTHING(f);
	assert_int_equal(pmtu(f), 1500);
	COUNTED(f, icmp_mtu_ignored, 2);
	COUNTED(f, icmp_not_in_flight, 1);
	fx_free(f);
}

/* RFC 1191 7.1: the next plateau below what was sent. */
static void routers_that_do_not_say(void **state)
{
	static const uint16_t steps[] = {1492, 1006, 552};
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 3000);
	for (size_t i = 0; i < 3; i++) {
		BIG(f, 1, 0);
		assert_int_equal(pmtu(f), steps[i]);
	}
	BIG(f, 1, 0);
	assert_int_equal(pmtu(f), 552);
	fx_skip(f);
	fx_free(f);
}

/* A forged message cannot make segments of a few bytes (RFC 5927 7). */
static void floor_of_ipv4(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 3000);
	fx_skip(f);
	BIG(f, 1, 68);
	assert_int_equal(pmtu(f), 552);
	EXPECT(f, .seq = 1, .len = 512);
	fx_skip(f);
	fx_free(f);
}

/* RFC 8201 4: a claim below 1280 is discarded. */
static void floor_of_ipv6(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.mss_default = 1220;
	f = ethernet(&opt);
	f->c->mtu_mss = 1440;
	tcp_mss_update(f->c);
	fx_send(f, 3000);
	fx_skip(f);
	BIG(f, 1, 1279);
	assert_int_equal(pmtu(f), 1500);
	COUNTED(f, icmp_mtu_ignored, 1);
	BIG(f, 1, 1280);
	assert_int_equal(pmtu(f), 1280);
	EXPECT(f, .seq = 1, .len = 1220);
	fx_skip(f);
	fx_free(f);
}

/* A SYN is never too big for anything that is believed. */
static void too_big_in_the_handshake(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	BIG(f, 0, 600);
	COUNTED(f, icmp_mtu_ignored, 1);
	STATE(f, SYN_SENT);
	fx_free(f);
}

/* ---- RFC 5927 7.2: a path that has carried as much ------------------------------------- */

static struct fx *proven(void)
{
	struct fx *f = ethernet(NULL);

	fx_send(f, 1460);
	fx_skip(f);
	IN(f, .len = 0);
	fx_send(f, 4000);
	fx_skip(f);
	BIG(f, 1461, 1300);
	NOTHING(f);
	COUNTED(f, icmp_mtu_deferred, 1);
	return f;
}

static void progress_refutes_a_claim(void **state)
{
	struct fx *f = proven();

	(void)state;
	IN(f, .ack = -1080);
	COUNTED(f, icmp_mtu_refuted, 1);
	assert_int_equal(pmtu(f), 1500);
	fx_run(f, f->c->rto);
	EXPECT(f, .flags = PSH_ACK, .seq = 4381, .len = 1080);
	assert_int_equal(pmtu(f), 1500);
	fx_free(f);
}

static void timeout_bears_a_claim_out(void **state)
{
	struct fx *f = proven();
	uint32_t cwnd = f->c->cwnd;

	(void)state;
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 1300);
	COUNTED(f, icmp_mtu_reduced, 1);
	while (f->q[f->qhead % 1024].seg.seq != FX_ISS + 1461)
		fx_pop(f); /* a loss probe */
	EXPECT(f, .seq = 1461, .len = 1260);
	EXPECT(f, .seq = 2721, .len = 1260);
	EXPECT(f, .seq = 3981, .len = 1260);
	EXPECT(f, .flags = PSH_ACK, .seq = 5241, .len = 220);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->backoff, 0);
	fx_free(f);
}

/* An ACK of what was sent twice does not say which of the two had passed (Karn). */
static void a_repeated_segment_proves_nothing(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 1460);
	fx_run(f, f->c->rto);
	fx_skip(f);
	IN(f, .len = 0);
	fx_send(f, 1460);
	fx_skip(f);
	BIG(f, 1461, 1300);
	COUNTED(f, icmp_mtu_reduced, 1);
	fx_skip(f);
	fx_free(f);
}

/* ---- black holes: RFC 4821 7.7 ------------------------------------------------------------ */

static void black_hole_without_icmp(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 3000);
	fx_skip(f);
	timeouts(f, 1); /* once may be anything */
	assert_int_equal(pmtu(f), 1500);
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 1200);
	COUNTED(f, pmtu_black_hole, 1);
	fx_skip(f);
	/* Smaller ones pass: there it stays. */
	IN(f, .ack = -(3000 - 1160));
	IN(f, .len = 0);
	fx_skip(f);
	fx_send(f, 2000);
	EXPECT(f, .seq = 3001, .len = 1160);
	EXPECT(f, .flags = PSH_ACK, .seq = 4161, .len = 840);
	fx_free(f);
}

static void a_deeper_hole(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_user_timeout(f, 0);
	fx_send(f, 3000);
	timeouts(f, 5);
	assert_int_equal(pmtu(f), 1200);
	for (int i = 0; i < 3; i++) {
		timeouts(f, 1);
		assert_int_equal(pmtu(f), 552); /* and no smaller */
	}
	COUNTED(f, pmtu_black_hole, 2);
	fx_skip(f);
	fx_free(f);
}

/* Nothing behind it would make it a full one, and no smaller one is in sight. */
static void a_request_in_a_black_hole(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_user_timeout(f, 0);
	fx_send(f, 1400);
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 1500);
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 1200);
	fx_skip(f);
	fx_free(f);
	f = ethernet(NULL);
	fx_user_timeout(f, 0);
	fx_send(f, 900);
	timeouts(f, 5);
	assert_int_equal(pmtu(f), 1500);
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 552);
	fx_skip(f);
	fx_free(f);
}

/* Where large segments have passed, an outage is the better guess, for longer. */
static void an_outage_is_no_black_hole(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 1460);
	IN(f, .len = 0);
	fx_send(f, 3000);
	timeouts(f, 3);
	assert_int_equal(pmtu(f), 1500);
	timeouts(f, 1);
	assert_int_equal(pmtu(f), 1200);
	fx_skip(f);
	fx_free(f);
}

/* It looks the same from here. What had passed is tried as soon as data flows again. */
static void after_an_outage_the_size_comes_back(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 1460);
	IN(f, .len = 0);
	fx_send(f, 3000);
	timeouts(f, 4);
	assert_int_equal(pmtu(f), 1200);
	fx_skip(f);
	IN(f, .len = 0);
	f->c->cwnd = 20000;
	fx_send(f, 6000);
	EXPECT(f, .seq = 4461, .len = 1460); /* one */
	EXPECT(f, .seq = 5921, .len = 1160);
	fx_skip(f);
	COUNTED(f, pmtu_probe_sent, 1);
	IN(f, .len = 0);
	COUNTED(f, pmtu_probe_passed, 1);
	assert_int_equal(pmtu(f), 1500);
	fx_free(f);
}

/* Small segments that get lost, or a closed window, say nothing of sizes. */
static void losses_that_are_no_black_hole(void **state)
{
	struct fx *f = ethernet(NULL);

	(void)state;
	fx_send(f, 1000);
	fx_run(f, 20 * FX_SEC);
	assert_int_equal(pmtu(f), 1500);
	fx_skip(f);
	fx_free(f);
	f = ethernet(NULL);
	fx_send(f, 3000);
	IN(f, .ack = -3000, .zero_wnd = true);
	fx_run(f, 20 * FX_SEC);
	assert_int_equal(pmtu(f), 1500);
	fx_skip(f);
	fx_free(f);
}

/* ---- upwards: RFC 1191 6.3, RFC 4821 7 ------------------------------------------------------ */

static struct fx *reduced(void)
{
	struct fx *f = ethernet(NULL);

	fx_send(f, 3000);
	BIG(f, 1, 1300);
	fx_skip(f);
	IN(f, .len = 0);
	f->c->cwnd = 20000;
	fx_run(f, 570 * FX_SEC);
	fx_send(f, 1260);
	EXPECT(f, .flags = PSH_ACK, .len = 1260);
	IN(f, .len = 0);
	COUNTED(f, pmtu_probe_sent, 0);
	fx_run(f, 40 * FX_SEC);
	f->c->cwnd = 20000;
	return f;
}

static void larger_again_after_ten_minutes(void **state)
{
	struct fx *f = reduced();

	(void)state;
	/* Too little to find out about a loss by anything but a timeout. */
	fx_send(f, 3000);
	while (fx_waiting(f))
		assert_true(fx_pop(f)->seg.len <= 1260);
	IN(f, .len = 0);
	f->c->cwnd = 20000;
	fx_send(f, 6000);
	EXPECT(f, .seq = 7261, .len = 1460); /* one */
	EXPECT(f, .seq = 8721, .len = 1260);
	fx_skip(f);
	COUNTED(f, pmtu_probe_sent, 1);
	IN(f, .ack = -4540);
	COUNTED(f, pmtu_probe_passed, 1);
	assert_int_equal(pmtu(f), 1500);
	fx_skip(f);
	fx_free(f);
}

/* RFC 4821 7.5: the loss of a probe is no sign of congestion. */
static void lost_probe_is_not_congestion(void **state)
{
	struct fx *f = reduced();
	uint32_t cwnd, ssthresh;

	(void)state;
	fx_send(f, 6000);
	EXPECT(f, .seq = 4261, .len = 1460);
	fx_skip(f);
	cwnd = f->c->cwnd;
	ssthresh = f->c->ssthresh;
	f->now += 2 * FX_MS; /* a round trip, for RACK */
	for (uint32_t i = 1; i <= 3; i++)
		IN(f, .ack = -6000, .nsack = 1, .sack = {5721, 5721 + 1260 * i});
	COUNTED(f, pmtu_probe_lost, 1);
	EXPECT(f, .seq = 4261, .len = 1260);
	EXPECT(f, .seq = 5521, .len = 200);
	NOTHING(f);
	assert_int_equal(f->c->cwnd, cwnd);
	assert_int_equal(f->c->ssthresh, ssthresh);
	COUNTED(f, rtx_fast, 0);
	IN(f, .len = 0);
	assert_int_equal(f->c->recovery, TCP_REC_OPEN);
	assert_true(f->c->cwnd >= cwnd);
	assert_int_equal(pmtu(f), 1300);
	fx_send(f, 6000); /* not again for ten minutes */
	COUNTED(f, pmtu_probe_sent, 1);
	fx_skip(f);
	fx_free(f);
}

/* With other losses, it is one of them. */
static void probe_lost_among_others(void **state)
{
	struct fx *f = reduced();

	(void)state;
	fx_send(f, 9000);
	EXPECT(f, .seq = 4261, .len = 1460);
	fx_skip(f);
	for (uint32_t i = 1; i <= 3; i++)
		IN(f, .ack = -9000, .nsack = 1, .sack = {6981, 6981 + 1260 * i});
	COUNTED(f, rtx_fast, 1);
	COUNTED(f, pmtu_probe_lost, 0);
	IN(f, .len = 0);
	assert_int_equal(pmtu(f), 1300); /* that it arrived in the end proves nothing */
	fx_skip(f);
	fx_free(f);
}

/* A router that names what it takes shortens the search. */
static void too_big_for_a_probe(void **state)
{
	struct fx *f = reduced();

	(void)state;
	fx_send(f, 6000);
	fx_skip(f);
	BIG(f, 4261, 1400);
	EXPECT(f, .seq = 4261, .len = 1260);
	fx_skip(f);
	assert_int_equal(pmtu(f), 1300);
	IN(f, .len = 0);
	f->c->cwnd = 20000;
	fx_send(f, 6000);
	EXPECT(f, .seq = 10261, .len = 1360);
	fx_skip(f);
	IN(f, .len = 0);
	assert_int_equal(pmtu(f), 1400);
	fx_free(f);
}

/* cfg.mtu_probe: from the base upwards, without any loss to begin with. */
static void search_from_the_base(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	for (int path = 1300; path <= 1500; path += 200) {
		opt.mss = 1460;
		opt.sack = true;
		opt.mtu_probe = true;
		opt.sndbuf = 200000;
		f = fx_established(&opt);
		fx_wide(f);
		assert_int_equal(pmtu(f), 1200);
		for (int i = 0; i < 12; i++) {
			uint32_t lost = 0, len = 0, end = 0;

			f->c->cwnd = 20000;
			fx_send(f, 12000);
			while (fx_waiting(f)) {
				struct tcp_seg *s = &fx_pop(f)->seg;

				end = s->seq + s->len - FX_ISS;
				if (s->len + 40 > (uint32_t)path) {
					lost = s->seq - FX_ISS;
					len = s->len;
				}
			}
			if (lost)
				for (uint32_t k = 1; k <= 3; k++)
					IN(f, .ack = (int32_t)(lost - end), .nsack = 1,
					   .sack = {lost + len, lost + len + 1160 * k});
			fx_skip(f);
			IN(f, .len = 0);
			fx_skip(f);
		}
		assert_in_range(pmtu(f), path - 40, path);
		COUNTED(f, rtx_fast, 0);
		COUNTED(f, rtx_timeouts, 0);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_big_is_resegmented_at_once),
		cmocka_unit_test(one_message_a_segment),
		cmocka_unit_test(a_claim_that_says_nothing_is_ignored),
		cmocka_unit_test(routers_that_do_not_say),
		cmocka_unit_test(floor_of_ipv4),
		cmocka_unit_test(floor_of_ipv6),
		cmocka_unit_test(too_big_in_the_handshake),
		cmocka_unit_test(progress_refutes_a_claim),
		cmocka_unit_test(timeout_bears_a_claim_out),
		cmocka_unit_test(a_repeated_segment_proves_nothing),
		cmocka_unit_test(black_hole_without_icmp),
		cmocka_unit_test(a_deeper_hole),
		cmocka_unit_test(a_request_in_a_black_hole),
		cmocka_unit_test(an_outage_is_no_black_hole),
		cmocka_unit_test(after_an_outage_the_size_comes_back),
		cmocka_unit_test(losses_that_are_no_black_hole),
		cmocka_unit_test(larger_again_after_ten_minutes),
		cmocka_unit_test(lost_probe_is_not_congestion),
		cmocka_unit_test(probe_lost_among_others),
		cmocka_unit_test(too_big_for_a_probe),
		cmocka_unit_test(search_from_the_base),
	};

	return cmocka_run_group_tests_name("tcp_pmtu", tests, NULL, NULL);
}
