/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws traced frames as ladders: the client's state on the left, weir's on the
 * right, an arrow with the segment between them. Connections interleave; each
 * has a letter, and a line says where the drawing changes from one to another.
 */
#ifndef WEIR_CLI_LADDER_H
#define WEIR_CLI_LADDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/abi.h>

#define LADDER_WIDTH_MIN 80
#define LADDER_WIDTH_MAX 140

enum ladder_numbers { LADDER_BOTH, LADDER_RELATIVE, LADDER_ABSOLUTE };

struct ladder_opts {
	unsigned width; /* columns; clamped */
	enum ladder_numbers numbers;
	bool ascii;   /* no box characters */
	bool color;   /* ANSI sequences */
	bool verbose; /* timestamps and every option on every segment */
	bool brief;   /* no explanations */
};

struct ladder;

/* NULL when memory is out. `out` outlives the ladder. */
struct ladder *ladder_new(const struct ladder_opts *opts, FILE *out);
void ladder_free(struct ladder *l);

void ladder_record(struct ladder *l, const struct weir_trace_rec *rec);
void ladder_lost(struct ladder *l, uint64_t n);
/* A line with what was drawn and what was not. */
void ladder_summary(struct ladder *l);

#endif
