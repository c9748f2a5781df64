// SPDX-License-Identifier: BSD-2-Clause
/* The life of one connection. */
#include "driver.h"

#define REST_NS 10000000ull /* after a failure, before the next try */

static struct tally *tally_of(struct driver *d, const struct conn *c)
{
	return driver_tally(d, c->phase);
}

static void course_add(struct driver *d, uint64_t ns)
{
	if (d->course_at)
		hist_add(&d->course, ns);
}

static bool in_phase(const struct driver *d)
{
	return d->running && d->now_phase < d->r->phases;
}

/* The back end knows it no more. */
static void let_go(struct driver *d, struct conn *c)
{
	list_del(c->state == CONN_READY ? &d->ready : &d->busy, c);
	d->opening -= c->state == CONN_OPENING;
	d->alive--;
	d->again -= c->again != 0;
	c->again = 0;
	c->in_attempt = false;
	c->state = CONN_FREE;
}

static void rest(struct driver *d, struct conn *c)
{
	c->state = CONN_RESTING;
	c->deadline = load_now() + REST_NS;
	list_add(&d->resting, c);
}

/* What failed is not tried again at once; a stream, or who is to hold on, not at all. */
static void retire(struct driver *d, struct conn *c)
{
	if (d->a->info->stream || d->a->pattern == LOAD_IDLE)
		c->state = CONN_DONE;
	else
		rest(d, c);
}

static void count_failure(struct driver *d, struct conn *c, enum load_failure why)
{
	tally_of(d, c)->failed[why]++;
	d->course_failed++;
}

void conn_open(struct driver *d, struct conn *c, uint64_t intended, unsigned int phase)
{
	const union be_addr *local = NULL;
	struct tally *t;
	int err;

	list_del(&d->free, c);
	if (d->a->sources)
		local = &d->locals[d->local++ % d->a->sources];
	c->intended = intended;
	c->deadline = intended + d->a->timeout_ns;
	c->phase = (uint8_t)phase;
	c->send_at = c->recv_at = 0;
	c->fin = c->end = c->reading = false;
	c->in_attempt = true;
	t = tally_of(d, c);
	t->attempted++;
	c->be.round = d->round;
	err = d->be->connect(d->ctx, &c->be, local);
	if (err) {
		count_failure(d, c, load_failure_of(err));
		retire(d, c);
		return;
	}
	c->state = CONN_OPENING;
	list_insert(&d->busy, c);
	d->opening++;
	if (++d->alive > t->peak)
		t->peak = d->alive;
}

void conn_request(struct driver *d, struct conn *c, uint64_t intended, unsigned int phase)
{
	list_del(&d->ready, c);
	c->state = CONN_BUSY;
	c->intended = intended;
	c->deadline = intended + d->a->timeout_ns;
	c->phase = (uint8_t)phase;
	c->send_at = c->recv_at = 0;
	c->in_attempt = true;
	tally_of(d, c)->attempted++;
	list_insert(&d->busy, c);
	requests_send(d, c);
}

void conn_fail(struct driver *d, struct conn *c, enum load_failure why)
{
	if (why == LOAD_TIMEOUT && c->state == CONN_OPENING)
		why = LOAD_CONNECT_TIMEOUT;
	/* A kept connection that ends between two requests fails none of them. */
	if (c->in_attempt)
		count_failure(d, c, why);
	d->be->abort(d->ctx, &c->be);
	let_go(d, c);
	retire(d, c);
}

static void success(struct driver *d, struct conn *c)
{
	tally_of(d, c)->succeeded++;
	if (in_phase(d))
		d->r->phase[d->now_phase].completed++;
	c->in_attempt = false;
}

void conn_hangup(struct driver *d, struct conn *c)
{
	d->be->hangup(d->ctx, &c->be);
	let_go(d, c);
	list_add(&d->free, c);
}

void conn_succeed(struct driver *d, struct conn *c)
{
	uint64_t took;

	success(d, c);
	if (!d->a->info->stream && d->a->pattern != LOAD_IDLE && d->a->pattern != LOAD_CONNECT) {
		took = load_now() - c->intended;
		hist_add(&tally_of(d, c)->response, took);
		course_add(d, took);
	}
	if (!d->a->info->keep || d->a->info->stream || d->draining) {
		conn_hangup(d, c);
		return;
	}
	list_del(&d->busy, c);
	c->state = CONN_READY;
	list_add(&d->ready, c);
}

void conn_finish_stream(struct driver *d, struct conn *c)
{
	int err = d->be->shutdown(d->ctx, &c->be);

	if (err) {
		conn_fail(d, c, load_failure_of(err));
		return;
	}
	c->fin = true;
	list_del(&d->busy, c);
	c->deadline = load_now() + d->a->timeout_ns;
	list_insert(&d->busy, c);
}

/* A kept connection that came when all was over. */
static void late(struct driver *d, struct conn *c)
{
	if (d->a->info->stream || d->a->pattern == LOAD_IDLE) {
		conn_fail(d, c, LOAD_NOT_OPENED);
		return;
	}
	tally_of(d, c)->attempted--;
	conn_hangup(d, c);
}

/* In set-up only the connection is tried for; the requests come later. */
static void connected(struct driver *d, struct conn *c)
{
	uint64_t took = load_now() - c->intended;
	struct tally *t = tally_of(d, c);

	t->opened++;
	d->opening--;
	hist_add(&t->connect, took);
	c->state = CONN_BUSY;
	if (d->a->info->keep && d->draining) {
		late(d, c);
	} else if (d->a->pattern == LOAD_CONNECT) {
		course_add(d, took);
		conn_succeed(d, c);
	} else if (d->a->info->stream) {
		list_del(&d->busy, c);
		c->deadline = UINT64_MAX; /* until the phase is over */
		list_insert(&d->busy, c);
		requests_send(d, c);
	} else if (d->a->info->keep) {
		if (d->a->pattern != LOAD_IDLE) {
			t->attempted--; /* the requests are the attempts */
			c->in_attempt = false;
		}
		list_del(&d->busy, c);
		c->state = CONN_READY;
		list_add(&d->ready, c);
	} else {
		if (d->a->pattern == LOAD_SLOW) {
			d->be->want_in(d->ctx, &c->be, false);
			c->reading = true;
		}
		requests_send(d, c);
	}
}

void conn_event(struct driver *d, struct conn *c, unsigned int events)
{
	int err;

	if (events & BE_ERROR) {
		err = d->be->error(d->ctx, &c->be);
		conn_fail(d, c, err ? load_failure_of(err) : LOAD_RESET);
		return;
	}
	c->end = c->end || (events & BE_END);
	/* After any of these it may be done, or over. */
	if ((events & BE_CONNECTED) && c->state == CONN_OPENING)
		connected(d, c);
	if ((events & BE_OUT) && c->state == CONN_BUSY)
		requests_send(d, c);
	if ((events & BE_IN) && !c->reading && (c->state == CONN_BUSY || c->state == CONN_READY))
		requests_recv(d, c);
}
