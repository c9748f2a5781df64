/* SPDX-License-Identifier: BSD-2-Clause */
/* What `weir backends` prints: a row for each backend of each service. */
#ifndef WEIR_CLI_BACKENDS_VIEW_H
#define WEIR_CLI_BACKENDS_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* 0 or -ENOMEM. */
int backends_print(const json_t *reply, FILE *out, bool color);

#endif
