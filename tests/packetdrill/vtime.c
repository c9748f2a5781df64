/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>

#include "pd.h"

/*
 * The last microseconds before an event packetdrill waits by looking at the clock again
 * and again. So when it has looked this often without doing anything else, each
 * further look lets a microsecond pass. (A few looks in a row are its bookkeeping.)
 */
#define LOOKS_FREE 8

/* When this thread's last blocking call ended: what its next look at the clock shows. */
static __thread uint64_t call_ended_us;

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- who waits ----------------------------------------------------------------- */

static bool try_call(struct pd *pd, struct pd_call *c)
{
	ssize_t r = c->op(pd, c);

	if (r == -EAGAIN && c->deadline_us <= pd->now_us)
		r = c->timeout_result;
	else if (r == -EAGAIN)
		return false;
	c->result = r;
	c->ended = true;
	c->ended_us = pd->now_us;
	return true;
}

/* Whether one of them got on, which may have given the stack something to do. */
static bool run_waiting(struct pd *pd)
{
	bool moved = false;

	for (struct pd_call *c = pd->waiting; c; c = c->next) {
		size_t before = c->done;

		if (c->ended)
			continue;
		if (try_call(pd, c)) {
			pthread_cond_signal(c->over);
			moved = true;
		}
		moved = moved || c->done != before;
	}
	return moved;
}

static uint64_t next_deadline(const struct pd *pd)
{
	uint64_t at = PD_NEVER;

	for (const struct pd_call *c = pd->waiting; c; c = c->next) {
		if (!c->ended)
			at = earliest(at, c->deadline_us);
	}
	return at;
}

static void wait_on_other_thread(struct pd *pd, struct pd_call *c)
{
	pthread_cond_t over = PTHREAD_COND_INITIALIZER;
	struct pd_call **p = &pd->waiting;

	c->over = &over;
	c->ended = false;
	c->next = pd->waiting;
	pd->waiting = c;
	while (!c->ended)
		pthread_cond_wait(&over, &pd->lock);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	call_ended_us = c->ended_us;
}

/*
 * The script's own thread waits: nobody else will make anything happen, so time goes
 * by here. What no timer will ever end is a dead lock.
 */
static void wait_on_script(struct pd *pd, struct pd_call *c)
{
	while (!try_call(pd, c)) {
		vtime_turn(pd);
		if (!vtime_step(pd, c->deadline_us)) {
			if (c->deadline_us == PD_NEVER) {
				c->result = -EDEADLK;
				return;
			}
			vtime_advance(pd, c->deadline_us);
		}
	}
	vtime_turn(pd);
}

ssize_t vtime_call(struct pd *pd, struct pd_call *c, bool nonblock)
{
	ssize_t r = c->op(pd, c);

	vtime_turn(pd);
	if (r != -EAGAIN || nonblock)
		return r;
	if (pthread_equal(pthread_self(), pd->script))
		wait_on_script(pd, c);
	else
		wait_on_other_thread(pd, c);
	return c->result;
}

/* ---- time ---------------------------------------------------------------------------- */

void vtime_turn(struct pd *pd)
{
	do {
		host_run(pd);
		epoll_sample(pd);
	} while (run_waiting(pd));
	/* A try that failed has touched its connection: that is not to be done later. */
	host_run(pd);
}

bool vtime_step(struct pd *pd, uint64_t limit_us)
{
	uint64_t at = earliest(host_next(pd), next_deadline(pd));

	if (at == PD_NEVER || at > limit_us)
		return false;
	/* What is due and stays due must not stop the clock. */
	pd->now_us = at > pd->now_us ? at : pd->now_us + 1;
	vtime_turn(pd);
	return true;
}

void vtime_advance(struct pd *pd, uint64_t until_us)
{
	while (vtime_step(pd, until_us))
		;
	if (pd->now_us < until_us)
		pd->now_us = until_us;
	vtime_turn(pd);
}

int vtime_usleep(void *self, useconds_t us)
{
	struct pd *pd = pd_enter(self);

	vtime_advance(pd, pd->now_us + us);
	return (int)pd_return(pd, 0);
}

int vtime_gettimeofday(void *self, struct timeval *tv, struct timezone *tz)
{
	struct pd *pd = self;
	uint64_t now;

	(void)tz;
	pthread_mutex_lock(&pd->lock);
	if (++pd->looks > LOOKS_FREE)
		vtime_advance(pd, pd->now_us + 1);
	now = call_ended_us ? call_ended_us : pd->now_us;
	call_ended_us = 0;
	tv->tv_sec = (time_t)(now / 1000000);
	tv->tv_usec = (suseconds_t)(now % 1000000);
	pthread_mutex_unlock(&pd->lock);
	return 0;
}

uint64_t pd_deadline(const struct pd *pd, int timeout_ms)
{
	return timeout_ms < 0 ? PD_NEVER : pd->now_us + (uint64_t)timeout_ms * 1000;
}
