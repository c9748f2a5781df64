/* SPDX-License-Identifier: BSD-2-Clause */
/* What `weir doctor` prints of a report. */
#ifndef WEIR_CLI_DOCTOR_VIEW_H
#define WEIR_CLI_DOCTOR_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "control/doctor.h"

void doctor_print(const struct doctor_report *r, FILE *out, bool color);
/* New reference; NULL when memory is out. */
json_t *doctor_json(const struct doctor_report *r, const char *iface);

#endif
