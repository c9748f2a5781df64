/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9293 3.5, its figures 6 to 11, line by line, across every wrap. */
#include "duel.h"

static void basic(struct duel *d)
{
	duel_listen(d, B);
	duel_active(d, A);
	STATES(d, SYN_SENT, LISTEN);
	CROSS(d, A, SYN, 0);
	STATES(d, SYN_SENT, SYN_RCVD);
	CROSS(d, B, SYN | ACK, 0, 1);
	STATES(d, ESTABLISHED, SYN_RCVD);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
	duel_send(d, A, 100);
	CROSS(d, A, ACK | PSH, 1, 1, 100);
	duel_pass(d, 40 * FX_MS);
	CROSS(d, B, ACK, 1, 101);
}

static void figure_6_basic(void **state)
{
	(void)state;
	duel_each_wrap(basic);
}

/* Both SYNs are under way before either arrives. */
static void simultaneous(struct duel *d)
{
	duel_active(d, A);
	duel_active(d, B);
	KEPT(d, A, SYN, 0);
	CROSS(d, B, SYN, 0);
	STATES(d, SYN_RCVD, SYN_SENT);
	duel_deliver_kept(d, A);
	STATES(d, SYN_RCVD, SYN_RCVD);
	KEPT(d, A, SYN | ACK, 0, 1);
	CROSS(d, B, SYN | ACK, 0, 1);
	STATES(d, ESTABLISHED, SYN_RCVD);
	duel_deliver_kept(d, A);
	STATES(d, ESTABLISHED, ESTABLISHED);
	duel_send(d, B, 10);
	CROSS(d, B, ACK | PSH, 1, 1, 10);
	duel_pass(d, 40 * FX_MS);
	CROSS(d, A, ACK, 1, 11);
}

static void figure_7_simultaneous(void **state)
{
	(void)state;
	duel_each_wrap(simultaneous);
}

/*
 * B answers an old SYN; A knows better. Our listener is not the connection (note 1 of
 * figure 5), so B's ends and the next SYN meets the listener again.
 */
static void old_duplicate_syn(struct duel *d)
{
	duel_listen(d, B);
	duel_active(d, A);
	KEPT(d, A, SYN, 0);
	INJECT(d, A, SYN, 0u - 1000);
	STATES(d, SYN_SENT, SYN_RCVD);
	CROSS(d, B, SYN | ACK, 0, 1u - 1000);
	STATES(d, SYN_SENT, SYN_RCVD);
	CROSS(d, A, RST, 1u - 1000);
	STATES(d, SYN_SENT, CLOSED);
	duel_listen(d, B);
	duel_deliver_kept(d, A);
	CROSS(d, B, SYN | ACK, 0, 1);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
}

static void figure_8_old_duplicate_syn(void **state)
{
	(void)state;
	duel_each_wrap(old_duplicate_syn);
}

/* A crashed and comes back; B, which knows nothing of it, finds out by A's RST. */
static void half_open(struct duel *d)
{
	duel_up(d);
	duel_crash(d, A, d->iss[A] + 300000);
	duel_active(d, A);
	CROSS(d, A, SYN, 0);
	STATES(d, SYN_SENT, ESTABLISHED);
	/* RFC 5961 4: a challenge, from the old numbers; ack 1 of A's first life */
	CROSS(d, B, ACK, 1, 1u - 300000);
	STATES(d, SYN_SENT, ESTABLISHED);
	CROSS(d, A, RST, 1u - 300000);
	STATES(d, SYN_SENT, CLOSED);
	/* "Repeated SYN": now there is somebody. */
	duel_listen(d, B);
	duel_pass(d, FX_SEC);
	CROSS(d, A, SYN, 0);
	CROSS(d, B, SYN | ACK, 0, 1);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
}

static void figure_9_half_open(void **state)
{
	(void)state;
	duel_each_wrap(half_open);
}

/* The side that is still up has something to say. */
static void half_open_active_side(struct duel *d)
{
	uint32_t first = d->iss[A];

	duel_up(d);
	duel_crash(d, A, d->iss[A]);
	assert_int_equal(d->iss[A], first);
	duel_send(d, B, 100);
	CROSS(d, B, ACK | PSH, 1, 1, 100);
	STATES(d, CLOSED, ESTABLISHED);
	CROSS(d, A, RST, 1);
	STATES(d, CLOSED, CLOSED);
	assert_int_equal(tcp_get_reason(d->end[B]->c), TCP_END_RESET);
}

static void figure_10_half_open_active_side(void **state)
{
	(void)state;
	duel_each_wrap(half_open_active_side);
}

static void two_listeners(struct duel *d)
{
	duel_listen(d, A);
	duel_listen(d, B);
	INJECT(d, A, SYN, 77);
	STATES(d, LISTEN, SYN_RCVD);
	CROSS(d, B, SYN | ACK, 0, 78);
	STATES(d, LISTEN, SYN_RCVD);
	CROSS(d, A, RST, 78);
	STATES(d, LISTEN, CLOSED);
}

static void figure_11_two_listeners(void **state)
{
	(void)state;
	duel_each_wrap(two_listeners);
}

/* ---- what is lost on the way ------------------------------------------------------- */

static void lost_syn_ack(struct duel *d)
{
	duel_listen(d, B);
	duel_active(d, A);
	CROSS(d, A, SYN, 0);
	LOST(d, B, SYN | ACK, 0, 1);
	fx_run(d->end[A], FX_SEC);
	CROSS(d, A, SYN, 0);
	CROSS(d, B, SYN | ACK, 0, 1);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
}

/* SYN_RCVD is real: a lost final ACK costs a retransmission, no connection. */
static void lost_final_ack(struct duel *d)
{
	duel_listen(d, B);
	duel_active(d, A);
	CROSS(d, A, SYN, 0);
	CROSS(d, B, SYN | ACK, 0, 1);
	LOST(d, A, ACK, 1, 1);
	fx_run(d->end[B], FX_SEC);
	CROSS(d, B, SYN | ACK, 0, 1);
	STATES(d, ESTABLISHED, SYN_RCVD);
	CROSS(d, A, ACK, 1, 1);
	STATES(d, ESTABLISHED, ESTABLISHED);
}

static void segments_lost_in_the_handshake(void **state)
{
	(void)state;
	duel_each_wrap(lost_syn_ack);
	duel_each_wrap(lost_final_ack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figure_6_basic),
		cmocka_unit_test(figure_7_simultaneous),
		cmocka_unit_test(figure_8_old_duplicate_syn),
		cmocka_unit_test(figure_9_half_open),
		cmocka_unit_test(figure_10_half_open_active_side),
		cmocka_unit_test(figure_11_two_listeners),
		cmocka_unit_test(segments_lost_in_the_handshake),
	};

	return cmocka_run_group_tests_name("scenario_open", tests, NULL, NULL);
}
