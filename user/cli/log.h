/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: lines on stderr, each written whole even among threads. A kind of message
 * (a call site, an event's name) is held back when it comes too often (log_limit.h), but
 * debug messages are not.
 */
#ifndef WEIR_CLI_LOG_H
#define WEIR_CLI_LOG_H

#include "cli/log_line.h"

/* Names of the levels LOG_ERR..LOG_DEBUG of <syslog.h>, in order; NULL at the end. */
extern const char *const log_level_names[];
#define LOG_LEVEL_FIRST 3 /* LOG_ERR */
/* Of enum log_format. `auto`: journal where stderr is the journal's, else text. */
extern const char *const log_format_names[];

/* Both at any time. */
void log_set_level(int level);
void log_set_format(enum log_format format);

void log_msg(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* weir_event_fn */
void log_event(int level, const char *name, const struct weir_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whatever the level and however often: what others wait for. A notice. */
void log_always(const char *name, const struct weir_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Tells what was held back of kinds that came no more: now and then, and at the end. */
void log_step(void);

#endif
