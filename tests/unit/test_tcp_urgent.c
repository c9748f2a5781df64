/* SPDX-License-Identifier: BSD-2-Clause */
/* The urgent pointer, RFC 9293 3.8.5 and RFC 6093: sent, received, out of bounds. */
#include "tcp_fixture.h"

#define URG_ACK (TCP_URG | TCP_ACK)
/* ---- receiving ------------------------------------------------------------------ */

static uint64_t ahead(const struct fx *f)
{
	uint64_t n = 0;

	return tcp_recv_urgent(f->c, &n) ? n : 0;
}

/* RFC 6093 3.4: in band; MUST-32: the application is told; MUST-33: how much is left. */
static void urgent_data_is_in_band(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = URG_ACK, .urg = 5, .len = 10);
	assert_int_equal(fx_events(f), TCP_EV_URGENT | TCP_EV_READABLE);
	assert_int_equal(ahead(f), 5);
	fx_read(f, 4);
	assert_int_equal(ahead(f), 1);
	fx_read(f, 1);
	assert_int_equal(ahead(f), 0);
	assert_int_equal(tcp_recv_ready(f->c), 5);
	fx_read(f, 5);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* MUST-32: told again when the pointer moves on, and only then. */
static void pointer_only_moves_on(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = URG_ACK, .urg = 10, .len = 5);
	assert_true(fx_events(f) & TCP_EV_URGENT);
	IN(f, .flags = URG_ACK, .urg = 5, .len = 5); /* the same octet */
	IN(f, .flags = URG_ACK, .urg = 3, .seq = 10, .len = 5);
	assert_true(fx_events(f) & TCP_EV_URGENT); /* further, ahead of a hole */
	assert_int_equal(ahead(f), 23);
	IN(f, .flags = URG_ACK, .urg = 2, .len = 5); /* nearer: does not go back */
	assert_false(fx_events(f) & TCP_EV_URGENT);
	assert_int_equal(ahead(f), 23);
	fx_skip(f);
	fx_free(f);
}

/* Old stacks' fault: the pointer lies past the segment. It is legal (MUST-31). */
static void urgent_pointer_past_the_segment(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = URG_ACK, .urg = 65535, .len = 10);
	assert_int_equal(ahead(f), 65535);
	assert_int_equal(tcp_recv_ready(f->c), 10);
	fx_read(f, 10);
	assert_int_equal(ahead(f), 65525);
	COUNTED(f, urg_out_of_bounds, 0);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* No text, no room: the mark arrives all the same. */
static void pointer_beyond_a_closed_window(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.rcvbuf = 1000;
	f = fx_established(&opt);
	IN(f, .len = 1000);
	fx_skip(f);
	assert_int_equal(tcp_rcv_wnd(f->c), 0);
	fx_events(f);
	IN(f, .flags = URG_ACK, .urg = 300);
	assert_int_equal(fx_events(f), TCP_EV_URGENT);
	assert_int_equal(ahead(f), 1300);
	fx_free(f);
}

static void pointers_that_tell_nothing(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = URG_ACK, .urg = 0, .len = 10); /* URG without a pointer */
	COUNTED(f, urg_out_of_bounds, 1);
	IN(f, .flags = URG_ACK, .urg = 3, .seq = -5, .len = 10); /* behind what was acknowledged */
	COUNTED(f, urg_out_of_bounds, 2);
	IN(f, .flags = TCP_ACK, .urg = 9, .len = 10); /* a pointer without URG */
	assert_int_equal(ahead(f), 0);
	assert_false(fx_events(f) & TCP_EV_URGENT);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* The stream ends at the FIN: nothing is urgent beyond it. */
static void pointer_beyond_the_fin(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .seq = 10, .len = 10, .flags = TCP_FIN | TCP_ACK);
	IN(f, .len = 5, .flags = URG_ACK, .urg = 1000);
	assert_int_equal(ahead(f), 20);
	IN(f, .len = 5);
	STATE(f, CLOSE_WAIT);
	assert_int_equal(ahead(f), 20);
	fx_read(f, 20);
	assert_int_equal(ahead(f), 0);
	IN(f, .flags = URG_ACK, .urg = 10); /* "This should not occur … Ignore" */
	assert_int_equal(ahead(f), 0);
	fx_skip(f);
	fx_free(f);
}

/* The pointer of a SYN-ACK counts from its SYN. */
static void urgent_data_with_the_syn_ack(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN | TCP_ACK | TCP_URG, .urg = 8, .len = 10);
	assert_int_equal(ahead(f), 7);
	fx_skip(f);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* Streams longer than 2^31 must not make an old mark a new one. */
static void an_old_mark_does_not_come_round(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .flags = URG_ACK, .urg = 10, .len = 10);
	fx_read(f, 10);
	f->c->irs += 0x80000000;
	f->c->rcv_nxt += 0x80000000;
	f->c->rcv_adv += 0x80000000;
	f->c->last_ack += 0x80000000;
	IN(f, .len = 10);
	assert_int_equal(ahead(f), 0);
	fx_run(f, 50 * FX_MS);
	fx_skip(f);
	fx_free(f);
}

/* ---- sending ---------------------------------------------------------------------- */

static void send_urgent(struct fx *f, size_t n)
{
	uint8_t buf[4096];

	for (size_t i = 0; i < n; i++)
		buf[i] = fx_byte(f->sent + i);
	f->sent += tcp_send_urgent(f->c, buf, n);
	fx_drain(f);
}

static uint16_t next_urg(const struct fx *f)
{
	return f->q[f->qhead % 1024].seg.urg;
}

/* RFC 6093 2.1: the pointer names the octet after the last urgent one. */
static void urgent_data_is_marked(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	send_urgent(f, 3);
	assert_int_equal(next_urg(f), 3);
	EXPECT(f, .flags = PSH_ACK | TCP_URG, .seq = 1, .ack = 1, .len = 3);
	fx_send(f, 10); /* what follows is not urgent */
	assert_int_equal(next_urg(f), 0);
	EXPECT(f, .flags = PSH_ACK, .seq = 4, .ack = 1, .len = 10);
	fx_run(f, f->c->rto); /* but what is sent again is */
	assert_int_equal(next_urg(f), 3);
	EXPECT(f, .flags = PSH_ACK | TCP_URG, .seq = 1, .ack = 1, .len = 13);
	IN(f, .len = 0);
	fx_send(f, 1);
	EXPECT(f, .flags = PSH_ACK, .seq = 14, .ack = 1, .len = 1);
	fx_free(f);
}

/* Every segment while the mark is ahead of it, an ACK of its own included. */
static void every_segment_below_the_mark_has_it(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	f->peer_wnd = 2000;
	IN(f, .len = 0);
	fx_send(f, 2500);
	fx_skip(f);
	send_urgent(f, 500);
	assert_int_equal(next_urg(f), 1000); /* no window for the data, but for the mark */
	EXPECT(f, .flags = URG_ACK, .seq = 2001, .ack = 1);
	IN(f, .len = 0);
	assert_int_equal(next_urg(f), 1000);
	EXPECT(f, .flags = URG_ACK | TCP_PSH, .seq = 2001, .ack = 1, .len = 1000);
	IN(f, .len = 10);
	fx_run(f, 40 * FX_MS);
	EXPECT(f, .flags = TCP_ACK, .seq = 3001, .ack = 11);
	fx_free(f);
}

/* RFC 9293 3.8.5: "even when the receive window is zero". */
static void urgent_against_a_zero_window(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .zero_wnd = true);
	send_urgent(f, 10);
	assert_int_equal(next_urg(f), 10);
	EXPECT(f, .flags = URG_ACK, .seq = 1, .ack = 1);
	fx_run(f, FX_SEC);
	assert_int_equal(next_urg(f), 10);
	EXPECT(f, .flags = URG_ACK, .seq = 1, .ack = 1, .len = 1); /* the probe, too */
	fx_free(f);
}

static void mark_further_than_16_bits(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct fx *f;

	(void)state;
	opt.sndbuf = 100000;
	f = fx_established(&opt);
	IN(f, .zero_wnd = true);
	fx_send(f, 70000);
	fx_skip(f);
	send_urgent(f, 1);
	assert_int_equal(next_urg(f), 65535);
	EXPECT(f, .flags = URG_ACK, .seq = 1, .ack = 1);
	f->c->cwnd = 5000;
	IN(f, .wnd = 5000);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(next_urg(f), u32_min(70001 - 1000 * i, 65535));
		EXPECT(f, .flags = URG_ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	}
	IN(f, .wnd = 5000);
	assert_int_equal(next_urg(f), 65001);
	fx_skip(f);
	fx_free(f);
}

/* Nagle and cork hold back what can wait. */
static void urgent_data_does_not_wait(void **state)
{
	struct fx_opt opt = fx_opt_default;
	struct tcp_opts o;
	struct fx *f;

	(void)state;
	opt.nagle = true;
	f = fx_established(&opt);
	fx_send(f, 10);
	fx_skip(f);
	tcp_get_opts(f->c, &o);
	o.cork = true;
	tcp_set_opts(f->c, &o, f->now);
	fx_send(f, 10);
	NOTHING(f);
	send_urgent(f, 1);
	EXPECT(f, .flags = URG_ACK | TCP_PSH, .seq = 11, .ack = 1, .len = 11);
	fx_free(f);
}

static void urgent_before_the_handshake_and_after_the_end(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	send_urgent(f, 10);
	NOTHING(f);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	assert_int_equal(next_urg(f), 10);
	EXPECT(f, .flags = URG_ACK | TCP_PSH, .seq = 1, .ack = 1, .len = 10);
	fx_free(f);
	f = fx_fin_wait_1(NULL);
	assert_int_equal(tcp_send_urgent(f->c, "x", 1), 0);
	fx_drain(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urgent_data_is_in_band),
		cmocka_unit_test(pointer_only_moves_on),
		cmocka_unit_test(urgent_pointer_past_the_segment),
		cmocka_unit_test(pointer_beyond_a_closed_window),
		cmocka_unit_test(pointers_that_tell_nothing),
		cmocka_unit_test(pointer_beyond_the_fin),
		cmocka_unit_test(urgent_data_with_the_syn_ack),
		cmocka_unit_test(an_old_mark_does_not_come_round),
		cmocka_unit_test(urgent_data_is_marked),
		cmocka_unit_test(every_segment_below_the_mark_has_it),
		cmocka_unit_test(urgent_against_a_zero_window),
		cmocka_unit_test(mark_further_than_16_bits),
		cmocka_unit_test(urgent_data_does_not_wait),
		cmocka_unit_test(urgent_before_the_handshake_and_after_the_end),
	};

	return cmocka_run_group_tests_name("tcp_urgent", tests, NULL, NULL);
}
