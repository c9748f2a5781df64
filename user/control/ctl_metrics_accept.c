/* SPDX-License-Identifier: BSD-2-Clause */
/* The Accept header (RFC 9110 12.5.1), as far as the choice between two formats needs it. */
#include <string.h>
#include <strings.h>

#include "control/ctl_metrics.h"

/* In thousandths, from what follows "q="; nonsense counts as 1, as if it were not there. */
static int quality(const char *p, const char *end)
{
	int q = 0, unit = 100;

	if (p == end || (*p != '0' && *p != '1'))
		return 1000;
	if (*p++ == '1')
		return 1000;
	if (p < end && *p == '.')
		for (p++; p < end && *p >= '0' && *p <= '9' && unit; p++, unit /= 10)
			q += unit * (*p - '0');
	return q;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* Of one media range, [p, end): its parameters' q. */
static int range_quality(const char *p, const char *end)
{
	while ((p = memchr(p, ';', (size_t)(end - p)))) {
		p = skip_space(p + 1, end);
		if (end - p >= 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=')
			return quality(p + 2, end);
	}
	return 1000;
}

static bool is_type(const char *p, const char *end, const char *type)
{
	size_t len = strlen(type);

	if ((size_t)(end - p) < len || strncasecmp(p, type, len))
		return false;
	p = skip_space(p + len, end);
	return p == end || *p == ';';
}

enum metrics_format metrics_format_for(const char *accept)
{
	int open = 0, text = 0;

	while (accept && *accept) {
		const char *end = accept + strcspn(accept, ",");
		const char *p = skip_space(accept, end);
		int q = range_quality(p, end);

		if (is_type(p, end, "application/openmetrics-text"))
			open = q > open ? q : open;
		else if (is_type(p, end, "text/plain"))
			text = q > text ? q : text;
		accept = *end ? end + 1 : end;
	}
	return open && open >= text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics_content_type(enum metrics_format f)
{
	return f == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}
