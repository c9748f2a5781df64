/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Prometheus reads: a snapshot as text, in the exposition format 0.0.4 or as
 * OpenMetrics 1.0. Each counter of counters.def is weir_NAME_total, with the label `worker`
 * where a worker counted, else `side` ("gate", "app"): the sum over all of them is what
 * `weir counters` says. Rates are the reader's to make.
 */
#ifndef WEIR_CONTROL_CTL_METRICS_H
#define WEIR_CONTROL_CTL_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "control/ctl_source.h"

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* Of services beyond these only the sums are told. */
#define METRICS_SERVICES 256

/* What a client that sends this Accept header would rather have; NULL: it sent none. */
enum metrics_format metrics_format_for(const char *accept);
/* The Content-Type of each. */
const char *metrics_content_type(enum metrics_format f);

void metrics_write(FILE *out, const struct ctl_source *src, enum metrics_format f);

/*
 * For load balancers and routing daemons: whether new clients should come here. Writes a
 * line that says why not, or "serving".
 */
bool metrics_health(FILE *out, const struct ctl_source *src);

#endif
