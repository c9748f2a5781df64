/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a result: to people, to programs, and meanwhile. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <jansson.h>

#include "args.h"
#include "result.h"

/* All reported phases together; to be freed. NULL: no memory. */
struct tally *report_total(const struct load_args *a, const struct result *r);
/* The object of --json; NULL: no memory. */
json_t *report_json(const struct load_args *a, const struct result *r);
void report_text(const struct load_args *a, const struct result *r);
void report_sample(const struct load_args *a, const struct sample *s);

#endif
