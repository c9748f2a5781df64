/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Descriptors of an application's own in the loop of the worker that runs it.
 *
 * An application that waits for more than its connections (a proxy: for its backends)
 * keeps those descriptors in one that polls as they do (epoll, io_uring) and gives that
 * one to the worker. A turn of a worker with a loop:
 *
 *     frames ─► timers ─► callbacks ─► turn() ─► callbacks and output of what it touched
 *
 * After the last callbacks of a round comes a turn(), before the worker sleeps.
 *
 * Not part of the installed library: a stack's user has a loop already. All of it is for
 * the worker's thread, but for `end`.
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdint.h>

#include <weir/weir.h>

struct weir_loop {
	int fd; /* polled for input while the worker sleeps; -1: none */
	/*
	 * What is to be done without waiting. Connections may be used as from their own
	 * callbacks. Non-zero: something was done, and the worker does not sleep yet.
	 */
	unsigned (*turn)(struct weir_loop *l, uint64_t now_us);
	void (*end)(struct weir_loop *l); /* the worker is no more, nor are its connections */
};

/* From a connection's callbacks: of its worker. NULL: it has none yet. */
struct weir_loop *weir_loop_get(struct weir_conn *c);
void weir_loop_set(struct weir_conn *c, struct weir_loop *l);

#endif
