/* SPDX-License-Identifier: BSD-2-Clause */
/* A running instance's events: from its counters into its log. */
#include <stdarg.h>
#include <stdio.h>

#include "control/instance_priv.h"

void instance_tell(const struct weir_instance *inst, int level, const char *name,
		   const struct weir_field *fields, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (inst->cfg.event)
		inst->cfg.event(level, name, fields, "%s", text);
	else
		inst->cfg.log(level, "%s", text);
}

static void tell(const struct weir_instance *inst, const struct event *ev)
{
	struct weir_field fields[EVENT_FIELDS];
	char text[256];

	event_text(ev, text, sizeof(text));
	event_fields(ev, fields);
	instance_tell(inst, event_level(ev), event_name(ev), fields, "%s", text);
}

const struct events *instance_events_of(const struct weir_instance *inst)
{
	return &inst->priv->events;
}

void instance_event_limits(struct weir_instance *inst, const struct event_limits *l)
{
	inst->cfg.events = inst->priv->events.limits = *l;
}

void instance_events(struct weir_instance *inst, uint64_t now_us)
{
	struct event out[EVENT_KINDS];
	uint64_t v[WEIR_C_MAX];
	unsigned n;

	instance_counters(inst, v);
	n = events_step(&inst->priv->events, v, now_us, out);
	for (unsigned i = 0; i < n; i++)
		tell(inst, &out[i]);
}
