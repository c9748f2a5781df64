/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of a terminal that knows its column: UTF-8 text counts by characters,
 * colours count nothing.
 */
#ifndef WEIR_CLI_CANVAS_H
#define WEIR_CLI_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct canvas {
	char buf[2048];
	size_t n;
	unsigned col;
	bool color;
};

void canvas_start(struct canvas *c, bool color);
void canvas_put(struct canvas *c, const char *text);
void canvas_putf(struct canvas *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `text` again and again up to column `col`. */
void canvas_fill(struct canvas *c, const char *text, unsigned col);
/* An SGR sequence such as "1;32"; "" for plain. */
void canvas_style(struct canvas *c, const char *sgr);
/* Trailing blanks are cut. */
void canvas_flush(struct canvas *c, FILE *out);

unsigned text_width(const char *text);

#endif
