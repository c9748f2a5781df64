/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_layout.h"
#include "cli/top_sections.h"
#include "cli/units.h"

/* ---- the first and the last line ------------------------------------------------------ */

/* From the right, as far as they fit; *end is where the leftmost begins. */
static void flag(struct top_screen *s, unsigned *end, bool on, enum top_look look, const char *text)
{
	unsigned w = (unsigned)strlen(text) + 2;

	if (!on || *end < w)
		return;
	top_putf(s, 0, *end - w, look, " %s ", text);
	*end -= w + 1 > *end ? *end : w + 1;
}

static void head(struct top_screen *s, const struct top_model *m, const struct top_view *v)
{
	char text[192], up[UNITS_MAX];
	unsigned end = s->cols, len;

	len = (unsigned)snprintf(
		text, sizeof(text), " weir %s  %s  xsk %s  up %s  queues %u  workers %u", m->iface,
		m->xdp, m->xsk, units_uptime(m->uptime_s, up), m->queues, m->workers);
	if (m->hook_lost)
		snprintf(text + len, sizeof(text) - len, "  put back %" PRIu64 "x", m->hook_lost);
	top_put(s, 0, 0, TOP_TITLE, text);
	top_paint(s, 0, 0, s->cols, TOP_TITLE);
	flag(s, &end, v->gone, TOP_BAD, "GONE");
	flag(s, &end, v->paused, TOP_WARN, "PAUSED");
	flag(s, &end, m->draining, TOP_WARN, "DRAINING");
	flag(s, &end, m->flood, TOP_BAD, "FLOOD");
	flag(s, &end, m->ring_drops, TOP_BAD, "RING DROPS");
}

static unsigned key(struct top_screen *s, unsigned col, bool on, const char *k, const char *what)
{
	unsigned row = s->rows - 1;

	col = top_put(s, row, col, TOP_KEY, k);
	col = top_putf(s, row, col, on ? TOP_STRONG : TOP_DIM, " %s", what);
	return col + 2;
}

static void foot(struct top_screen *s, const struct top_view *v)
{
	static const char *const sorts[TOP_NSORTS] = {"by rate", "by total", "by name"};
	unsigned col = 1;
	char every[32];

	if (v->message) {
		top_putf(s, s->rows - 1, 0, TOP_WARN, " %s", v->message);
		return;
	}
	col = key(s, col, v->pane == TOP_OVERVIEW, "1", "overview");
	col = key(s, col, v->pane == TOP_REFUSED, "2", "refused");
	col = key(s, col, v->pane == TOP_PARTS, "3", "queues");
	col = key(s, col, false, "s", sorts[v->sort]);
	col = key(s, col, v->paused, "p", "pause");
	snprintf(every, sizeof(every), "%g s", v->interval_ms / 1000.0);
	col = key(s, col, false, "+-", every);
	col = key(s, col, v->help, "h", "help");
	key(s, col, false, "q", "quit");
}

/* ---- panes ----------------------------------------------------------------------------- */

/* In the order of the screen; weight 1 is served first. */
static const struct {
	const struct top_section *sec;
	unsigned weight;
} overview[] = {
	{&top_section_rates, 1},  {&top_section_traffic, 6}, {&top_section_flows, 2},
	{&top_section_states, 3}, {&top_section_cpu, 5},     {&top_section_machine, 7},
	{&top_section_queues, 8}, {&top_section_refused, 4}, {&top_section_services, 9},
};

#define NSECTIONS (sizeof(overview) / sizeof(overview[0]))

static void least(const struct top_model *m, unsigned cols, unsigned *left, unsigned *rows)
{
	for (unsigned weight = 1; weight <= NSECTIONS; weight++) {
		for (unsigned i = 0; i < NSECTIONS; i++) {
			unsigned want = overview[i].sec->want(m, cols);
			unsigned min = overview[i].sec->min;

			if (overview[i].weight != weight || !want)
				continue;
			rows[i] = min < want ? min : want;
			if (rows[i] > *left)
				rows[i] = weight == 1 ? *left : 0;
			*left -= rows[i];
		}
	}
}

static void grow(const struct top_model *m, unsigned cols, unsigned *left, unsigned *rows)
{
	bool grew = true;

	while (*left && grew) {
		grew = false;
		for (unsigned i = 0; i < NSECTIONS && *left; i++) {
			if (!rows[i] || rows[i] >= overview[i].sec->want(m, cols))
				continue;
			rows[i]++;
			(*left)--;
			grew = true;
		}
	}
}

/* A blank line before what has a heading, then larger charts. */
static unsigned spread(unsigned *left, const unsigned *rows, bool *blank)
{
	unsigned charts;

	for (unsigned i = 1; i < NSECTIONS; i++) {
		blank[i] = rows[i] && overview[i].sec->headed && *left;
		*left -= blank[i];
	}
	charts = *left < TOP_CHARTS_MAX ? *left : TOP_CHARTS_MAX;
	*left -= charts;
	return charts;
}

static void draw_overview(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			  unsigned from, unsigned to)
{
	unsigned rows[NSECTIONS] = {0}, left = to - from, row = from;
	bool blank[NSECTIONS] = {false};

	least(m, s->cols, &left, rows);
	grow(m, s->cols, &left, rows);
	rows[0] += spread(&left, rows, blank);
	for (unsigned i = 0; i < NSECTIONS; i++) {
		row += blank[i];
		if (rows[i])
			overview[i].sec->draw(s, m, v, row, rows[i]);
		row += rows[i];
	}
}

static void draw_refused(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			 unsigned from, unsigned to)
{
	top_section_refused.draw(s, m, v, from, to - from);
}

static void draw_parts(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		       unsigned from, unsigned to)
{
	const struct top_section *parts[] = {&top_section_cpu, &top_section_queues,
					     &top_section_services};
	unsigned row = from;

	for (unsigned i = 0; i < 3; i++) {
		unsigned want = parts[i]->want(m, s->cols);
		unsigned room = to > row ? to - row : 0;

		/* What comes behind shall not be pushed out whole. */
		if (i < 2 && want > room / 2)
			want = room / 2;
		if (i == 2)
			want = room;
		if (want)
			parts[i]->draw(s, m, v, row, want);
		row += want + (i + 1 < 3 && room > 3 * want);
	}
}

static void draw_help(struct top_screen *s, unsigned from, unsigned to)
{
	static const char *const lines[][2] = {
		{"1 2 3", "the overview; all refusals; workers, queues and services"},
		{"s", "refusals by rate, by total, by name"},
		{"up down", "scroll a list"},
		{"p space", "stand still, and go on"},
		{"+ -", "look more often, less often"},
		{"h ?", "this, and back"},
		{"q", "leave"},
		{"", ""},
		{"SYN/s", "that came, whoever answered them; cookies: by the gate"},
		{"accepted", "cookies that came back: flows let in"},
		{"refused", "frames dropped by the gate, connections not let in"},
		{"FLOOD", "one has begun, or cookies answer a service in auto mode"},
	};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]) && from + i < to; i++) {
		top_put(s, from + i, 2, TOP_KEY, lines[i][0]);
		top_put(s, from + i, 12, TOP_PLAIN, lines[i][1]);
	}
}

void top_layout(struct top_screen *s, const struct top_model *m, const struct top_view *v)
{
	static void (*const panes[TOP_NPANES])(struct top_screen *, const struct top_model *,
					       const struct top_view *, unsigned, unsigned) = {
		draw_overview, draw_refused, draw_parts};
	unsigned to = s->rows - (s->rows > 2 && !v->plain);

	if (!s->rows || !s->cols)
		return;
	head(s, m, v);
	if (v->help)
		draw_help(s, 2, to);
	else if (to > 1)
		panes[v->pane](s, m, v, 1, to);
	if (to < s->rows)
		foot(s, v);
}

unsigned top_layout_rows(const struct top_model *m)
{
	unsigned rows = 1;

	for (unsigned i = 0; i < NSECTIONS; i++) {
		unsigned want = overview[i].sec->want(m, 80);

		rows += want ? want + overview[i].sec->headed : 0;
	}
	return rows;
}
