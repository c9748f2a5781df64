// SPDX-License-Identifier: BSD-2-Clause
/* weir-load: what is plotted, what is summed up, and that nothing said is lost in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/load/plot.h"
#include "../../tools/load/report.h"

static struct load_args a;
static struct result r;

/* A warm-up and two phases: 100 of 100 at 1 ms, 50 of 100 at 20 ms. */
static int set_up(void **state)
{
	struct tally *t;

	(void)state;
	a = (struct load_args){.pattern = LOAD_REQUEST,
			       .info = &load_patterns[LOAD_REQUEST],
			       .remote.in = {.sin_family = AF_INET},
			       .phases = 3,
			       .phase = {{.warmup = true},
					 {.rate = 100, .label = "it's <1> & \\n"},
					 {.rate = 200}}};
	r = (struct result){.phases = 3, .phase = calloc(3, sizeof(struct tally))};
	r.sample = calloc(4, sizeof(struct sample));
	for (int i = 0; i < 3; i++) {
		t = &r.phase[i];
		t->begin = 1 + (uint64_t)i * 1000000000;
		t->end = t->begin + 1000000000;
		t->attempted = 100;
		t->succeeded = t->completed = i == 2 ? 50 : 100;
		t->failed[LOAD_TIMEOUT] = i == 2 ? 30 : 0;
		t->failed[LOAD_RESET] = i == 2 ? 20 : 0;
		t->peak = (unsigned int)i * 7;
		t->down = 125000000;
		t->cpu = (struct cpu_times){.machine_s = 0.5, .self_s = 0.25};
		for (uint64_t n = 0; n < t->succeeded; n++)
			hist_add(&t->response, i == 2 ? 20000000 : 1000000);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(r.phase);
	free(r.sample);
	return 0;
}

static void test_points(void **state)
{
	struct plot p;

	(void)state;
	assert_int_equal(plot_make(&p, &a, &r), 0);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.point[0].label, "it's <1> & \\n");
	assert_string_equal(p.point[1].label, "200/s");
	assert_true(p.point[0].success == 1 && p.point[1].success == 0.5);
	assert_true(p.point[1].rate == 50);
	assert_true(p.point[0].us[0] == 1000 && p.point[1].us[3] == 20000);
	plot_free(&p);
	/* One phase: the course of it. */
	a.phases = r.phases = 2;
	assert_int_equal(plot_make(&p, &a, &r), -ENODATA);
	r.samples = 3;
	r.sample[1] = (struct sample){.at_s = 2, .completed = 3, .failed = 1, .p50_us = 7};
	assert_int_equal(plot_make(&p, &a, &r), 0);
	assert_int_equal(p.n, 3);
	assert_true(p.point[1].x == 2 && p.point[1].success == 0.75 && p.point[1].us[0] == 7);
	plot_free(&p);
}

static char *drawn(void (*draw)(const struct plot *, FILE *))
{
	char *text = NULL;
	struct plot p;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(plot_make(&p, &a, &r), 0);
	draw(&p, f);
	fclose(f);
	plot_free(&p);
	return text;
}

static void gnuplot(const struct plot *p, FILE *f)
{
	plot_gnuplot(p, "/tmp/o'k.png", f);
}

static void test_pictures(void **state)
{
	char *s = drawn(gnuplot);

	(void)state;
	assert_non_null(strstr(s, "$points << END\n0 100 100 1000 1000 1000 1000\n"
				  "1 50 50 20000 20000 20000 20000\nEND\n"));
	assert_non_null(strstr(s, "set output '/tmp/o''k.png'\n"));
	assert_non_null(strstr(s, "set xtics ('it''s <1> & \\n' 0, '200/s' 1)"));
	free(s);
	s = drawn(plot_html);
	assert_non_null(strstr(s, "it's &lt;1> &amp; \\n"));
	assert_non_null(strstr(s, "</svg>"));
	assert_null(strstr(s, "nan"));
	assert_null(strstr(s, "inf"));
	free(s);
}

/* All failed: there is no latency to draw, and a picture all the same. */
static void test_nothing_succeeded(void **state)
{
	char *s;

	(void)state;
	for (int i = 0; i < 3; i++) {
		hist_clear(&r.phase[i].response);
		r.phase[i].succeeded = r.phase[i].completed = 0;
	}
	s = drawn(plot_html);
	assert_null(strstr(s, "nan"));
	assert_null(strstr(s, "inf"));
	free(s);
	s = drawn(gnuplot);
	assert_non_null(strstr(s, "0 0 0 NaN NaN NaN NaN\n"));
	free(s);
}

static double real_at(const json_t *o, const char *key)
{
	assert_non_null(json_object_get(o, key));
	return json_number_value(json_object_get(o, key));
}

static void test_json(void **state)
{
	json_t *o = report_json(&a, &r), *failed, *phases;

	(void)state;
	assert_non_null(o);
	assert_true(real_at(o, "version") == 1 && real_at(o, "attempted") == 200);
	assert_true(real_at(o, "succeeded") == 150 && real_at(o, "success") == 0.75);
	assert_true(real_at(o, "seconds") == 2 && real_at(o, "rate_per_s") == 75);
	assert_true(real_at(o, "concurrent_peak") == 14 && real_at(o, "down_gbit_s") == 1);
	assert_true(real_at(json_object_get(o, "cpu"), "machine_s") == 1);
	failed = json_object_get(o, "failed");
	assert_true(json_object_size(failed) == 2 && real_at(failed, "timeout") == 30);
	assert_true(real_at(json_object_get(o, "response_us"), "n") == 150);
	phases = json_object_get(o, "phases");
	assert_int_equal(json_array_size(phases), 2);
	assert_true(real_at(json_array_get(phases, 1), "rate_asked") == 200);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_points, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pictures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_succeeded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
