/* SPDX-License-Identifier: BSD-2-Clause */
/* weir top: from replies to rates, and what keys do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top_ui.h"
#include "cli/units.h"
#include "control/counter_names.h"
#include "top_fixture.h"

static const struct top_bed usual = {.queues = 2, .workers = 2, .services = 3, .pid = 7};

static void assert_about(double got, double want)
{
	assert_true(got > want * 0.999 - 0.001 && got < want * 1.001 + 0.001);
}

static void rates(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));

	(void)state;
	top_model_init(m);
	assert_false(top_bed_update(m, &usual, 10));
	assert_int_equal(m->updates, 1);
	assert_about(m->rate[HISTORY_cookies], 0);
	assert_false(top_bed_update(m, &usual, 12));
	assert_int_equal(m->updates, 2);
	assert_about(m->interval_s, 2);
	assert_about(m->rate[HISTORY_cookies], 400000);
	assert_about(m->rate[HISTORY_syns], 400100);
	assert_about(m->rate[HISTORY_accepted], 1200);
	assert_about(m->rate[HISTORY_refused], 3020);
	assert_about(m->rate[HISTORY_rx_bytes], 125000);
	assert_about(m->rate[HISTORY_ring_drops], 5);
	assert_about(m->worker[0].cpu, 0.25);
	assert_about(m->worker[1].cpu, 0.5);
	assert_int_equal(m->worker[1].conns, 11);
	assert_about(m->queue[1].rx_rate, 2000);
	assert_about(m->queue[1].drop_rate, 4);
	assert_int_equal(m->queue[1].drops, 48);
	assert_int_equal(m->queue[1].worker, 1);
	assert_int_equal(m->states[WEIR_TIME_WAIT], 220);
	assert_string_equal(m->service[2].listen, "10.0.0.2:82");
	/* Only cookies of a service in auto mode are a sign. */
	assert_true(m->flood);
	free(m);
}

static void reasons(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));

	(void)state;
	top_bed_update(m, &usual, 10);
	top_bed_update(m, &usual, 11);
	assert_int_equal(m->nreasons, 3);
	assert_int_equal(m->reason[0].counter, WEIR_C_drop_ack_cookie);
	assert_about(m->reason[0].rate, 3000);
	assert_int_equal(m->reason[0].total, 33000);
	assert_int_equal(m->reason[1].counter, WEIR_C_drop_syn_fin);
	assert_int_equal(m->reason[2].counter, WEIR_C_drop_land);
	assert_about(m->reason[2].rate, 0);
	top_model_sort(m, TOP_SORT_NAME);
	assert_int_equal(m->reason[1].counter, WEIR_C_drop_land);
	top_model_sort(m, TOP_SORT_TOTAL);
	assert_int_equal(m->reason[1].counter, WEIR_C_drop_syn_fin);
	free(m);
}

static void the_machine(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));

	(void)state;
	top_model_machine(m, "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n");
	assert_int_equal(m->looks, 1);
	top_model_machine(m, "cpu  100 0 100 800 0 0 0 0 0 0\n"); /* no tick has gone by */
	assert_int_equal(m->looks, 1);
	top_model_machine(m, "cpu  110 0 110 830 10 10 30 0 0 0\n");
	assert_int_equal(m->looks, 2);
	assert_about(m->busy, 0.6);
	assert_about(m->softirq, 0.4);
	top_model_machine(m, "intr 5\n");
	top_model_machine(m, "");
	top_model_machine(m, "cpu  1 2 3 4 5 6 7 8\n"); /* it went back */
	assert_about(m->busy, 0.6);
	free(m);
}

static void floods(void **state)
{
	static const struct {
		const char *status;
		bool flood, drops;
	} v[] = {
		{"{}", false, false},
		{"{\"events\":null}", false, false},
		{"{\"events\":{\"syn_flood\":{\"active\":false}}}", false, false},
		{"{\"events\":{\"syn_flood\":{\"active\":true}}}", true, false},
		{"{\"events\":{\"ack_flood\":{\"active\":true}}}", true, false},
		{"{\"events\":{\"ring_drops\":{\"active\":true}}}", false, true},
		{"{\"services\":[{\"mode\":\"always\",\"cookies\":true}]}", false, false},
		{"{\"services\":[{\"mode\":\"auto\",\"cookies\":true}]}", true, false},
	};
	struct top_model *m = calloc(1, sizeof(*m));

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		json_t *o = json_loads(v[i].status, 0, NULL);

		assert_non_null(o);
		top_model_update(m, i * 1000000, o, NULL);
		assert_int_equal(m->flood, v[i].flood);
		assert_int_equal(m->ring_drops, v[i].drops);
		json_decref(o);
	}
	free(m);
}

static void another_process_begins_anew(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));
	struct top_bed other = usual;

	(void)state;
	top_bed_update(m, &usual, 100);
	top_bed_update(m, &usual, 101);
	assert_int_equal(m->nhistory, 101);
	other.pid = 8;
	assert_true(top_bed_update(m, &other, 3));
	assert_int_equal(m->updates, 1);
	assert_about(m->rate[HISTORY_cookies], 0);
	/* The same number again, but younger. */
	top_bed_update(m, &other, 50);
	assert_true(top_bed_update(m, &other, 2));
	free(m);
}

static void history_joins_on(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));
	struct top_bed old = usual;

	(void)state;
	assert_int_equal(top_model_wants(m, 5), 0);
	top_bed_update(m, &old, 20);
	assert_int_equal(m->nhistory, 20);
	assert_int_equal(top_model_wants(m, 1000000ull * 1023), 8);
	top_bed_update(m, &old, 23);
	assert_int_equal(m->nhistory, 23);
	for (unsigned i = 0; i < 23; i++)
		assert_int_equal(m->history[HISTORY_syns][i], 100 * (i + 1));
	top_bed_update(m, &old, 23); /* nothing new */
	assert_int_equal(m->nhistory, 23);
	top_bed_update(m, &old, 590);
	top_bed_update(m, &old, 640); /* the ring is full */
	assert_int_equal(m->nhistory, HISTORY_SAMPLES);
	assert_int_equal(m->history[HISTORY_flows][0], 41);
	assert_int_equal(m->history[HISTORY_flows][HISTORY_SAMPLES - 1], 640);
	/* Away for an hour: all of it again. */
	assert_int_equal(top_model_wants(m, 1000000ull * 5000), 0);
	top_bed_update(m, &old, 4000);
	assert_int_equal(m->nhistory, HISTORY_SAMPLES);
	assert_int_equal(m->history[HISTORY_flows][0], 3401);
	free(m);
}

/* Each with something else than what it should be, in the place of all members in turn. */
static void replies_that_are_wrong(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"per_queue\":[1,null,{}],\"per_worker\":{\"a\":1},\"services\":\"x\","
		"\"queues\":-5,\"workers\":1e99,\"flows\":[],\"connections\":7,\"iface\":1}",
		"{\"counters\":{\"syn_answered\":\"many\",\"ack_accepted\":-1},\"queues\":100000,"
		"\"workers\":100000}",
		"{\"seconds\":100000,\"taken\":3,\"series\":{\"syn_per_s\":{},\"flows\":[1,2]}}",
		"{\"seconds\":-1,\"taken\":-1,\"series\":7}",
		"{\"seconds\":3,\"taken\":9000000000000000000,\"series\":{\"flows\":[1,\"a\",-3]}}",
	};
	struct top_model *m = calloc(1, sizeof(*m));
	size_t n = sizeof(texts) / sizeof(texts[0]);

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		json_t *a = json_loads(texts[i % n], 0, NULL);
		json_t *b = json_loads(texts[i / n % n], 0, NULL);
		json_t *c = json_loads(texts[i / n / n], 0, NULL), *o;

		top_model_update(m, i * 1000000, a, b);
		top_model_history(m, c);
		assert_in_range(m->queues, 0, WEIR_MAX_QUEUES);
		assert_in_range(m->workers, 0, WEIR_MAX_QUEUES);
		assert_in_range(m->nhistory, 0, HISTORY_SAMPLES);
		o = top_model_json(m);
		assert_non_null(o);
		json_decref(o);
		json_decref(a);
		json_decref(b);
		json_decref(c);
	}
	free(m);
}

static void json(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));
	json_t *o;

	(void)state;
	top_bed_update(m, &usual, 10);
	top_bed_update(m, &usual, 11);
	o = top_model_json(m);
	assert_string_equal(json_string_value(json_object_get(o, "iface")), "eth0");
	assert_about(
		json_number_value(json_object_get(json_object_get(o, "rates"), "cookies_per_s")),
		400000);
	assert_about(json_number_value(json_object_get(json_object_get(o, "refused_per_s"),
						       "drop_ack_cookie")),
		     3000);
	assert_about(json_number_value(json_object_get(
			     json_array_get(json_object_get(o, "workers"), 1), "cpu_percent")),
		     50);
	json_decref(o);
	free(m);
}

/* ---- keys ------------------------------------------------------------------------------- */

static bool press(struct top_view *v, const struct top_model *m, char c)
{
	return top_key(v, m, TOP_KEY_CHAR + (unsigned)c, 10);
}

static void keys(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));
	struct top_view v = {.interval_ms = 1000};

	(void)state;
	top_bed_update(m, &usual, 10);
	assert_true(press(&v, m, '2'));
	assert_int_equal(v.pane, TOP_REFUSED);
	assert_true(press(&v, m, 's'));
	assert_int_equal(v.sort, TOP_SORT_TOTAL);
	press(&v, m, 's');
	press(&v, m, 's');
	assert_int_equal(v.sort, TOP_SORT_RATE);
	press(&v, m, 'p');
	assert_true(v.paused);
	press(&v, m, ' ');
	assert_false(v.paused);
	press(&v, m, 'h');
	assert_true(v.help);
	press(&v, m, '1');
	assert_false(v.help);
	press(&v, m, 'x');
	top_key(&v, m, TOP_KEY_CHAR, 10);
	assert_int_equal(v.pane, TOP_OVERVIEW);
	assert_false(press(&v, m, 'q'));
	free(m);
}

static void intervals(void **state)
{
	(void)state;
	assert_int_equal(top_interval(1000, true), 2000);
	assert_int_equal(top_interval(1500, true), 2000);
	assert_int_equal(top_interval(60000, true), 60000);
	assert_int_equal(top_interval(1500, false), 1000);
	assert_int_equal(top_interval(1, false), TOP_INTERVAL_MIN_MS);
}

static void lists_scroll_to_their_end(void **state)
{
	struct top_model *m = calloc(1, sizeof(*m));
	struct top_view v = {.pane = TOP_REFUSED};

	(void)state;
	top_bed_update(m, &usual, 10); /* three reasons */
	top_key(&v, m, TOP_KEY_UP, 10);
	assert_int_equal(v.scroll, 0);
	top_key(&v, m, TOP_KEY_DOWN, 10);
	assert_int_equal(v.scroll, 1);
	top_key(&v, m, TOP_KEY_PAGE_DOWN, 10);
	assert_int_equal(v.scroll, 2);
	top_key(&v, m, TOP_KEY_PAGE_UP, 10);
	assert_int_equal(v.scroll, 0);
	v.pane = TOP_OVERVIEW;
	top_key(&v, m, TOP_KEY_DOWN, 10);
	assert_int_equal(v.scroll, 0);
	free(m);
}

static void units(void **state)
{
	static const struct {
		double n;
		const char *text;
	} v[] = {
		{0, "0"},	  {0.04, "0"},	    {0.5, "0.5"},     {7, "7"},
		{9.96, "10"},	  {42.4, "42"},	    {999.4, "999"},   {999.6, "1.00k"},
		{1234, "1.23k"},  {12345, "12.3k"}, {402100, "402k"}, {999600, "1.00M"},
		{3.1e6, "3.10M"}, {2.5e9, "2.50G"}, {1e13, "10.0T"},
	};
	char buf[UNITS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		assert_string_equal(units_count(v[i].n, buf), v[i].text);
	assert_string_equal(units_bits(0, buf), "0 bit/s");
	assert_string_equal(units_bits(1.2e6, buf), "1.20 Mbit/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(reasons),
		cmocka_unit_test(the_machine),
		cmocka_unit_test(floods),
		cmocka_unit_test(another_process_begins_anew),
		cmocka_unit_test(history_joins_on),
		cmocka_unit_test(replies_that_are_wrong),
		cmocka_unit_test(json),
		cmocka_unit_test(keys),
		cmocka_unit_test(intervals),
		cmocka_unit_test(lists_scroll_to_their_end),
		cmocka_unit_test(units),
	};

	return cmocka_run_group_tests_name("top_model", tests, NULL, NULL);
}
