/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors: what is believed (RFC 5927 4.1), hard and soft (RFC 1122 4.2.3.9). */
#include <errno.h>

#include "tcp_fixture.h"

#define HARD TCP_ICMP_HARD
#define SOFT TCP_ICMP_SOFT

/* RFC 5927 4.1: SND.UNA =< SEG.SEQ < SND.NXT. */
static void only_what_is_in_flight_is_believed(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0); /* nothing is in flight */
	fx_send(f, 1000);
	fx_skip(f);
	fx_icmp(f, SOFT, EHOSTUNREACH, 0, 0);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1001, 0);
	fx_icmp(f, SOFT, EHOSTUNREACH, 0x80000000, 0);
	COUNTED(f, icmp_not_in_flight, 4);
	assert_int_equal(tcp_get_error(f->c), 0);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0);
	assert_int_equal(tcp_get_error(f->c), EHOSTUNREACH);
	fx_icmp(f, SOFT, ENETUNREACH, 1000, 0);
	assert_int_equal(tcp_get_error(f->c), ENETUNREACH);
	COUNTED(f, icmp_conn_noted, 2);
	fx_free(f);
}

/* The octet of a window probe is in flight, though snd_nxt has not moved. */
static void window_probe_counts_as_in_flight(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	IN(f, .zero_wnd = true);
	fx_send(f, 10);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0);
	COUNTED(f, icmp_not_in_flight, 1);
	fx_run(f, FX_SEC);
	fx_skip(f);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0);
	COUNTED(f, icmp_conn_noted, 1);
	fx_free(f);
}

/* RFC 5461 4.1: an opening connection may end by a hard error. */
static void hard_error_ends_an_active_open(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_icmp(f, HARD, ECONNREFUSED, 1, 0); /* not our SYN */
	STATE(f, SYN_SENT);
	fx_icmp(f, HARD, ECONNREFUSED, 0, 0);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_UNREACHABLE);
	assert_int_equal(tcp_get_error(f->c), ECONNREFUSED);
	assert_int_equal(fx_events(f), TCP_EV_ENDED);
	COUNTED(f, icmp_conn_ended, 1);
	fx_free(f);
}

static void hard_error_ends_a_passive_open(void **state)
{
	struct fx *f = fx_syn_rcvd(NULL);

	(void)state;
	fx_icmp(f, HARD, EHOSTUNREACH, 0, 0);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_error(f->c), EHOSTUNREACH);
	fx_free(f);
}

/* RFC 1122 4.2.3.9: "MUST NOT abort the connection" on net or host unreachable. */
static void soft_error_is_the_reason_of_a_timeout(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_icmp(f, SOFT, ENETUNREACH, 0, 0);
	STATE(f, SYN_SENT);
	assert_int_equal(tcp_get_error(f->c), ENETUNREACH);
	fx_run(f, 130 * FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_reason(f->c), TCP_END_TIMEOUT);
	assert_int_equal(tcp_get_error(f->c), ENETUNREACH);
	fx_skip(f);
	fx_free(f);
	f = fx_established(NULL);
	fx_send(f, 10);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0);
	fx_run(f, 101 * FX_SEC);
	STATE(f, CLOSED);
	assert_int_equal(tcp_get_error(f->c), EHOSTUNREACH);
	fx_skip(f);
	fx_free(f);
}

/* RFC 5461 4: in a synchronized state every error is soft. */
static void no_error_ends_an_open_connection(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 10);
	fx_skip(f);
	fx_icmp(f, HARD, ECONNREFUSED, 1, 0);
	STATE(f, ESTABLISHED);
	assert_int_equal(tcp_get_error(f->c), ECONNREFUSED);
	IN(f, .len = 0); /* and it works after all */
	assert_int_equal(tcp_get_error(f->c), 0);
	fx_free(f);
}

static void soft_error_of_a_syn_is_forgotten_when_it_is_answered(void **state)
{
	struct fx *f = fx_syn_sent(NULL);

	(void)state;
	fx_icmp(f, SOFT, EHOSTUNREACH, 0, 0);
	IN(f, .flags = TCP_SYN | TCP_ACK);
	STATE(f, ESTABLISHED);
	assert_int_equal(tcp_get_error(f->c), 0);
	fx_skip(f);
	fx_free(f);
}

/* A reset is a reset, whatever routers had said. */
static void reset_outranks_a_soft_error(void **state)
{
	struct fx *f = fx_established(NULL);

	(void)state;
	fx_send(f, 10);
	fx_skip(f);
	fx_icmp(f, SOFT, EHOSTUNREACH, 1, 0);
	IN(f, .flags = TCP_RST);
	assert_int_equal(tcp_get_error(f->c), ECONNRESET);
	fx_free(f);
}

static void nothing_to_end(void **state)
{
	struct fx *(*const make[])(const struct fx_opt *) = {fx_closed, fx_listen, fx_time_wait};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fx *f = make[i](NULL);
		enum weir_tcp_state before = tcp_get_state(f->c);

		fx_icmp(f, HARD, ECONNREFUSED, 0, 0);
		fx_icmp(f, TCP_ICMP_TOO_BIG, EMSGSIZE, 1, 600);
		assert_int_equal(tcp_get_state(f->c), before);
		COUNTED(f, icmp_not_in_flight, 2);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_in_flight_is_believed),
		cmocka_unit_test(window_probe_counts_as_in_flight),
		cmocka_unit_test(hard_error_ends_an_active_open),
		cmocka_unit_test(hard_error_ends_a_passive_open),
		cmocka_unit_test(soft_error_is_the_reason_of_a_timeout),
		cmocka_unit_test(no_error_ends_an_open_connection),
		cmocka_unit_test(soft_error_of_a_syn_is_forgotten_when_it_is_answered),
		cmocka_unit_test(reset_outranks_a_soft_error),
		cmocka_unit_test(nothing_to_end),
	};

	return cmocka_run_group_tests_name("tcp_icmp", tests, NULL, NULL);
}
