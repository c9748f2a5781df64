/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do to a view. Pure: cmd_top.c reads them, top_layout.c shows it. */
#ifndef WEIR_CLI_TOP_UI_H
#define WEIR_CLI_TOP_UI_H

#include "cli/top_layout.h"

enum top_key {
	TOP_KEY_NONE,
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_CHAR, /* the first of those that are characters: TOP_KEY_CHAR + 'q' */
};

/* False: leave. */
bool top_key(struct top_view *v, const struct top_model *m, unsigned key, unsigned page);

/* The next interval that is offered, or the one before. */
unsigned top_interval(unsigned now_ms, bool longer);

#define TOP_INTERVAL_MIN_MS 200
#define TOP_INTERVAL_MAX_MS 60000

#endif
