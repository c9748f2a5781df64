/* SPDX-License-Identifier: BSD-2-Clause */
/* weir top: what is on a screen of which size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/top_chart.h"
#include "cli/top_layout.h"
#include "top_fixture.h"

static const struct top_bed usual = {
	.queues = 2, .workers = 2, .services = 3, .pid = 7, .age_s = 300};

static struct top_model *model(const struct top_bed *b)
{
	struct top_model *m = calloc(1, sizeof(*m));

	top_bed_update(m, b, 10);
	top_bed_update(m, b, 11);
	top_model_machine(m, "cpu 1 1 1 1 1 1 1 1");
	top_model_machine(m, "cpu 26 1 1 26 1 1 51 1");
	return m;
}

/* All rows, a newline after each; free it. */
static char *show(const struct top_model *m, const struct top_view *v, unsigned rows, unsigned cols)
{
	char *all = calloc(rows, 4 * cols + 2);
	struct top_screen s;

	assert_int_equal(top_screen_init(&s, rows, cols), 0);
	top_layout(&s, m, v);
	for (unsigned row = 0; row < rows; row++) {
		top_row_text(&s, row, all + strlen(all));
		strcat(all, "\n");
	}
	top_screen_free(&s);
	return all;
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void expect(const char *screen, const char *const *parts)
{
	for (; *parts; parts++) {
		if (!strstr(screen, *parts))
			print_error("not there: %s\n%s", *parts, screen);
		assert_non_null(strstr(screen, *parts));
	}
}

static void usual_terminal(void **state)
{
	static const char *const parts[] = {" weir eth0  native  xsk copy  up 00:05:11",
					    "FLOOD",
					    "SYN/s       400k ",
					    "cookies     400k",
					    "accepted   1.20k",
					    "refused    3.02k",
					    "peak 31.1k",
					    "in 1.00 Mbit/s",
					    "12345 of 262144 (4.7%)",
					    "tombstones 678",
					    "buffers 25%",
					    "ESTABLISHED 1034  TIME_WAIT 220",
					    " 25%",
					    " 50%",
					    "all 75%",
					    "ring drops/s",
					    "2.00k",
					    "3.00k   33.0k  drop_ack_cookie",
					    "10.0.0.2:80",
					    "always",
					    "gate, cookies",
					    "1 overview",
					    "q quit\n",
					    NULL};
	static const struct top_view v = {.interval_ms = 1000, .unicode = true};
	struct top_model *m = model(&usual);
	char *text = show(m, &v, 24, 80);

	(void)state;
	assert_int_equal(count_lines(text), 24);
	expect(text, parts);
	expect(text, (const char *[]){"█", NULL});
	assert_null(strstr(text, "SYN_RCVD"));
	free(text);
	free(m);
}

static void small_terminal(void **state)
{
	static const char *const parts[] = {
		" weir eth0",	    "SYN/s       400k", "refused    3.02k", "flows",
		"ESTABLISHED 1034", "drop_ack_cookie",	"1 overview",	    NULL};
	static const struct top_view v = {.interval_ms = 1000};
	struct top_model *m = model(&usual);
	char *text = show(m, &v, 10, 40);

	(void)state;
	expect(text, parts);
	for (const char *c = text; *c; c++)
		assert_in_range((unsigned char)*c, '\n', 126); /* ASCII was asked for */
	free(text);
	free(m);
}

/* More of everything, and larger charts. */
static void large_terminal(void **state)
{
	struct top_bed big = {.queues = 16, .workers = 16, .services = 8, .age_s = 900};
	static const struct top_view v = {.interval_ms = 500, .unicode = true};
	struct top_model *m = model(&big);
	char *text = show(m, &v, 60, 200);

	(void)state;
	expect(text, (const char *[]){"10.0.0.2:87", "   15      15", "drop_land", "of 10 min",
				      "0.5 s", NULL});
	assert_null(strstr(text, " more"));
	free(text);
	free(m);
}

/* Nothing is written past an edge, whatever the size; the head is always there. */
static void any_size(void **state)
{
	struct top_bed big = {.queues = 64, .workers = 64, .services = 2000, .age_s = 900};
	struct top_model *m = model(&big), *empty = calloc(1, sizeof(*empty));

	(void)state;
	for (unsigned rows = 0; rows < 70; rows += rows < 12 ? 1 : 19) {
		for (unsigned cols = 0; cols < 210; cols += cols < 20 ? 1 : 17) {
			for (unsigned how = 0; how < 24; how++) {
				struct top_view v = {.pane = how % 3,
						     .help = how == 5,
						     .unicode = how & 1,
						     .scroll = how * 100,
						     .plain = how == 7,
						     .gone = how == 8,
						     .message = how == 9 ? "nobody there" : NULL};
				char *text = show(how < 12 ? m : empty, &v, rows ? rows : 1,
						  cols ? cols : 1);

				assert_int_equal(count_lines(text), rows ? rows : 1);
				for (char *line = strtok(text, "\n"); line;
				     line = strtok(NULL, "\n"))
					assert_in_range(text_width(line), 0, cols ? cols : 1);
				free(text);
			}
		}
	}
	free(m);
	free(empty);
}

static void panes(void **state)
{
	struct top_bed big = {.queues = 4, .workers = 4, .services = 200, .age_s = 900};
	struct top_view v = {.interval_ms = 1000, .pane = TOP_REFUSED, .sort = TOP_SORT_TOTAL};
	struct top_model *m = model(&big);
	char *text = show(m, &v, 24, 80);

	(void)state;
	expect(text,
	       (const char *[]){"drop_ack_cookie", "drop_syn_fin", "drop_land",
				"source and destination address the same", "s by total", NULL});
	assert_null(strstr(text, "ESTABLISHED"));
	free(text);
	v.pane = TOP_PARTS;
	v.scroll = 100;
	text = show(m, &v, 24, 80);
	expect(text, (const char *[]){"CPU", "queue  worker", "services: 200", "10.0.0.2:180",
				      " more", NULL});
	assert_null(strstr(text, "10.0.0.2:80 "));
	free(text);
	v.scroll = 199;
	text = show(m, &v, 24, 80);
	expect(text, (const char *[]){"10.0.0.2:279", NULL});
	free(text);
	v.help = true;
	text = show(m, &v, 24, 80);
	expect(text, (const char *[]){"p space", "FLOOD", NULL});
	free(text);
	free(m);
}

static void what_is_amiss(void **state)
{
	struct top_view v = {.interval_ms = 1000, .gone = true, .paused = true, .message = "gone!"};
	struct top_model *m = model(&usual);
	char *text;

	(void)state;
	m->draining = true;
	text = show(m, &v, 24, 80);
	expect(text, (const char *[]){"FLOOD ", "DRAINING ", "PAUSED ", "GONE\n", "gone!\n", NULL});
	assert_null(strstr(text, "1 overview"));
	free(text);
	text = show(m, &v, 24, 20); /* the last of them, not over the edge */
	expect(text, (const char *[]){" GONE\n", NULL});
	free(text);
	free(m);
}

/* What a name of an interface may hold must not move the cursor. */
static void controls_are_shown_as_such(void **state)
{
	struct top_screen s;
	char text[64];

	(void)state;
	assert_int_equal(top_screen_init(&s, 1, 12), 0);
	top_put(&s, 0, 0, TOP_PLAIN, "a\033[2Jb\xc2\x9b\xff\xe2\x82");
	top_row_text(&s, 0, text);
	assert_string_equal(text, "a?[2Jb????");
	top_put(&s, 0, 0, TOP_PLAIN, "\xe2\x96\x88\xf0\x9f\x98\x80\xc3\xa9        ");
	top_row_text(&s, 0, text);
	assert_string_equal(text, "\xe2\x96\x88\xf0\x9f\x98\x80\xc3\xa9");
	top_screen_free(&s);
}

/* ---- charts ------------------------------------------------------------------------------ */

static void chart_row(const uint64_t *v, unsigned n, unsigned width, const char *want)
{
	struct top_chart c = {.v = v, .n = n, .newest = n, .width = width, .height = 1};
	struct top_screen s;
	char text[256];

	assert_int_equal(top_screen_init(&s, 1, width), 0);
	top_chart(&s, 0, 0, &c);
	top_row_text(&s, 0, text);
	assert_string_equal(text, want);
	top_screen_free(&s);
}

static void charts(void **state)
{
	static const uint64_t up[] = {0, 1, 50, 100, 100, 0, 100};
	uint64_t peak[100] = {[98] = 7};

	(void)state;
	chart_row(up, 0, 8, "");
	chart_row(up, 7, 8, " _.=##_#");
	chart_row(up, 7, 9, "  _.=##_#");
	/* A peak of one second is seen in a column of thirty. */
	assert_int_equal(top_chart_step(100, 5), 30);
	chart_row(peak, 100, 5, " ___#");
	assert_int_equal(top_chart_step(600, 52), 12);
	assert_int_equal(top_chart_step(1, 1), 120);
}

static void tall_charts(void **state)
{
	static const uint64_t v[] = {100, 50, 25, 0};
	struct top_chart c = {
		.v = v, .n = 4, .newest = 4, .width = 5, .height = 2, .unicode = true};
	struct top_screen s;
	char text[64];

	(void)state;
	assert_int_equal(top_screen_init(&s, 2, 5), 0);
	top_chart(&s, 0, 0, &c);
	top_row_text(&s, 0, text);
	assert_string_equal(text, " █");
	top_row_text(&s, 1, text);
	assert_string_equal(text, " ██▄_");
	top_screen_free(&s);
}

static void bars(void **state)
{
	static const struct {
		double part;
		const char *unicode, *ascii;
	} v[] = {{0, "····", "...."},	  {0.001, "▏···", "...."}, {0.5, "██··", "##.."},
		 {0.625, "██▌·", "###."}, {1, "████", "####"},	   {7, "████", "####"},
		 {-1, "····", "...."}};
	struct top_screen s;
	char text[64];

	(void)state;
	assert_int_equal(top_screen_init(&s, 1, 4), 0);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		top_bar(&s, 0, 0, 4, v[i].part, TOP_BAR, true);
		top_row_text(&s, 0, text);
		assert_string_equal(text, v[i].unicode);
		top_bar(&s, 0, 0, 4, v[i].part, TOP_BAR, false);
		top_row_text(&s, 0, text);
		assert_string_equal(text, v[i].ascii);
	}
	top_screen_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_terminal),
		cmocka_unit_test(small_terminal),
		cmocka_unit_test(large_terminal),
		cmocka_unit_test(any_size),
		cmocka_unit_test(panes),
		cmocka_unit_test(what_is_amiss),
		cmocka_unit_test(controls_are_shown_as_such),
		cmocka_unit_test(charts),
		cmocka_unit_test(tall_charts),
		cmocka_unit_test(bars),
	};

	return cmocka_run_group_tests_name("top_layout", tests, NULL, NULL);
}
