/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A screen in memory: cells of one character and what it means. What is written is cut at
 * the edges; characters that would move a terminal's cursor are shown as '?'.
 */
#ifndef WEIR_CLI_TOP_SCREEN_H
#define WEIR_CLI_TOP_SCREEN_H

#include <stdint.h>
#include <stdio.h>

/* What a cell means; colours are the terminal's edge's choice. */
enum top_look {
	TOP_PLAIN,
	TOP_TITLE, /* the head's line */
	TOP_LABEL,
	TOP_DIM,
	TOP_STRONG,
	TOP_GOOD,
	TOP_WARN,
	TOP_BAD,
	TOP_BAR,   /* of what is served */
	TOP_FLOOD, /* of what is asked */
	TOP_KEY,
	TOP_NLOOKS,
};

struct top_cell {
	uint32_t ch; /* code point */
	uint8_t look;
};

struct top_screen {
	unsigned rows, cols;
	struct top_cell *cell; /* [row * cols + col] */
};

#define TOP_COLS_MAX 1024
#define TOP_ROWS_MAX 1024

/* Blank. 0 or -ENOMEM; sizes beyond the bounds are cut to them. */
int top_screen_init(struct top_screen *s, unsigned rows, unsigned cols);
void top_screen_free(struct top_screen *s);

/* UTF-8; returns the column behind it, which may be beyond the edge. */
unsigned top_put(struct top_screen *s, unsigned row, unsigned col, enum top_look look,
		 const char *text);
unsigned top_putf(struct top_screen *s, unsigned row, unsigned col, enum top_look look,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Ends before column `end`. */
void top_put_right(struct top_screen *s, unsigned row, unsigned end, enum top_look look,
		   const char *text);
void top_put_char(struct top_screen *s, unsigned row, unsigned col, enum top_look look,
		  uint32_t ch);
/* The look of a part of a row. */
void top_paint(struct top_screen *s, unsigned row, unsigned col, unsigned n, enum top_look look);

/* A row as UTF-8 without trailing blanks; needs 4 * cols + 1 bytes. */
void top_row_text(const struct top_screen *s, unsigned row, char *buf);
/* All rows but blank ones at the end. */
void top_print(const struct top_screen *s, FILE *out);

/* A code point as UTF-8; bytes written, 1..4. */
unsigned top_utf8(uint32_t ch, char *buf);

#endif
