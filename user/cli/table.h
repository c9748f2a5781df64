/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Aligned columns. Rows are kept until the table is flushed, or until there are
 * TABLE_ROWS of them, so that any number costs bounded memory; widths only grow.
 */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLS 16
#define TABLE_ROWS 1024
#define TABLE_CELL 72

struct table {
	FILE *out;
	bool color, headed;
	unsigned cols, rows, col;
	const char *const *heads; /* a leading '>' aligns to the right */
	unsigned width[TABLE_COLS];
	char (*cells)[TABLE_CELL];
};

/* `heads` ends with NULL and outlives the table. 0 or -ENOMEM. */
int table_init(struct table *t, FILE *out, const char *const *heads, bool color);
void table_free(struct table *t);
/* The next cell; after the last of a row comes the next row. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_flush(struct table *t);

#endif
