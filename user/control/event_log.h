/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events for the log: a message for people, and beside it a name and fields for programs.
 * `weir run --log-format json` shows all of it, the other formats the message. Levels are
 * those of <syslog.h>. From any thread.
 */
#ifndef WEIR_CONTROL_EVENT_LOG_H
#define WEIR_CONTROL_EVENT_LOG_H

#include <stdint.h>

#include "control/err.h"

/* A field of an event; a row of them ends with a key of NULL. */
struct weir_field {
	const char *key;
	const char *text; /* NULL: the number */
	uint64_t number;
};

#define FIELD_TEXT(k, t)   ((struct weir_field){.key = (k), .text = (t)})
#define FIELD_NUMBER(k, n) ((struct weir_field){.key = (k), .number = (n)})
#define FIELD_END	   ((struct weir_field){.key = NULL})

typedef void (*weir_event_fn)(int level, const char *name, const struct weir_field *fields,
			      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
