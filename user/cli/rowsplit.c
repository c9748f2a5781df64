/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "cli/rowsplit.h"

#define ROW_DEPTH 3 /* inside { [ { */

static int keep(struct rowsplit *rs, char c)
{
	if (rs->depth >= ROW_DEPTH) {
		if (rs->row_len == ROWSPLIT_ROW)
			return -EINVAL;
		rs->row_text[rs->row_len++] = c;
		return 0;
	}
	/* The comma between two rows belongs to neither. */
	if (rs->after_row && c == ',')
		return 0;
	if (rs->rest_len == ROWSPLIT_REST)
		return -EINVAL;
	rs->rest[rs->rest_len++] = c;
	rs->rest[rs->rest_len] = '\0';
	return 0;
}

static int closing(struct rowsplit *rs, char c)
{
	int rc = keep(rs, c);

	if (rc)
		return rc;
	rs->depth--;
	rs->after_row = rs->depth == ROW_DEPTH - 1;
	if (rs->after_row) {
		rc = rs->row(rs->arg, rs->row_text, rs->row_len);
		rs->row_len = 0;
	}
	return rc;
}

static int inside_string(struct rowsplit *rs, char c)
{
	if (rs->escaped)
		rs->escaped = false;
	else if (c == '\\')
		rs->escaped = true;
	else if (c == '"')
		rs->string = false;
	return keep(rs, c);
}

static int one(struct rowsplit *rs, char c)
{
	int rc;

	if (rs->string)
		return inside_string(rs, c);
	switch (c) {
	case '{':
	case '[':
		rs->depth++;
		rs->after_row = false;
		return keep(rs, c);
	case '}':
	case ']':
		if (rs->depth == 0)
			return -EINVAL;
		return closing(rs, c);
	case '"':
		rs->string = true;
		break;
	}
	rc = keep(rs, c);
	rs->after_row = rs->after_row && (c == ',' || c == ' ');
	return rc;
}

int rowsplit_feed(struct rowsplit *rs, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int rc;

		if (data[i] == '\n' && rs->depth == 0)
			return 1;
		rc = one(rs, data[i]);
		if (rc)
			return rc;
	}
	return 0;
}
