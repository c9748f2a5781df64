/* SPDX-License-Identifier: BSD-2-Clause */
/* What `weir status`, `weir mode` and `weir counters` print, made from the replies' JSON. */
#ifndef WEIR_CLI_STATUS_VIEW_H
#define WEIR_CLI_STATUS_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void status_print(const json_t *status, FILE *out, bool color);
void modes_print(const json_t *reply, FILE *out, bool color);

/*
 * Counters that are not 0, or all. With `before` (an earlier reply) what was
 * added in `seconds` since, and per second; then only what moved, unless all.
 */
void counters_print(const json_t *reply, const json_t *before, double seconds, bool all, FILE *out,
		    bool color);

#endif
