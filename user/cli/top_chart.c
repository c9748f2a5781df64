/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top_chart.h"

#define EIGHTHS 8

/* A cell filled from below to n eighths, 0..8. */
static uint32_t column(unsigned n, bool unicode)
{
	static const char ascii[EIGHTHS + 1] = {' ', '.', ':', '-', '=', '+', '*', '%', '#'};

	if (!unicode)
		return (unsigned char)ascii[n];
	return n ? 0x2580 + n : ' '; /* U+2581 .. U+2588 */
}

/* And one filled from the left. */
static uint32_t piece(unsigned n, bool unicode)
{
	if (!unicode)
		return n >= EIGHTHS / 2 ? '#' : '.';
	return n ? 0x2590 - n : 0xb7; /* U+258F .. U+2588, middle dot */
}

void top_bar(struct top_screen *s, unsigned row, unsigned col, unsigned width, double part,
	     enum top_look look, bool unicode)
{
	unsigned eighths;

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	eighths = (unsigned)(part * width * EIGHTHS + 0.5);
	if (!eighths && part > 0)
		eighths = 1;
	for (unsigned i = 0; i < width; i++) {
		unsigned n = eighths > EIGHTHS ? EIGHTHS : eighths;

		top_put_char(s, row, col + i, n ? look : TOP_DIM, piece(n, unicode));
		eighths -= n;
	}
}

unsigned top_chart_step(unsigned n, unsigned width)
{
	static const unsigned steps[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60, 120};
	unsigned i = 0;

	/* One column more: the newest is seldom whole. */
	while (i < sizeof(steps) / sizeof(steps[0]) - 1 && (width - 1) * steps[i] < n)
		i++;
	return steps[i];
}

/* The largest sample of the column that is `back` columns from the right. */
static uint64_t largest(const struct top_chart *c, unsigned step, unsigned back, bool *any)
{
	uint64_t first = (c->newest / step - back) * step, max = 0;

	*any = false;
	for (uint64_t k = first; k < first + step; k++) {
		if (k > c->newest || c->newest - k >= c->n)
			continue;
		*any = true;
		if (c->v[c->n - 1 - (c->newest - k)] > max)
			max = c->v[c->n - 1 - (c->newest - k)];
	}
	return max;
}

static void draw_column(struct top_screen *s, unsigned row, unsigned col, const struct top_chart *c,
			unsigned n)
{
	if (!n)
		top_put_char(s, row + c->height - 1, col, TOP_DIM, '_');
	for (unsigned h = 0; n; h++) {
		unsigned here = n > EIGHTHS ? EIGHTHS : n;

		top_put_char(s, row + c->height - 1 - h, col, c->look, column(here, c->unicode));
		n -= here;
	}
}

void top_chart(struct top_screen *s, unsigned row, unsigned col, const struct top_chart *c)
{
	unsigned step = top_chart_step(c->n, c->width), full = c->height * EIGHTHS, n;
	uint64_t max = 1, v;
	bool any;

	for (unsigned i = 0; i < c->n; i++)
		max = c->v[i] > max ? c->v[i] : max;
	for (unsigned back = 0; back < c->width && back <= c->newest / step; back++) {
		v = largest(c, step, back, &any);
		n = (unsigned)((double)v * full / (double)max + 0.5);
		/* Little is not nothing. */
		n = v && !n ? 1 : n > full ? full : n;
		if (any)
			draw_column(s, row, col + c->width - 1 - back, c, n);
	}
}
