// SPDX-License-Identifier: BSD-2-Clause
/* The loop: set-up, arrivals, phases, deadlines, events, the end. */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS	     64
#define OPENING_MAX  256 /* at once, when kept connections are set up */
#define STARTS_MAX   256 /* in one turn of the loop */
#define INTERRUPT_NS 1000000000ull
#define SETUP_PER_S  500 /* so slow a set-up is given up */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct tally *driver_tally(struct driver *d, unsigned int phase)
{
	return &d->r->phase[phase];
}

/* ---- lists ------------------------------------------------------------------ */

static void link_after(struct conn_list *l, struct conn *at, struct conn *c)
{
	c->prev = at;
	c->next = at ? at->next : l->head;
	*(c->prev ? &c->prev->next : &l->head) = c;
	*(c->next ? &c->next->prev : &l->tail) = c;
}

void list_add(struct conn_list *l, struct conn *c)
{
	link_after(l, l->tail, c);
}

void list_del(struct conn_list *l, struct conn *c)
{
	*(c->prev ? &c->prev->next : &l->head) = c->next;
	*(c->next ? &c->next->prev : &l->tail) = c->prev;
}

/* All have the same time, so a new one is last, or nearly. */
void list_insert(struct conn_list *l, struct conn *c)
{
	struct conn *at = l->tail;

	while (at && at->deadline > c->deadline)
		at = at->prev;
	link_after(l, at, c);
}

/* ---- phases ----------------------------------------------------------------- */

/* What streams have handed over and is not with the peer yet is not sent. */
static uint64_t unacked(struct driver *d)
{
	uint64_t n = 0;

	if (d->a->info->up)
		for (struct conn *c = d->busy.head; c; c = c->next)
			n += d->be->unacked(d->ctx, &c->be);
	return n;
}

static void phase_begin(struct driver *d, uint64_t now)
{
	struct tally *t = driver_tally(d, d->now_phase);

	t->begin = t->end = now;
	cpu_times_now(&t->cpu);
	t->up += unacked(d);
	if (d->alive > t->peak)
		t->peak = d->alive;
}

static void phase_end(struct driver *d, uint64_t now)
{
	struct tally *t = driver_tally(d, d->now_phase);
	struct cpu_times cpu;

	cpu_times_now(&cpu);
	t->end = now;
	t->cpu.machine_s = cpu.machine_s - t->cpu.machine_s;
	t->cpu.self_s = cpu.self_s - t->cpu.self_s;
	t->up -= least(t->up, unacked(d));
}

static void turn_phase(struct driver *d, uint64_t now)
{
	unsigned int next;

	if (d->now_phase == d->r->phases)
		return;
	next = sched_phase(&d->sched, now);
	if (next == d->now_phase)
		return;
	phase_end(d, now);
	d->now_phase = next;
	if (next < d->r->phases)
		phase_begin(d, now);
}

/* ---- beginning things ------------------------------------------------------- */

static struct conn *next_slot(struct driver *d)
{
	return d->a->info->keep ? d->ready.head : d->free.tail;
}

static void start(struct driver *d, struct conn *c, uint64_t intended, unsigned int phase)
{
	if (d->a->info->keep)
		conn_request(d, c, intended, phase);
	else
		conn_open(d, c, intended, phase);
	if (!d->a->phase[phase].warmup && ++d->started == d->a->count)
		d->counted_out = true;
}

/* An arrival that no connection was free for in all its time. */
static void give_up(struct driver *d, unsigned int phase, enum load_failure why)
{
	struct tally *t = driver_tally(d, phase);

	t->attempted++;
	t->failed[why]++;
	d->course_failed++;
	sched_take(&d->sched);
	if (!d->a->phase[phase].warmup && ++d->started == d->a->count)
		d->counted_out = true;
}

/* Returns when the next arrival is due; SCHED_NONE: none, or none can be begun now. */
static uint64_t start_arrivals(struct driver *d)
{
	unsigned int phase, starts = 0;
	uint64_t due, now = load_now();
	struct conn *c;
	struct tally *t;

	while (!d->counted_out && (due = sched_due(&d->sched, &phase)) != SCHED_NONE) {
		if (due > now && due > (now = load_now()))
			return due;
		if (due + d->a->timeout_ns <= now) {
			give_up(d, phase, LOAD_CLIENT_LIMIT);
			continue;
		}
		c = next_slot(d);
		if (!c) {
			d->blocked_at = now;
			return SCHED_NONE;
		}
		if (++starts > STARTS_MAX)
			return now;
		t = driver_tally(d, phase);
		t->waited += due <= d->blocked_at;
		sched_take(&d->sched);
		hist_add(&t->delay, now - due);
		start(d, c, due, phase);
		now = load_now();
	}
	return SCHED_NONE;
}

/* Closed loop: whoever is free. */
static uint64_t start_free(struct driver *d)
{
	unsigned int starts = 0;
	struct conn *c;

	while (!d->counted_out && (c = next_slot(d))) {
		if (++starts > STARTS_MAX)
			return load_now();
		start(d, c, load_now(), d->now_phase);
	}
	return SCHED_NONE;
}

/* Kept connections that were lost are opened anew. */
static uint64_t reopen(struct driver *d, uint64_t now)
{
	struct conn *c;

	while ((c = d->resting.head) && c->deadline <= now) {
		list_del(&d->resting, c);
		c->state = CONN_FREE;
		list_add(&d->free, c);
	}
	while (d->a->info->keep && d->opening < OPENING_MAX && (c = d->free.tail))
		conn_open(d, c, load_now(), d->now_phase);
	return d->resting.head ? d->resting.head->deadline : SCHED_NONE;
}

/* ---- what time brings ------------------------------------------------------- */

static uint64_t expire(struct driver *d, uint64_t now)
{
	while (d->busy.head && d->busy.head->deadline <= now)
		conn_fail(d, d->busy.head, LOAD_TIMEOUT);
	return d->busy.head ? d->busy.head->deadline : SCHED_NONE;
}

static uint64_t go_on(struct driver *d, uint64_t now)
{
	struct conn *c, *next;
	bool slow = d->a->pattern == LOAD_SLOW && now >= d->slow_at;
	uint8_t again;

	if (slow)
		d->slow_at = now + SLOW_TICK_NS;
	for (c = slow || d->again ? d->busy.head : NULL; c; c = next) {
		next = c->next;
		again = c->again;
		d->again -= again != 0;
		c->again = 0;
		if (c->state == CONN_BUSY && (again & BE_OUT))
			requests_send(d, c);
		if (c->state == CONN_BUSY && (again & BE_IN))
			requests_recv(d, c);
		if (slow && c->state == CONN_BUSY)
			requests_slow_tick(d, c);
	}
	if (d->again)
		return 0;
	return d->a->pattern == LOAD_SLOW ? d->slow_at : SCHED_NONE;
}

static uint64_t sample(struct driver *d, uint64_t now)
{
	struct result *r = d->r;
	struct sample s = {.completed = d->course.n, .failed = d->course_failed};

	if (now < d->course_at + d->tick_at)
		return d->course_at + d->tick_at;
	s.at_s = (double)(now - d->sched.begin[0]) / 1e9;
	s.rate = (double)s.completed * 1e9 / (double)(now - d->course_at);
	s.p50_us = (double)hist_quantile(&d->course, 0.5) / 1e3;
	s.p90_us = (double)hist_quantile(&d->course, 0.9) / 1e3;
	s.p99_us = (double)hist_quantile(&d->course, 0.99) / 1e3;
	s.p999_us = (double)hist_quantile(&d->course, 0.999) / 1e3;
	if (r->samples < SAMPLES_MAX)
		r->sample[r->samples++] = s;
	if (d->progress)
		d->progress(d, &s);
	hist_clear(&d->course);
	d->course_failed = 0;
	d->course_at = now;
	return now + d->tick_at;
}

/* Waits until `until` at most, and sees to what has happened. */
static int turn(struct driver *d, uint64_t until)
{
	struct be_event ev[EVENTS];
	uint64_t now = until ? load_now() : 0;
	struct conn *c;
	int n;

	d->round++;
	n = d->be->wait(d->ctx, ev, EVENTS, until > now ? until - now : 0);
	if (n == -EINTR)
		return 0;
	for (int i = 0; i < n; i++) {
		c = (struct conn *)ev[i].conn;
		/* Opened since, in the place of the one that the event was about? */
		if (c->be.round != d->round &&
		    (c->state == CONN_OPENING || c->state == CONN_BUSY || c->state == CONN_READY))
			conn_event(d, c, ev[i].events);
	}
	return n < 0 ? n : 0;
}

/* ---- set-up and end ----------------------------------------------------------- */

/* Every kept connection is tried once; what fails is tried again later, or missing. */
static int set_up(struct driver *d, const volatile int *stop)
{
	uint64_t begin = load_now(), now = begin;
	uint64_t limit = begin + 3 * d->a->timeout_ns +
			 (uint64_t)d->a->connections * (1000000000 / SETUP_PER_S);
	int err = 0;

	d->now_phase = d->a->phase[0].warmup ? 1 : 0;
	while (!err && !*stop && now < limit && (d->free.head || d->opening)) {
		while (d->opening < OPENING_MAX && d->free.tail)
			conn_open(d, d->free.tail, load_now(), d->now_phase);
		err = turn(d, least(least(expire(d, now), limit), now + 100000000));
		now = load_now();
	}
	while (d->a->pattern == LOAD_IDLE && d->free.tail) {
		struct conn *c = d->free.tail;

		list_del(&d->free, c);
		c->state = CONN_DONE;
		driver_tally(d, d->now_phase)->attempted++;
		driver_tally(d, d->now_phase)->failed[*stop ? LOAD_INTERRUPTED : LOAD_NOT_OPENED]++;
	}
	d->now_phase = 0;
	return err;
}

/* Nothing new; what is ready is closed, what streams is ended. */
static void begin_end(struct driver *d, uint64_t now)
{
	struct conn *c, *next;

	d->draining = true;
	d->ended_at = now;
	while ((c = d->ready.head)) {
		if (d->a->pattern == LOAD_IDLE)
			conn_succeed(d, c);
		else
			conn_hangup(d, c);
	}
	for (c = d->a->info->stream ? d->busy.head : NULL; c; c = next) {
		next = c->next;
		if (c->state == CONN_BUSY)
			conn_finish_stream(d, c);
	}
}

static void end_early(struct driver *d, uint64_t now)
{
	unsigned int phase;
	uint64_t due;

	d->r->interrupted = true;
	while (!d->counted_out && (due = sched_due(&d->sched, &phase)) <= now)
		give_up(d, phase, LOAD_INTERRUPTED);
	sched_stop(&d->sched, now);
	turn_phase(d, now);
}

/* In the order of what may make what else possible. Returns when to look again. */
static uint64_t see_to_it(struct driver *d, uint64_t now)
{
	uint64_t until;
	unsigned int phase;

	turn_phase(d, now);
	until = least(expire(d, now), go_on(d, now));
	until = least(until, sample(d, now));
	if (d->draining)
		return until;
	if (d->now_phase < d->r->phases) {
		until = least(until, reopen(d, now));
		until = least(until, d->sched.begin[d->now_phase + 1]);
	}
	until = least(until, start_arrivals(d));
	if (d->now_phase < d->r->phases && d->a->phase[d->now_phase].rate <= 0 &&
	    !d->a->info->stream && d->a->pattern != LOAD_IDLE)
		until = least(until, start_free(d));
	if (d->counted_out && !d->busy.head) {
		sched_stop(&d->sched, now);
		turn_phase(d, now);
	}
	if (d->now_phase == d->r->phases &&
	    (d->counted_out || sched_due(&d->sched, &phase) == SCHED_NONE)) {
		begin_end(d, now);
		return now;
	}
	return until;
}

static int run(struct driver *d, const volatile int *stop)
{
	uint64_t now = load_now();
	int err = 0;

	sched_start(&d->sched, d->a->phase, d->a->phases, now);
	d->tick_at = (d->sched.begin[d->a->phases] - now) / 100;
	d->tick_at = d->tick_at < 100000000 ? 100000000 : least(d->tick_at, 1000000000);
	d->course_at = d->slow_at = now;
	d->running = true;
	phase_begin(d, now);
	while (!err && (!d->draining || d->busy.head)) {
		now = load_now();
		if (*stop && !d->r->interrupted)
			end_early(d, now);
		if (*stop > 1 || (*stop && d->draining && now > d->ended_at + INTERRUPT_NS))
			break;
		err = turn(d, see_to_it(d, now));
	}
	if (d->now_phase < d->r->phases)
		phase_end(d, load_now());
	while (d->busy.head)
		conn_fail(d, d->busy.head, LOAD_INTERRUPTED);
	return err;
}

/* ---- from nothing to nothing ------------------------------------------------- */

static int allocate(struct driver *d, const struct load_args *a)
{
	struct result *r = d->r;

	r->phases = a->phases;
	r->phase = calloc(a->phases, sizeof(*r->phase));
	r->sample = calloc(SAMPLES_MAX, sizeof(*r->sample));
	d->conns = calloc(a->connections, sizeof(*d->conns));
	d->locals = calloc(a->sources ? a->sources : 1, sizeof(*d->locals));
	if (!r->phase || !r->sample || !d->conns || !d->locals)
		return -ENOMEM;
	for (unsigned int i = 0; i < a->sources; i++)
		d->locals[i] = load_args_source(a, i);
	for (unsigned int i = a->connections; i-- > 0;)
		list_add(&d->free, &d->conns[i]);
	return requests_init(d);
}

static int open_backend(struct driver *d, const volatile int *stop, const char **why)
{
	const struct load_args *a = d->a;
	struct be_options o = {.iface = a->iface,
			       .remote = a->remote,
			       .local = d->locals,
			       .locals = a->sources,
			       .conns = a->connections,
			       .busy_poll = a->busy_poll,
			       .timeout_ns = a->timeout_ns,
			       .stop = stop,
			       .nodelay = d->send_len > 1000 && !a->info->stream};

	if (a->pattern == LOAD_SLOW)
		o.rcvbuf = 8192; /* else the buffer reads, and not the reader */
	return d->be->open(&d->ctx, &o, why);
}

int driver_run(struct driver *d, const struct backend *be, const struct load_args *a,
	       struct result *r, const volatile int *stop, const char **why)
{
	int err;

	*d = (struct driver){.a = a, .be = be, .r = r, .progress = d->progress};
	err = allocate(d, a);
	if (err)
		goto out;
	err = open_backend(d, stop, why);
	if (err)
		goto out;
	if (a->info->keep)
		err = set_up(d, stop);
	if (!err)
		err = run(d, stop);
	d->be->close(d->ctx);
out:
	requests_free(d);
	free(d->conns);
	free(d->locals);
	return err;
}

void driver_result_free(struct result *r)
{
	free(r->phase);
	free(r->sample);
}
