/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backends of proxy services. One that is no longer configured may have the
 * name of one that is, so those are told by their connections alone, all of a
 * service together.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "control/ctl_metrics_page.h"
#include "proxy/backends.h"

/* What of a backend a family shows. */
struct column {
	const char *name, *type, *help;
	uint64_t (*value)(const struct backend_status *b);
	bool us; /* as seconds */
};

static uint64_t is_up(const struct backend_status *b)
{
	return b->state == BACKEND_UP;
}

static uint64_t in_use(const struct backend_status *b)
{
	return b->in_use;
}

static uint64_t picks(const struct backend_status *b)
{
	return b->total;
}

static uint64_t failures(const struct backend_status *b)
{
	return b->failures;
}

static uint64_t ejections(const struct backend_status *b)
{
	return b->ejections;
}

static uint64_t checks(const struct backend_status *b)
{
	return b->checks;
}

static uint64_t checks_failed(const struct backend_status *b)
{
	return b->checks_failed;
}

static uint64_t connect_us(const struct backend_status *b)
{
	return b->connect_us;
}

static const struct column columns[] = {
	{"weir_backend_serving", "gauge", "1 while the backend gets new connections", is_up, false},
	{"weir_backend_connections", "gauge", "connections to the backend", in_use, false},
	{"weir_backend_picks", "counter", "times that it was chosen", picks, false},
	{"weir_backend_failures", "counter", "of these, connects that failed", failures, false},
	{"weir_backend_ejections", "counter", "times that it was ejected for that", ejections,
	 false},
	{"weir_backend_checks", "counter", "health checks", checks, false},
	{"weir_backend_checks_failed", "counter", "of these, those that failed", checks_failed,
	 false},
	{"weir_backend_connect_seconds", "gauge", "smoothed time of connects; 0: none yet",
	 connect_us, true},
};

static const struct backends *pool(const struct page *p, unsigned service)
{
	return p->src->ops->backends ? p->src->ops->backends(p->src->ctx, service) : NULL;
}

static unsigned told(const struct page *p)
{
	return p->s->nservices < METRICS_SERVICES ? p->s->nservices : METRICS_SERVICES;
}

static void sample(const struct page *p, const struct column *c, const char *service,
		   const struct backend_status *b)
{
	fprintf(p->out, "%s%s{", c->name, strcmp(c->type, "counter") ? "" : "_total");
	page_label(p, "service", service);
	fputc(',', p->out);
	page_label(p, "backend", b->name);
	fputs("} ", p->out);
	if (c->us)
		page_seconds(p, c->value(b));
	else
		fprintf(p->out, "%" PRIu64, c->value(b));
	fputc('\n', p->out);
}

static void one(const struct page *p, const struct column *c)
{
	struct backend_status rows[BACKENDS_MAX];

	page_family(p, c->name, c->type, c->help);
	for (unsigned i = 0; i < told(p); i++) {
		const struct backends *b = pool(p, i);
		unsigned n = b ? backends_status(b, rows, BACKENDS_MAX) : 0;

		for (unsigned k = 0; k < n; k++)
			if (rows[k].state != BACKEND_DRAINING)
				sample(p, c, p->s->services[i].listen, &rows[k]);
	}
}

static void draining(const struct page *p)
{
	struct backend_status rows[BACKENDS_MAX];

	page_family(p, "weir_backends_draining_connections", "gauge",
		    "connections to backends that are no longer configured");
	for (unsigned i = 0; i < told(p); i++) {
		const struct backends *b = pool(p, i);
		unsigned n = b ? backends_status(b, rows, BACKENDS_MAX) : 0;
		uint64_t sum = 0;

		for (unsigned k = 0; k < n; k++)
			sum += rows[k].state == BACKEND_DRAINING ? rows[k].in_use : 0;
		if (!b)
			continue;
		fputs("weir_backends_draining_connections{", p->out);
		page_label(p, "service", p->s->services[i].listen);
		fprintf(p->out, "} %" PRIu64 "\n", sum);
	}
}

void page_backends(const struct page *p)
{
	bool any = false;

	for (unsigned i = 0; i < told(p); i++)
		any |= pool(p, i) != NULL;
	if (!any)
		return;
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		one(p, &columns[i]);
	draining(p);
}
