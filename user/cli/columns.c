/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/columns.h"

#define GAP 2

int columns_init(struct columns *t, FILE *out, const char *const *heads, bool color)
{
	memset(t, 0, sizeof(*t));
	t->out = out;
	t->heads = heads;
	t->color = color;
	while (t->cols < COLUMNS_MAX && heads[t->cols]) {
		const char *h = heads[t->cols];

		t->width[t->cols++] = text_width(h + (*h == '>'));
	}
	t->cells = calloc((size_t)COLUMNS_ROWS * t->cols, sizeof(*t->cells));
	return t->cells ? 0 : -ENOMEM;
}

void columns_free(struct columns *t)
{
	free(t->cells);
	t->cells = NULL;
}

static void row(struct columns *t, const char *style,
		const char *(*text)(struct columns *, unsigned), unsigned first)
{
	struct canvas line;

	canvas_start(&line, t->color);
	if (*style)
		canvas_style(&line, style);
	for (unsigned i = 0; i < t->cols; i++) {
		const char *s = text(t, first + i);
		unsigned start = line.col, w = text_width(s);

		if (t->heads[i][0] == '>' && w < t->width[i])
			canvas_fill(&line, " ", start + t->width[i] - w);
		canvas_put(&line, s);
		if (i + 1 < t->cols)
			canvas_fill(&line, " ", start + t->width[i] + GAP);
	}
	if (*style)
		canvas_style(&line, "0");
	canvas_flush(&line, t->out);
}

static const char *head_text(struct columns *t, unsigned i)
{
	return t->heads[i] + (t->heads[i][0] == '>');
}

static const char *cell_text(struct columns *t, unsigned i)
{
	return t->cells[i];
}

void columns_flush(struct columns *t)
{
	if (!t->headed)
		row(t, "1", head_text, 0);
	t->headed = true;
	for (unsigned r = 0; r < t->rows; r++)
		row(t, "", cell_text, r * t->cols);
	t->rows = 0;
}

void columns_cell(struct columns *t, const char *fmt, ...)
{
	char *cell = t->cells[t->rows * t->cols + t->col];
	unsigned width;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cell, COLUMNS_CELL, fmt, ap);
	va_end(ap);
	width = text_width(cell);
	if (width > t->width[t->col])
		t->width[t->col] = width;
	if (++t->col < t->cols)
		return;
	t->col = 0;
	if (++t->rows == COLUMNS_ROWS)
		columns_flush(t);
}
