/* SPDX-License-Identifier: BSD-2-Clause */
/* Bars and sparklines, of Unicode's block elements or of ASCII. Pure. */
#ifndef WEIR_CLI_TOP_CHART_H
#define WEIR_CLI_TOP_CHART_H

#include <stdbool.h>

#include "cli/top_screen.h"

/* `part` (0..1) of a bar from left to right. */
void top_bar(struct top_screen *s, unsigned row, unsigned col, unsigned width, double part,
	     enum top_look look, bool unicode);

struct top_chart {
	const uint64_t *v; /* [n - 1] is the newest */
	unsigned n;
	uint64_t newest; /* its number, so that columns do not change as time goes by */
	unsigned width, height;
	enum top_look look;
	bool unicode;
};

/* Samples that a column stands for, so that `n` of them fit in `width` columns. */
unsigned top_chart_step(unsigned n, unsigned width);

/* The newest at the right, the largest of a column's samples, scaled to the largest of all. */
void top_chart(struct top_screen *s, unsigned row, unsigned col, const struct top_chart *c);

#endif
