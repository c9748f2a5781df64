/* SPDX-License-Identifier: BSD-2-Clause */
#include "sock/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock/sock.h"

/* As the worker's own thread: upkeep has its turns, and longer gaps were a pause. */
#define TURN_MAX_US 200000
#define PAUSE_US    1000000

int stack_create(struct weir_stack **out, const struct stack_env *env)
{
	struct weir_stack *s;
	int err;

	if (!env->engine || !env->tcp || !env->now || !env->socks ||
	    engine_workers(env->engine) != 1)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->env = *env;
	list_init(&s->ready);
	for (int i = 0; i < PORT_BUCKETS; i++)
		list_init(&s->ports[i]);
	s->w = engine_worker(env->engine, 0);
	err = s->w ? slab_init(&s->socks, sizeof(struct weir_sock), env->socks) : -ENOMEM;
	if (err) {
		free(s);
		return err;
	}
	s->turned_us = env->now(env->arg);
	s->rng = worker_random(s->w) | 1;
	*out = s;
	return 0;
}

struct worker *stack_worker(const struct weir_stack *s)
{
	return s->w;
}

/*
 * What is called between two turns must not set timers by the time of the last one.
 * The time that the process was stopped does not count, as in the worker's thread.
 */
void stack_clock(struct weir_stack *s)
{
	uint64_t real = s->env.now(s->env.arg);

	if (s->env.real_time && real - s->turned_us > PAUSE_US) {
		s->w->skew_us += real - s->turned_us;
		worker_count(s->w, WEIR_C_worker_paused);
	}
	s->turned_us = real;
	worker_clock(s->w, real - s->w->skew_us);
}

int stack_turn(struct weir_stack *s)
{
	unsigned done;
	int err;

	stack_clock(s);
	done = worker_poll(s->w, s->turned_us - s->w->skew_us);
	err = s->env.step ? s->env.step(s->env.arg) : 0;
	return err ? err : (int)done;
}

/* In the clock of the env, not of the worker. */
uint64_t stack_next(const struct weir_stack *s)
{
	uint64_t at = worker_next_timeout(s->w);

	return at == TCP_NEVER ? at : at + s->w->skew_us;
}

/* ---- waiting ------------------------------------------------------------------- */

static uint64_t sleep_us(const struct weir_stack *s, uint64_t until)
{
	uint64_t now = s->env.now(s->env.arg), at = stack_next(s);

	if (until < at)
		at = until;
	if (at <= now)
		return 0;
	return at - now < TURN_MAX_US ? at - now : TURN_MAX_US;
}

int weir_stack_wait(struct weir_stack *s, struct weir_event *ev, int max, int timeout_ms)
{
	uint64_t until = TCP_NEVER;

	if (max < 0 || (max && !ev))
		return -EINVAL;
	if (timeout_ms >= 0)
		until = s->env.now(s->env.arg) + (uint64_t)timeout_ms * 1000;
	for (;;) {
		int done = stack_turn(s), n;
		uint64_t us;

		if (done < 0)
			return done;
		n = ready_collect(s, ev, max);
		if (n || s->env.now(s->env.arg) >= until || !s->env.wait)
			return n;
		us = done ? 0 : sleep_us(s, until);
		/* Also without sleeping: signals are seen there. */
		n = s->env.wait(s->env.arg, us);
		if (n)
			return n;
	}
}

int weir_stack_fd(const struct weir_stack *s)
{
	return s->env.fd ? s->env.fd(s->env.arg) : -ENOTSUP;
}

int weir_stack_timeout(const struct weir_stack *s)
{
	if (!list_empty(&s->ready))
		return 0;
	return (int)((sleep_us(s, TCP_NEVER) + 999) / 1000);
}

/* ---- the end -------------------------------------------------------------------- */

int weir_stack_drain(struct weir_stack *s, int timeout_ms)
{
	uint64_t until =
		s->env.now(s->env.arg) + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;

	if (!s->draining) {
		s->draining = true;
		if (s->env.drain)
			s->env.drain(s->env.arg);
		engine_drain(s->env.engine);
	}
	for (;;) {
		int done = stack_turn(s);

		if (done < 0)
			return done;
		if (engine_drained(s->env.engine))
			return 0;
		if (s->env.now(s->env.arg) >= until || !s->env.wait)
			return -ETIMEDOUT;
		done = s->env.wait(s->env.arg, done ? 0 : sleep_us(s, until));
		if (done == -ENODEV)
			return done;
	}
}

void weir_stack_close(struct weir_stack *s)
{
	if (!s)
		return;
	/* Before the engine: what a socket holds besides its slot. */
	for (uint32_t i = 0; i < s->socks.fresh; i++) {
		if (slab_in_use(&s->socks, i))
			sock_free(slab_at(&s->socks, i));
	}
	if (s->env.destroy)
		s->env.destroy(s->env.arg);
	slab_fini(&s->socks);
	free(s);
}

/* ---- the callback form ------------------------------------------------------------ */

int weir_stack_serve(struct weir_stack *s, const struct weir_addr *a, const struct weir_app *app,
		     void *arg)
{
	const struct worker_listen l = {.addr = *a, .app = app, .arg = arg};
	const struct stack_env *env = &s->env;
	int err = env->serve ? env->serve(env->arg, a) : 0;

	if (err)
		return err;
	stack_clock(s);
	err = worker_listen(s->w, &l);
	if (err && env->unserve)
		env->unserve(env->arg, a);
	return err;
}

int weir_stack_connect(struct weir_stack *s, const struct weir_addr *local,
		       const struct weir_addr *remote, const struct weir_app *app, void *arg,
		       struct weir_conn **out)
{
	struct worker_connect o = {.remote = *remote, .app = app, .arg = arg};
	struct weir_conn *c;
	int err;

	if (local)
		o.local = *local;
	stack_clock(s);
	err = worker_connect(s->w, &o, &c);
	if (!err && out)
		*out = c;
	return err;
}
