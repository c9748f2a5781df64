/* SPDX-License-Identifier: BSD-2-Clause */
/* The last ten minutes: rates from counters, gaps, the ring's end, what counts as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "control/counter_names.h"
#include "control/history.h"

#define SECOND 1000000u

struct bed {
	struct history *h;
	uint64_t v[WEIR_C_MAX], cpu[2], flows;
};

static void take(struct bed *b, uint64_t us)
{
	const struct history_input in = {.counters = b->v, .cpu_us = b->cpu, .flows = b->flows};

	history_take(b->h, us, &in);
}

static void bed_up(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(history_open(&b->h, 2), 0);
}

static void rates_are_of_the_time_that_passed(void **state)
{
	struct bed b;

	(void)state;
	bed_up(&b);
	b.v[WEIR_C_syn_answered] = 1000000; /* before we looked */
	b.cpu[1] = 77 * SECOND;
	assert_true(history_due(b.h, 5 * SECOND));
	take(&b, 5 * SECOND);
	assert_int_equal(history_samples(b.h), 0);
	assert_false(history_due(b.h, 6 * SECOND - 1));
	b.v[WEIR_C_syn_answered] += 1200;
	b.v[WEIR_C_tx_bytes] += 3000;
	b.cpu[1] += 600000;
	b.flows = 42;
	take(&b, 6 * SECOND - 1); /* not yet */
	assert_int_equal(history_samples(b.h), 0);
	take(&b, 6 * SECOND + 200000);
	assert_int_equal(history_samples(b.h), 1);
	assert_int_equal(history_at(b.h, HISTORY_cookies, 0), 1000);
	assert_int_equal(history_at(b.h, HISTORY_syns, 0), 1000);
	assert_int_equal(history_at(b.h, HISTORY_tx_bytes, 0), 2500);
	assert_int_equal(history_at(b.h, HISTORY_flows, 0), 42);
	assert_int_equal(history_cpu_permille(b.h, 0, 0), 0);
	assert_int_equal(history_cpu_permille(b.h, 1, 0), 500);
	/* The late sample does not make the next one late. */
	assert_true(history_due(b.h, 7 * SECOND));
	history_close(b.h);
}

static void missed_seconds_are_filled(void **state)
{
	struct bed b;

	(void)state;
	bed_up(&b);
	take(&b, 0);
	b.v[WEIR_C_ack_accepted] = 40;
	take(&b, 4 * SECOND + 100);
	assert_int_equal(history_samples(b.h), 4);
	assert_int_equal(history_taken(b.h), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(history_at(b.h, HISTORY_accepted, i), 10);
	take(&b, 1000000ull * 3600 * 24 * 365); /* asleep for a year */
	assert_int_equal(history_samples(b.h), HISTORY_SAMPLES);
	assert_int_equal(history_at(b.h, HISTORY_accepted, 0), 0);
	history_close(b.h);
}

static void oldest_go_first(void **state)
{
	struct bed b;

	(void)state;
	bed_up(&b);
	for (uint64_t i = 0; i <= HISTORY_SAMPLES + 10; i++) {
		b.v[WEIR_C_conn_opened] += i;
		take(&b, i * SECOND);
	}
	assert_int_equal(history_samples(b.h), HISTORY_SAMPLES);
	assert_int_equal(history_at(b.h, HISTORY_opened, 0), 11);
	assert_int_equal(history_at(b.h, HISTORY_opened, HISTORY_SAMPLES - 1),
			 HISTORY_SAMPLES + 10);
	history_close(b.h);
}

static void a_counter_that_goes_back_is_no_rate(void **state)
{
	struct bed b;

	(void)state;
	bed_up(&b);
	b.v[WEIR_C_conn_closed] = 100;
	b.cpu[0] = 100;
	take(&b, 0);
	b.v[WEIR_C_conn_closed] = 90;
	b.cpu[0] = 0;
	take(&b, SECOND);
	assert_int_equal(history_at(b.h, HISTORY_closed, 0), 0);
	assert_int_equal(history_cpu_permille(b.h, 0, 0), 0);
	b.cpu[0] = 9 * SECOND; /* more than there is */
	take(&b, 2 * SECOND);
	assert_int_equal(history_cpu_permille(b.h, 0, 1), 1000);
	history_close(b.h);
}

/* Each drop of the gate is a refusal, and nothing that a connection drops is. */
static void refusals(void **state)
{
	uint64_t v[WEIR_C_MAX] = {0}, n = 0;

	(void)state;
	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++) {
		if (counter_of_gate(c) && !strncmp(counter_name(c), "drop_", 5))
			assert_true(history_refusal(c));
		n += history_refusal(c);
		v[c] = 1;
	}
	assert_int_equal(history_total(HISTORY_refused, v), n);
	assert_true(history_refusal(WEIR_C_drop_backlog));
	assert_false(history_refusal(WEIR_C_syn_answered));
	assert_false(history_refusal(WEIR_C_drop_seq_duplicate));
	assert_false(history_refusal(WEIR_C_NONE));
	assert_false(history_refusal(WEIR_C_MAX));
}

/* What counters.def calls a SYN without an answer is one that came. */
static void unanswered_syns_came(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned c = WEIR_C_NONE + 1; c < WEIR_C_MAX; c++) {
		uint64_t v[WEIR_C_MAX] = {0};

		if (strncmp(counter_text(c), "SYNs unanswered", 15))
			continue;
		n++;
		v[c] = 3;
		if (history_total(HISTORY_syns, v) != 3)
			print_error("%s is not counted\n", counter_name(c));
		assert_int_equal(history_total(HISTORY_syns, v), 3);
	}
	assert_in_range(n, 4, WEIR_C_MAX);
}

static void every_series_has_a_name(void **state)
{
	(void)state;
	for (unsigned s = 0; s < HISTORY_NSERIES; s++) {
		assert_non_null(history_name(s));
		for (unsigned t = 0; t < s; t++)
			assert_string_not_equal(history_name(s), history_name(t));
	}
	assert_string_equal(history_name(HISTORY_flows), "flows");
	assert_int_equal(HISTORY_flows, HISTORY_NRATES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_of_the_time_that_passed),
		cmocka_unit_test(missed_seconds_are_filled),
		cmocka_unit_test(oldest_go_first),
		cmocka_unit_test(a_counter_that_goes_back_is_no_rate),
		cmocka_unit_test(refusals),
		cmocka_unit_test(unanswered_syns_came),
		cmocka_unit_test(every_series_has_a_name),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
