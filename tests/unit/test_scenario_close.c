/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9293 3.6: figures 12 and 13, half-close, and what is lost on the way, across every
 * wrap.
 */
#include "duel.h"

static void normal(struct duel *d)
{
	duel_up(d);
	duel_shutdown(d, A);
	CROSS(d, A, FIN | ACK, 1, 1);
	STATES(d, FIN_WAIT_1, CLOSE_WAIT);
	CROSS(d, B, ACK, 1, 2);
	STATES(d, FIN_WAIT_2, CLOSE_WAIT);
	duel_shutdown(d, B);
	CROSS(d, B, FIN | ACK, 1, 2);
	STATES(d, TIME_WAIT, LAST_ACK);
	CROSS(d, A, ACK, 2, 2);
	STATES(d, TIME_WAIT, CLOSED);
	duel_pass(d, 60 * FX_SEC);
	STATES(d, CLOSED, CLOSED);
}

static void figure_12_normal_close(void **state)
{
	(void)state;
	duel_each_wrap(normal);
}

static void simultaneous(struct duel *d)
{
	duel_up(d);
	duel_shutdown(d, A);
	duel_shutdown(d, B);
	KEPT(d, A, FIN | ACK, 1, 1);
	CROSS(d, B, FIN | ACK, 1, 1);
	STATES(d, CLOSING, FIN_WAIT_1);
	duel_deliver_kept(d, A);
	STATES(d, CLOSING, CLOSING);
	KEPT(d, A, ACK, 2, 2);
	CROSS(d, B, ACK, 2, 2);
	STATES(d, TIME_WAIT, CLOSING);
	duel_deliver_kept(d, A);
	STATES(d, TIME_WAIT, TIME_WAIT);
	duel_pass(d, 60 * FX_SEC);
	STATES(d, CLOSED, CLOSED);
}

static void figure_13_simultaneous_close(void **state)
{
	(void)state;
	duel_each_wrap(simultaneous);
}

/* The FIN comes with the ACK of ours: note 3 of figure 5. */
static void three_segments(struct duel *d)
{
	duel_up(d);
	duel_shutdown(d, A);
	KEPT(d, A, FIN | ACK, 1, 1);
	duel_deliver_kept(d, A);
	LOST(d, B, ACK, 1, 2);
	duel_shutdown(d, B);
	CROSS(d, B, FIN | ACK, 1, 2);
	STATES(d, TIME_WAIT, LAST_ACK);
	CROSS(d, A, ACK, 2, 2);
	STATES(d, TIME_WAIT, CLOSED);
}

static void closed_in_three_segments(void **state)
{
	(void)state;
	duel_each_wrap(three_segments);
}

/* A has said all; B goes on, and A reads it. */
static void half_close(struct duel *d)
{
	duel_up(d);
	duel_send(d, A, 10);
	duel_shutdown(d, A);
	CROSS(d, A, ACK | PSH, 1, 1, 10);
	CROSS(d, A, FIN | ACK, 11, 1);
	CROSS(d, B, ACK, 1, 12);
	STATES(d, FIN_WAIT_2, CLOSE_WAIT);
	for (uint32_t i = 0; i < 3; i++) {
		duel_send(d, B, 100);
		CROSS(d, B, ACK | PSH, 1 + 100 * i, 12, 100);
		duel_pass(d, 40 * FX_MS);
		CROSS(d, A, ACK, 12, 101 + 100 * i);
	}
	fx_read(d->end[A], 300);
	fx_read(d->end[B], 10);
	duel_shutdown(d, B);
	CROSS(d, B, FIN | ACK, 301, 12);
	CROSS(d, A, ACK, 12, 302);
	STATES(d, TIME_WAIT, CLOSED);
}

static void half_closed(void **state)
{
	(void)state;
	duel_each_wrap(half_close);
}

/* ---- what is lost on the way --------------------------------------------------------- */

static void lost_fin(struct duel *d)
{
	duel_up(d);
	duel_shutdown(d, A);
	LOST(d, A, FIN | ACK, 1, 1);
	fx_run(d->end[A], 3 * FX_SEC);
	while (fx_waiting(d->end[A]) > 1)
		LOST(d, A, FIN | ACK, 1, 1);
	CROSS(d, A, FIN | ACK, 1, 1);
	CROSS(d, B, ACK, 1, 2);
	STATES(d, FIN_WAIT_2, CLOSE_WAIT);
}

/* TIME_WAIT is for this: the last ACK is lost, B's FIN comes again. */
static void lost_last_ack(struct duel *d)
{
	duel_up(d);
	duel_shutdown(d, A);
	CROSS(d, A, FIN | ACK, 1, 1);
	CROSS(d, B, ACK, 1, 2);
	duel_shutdown(d, B);
	CROSS(d, B, FIN | ACK, 1, 2);
	LOST(d, A, ACK, 2, 2);
	fx_run(d->end[B], 3 * FX_SEC);
	while (fx_waiting(d->end[B]) > 1)
		LOST(d, B, FIN | ACK, 1, 2);
	CROSS(d, B, FIN | ACK, 1, 2);
	STATES(d, TIME_WAIT, LAST_ACK);
	CROSS(d, A, ACK, 2, 2);
	STATES(d, TIME_WAIT, CLOSED);
}

static void segments_lost_in_the_close(void **state)
{
	(void)state;
	duel_each_wrap(lost_fin);
	duel_each_wrap(lost_last_ack);
}

/* Copies of everything, after the end: nothing is opened, delivered or kept alive. */
static void copies(struct duel *d)
{
	duel_up(d);
	duel_send(d, A, 5);
	KEPT(d, A, ACK | PSH, 1, 1, 5);
	duel_deliver_kept(d, A);
	fx_read(d->end[B], 5);
	duel_deliver_kept(d, A); /* again, in order to be acknowledged again */
	CROSS(d, B, ACK, 1, 6);
	assert_int_equal(tcp_recv_ready(d->end[B]->c), 0);
	duel_shutdown(d, A);
	CROSS(d, A, FIN | ACK, 6, 1);
	CROSS(d, B, ACK, 1, 7);
	duel_deliver_kept(d, A);
	CROSS(d, B, ACK, 1, 7);
	STATES(d, FIN_WAIT_2, CLOSE_WAIT);
	duel_shutdown(d, B);
	CROSS(d, B, FIN | ACK, 1, 7);
	CROSS(d, A, ACK, 7, 2);
	STATES(d, TIME_WAIT, CLOSED);
	/* RFC 1337: neither an old segment nor the RST to it ends TIME_WAIT. */
	duel_deliver_kept(d, A);
	CROSS(d, B, RST, 1);
	STATES(d, TIME_WAIT, CLOSED);
}

static void copies_arrive_late(void **state)
{
	(void)state;
	duel_each_wrap(copies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figure_12_normal_close),
		cmocka_unit_test(figure_13_simultaneous_close),
		cmocka_unit_test(closed_in_three_segments),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(segments_lost_in_the_close),
		cmocka_unit_test(copies_arrive_late),
	};

	return cmocka_run_group_tests_name("scenario_close", tests, NULL, NULL);
}
