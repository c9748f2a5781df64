/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/ctl_metrics_page.h"

#include <inttypes.h>
#include <string.h>

/* Label values and help texts: what would end them, or the line, is escaped. */
static void escaped(FILE *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || (quotes && *text == '"'))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

void page_label(const struct page *p, const char *key, const char *value)
{
	fprintf(p->out, "%s=\"", key);
	escaped(p->out, value, true);
	fputc('"', p->out);
}

/* OpenMetrics names a family of counters without the _total of its samples. */
void page_family(const struct page *p, const char *name, const char *type, const char *help)
{
	bool counter = !strcmp(type, "counter");
	const char *total = counter && p->format == METRICS_TEXT ? "_total" : "";

	fprintf(p->out, "# HELP %s%s ", name, total);
	escaped(p->out, help, p->format == METRICS_OPENMETRICS);
	fprintf(p->out, "\n# TYPE %s%s %s\n", name, total, type);
}

void page_gauge(const struct page *p, const char *name, uint64_t v, const char *help)
{
	page_family(p, name, "gauge", help);
	fprintf(p->out, "%s %" PRIu64 "\n", name, v);
}

void page_seconds(const struct page *p, uint64_t us)
{
	fprintf(p->out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}
