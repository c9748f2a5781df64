/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes {"version":1,"conns":[row,row,…],…} apart as it comes in: each row is
 * handed on as its own text, the rest is kept. A reply with a hundred thousand
 * rows is never held in memory.
 */
#ifndef WEIR_CLI_ROWSPLIT_H
#define WEIR_CLI_ROWSPLIT_H

#include <stdbool.h>
#include <stddef.h>

#define ROWSPLIT_ROW  4096
#define ROWSPLIT_REST 4096

struct rowsplit {
	int (*row)(void *arg, const char *text, size_t len); /* non-zero ends it */
	void *arg;
	unsigned depth;
	bool string, escaped, after_row;
	size_t row_len, rest_len;
	char row_text[ROWSPLIT_ROW];
	char rest[ROWSPLIT_REST + 1]; /* valid JSON with the rows left out */
};

/* 1 at the end of the reply, 0 when more is to come, -EINVAL, or what row() gave. */
int rowsplit_feed(struct rowsplit *rs, const char *data, size_t len);

#endif
