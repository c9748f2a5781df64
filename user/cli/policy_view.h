/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy in force, and what it makes of an address, for people. */
#ifndef WEIR_CLI_POLICY_VIEW_H
#define WEIR_CLI_POLICY_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `reply`: ctl_policy.h's. With a test, that alone is printed. */
void policy_print(const json_t *reply, FILE *out, bool color);

#endif
