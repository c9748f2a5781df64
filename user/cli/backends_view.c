/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/backends_view.h"
#include "cli/columns.h"
#include "cli/units.h"

static const char *const heads[] = {"SERVICE",	"BACKEND", ">WEIGHT",	 "STATE",
				    ">FOR",	">IN USE", ">TOTAL",	 ">FAILED",
				    ">CONNECT", ">CHECKS", "LAST ERROR", NULL};

static uint64_t number(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* "ejected, back in 4.2s" */
static void state_cell(struct columns *t, const json_t *r)
{
	char buf[UNITS_MAX];

	if (json_object_get(r, "back_in_ms"))
		columns_cell(t, "%s, back in %s", text(r, "state"),
			     units_us(number(r, "back_in_ms") * 1000, buf));
	else
		columns_cell(t, "%s", text(r, "state"));
}

static void error_cell(struct columns *t, const json_t *r)
{
	char buf[UNITS_MAX];

	if (*text(r, "last_error"))
		columns_cell(t, "%s, %s ago", text(r, "last_error"),
			     units_uptime(number(r, "last_error_ms_ago") / 1000, buf));
	else
		columns_cell(t, "-");
}

static void print_row(struct columns *t, const char *service, const json_t *r)
{
	uint64_t checks = number(r, "checks"), bad = number(r, "checks_failed");
	char buf[UNITS_MAX];

	columns_cell(t, "%s", service);
	columns_cell(t, "%s", text(r, "backend"));
	columns_cell(t, "%" PRIu64, number(r, "weight"));
	state_cell(t, r);
	columns_cell(t, "%s", units_uptime(number(r, "state_ms") / 1000, buf));
	columns_cell(t, "%" PRIu64, number(r, "in_use"));
	columns_cell(t, "%" PRIu64, number(r, "total"));
	columns_cell(t, "%" PRIu64, number(r, "failures"));
	if (number(r, "connect_us"))
		columns_cell(t, "%s", units_us(number(r, "connect_us"), buf));
	else
		columns_cell(t, "-");
	if (checks)
		columns_cell(t, "%" PRIu64 "/%" PRIu64, checks - bad, checks);
	else
		columns_cell(t, "-");
	error_cell(t, r);
}

int backends_print(const json_t *reply, FILE *out, bool color)
{
	const json_t *services = json_object_get(reply, "services"), *s;
	struct columns t;
	size_t i, k;

	if (!json_array_size(services)) {
		fputs("no service has backends: they are those of --listen ADDR:PORT=proxy:...\n",
		      out);
		return 0;
	}
	if (columns_init(&t, out, heads, color))
		return -ENOMEM;
	json_array_foreach(services, i, s)
	{
		const json_t *list = json_object_get(s, "backends");

		for (k = 0; k < json_array_size(list); k++)
			print_row(&t, text(s, "listen"), json_array_get(list, k));
	}
	columns_flush(&t);
	columns_free(&t);
	return 0;
}
