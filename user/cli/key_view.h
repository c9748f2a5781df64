/* SPDX-License-Identifier: BSD-2-Clause */
/* What `weir key show-id` and `weir key status` print, made from their JSON. */
#ifndef WEIR_CLI_KEY_VIEW_H
#define WEIR_CLI_KEY_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void keys_print(const json_t *reply, FILE *out, bool color);

#endif
