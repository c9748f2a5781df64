/* SPDX-License-Identifier: BSD-2-Clause */
/* What the applications share among themselves: the argument and the counters. */
#ifndef WEIR_APP_APP_ARG_H
#define WEIR_APP_APP_ARG_H

#include <time.h>

#include <weir/abi.h>
#include "app/app.h"

struct weir_app_arg {
	struct weir_app_limits limits;
	int dirfd;			  /* http: O_PATH on the directory; else -1 */
	time_t (*clock)(void);		  /* wall clock of the Date field; tests set their own */
	const struct weir_app_kind *kind; /* NULL: one of our own */
	void *own;			  /* the kind's */
};

extern const struct weir_app weir_app_echo;
extern const struct weir_app weir_app_discard;
extern const struct weir_app weir_app_http;
extern const struct weir_app weir_app_sized;

/* The limits of a listener, the defaults for one without an argument. */
const struct weir_app_limits *weir_app_limits_of(struct weir_conn *c);

void weir_app_count(enum weir_counter which);

/* For the callbacks that have nothing to do: every table is full. */
void weir_app_ignore(struct weir_conn *c);
void weir_app_ignore_close(struct weir_conn *c, int reason);

/*
 * Sends stop when the worker has no buffer left; nothing of ours is in flight
 * then, so no acknowledgement will wake the connection. Ask again after this.
 */
#define APP_RETRY_MS 1000

#endif
