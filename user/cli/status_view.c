/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/status_view.h"
#include "cli/columns.h"
#include "cli/units.h"
#include "control/counter_names.h"

#define LABEL 13

static uint64_t num(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static void label(struct canvas *c, const char *text, bool color)
{
	canvas_start(c, color);
	canvas_style(c, "1");
	canvas_put(c, text);
	canvas_style(c, "0");
	canvas_fill(c, " ", LABEL);
}

/* What says more than the mode's name: who answers right now. */
static const char *answers(const json_t *service)
{
	if (strcmp(str(service, "mode"), "auto"))
		return "";
	return json_is_true(json_object_get(service, "cookies")) ? ": cookies now"
								 : ": by the workers now";
}

/* Only where there is something to compare. */
static void queues(const json_t *list, FILE *out, bool color)
{
	struct canvas c;
	const json_t *q;
	size_t i;

	if (json_array_size(list) < 2)
		return;
	json_array_foreach(list, i, q)
	{
		label(&c, i ? "" : "queues", color);
		canvas_putf(&c,
			    "%" PRIu64 ": worker %" PRIu64 ", frames in %" PRIu64 ", out %" PRIu64,
			    num(q, "queue"), num(q, "worker"), num(q, "rx_frames"),
			    num(q, "tx_frames"));
		canvas_flush(&c, out);
	}
}

static void services(const json_t *list, FILE *out, bool color)
{
	struct canvas c;
	const json_t *s;
	size_t i;

	json_array_foreach(list, i, s)
	{
		label(&c, i ? "" : "services", color);
		canvas_putf(&c, "%s  %s, mode %s%s", str(s, "listen"), str(s, "app"),
			    str(s, "mode"), answers(s));
		canvas_flush(&c, out);
	}
}

static void connections(json_t *states, FILE *out, bool color)
{
	uint64_t total = 0;
	const char *name;
	struct canvas c;
	json_t *v;

	json_object_foreach(states, name, v) total += (uint64_t)json_integer_value(v);
	label(&c, "connections", color);
	canvas_putf(&c, "%" PRIu64, total);
	json_object_foreach(states, name, v)
	{
		if (json_integer_value(v))
			canvas_putf(&c, "  %s %" PRIu64, name, (uint64_t)json_integer_value(v));
	}
	canvas_flush(&c, out);
}

static void flows(const json_t *f, FILE *out, bool color)
{
	uint64_t used = num(f, "used"), capacity = num(f, "capacity");
	struct canvas c;

	label(&c, "flows", color);
	canvas_putf(&c, "%" PRIu64 " of %" PRIu64 " (%.1f%%), tombstones %" PRIu64, used, capacity,
		    capacity ? 100.0 * (double)used / (double)capacity : 0.0, num(f, "tombstones"));
	canvas_flush(&c, out);
}

static void memory(const json_t *m, FILE *out, bool color)
{
	char a[UNITS_MAX], b[UNITS_MAX], d[UNITS_MAX], e[UNITS_MAX];
	struct canvas c;

	label(&c, "memory", color);
	canvas_putf(&c, "%s per connection, pools %s, buffers %s of %s",
		    units_bytes(num(m, "per_connection_bytes"), a),
		    units_bytes(num(m, "connections_bytes"), b),
		    units_bytes(num(m, "buffers_used_bytes"), d),
		    units_bytes(num(m, "buffers_bytes"), e));
	canvas_flush(&c, out);
	label(&c, "half-open", color);
	canvas_putf(&c, "%s per SYN answered in XDP",
		    units_bytes(num(m, "per_half_open_bytes"), a));
	canvas_flush(&c, out);
}

/* Those that are too low for what is configured. */
static void limits(const json_t *l, FILE *out, bool color)
{
	struct canvas c;
	const json_t *said;
	size_t i;

	json_array_foreach(json_object_get(l, "warnings"), i, said)
	{
		label(&c, i ? "" : "limits", color);
		canvas_put(&c, json_is_string(said) ? json_string_value(said) : "?");
		canvas_flush(&c, out);
	}
}

/* Those that are on, or were. */
static void events(json_t *list, FILE *out, bool color)
{
	bool first = true;
	const char *name;
	struct canvas c;
	json_t *e;

	json_object_foreach(list, name, e)
	{
		if (!num(e, "times"))
			continue;
		label(&c, first ? "events" : "", color);
		canvas_putf(&c, "%s %s, %" PRIu64 " since the start", name,
			    json_is_true(json_object_get(e, "active")) ? "now" : "over",
			    num(e, "times"));
		canvas_flush(&c, out);
		first = false;
	}
}

/* What of the hook is not as usual. */
static void hook(const json_t *status, struct canvas *c)
{
	uint64_t lost = num(status, "hook_lost");

	if (!strcmp(str(status, "hook"), "dispatcher"))
		canvas_put(c, " in a dispatcher");
	if (lost)
		canvas_putf(c, " (taken off and put back: %" PRIu64 ")", lost);
}

void status_print(const json_t *status, FILE *out, bool color)
{
	char up[UNITS_MAX];
	struct canvas c;

	label(&c, "weir", color);
	canvas_putf(&c, "%s, pid %" PRIu64 ", up %s%s", str(status, "weir"), num(status, "pid"),
		    units_uptime(num(status, "uptime_s"), up),
		    json_is_true(json_object_get(status, "draining")) ? ", draining" : "");
	canvas_flush(&c, out);
	label(&c, "interface", color);
	canvas_putf(&c, "%s, XDP %s", str(status, "iface"), str(status, "mode"));
	hook(status, &c);
	canvas_putf(&c, ", AF_XDP %s, RX queues %" PRIu64 ", workers %" PRIu64, str(status, "xsk"),
		    num(status, "queues"), num(status, "workers"));
	canvas_flush(&c, out);
	label(&c, "zero-copy", color);
	canvas_put(&c, str(status, "zero_copy"));
	canvas_flush(&c, out);
	queues(json_object_get(status, "per_queue"), out, color);
	events(json_object_get(status, "events"), out, color);
	services(json_object_get(status, "services"), out, color);
	connections(json_object_get(status, "connections"), out, color);
	flows(json_object_get(status, "flows"), out, color);
	memory(json_object_get(status, "memory"), out, color);
	limits(json_object_get(status, "limits"), out, color);
}

void modes_print(const json_t *reply, FILE *out, bool color)
{
	static const char *const heads[] = {"SERVICE", "APP", "MODE", "SYNS ANSWERED BY", NULL};
	const json_t *s;
	struct columns t;
	size_t i;

	if (columns_init(&t, out, heads, color))
		return;
	json_array_foreach(json_object_get(reply, "services"), i, s)
	{
		columns_cell(&t, "%s", str(s, "listen"));
		columns_cell(&t, "%s", str(s, "app"));
		columns_cell(&t, "%s", str(s, "mode"));
		columns_cell(&t, "%s",
			     json_is_true(json_object_get(s, "cookies")) ? "gate, cookies"
									 : "worker");
	}
	columns_flush(&t);
	columns_free(&t);
}

/* ---- counters ------------------------------------------------------------------ */

static void counter_row(struct columns *t, const char *name, uint64_t v, const uint64_t *delta,
			double seconds)
{
	columns_cell(t, "%s", name);
	columns_cell(t, "%" PRIu64, v);
	if (delta) {
		columns_cell(t, "%" PRIu64, *delta);
		columns_cell(t, "%.0f", seconds > 0 ? (double)*delta / seconds : 0.0);
	}
	columns_cell(t, "%s", counter_text(counter_by_name(name)));
}

void counters_print(const json_t *reply, const json_t *before, double seconds, bool all, FILE *out,
		    bool color)
{
	static const char *const heads[] = {"COUNTER", ">TOTAL", "", NULL};
	static const char *const deltas[] = {"COUNTER", ">TOTAL", ">NEW", ">PER SECOND", "", NULL};
	json_t *now = json_object_get(reply, "counters"), *v;
	const json_t *old = json_object_get(before, "counters");
	const char *name;
	struct columns t;

	if (columns_init(&t, out, before ? deltas : heads, color))
		return;
	json_object_foreach(now, name, v)
	{
		uint64_t n = (uint64_t)json_integer_value(v), delta = n - num(old, name);

		if (all || (before ? delta : n))
			counter_row(&t, name, n, before ? &delta : NULL, seconds);
	}
	columns_flush(&t);
	columns_free(&t);
}
