/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/table.h"

#define GAP 2

int table_init(struct table *t, FILE *out, const char *const *heads, bool color)
{
	memset(t, 0, sizeof(*t));
	t->out = out;
	t->heads = heads;
	t->color = color;
	while (t->cols < TABLE_COLS && heads[t->cols]) {
		const char *h = heads[t->cols];

		t->width[t->cols++] = text_width(h + (*h == '>'));
	}
	t->cells = calloc((size_t)TABLE_ROWS * t->cols, sizeof(*t->cells));
	return t->cells ? 0 : -ENOMEM;
}

void table_free(struct table *t)
{
	free(t->cells);
	t->cells = NULL;
}

static void row(struct table *t, const char *style, const char *(*text)(struct table *, unsigned),
		unsigned first)
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

static const char *head_text(struct table *t, unsigned i)
{
	return t->heads[i] + (t->heads[i][0] == '>');
}

static const char *cell_text(struct table *t, unsigned i)
{
	return t->cells[i];
}

void table_flush(struct table *t)
{
	if (!t->headed)
		row(t, "1", head_text, 0);
	t->headed = true;
	for (unsigned r = 0; r < t->rows; r++)
		row(t, "", cell_text, r * t->cols);
	t->rows = 0;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *cell = t->cells[t->rows * t->cols + t->col];
	unsigned width;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cell, TABLE_CELL, fmt, ap);
	va_end(ap);
	width = text_width(cell);
	if (width > t->width[t->col])
		t->width[t->col] = width;
	if (++t->col < t->cols)
		return;
	t->col = 0;
	if (++t->rows == TABLE_ROWS)
		table_flush(t);
}
