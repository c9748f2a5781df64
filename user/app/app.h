/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The applications that come with weir: echo, discard, http, sized. Each is a table of
 * callbacks on include/weir/weir.h and knows nothing else of the engine.
 *
 * A service is named by a spec: "echo", "discard", "sized", "http:DIR". From it come the
 * table (weir_app_find) and the listener's argument (weir_app_arg).
 *
 * An application of another room, which the installed library does without (the proxy),
 * is made known by weir_app_add() and then found like the others.
 *
 * Threads: an argument is made and configured before the engine starts and only
 * read by the workers, so that all of them may share it. weir_app_step() and
 * weir_app_update() are for the main thread.
 */
#ifndef WEIR_APP_APP_H
#define WEIR_APP_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>

/* How long a peer may take; milliseconds, 0: no limit. */
struct weir_app_limits {
	uint64_t header_ms; /* http: from the first byte of a request to the last of its head (10 s)
			     */
	uint64_t idle_ms;   /* http: between two requests; closed in order (30 s) */
	uint64_t stream_idle_ms; /* echo, discard, sized: without a byte moved (300 s) */
	/*
	 * http: a reader that acknowledges nothing (120 s). Longer than the core's
	 * persist limit, which is to catch those that hold the window shut.
	 */
	uint64_t stall_ms;
	uint64_t linger_ms; /* http: reading on after the last response (2 s) */
};
void weir_app_limits_default(struct weir_app_limits *l);

/* The table named by a spec (what stands before its ':'), or NULL. */
const struct weir_app *weir_app_find(const char *spec);

/*
 * The listener's argument for a spec. -EINVAL: no such service, or an argument
 * missing or too many; another -errno: the directory cannot be opened. `err`
 * then holds one clear line for the operator.
 */
int weir_app_arg(const char *spec, void **arg, char *err, size_t errlen);
void weir_app_set_limits(void *arg, const struct weir_app_limits *l);
/* The limits of another argument, while workers read them. */
void weir_app_take_limits(void *arg, const void *from);
void weir_app_arg_free(void *arg); /* NULL is fine */

/* Whether two arguments of the same words serve the same: a directory may have been exchanged. */
bool weir_app_same(const void *a, const void *b);

/* The most that an application keeps of a connection, of all there are (conn_size). */
size_t weir_app_state_max(void);

/*
 * Once, before its listener is used: what an application finds out about the machine, and
 * says in the log. 0, or -errno with a line in `err`.
 */
typedef void (*weir_app_log_fn)(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int weir_app_start(void *arg, weir_app_log_fn log, char *err, size_t errlen);

/* What an application does besides its connections; some five times a second. */
void weir_app_step(void *arg, uint64_t now_us);

/*
 * Makes `arg` as `from` is, an argument of the same application that was made from other
 * settings and stays the caller's; connections go on. 0, or -errno with a line in `err`,
 * and nothing has changed: -EOPNOTSUPP where the application wants a restart for it.
 */
int weir_app_update(void *arg, const void *from, char *err, size_t errlen);

/* ---- applications of other rooms --------------------------------------------------- */

/* What it is besides its table; all but `app` and `usage` may be NULL. */
struct weir_app_kind {
	const struct weir_app *app;
	const char *usage; /* "proxy:BACKEND[,...]", for messages */
	/* What weir_app_own() gives, from what stands after the ':' ("" without one). */
	int (*arg)(const char *text, void **own, char *err, size_t errlen);
	void (*arg_free)(void *own);
	int (*start)(void *own, weir_app_log_fn log, char *err, size_t errlen);
	void (*step)(void *own, uint64_t now_us);
	int (*update)(void *own, const void *from, char *err, size_t errlen);
	void (*counters)(uint64_t *v); /* as weir_app_counters() */
};
/* Before any service is named. The table is kept, not copied; once more is no harm. */
void weir_app_add(const struct weir_app_kind *kind);

/* What kind->arg made of a listener's argument, and which kind; NULL without one. */
void *weir_app_own(const void *arg);
const struct weir_app_kind *weir_app_kind_of(const void *arg);

/* "echo, discard, sized, http:DIR" and what was added, as one reads it. */
const char *weir_app_usage(void);

/*
 * Adds the applications' own outcomes, those named http_* in counters.def, to
 * v[WEIR_C_MAX]. They are rare, so one row serves all workers. Any thread.
 */
void weir_app_counters(uint64_t *v);

#endif
