/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `weir top` shows of a model, on a screen of any size. The overview is a list of
 * sections: each gets its least in the order of their weight while there are rows, then they
 * grow in turn, then the charts do. Pure.
 */
#ifndef WEIR_CLI_TOP_LAYOUT_H
#define WEIR_CLI_TOP_LAYOUT_H

#include <stdbool.h>

#include "cli/top_model.h"
#include "cli/top_screen.h"

enum top_pane { TOP_OVERVIEW, TOP_REFUSED, TOP_PARTS, TOP_NPANES };

struct top_view {
	enum top_pane pane;
	enum top_sort sort; /* of the reasons */
	unsigned scroll;    /* rows of a list that are above its window */
	unsigned interval_ms;
	bool unicode; /* blocks in charts and bars */
	bool paused, help;
	bool gone;	     /* what is shown is of the past */
	bool plain;	     /* no line of keys: nobody can press them */
	const char *message; /* in place of the keys; NULL: none */
};

void top_layout(struct top_screen *s, const struct top_model *m, const struct top_view *v);

/* Rows that the pane would fill: for output without a screen. */
unsigned top_layout_rows(const struct top_model *m);

#endif
