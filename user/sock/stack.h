/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack on whatever engine its maker brings: the inside of weir_stack_open().
 * control/stack.c makes one on a real interface, tests on packet I/O in memory
 * under a clock of their own.
 *
 *     weir_sock_*  ─►  struct weir_stack  ─►  engine with one worker, no thread
 *                           │ env: clock, sleep, gate
 *
 * The engine is turned by weir_stack_wait() alone, or by stack_turn() where the
 * caller owns time. What a socket's call makes due leaves with the next turn.
 */
#ifndef WEIR_SOCK_STACK_H
#define WEIR_SOCK_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/weir.h>
#include "engine/engine.h"

struct stack_env {
	struct engine *engine;	      /* one worker, never started */
	const struct tcp_config *tcp; /* the engine's: what options start from */
	struct netops *net;	      /* the engine's; NULL: ports are the stack's own */
	unsigned socks;		      /* at most */
	void *arg;		      /* of what follows; all but now may be NULL */

	uint64_t (*now)(void *arg); /* us, monotonic */
	/*
	 * Sleeps until a frame has come or `us` have passed (UINT64_MAX: no limit). 0,
	 * -EINTR, -ENODEV. NULL: weir_stack_wait() returns instead of sleeping.
	 */
	int (*wait)(void *arg, uint64_t us);
	int (*fd)(void *arg);
	/* Each time the engine is turned: what the surroundings need. 0 or -errno. */
	int (*step)(void *arg);
	/* Whether a socket may have this local address: 0, -EADDRNOTAVAIL. */
	int (*may_bind)(void *arg, const struct weir_addr *a);
	/* A local address and port becomes, and ceases to be, a service of the gate. */
	int (*serve)(void *arg, const struct weir_addr *a);
	void (*unserve)(void *arg, const struct weir_addr *a);
	void (*drain)(void *arg); /* the gate lets nobody in any more */
	/*
	 * Takes down all that the maker built, the engine included. The stack's memory
	 * is freed afterwards.
	 */
	void (*destroy)(void *arg);
	/* Real time: a second without a turn was a pause, see worker_poll(). */
	bool real_time;
};

/* 0, -EINVAL, -ENOMEM. On failure destroy() is not called. */
int stack_create(struct weir_stack **out, const struct stack_env *env);

/* One turn of the engine at env.now(). Frames and timers handled, or -errno of step(). */
int stack_turn(struct weir_stack *s);
/* When the next turn is due, absolute us; TCP_NEVER. */
uint64_t stack_next(const struct weir_stack *s);
struct worker *stack_worker(const struct weir_stack *s);

#endif
