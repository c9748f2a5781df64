/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message as a line of the log:
 *
 *   text     weir: warning: eth0: the link is down
 *   json     {"time": "2026-01-31T12:00:00.123456Z", "level": "warning", "message": ...},
 *            of an event with "event" and its fields
 *   journal  <4>eth0: the link is down: what journald takes for the level
 */
#ifndef WEIR_CLI_LOG_LINE_H
#define WEIR_CLI_LOG_LINE_H

#include <stddef.h>
#include <time.h>

#include "control/event_log.h"

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

#define LOG_LINE_MAX 4096

struct log_line {
	int level;
	struct timespec time;		 /* CLOCK_REALTIME; of json */
	const char *event;		 /* NULL: a message alone */
	const struct weir_field *fields; /* NULL: none */
	const char *text;
	unsigned held; /* messages like it that were not logged */
};

/*
 * Writes whole lines to `buf`, newline included, and returns their length. What does not fit
 * is cut; 0 only where there is no memory for json.
 */
size_t log_line(char buf[LOG_LINE_MAX], const struct log_line *l, enum log_format format);

#endif
