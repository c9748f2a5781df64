/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/columns.h"
#include "cli/key_view.h"
#include "cli/units.h"

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "never";
}

static json_int_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_random(const json_t *reply, FILE *out)
{
	char often[UNITS_MAX];
	json_int_t ms = num(reply, "rotate_ms");

	fprintf(out, "%s: random keys, of this weir alone; ", str(reply, "iface"));
	if (ms)
		fprintf(out, "a new one every %s (h:m:s)\n",
			units_uptime((uint64_t)ms / 1000, often));
	else
		fprintf(out, "never a new one (--rotate 0)\n");
}

static void print_rows(const json_t *keys, FILE *out, bool color)
{
	static const char *const heads[] = {">ID",	  "STATE",     "FINGERPRINT", "ACCEPT FROM",
					    "ISSUE FROM", "RETIRE AT", NULL};
	struct columns t;
	const json_t *k;
	size_t i;

	if (columns_init(&t, out, heads, color))
		return;
	json_array_foreach(keys, i, k)
	{
		columns_cell(&t, "%" JSON_INTEGER_FORMAT, num(k, "id"));
		columns_cell(&t, "%s", str(k, "state"));
		columns_cell(&t, "%s", str(k, "fingerprint"));
		columns_cell(&t, "%s", str(k, "accept_from"));
		columns_cell(&t, "%s", str(k, "issue_from"));
		columns_cell(&t, "%s", str(k, "retire_at"));
	}
	columns_flush(&t);
	columns_free(&t);
}

void keys_print(const json_t *reply, FILE *out, bool color)
{
	const json_t *next = json_object_get(reply, "next");
	const json_t *error = json_object_get(reply, "file_error");
	char in[UNITS_MAX];

	if (!json_object_get(reply, "keys")) {
		print_random(reply, out);
		return;
	}
	if (json_object_get(reply, "iface"))
		fprintf(out, "%s: keys of %s, read at %s, watched by %s\n", str(reply, "iface"),
			str(reply, "file"), str(reply, "loaded_at"), str(reply, "watch"));
	if (json_is_string(error))
		fprintf(out, "last try: %s\n", json_string_value(error));
	fprintf(out,
		"fingerprint %s, mtu %" JSON_INTEGER_FORMAT ", wscale %" JSON_INTEGER_FORMAT "\n",
		str(reply, "fingerprint"), num(reply, "mtu"), num(reply, "wscale"));
	fprintf(out, "key %" JSON_INTEGER_FORMAT " issues", num(reply, "issuing"));
	if (json_is_object(next))
		fprintf(out, "; key %" JSON_INTEGER_FORMAT " from %s, in %s", num(next, "id"),
			str(next, "switch_at"),
			units_uptime((uint64_t)num(next, "in_ms") / 1000, in));
	fputs("\n\n", out);
	print_rows(json_object_get(reply, "keys"), out, color);
}
