/* SPDX-License-Identifier: BSD-2-Clause */
/* How the lines of a page of metrics are written. */
#ifndef WEIR_CONTROL_CTL_METRICS_PAGE_H
#define WEIR_CONTROL_CTL_METRICS_PAGE_H

#include "control/ctl_metrics.h"

struct page {
	FILE *out;
	enum metrics_format format;
	const struct ctl_source *src;
	const struct ctl_status *s;
	const struct ctl_metrics *m;
	const struct ctl_health *h;
};

/* HELP and TYPE. A family of counters is named without the _total of its samples. */
void page_family(const struct page *p, const char *name, const char *type, const char *help);
/* key="value", what would end it escaped */
void page_label(const struct page *p, const char *key, const char *value);
void page_seconds(const struct page *p, uint64_t us);
/* A family of one sample without labels. */
void page_gauge(const struct page *p, const char *name, uint64_t v, const char *help);

/* ctl_metrics_backends.c: those of the first METRICS_SERVICES services. */
void page_backends(const struct page *p);

#endif
