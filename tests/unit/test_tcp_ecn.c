/* SPDX-License-Identifier: BSD-2-Clause */
/* ECN, RFC 3168: the receiver's echo, and what is marked ECN-capable. */
#include "tcp_fixture.h"

#define CE	3
#define ECT0	2
#define ECE_ACK (TCP_ACK | TCP_ECE)
static struct fx *ecn(void)
{
	struct fx_opt opt = fx_opt_default;

	opt.ecn = true;
	return fx_established(&opt);
}

/* 6.1.3: "until it receives a CWR packet". */
static void marks_are_echoed_until_cwr(void **state)
{
	struct fx *f = ecn();

	(void)state;
	IN(f, .len = 100, .ip_ecn = CE); /* not delayed */
	EXPECT(f, .flags = ECE_ACK, .ack = 101);
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .flags = ECE_ACK, .ack = 2101);
	fx_send(f, 10); /* on data as well */
	EXPECT(f, .flags = PSH_ACK | TCP_ECE, .seq = 1, .ack = 2101, .len = 10);
	IN(f, .len = 1000, .flags = TCP_ACK | TCP_CWR);
	EXPECT(f, .ack = 3101); /* at once: the sender may have one segment left */
	IN(f, .len = 1000);
	IN(f, .len = 1000);
	EXPECT(f, .ack = 5101);
	fx_free(f);
}

/* CWR ends the old echo, the mark on the same segment begins a new one. */
static void cwr_with_a_mark(void **state)
{
	struct fx *f = ecn();

	(void)state;
	IN(f, .len = 100, .ip_ecn = CE);
	EXPECT(f, .flags = ECE_ACK, .ack = 101);
	IN(f, .len = 100, .ip_ecn = CE, .flags = TCP_ACK | TCP_CWR);
	EXPECT(f, .flags = ECE_ACK, .ack = 201);
	fx_free(f);
}

/* 6.1.3: one marked segment of the two that an ACK covers is enough. */
static void a_mark_does_not_wait_for_the_delayed_ack(void **state)
{
	struct fx *f = ecn();

	(void)state;
	IN(f, .len = 100);
	NOTHING(f);
	IN(f, .len = 100, .ip_ecn = CE);
	EXPECT(f, .flags = ECE_ACK, .ack = 201);
	fx_free(f);
}

/* 6.1.4, 6.1.5: a mark counts on data that is within the window. */
static void marks_that_do_not_count(void **state)
{
	struct fx *f = ecn();

	(void)state;
	IN(f, .ip_ecn = CE); /* a pure ACK */
	NOTHING(f);
	IN(f, .len = 10, .seq = -10, .ip_ecn = CE); /* out of the window */
	EXPECT(f, .ack = 1);
	COUNTED(f, ecn_ce_received, 0);
	fx_free(f);
	f = fx_established(NULL); /* not agreed on */
	IN(f, .len = 10, .ip_ecn = CE);
	fx_run(f, 50 * FX_MS);
	EXPECT(f, .ack = 11);
	fx_free(f);
}

static uint8_t codepoint(struct fx *f)
{
	return fx_pop(f)->ecn;
}

/* 6.1.4 to 6.1.6: new data alone is ECN-capable. */
static void what_is_ecn_capable(void **state)
{
	struct fx *f = ecn();

	(void)state;
	fx_send(f, 10);
	assert_int_equal(codepoint(f), ECT0);
	fx_run(f, f->c->rto); /* sent again */
	assert_int_equal(codepoint(f), 0);
	IN(f, .len = 100);
	fx_run(f, 50 * FX_MS); /* an ACK */
	assert_int_equal(codepoint(f), 0);
	IN(f, .zero_wnd = true);
	fx_send(f, 10);
	fx_run(f, 5 * FX_SEC); /* a window probe */
	while (fx_waiting(f))
		assert_int_equal(codepoint(f), 0);
	assert_true(f->counters[WEIR_C_probe_zero_window] > 0);
	IN(f, .len = 0);
	assert_int_equal(codepoint(f), ECT0);
	IN(f, .len = 0);
	tcp_shutdown(f->c);
	fx_drain(f);
	assert_int_equal(codepoint(f), 0); /* a bare FIN */
	fx_free(f);
	f = fx_established(NULL);
	fx_send(f, 10);
	assert_int_equal(codepoint(f), 0);
	fx_free(f);
}

/* 6.1.2: the echo may acknowledge all that was sent; CWR goes with the next new data. */
static void echo_with_nothing_in_flight(void **state)
{
	struct fx *f = ecn();
	uint32_t cwnd;

	(void)state;
	fx_send(f, 10);
	EXPECT(f, .flags = PSH_ACK, .seq = 1, .ack = 1, .len = 10);
	cwnd = f->c->cwnd;
	IN(f, .flags = ECE_ACK);
	COUNTED(f, ecn_reduced, 1);
	assert_true(f->c->cwnd < cwnd);
	/* Still the same window of data. */
	IN(f, .flags = ECE_ACK);
	COUNTED(f, ecn_reduced, 1);
	fx_send(f, 10);
	EXPECT(f, .flags = PSH_ACK | TCP_CWR, .seq = 11, .ack = 1, .len = 10);
	fx_free(f);
	/* Before any data there is nothing to reduce for. */
	f = ecn();
	IN(f, .flags = ECE_ACK);
	COUNTED(f, ecn_reduced, 0);
	fx_free(f);
}

/* Nor the segments of the handshake (6.1.1). */
static void handshake_is_not_ecn_capable(void **state)
{
	struct fx *f = fx_listen(NULL);

	(void)state;
	IN(f, .flags = TCP_SYN | TCP_ECE | TCP_CWR);
	assert_true(f->c->ecn_ok);
	assert_int_equal(codepoint(f), 0);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_are_echoed_until_cwr),
		cmocka_unit_test(cwr_with_a_mark),
		cmocka_unit_test(a_mark_does_not_wait_for_the_delayed_ack),
		cmocka_unit_test(marks_that_do_not_count),
		cmocka_unit_test(what_is_ecn_capable),
		cmocka_unit_test(echo_with_nothing_in_flight),
		cmocka_unit_test(handshake_is_not_ecn_capable),
	};

	return cmocka_run_group_tests_name("tcp_ecn", tests, NULL, NULL);
}
