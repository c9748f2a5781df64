/* SPDX-License-Identifier: BSD-2-Clause */
/* Events at their thresholds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <syslog.h>

#include <weir/abi.h>
#include "control/events.h"

#define SEC 1000000ull

static const struct event_limits limits = {
	.per_sec = {[EVENT_SYN_FLOOD] = 1000, [EVENT_ACK_FLOOD] = 500, [EVENT_RING_DROPS] = 10},
	.after_us = 3 * SEC,
	.hold_us = 5 * SEC,
};

static struct events e;
static uint64_t v[WEIR_C_MAX];
static uint64_t now;
static struct event out[EVENT_KINDS];

static int fresh(void **state)
{
	(void)state;
	events_init(&e, &limits);
	memset(v, 0, sizeof(v));
	now = 1000 * SEC;
	return (int)events_step(&e, v, now, out);
}

/* A second in which so many SYNs were answered, and so many cookies came back. */
static unsigned second(uint64_t syns, uint64_t accepted)
{
	now += SEC;
	v[WEIR_C_syn_answered] += syns;
	v[WEIR_C_ack_accepted] += accepted;
	v[WEIR_C_conn_opened] += accepted;
	return events_step(&e, v, now, out);
}

static void seconds(unsigned n, uint64_t syns, uint64_t accepted)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(second(syns, accepted), 0);
}

static void a_flood_from_its_beginning_to_its_end(void **state)
{
	struct weir_field f[EVENT_FIELDS];
	char text[256];

	(void)state;
	seconds(5, 999, 10);
	seconds(2, 2000, 10);
	assert_int_equal(second(1000, 10), 1);
	assert_true(out[0].began && out[0].kind == EVENT_SYN_FLOOD);
	assert_int_equal(out[0].peak, 2000);
	assert_int_equal(event_level(&out[0]), LOG_WARNING);
	assert_string_equal(event_name(&out[0]), "flood_began");
	event_text(&out[0], text, sizeof(text));
	assert_string_equal(text, "a flood of SYNs began: 2000 SYN/s, limit 1000");
	assert_true(e.watch[EVENT_SYN_FLOOD].on);

	seconds(10, 3000, 10);
	seconds(100, 500, 10); /* half of the limit is not below it */
	seconds(4, 499, 0);
	seconds(1, 500, 0); /* once more: the wait begins anew */
	seconds(4, 400, 0);
	assert_int_equal(second(400, 0), 1);
	assert_false(out[0].began);
	assert_string_equal(event_name(&out[0]), "flood_ended");
	assert_int_equal(event_level(&out[0]), LOG_NOTICE);
	assert_int_equal(out[0].peak, 3000);
	assert_int_equal(out[0].duration_us, (3 + 10 + 100 + 4 + 1) * SEC);
	assert_int_equal(out[0].answered,
			 2 * 2000 + 1000 + 10 * 3000 + 100 * 500 + 4 * 499 + 500 + 5 * 400);
	assert_int_equal(out[0].accepted, 113 * 10);
	assert_int_equal(out[0].total, out[0].answered);
	assert_int_equal(event_unconfirmed(&out[0]), 98);
	event_text(&out[0], text, sizeof(text));
	assert_string_equal(text, "the flood of SYNs has ended: 118 s, peak 3000 SYN/s, 89496 in "
				  "all, 89496 answered, 1130 accepted, 98% unconfirmed");
	event_fields(&out[0], f);
	assert_string_equal(f[0].key, "kind");
	assert_string_equal(f[0].text, "syn_flood");
	assert_string_equal(f[7].key, "unconfirmed_percent");
	assert_int_equal(f[7].number, 98);
	assert_null(f[8].key);
	assert_false(e.watch[EVENT_SYN_FLOOD].on);
	assert_int_equal(e.watch[EVENT_SYN_FLOOD].times, 1);
	seconds(20, 0, 0);
}

static void a_burst_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		seconds(2, 100000, 0);
		seconds(1, 999, 0);
	}
	assert_int_equal(e.watch[EVENT_SYN_FLOOD].times, 0);
}

static void many_clients_are_none(void **state)
{
	(void)state;
	seconds(20, 5000, 5000);
	seconds(20, 5000, 2500);
	seconds(2, 5000, 2499);
	assert_int_equal(second(5000, 2499), 1);
	/* It ends when the clients are real again, too. */
	seconds(4, 5000, 5000);
	assert_int_equal(second(5000, 5000), 1);
	assert_false(out[0].began);
}

/* Modes auto and never: the worker answers, and no cookie comes back. */
static void by_workers_as_well(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		v[WEIR_C_syn_to_worker] += 2000;
		v[WEIR_C_syn_taken] += 2000;
		v[WEIR_C_conn_opened] += 2000 + 50;
		v[WEIR_C_connect_established] += 50;
		assert_int_equal(second(0, 0), 0);
	}
	for (int i = 0; i < 3; i++) {
		v[WEIR_C_syn_to_worker] += 2000;
		v[WEIR_C_syn_taken] += 100;
		v[WEIR_C_connect_established] += 50;
		v[WEIR_C_conn_opened] += 50;
		assert_int_equal(second(0, 0), i == 2);
	}
	assert_int_equal(out[0].total, 6000);
	assert_int_equal(out[0].answered, 300);
}

/* SYNs that nobody answers are a flood's, too. */
static void unanswered_ones_count(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		v[WEIR_C_drop_heartbeat] += 500;
		v[WEIR_C_drop_tailroom] += 500;
		assert_int_equal(second(0, 0), i == 2);
	}
	assert_int_equal(out[0].total, 3000);
	assert_int_equal(out[0].answered, 0);
}

static void kinds_apart_from_each_other(void **state)
{
	struct weir_field f[EVENT_FIELDS];
	char text[256];

	(void)state;
	for (int i = 0; i < 3; i++) {
		v[WEIR_C_drop_ack_cookie] += 400;
		v[WEIR_C_rst_sent] += 100;
		v[WEIR_C_xsk_rx_ring_full] += 10;
		assert_int_equal(second(5000, 0), i == 2 ? 3 : 0);
	}
	assert_int_equal(out[1].kind, EVENT_ACK_FLOOD);
	assert_int_equal(out[1].peak, 500);
	assert_string_equal(event_name(&out[1]), "ack_flood_began");
	assert_string_equal(event_name(&out[2]), "ring_drops_began");
	event_text(&out[2], text, sizeof(text));
	assert_string_equal(text, "a loss of frames before slow workers began: 10 frames/s, "
				  "limit 10");
	event_fields(&out[2], f);
	assert_null(f[5].key);
	seconds(4, 5000, 0);
	assert_int_equal(second(5000, 0), 2);
	assert_true(e.watch[EVENT_SYN_FLOOD].on);
}

static void limits_change_while_it_is_on(void **state)
{
	(void)state;
	seconds(2, 2000, 0);
	assert_int_equal(second(2000, 0), 1);
	e.limits.per_sec[EVENT_SYN_FLOOD] = 0;
	seconds(4, 2000, 0);
	assert_int_equal(second(2000, 0), 1);
	assert_false(out[0].began);
	seconds(50, 2000, 0);
}

/* Looks come late and early: rates are by the time that went by. */
static void by_the_time_that_went_by(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		now += 4 * SEC;
		assert_int_equal(second(4999, 0), 0);
	}
	assert_int_equal(events_step(&e, v, now, out), 0);
	assert_int_equal(e.watch[EVENT_SYN_FLOOD].since_us, 0);
}

/* What was counted before the first look was no flood now. */
static void the_first_look_tells_nothing(void **state)
{
	static uint64_t before[WEIR_C_MAX] = {[WEIR_C_syn_answered] = 1u << 30};

	(void)state;
	events_init(&e, &limits);
	assert_int_equal(events_step(&e, before, now, out), 0);
	assert_int_equal(e.watch[EVENT_SYN_FLOOD].since_us, 0);
	event_limits_default(&e.limits);
	assert_int_not_equal(e.limits.per_sec[EVENT_SYN_FLOOD], 0);
}

#define CASE(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_flood_from_its_beginning_to_its_end),
		CASE(a_burst_is_none),
		CASE(many_clients_are_none),
		CASE(by_workers_as_well),
		CASE(unanswered_ones_count),
		CASE(kinds_apart_from_each_other),
		CASE(limits_change_while_it_is_on),
		CASE(by_the_time_that_went_by),
		CASE(the_first_look_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
