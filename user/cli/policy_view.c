/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/policy_view.h"

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int64_t num(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static const char *list_name(const json_t *list)
{
	return *str(list, "name") ? str(list, "name") : "all services";
}

static void print_lists(const json_t *lists, FILE *out, bool color)
{
	static const char *const heads[] = {"LIST OF", "<ALLOWED", "<DENIED", "OTHERS", NULL};
	const json_t *l;
	struct columns t;
	size_t i;

	if (columns_init(&t, out, heads, color))
		return;
	json_array_foreach(lists, i, l)
	{
		columns_cell(&t, "%s", list_name(l));
		columns_cell(&t, "%" PRId64, num(l, "allow"));
		columns_cell(&t, "%" PRId64, num(l, "deny"));
		columns_cell(&t, "%s", num(l, "allow") ? "kept out" : "let in");
	}
	columns_flush(&t);
	columns_free(&t);
}

static void limit(FILE *out, const char *what, int64_t n, const char *unit, const json_t *by)
{
	fprintf(out, "%-22s ", what);
	if (!n)
		fputs("no limit\n", out);
	else if (by)
		fprintf(out, "%" PRId64 "%s, by prefixes of %s bits\n", n, unit, str(by, "prefix"));
	else
		fprintf(out, "%" PRId64 "%s\n", n, unit);
}

static void print_limits(const json_t *l, FILE *out)
{
	const json_t *synack = json_object_get(l, "synack"), *flow = json_object_get(l, "flow");

	limit(out, "SYN-ACKs to a source", num(synack, "per_sec"), "/s", synack);
	limit(out, "new flows of a source", num(flow, "per_sec"), "/s", flow);
	limit(out, "its open flows", num(l, "flow_limit"), "", flow);
	limit(out, "open flows of all", num(l, "max_flows"), "", NULL);
	fprintf(out, "%-22s ", "unknown ACKs");
	if (num(l, "rst_per_sec"))
		fprintf(out, "RST, while fewer than %" PRId64 "/s on a CPU\n",
			num(l, "rst_per_sec"));
	else
		fputs("dropped\n", out);
	fprintf(out, "%-22s %s\n", "flows of whom is denied",
		strcmp(str(l, "denied_flows"), "reset") ? "kept" : "reset");
}

static void print_hits(json_t *hits, FILE *out)
{
	const char *name;
	json_t *n;

	json_object_foreach(hits, name, n)
	{
		fprintf(out, "%-22s %" PRId64 "\n", name, (int64_t)json_integer_value(n));
	}
}

static void print_verdict(const json_t *v, FILE *out)
{
	bool welcome = json_is_true(json_object_get(v, "welcome"));

	fprintf(out, "%-22s %s", list_name(v), welcome ? "let in" : "kept out");
	if (*str(v, "prefix"))
		fprintf(out, " by %s", str(v, "prefix"));
	else
		fputs(welcome ? ": no prefix holds it" : ": not on the allow list", out);
	if (*str(v, "from"))
		fprintf(out, " (%s)", str(v, "from"));
	fputc('\n', out);
}

static void left(const json_t *o, const char *key, const char *what, FILE *out)
{
	if (json_object_get(o, key))
		fprintf(out, "%-22s %" PRId64 "\n", what, num(o, key));
}

static void print_test(const json_t *t, const json_t *limits, FILE *out)
{
	const json_t *v;
	size_t i;

	fprintf(out, "%s\n", str(t, "source"));
	json_array_foreach(json_object_get(t, "lists"), i, v)
	{
		print_verdict(v, out);
	}
	left(t, "synack_tokens", "SYN-ACKs left", out);
	left(t, "flow_tokens", "new flows left", out);
	left(t, "flows", "open flows", out);
	if (json_object_get(t, "flows"))
		fprintf(out, "%-22s %" PRId64 "\n", "of at most", num(limits, "flow_limit"));
}

void policy_print(const json_t *reply, FILE *out, bool color)
{
	const json_t *t = json_object_get(reply, "test");

	if (t) {
		print_test(t, json_object_get(reply, "limits"), out);
		return;
	}
	print_lists(json_object_get(reply, "lists"), out, color);
	fputc('\n', out);
	print_limits(json_object_get(reply, "limits"), out);
	fputc('\n', out);
	print_hits(json_object_get(reply, "hits"), out);
}
