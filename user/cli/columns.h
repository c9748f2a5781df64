/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Aligned columns. Rows are kept until the table is flushed, or until there are
 * COLUMNS_ROWS of them, so that any number costs bounded memory; widths only grow.
 */
#ifndef WEIR_CLI_COLUMNS_H
#define WEIR_CLI_COLUMNS_H

#include <stdbool.h>
#include <stdio.h>

#define COLUMNS_MAX  16
#define COLUMNS_ROWS 1024
#define COLUMNS_CELL 72

struct columns {
	FILE *out;
	bool color, headed;
	unsigned cols, rows, col;
	const char *const *heads; /* a leading '>' aligns to the right */
	unsigned width[COLUMNS_MAX];
	char (*cells)[COLUMNS_CELL];
};

/* `heads` ends with NULL and outlives the table. 0 or -ENOMEM. */
int columns_init(struct columns *t, FILE *out, const char *const *heads, bool color);
void columns_free(struct columns *t);
/* The next cell; after the last of a row comes the next row. */
void columns_cell(struct columns *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void columns_flush(struct columns *t);

#endif
