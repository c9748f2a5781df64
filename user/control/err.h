/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why something could not be set up, for the operator: one line and the exit
 * status that belongs to it. Functions that take a struct weir_err fill it
 * whenever they return a negative value, and only then.
 */
#ifndef WEIR_CONTROL_ERR_H
#define WEIR_CONTROL_ERR_H

#define WEIR_EXIT_FAILURE  1
#define WEIR_EXIT_UNSUITED 2 /* usage, or an interface that cannot do it */

struct weir_err {
	int status; /* WEIR_EXIT_* */
	char msg[400];
};

/* Both return `rc`, so that a caller can write `return err_set(...)`. */
int err_set(struct weir_err *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_unsuited(struct weir_err *e, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A message for the log. Levels are those of <syslog.h>. From any thread. */
typedef void (*weir_log_fn)(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
