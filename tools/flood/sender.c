// SPDX-License-Identifier: BSD-2-Clause
/*
 * The rate, the count and the time of a flood, for either back end.
 *
 * Frames are sent in bursts, one each tick. A machine that others use too delays
 * bursts; what is then behind is made up for slowly, so that no second has more than
 * a few per cent above the rate:
 *
 *	burst <= rate * min(time since the last one, 2 ticks) * (1 + CATCH_UP)
 */
#include "flood.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define CATCH_UP  0.02
#define BURST_MAX (1 << 20) /* with no rate; a signal ends it */
#define GRACE	  0.25	    /* seconds, for what is behind at the end */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Returns early on a signal, which is what stops a run. */
static void sleep_until(double when)
{
	struct timespec ts = {.tv_sec = (time_t)when};

	ts.tv_nsec = (long)((when - (double)ts.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* SIGALRM at the end of the time: a burst with no rate is long. */
static void set_alarm(double seconds)
{
	struct itimerval it = {0};

	it.it_value.tv_sec = (time_t)seconds;
	it.it_value.tv_usec = (suseconds_t)((seconds - (double)it.it_value.tv_sec) * 1e6);
	setitimer(ITIMER_REAL, &it, NULL);
}

int sender_open(struct sender *s, const struct args *a, const struct target *t, const char **why)
{
	memset(s, 0, sizeof(*s));
	flood_build(a, t, &s->cfg);
	s->seed = a->seed;
	s->be = a->backend == BACKEND_XSK ? &backend_xsk : &backend_live;
	return s->be->open(s, a, why);
}

/* The next burst, at time t after the start; `gone` is since the one before. */
static uint64_t due(const struct sender *s, double rate, double t, double gone, uint64_t sent)
{
	double want = (t + s->tick) * rate - (double)sent, most;

	if (gone > 2 * s->tick)
		gone = 2 * s->tick;
	most = gone * rate * (1 + CATCH_UP) + 1;
	if (want > most)
		want = most;
	return want < 1 ? 0 : (uint64_t)want;
}

static int run_at_rate(struct sender *s, const struct args *a, uint64_t total,
		       const volatile int *stop)
{
	double rate = (double)a->rate, start = now(), t = start, last = start - s->tick, next;
	uint64_t sent = 0, n;
	int err = 0;

	set_alarm(a->seconds + GRACE);
	while (!*stop && !err && sent < total) {
		n = due(s, rate, t - start, t - last, sent);
		if (n > total - sent)
			n = total - sent;
		last = t;
		if (n)
			err = s->be->burst(s, n, stop);
		sent = sender_sent(s, NULL) + s->errors;
		next = start + (double)sent / rate;
		if (next < last + s->tick * (1 - CATCH_UP))
			next = last + s->tick * (1 - CATCH_UP);
		if (sent < total)
			sleep_until(next);
		t = now();
	}
	s->seconds = now() - start;
	/* The last frames fill the last tick. */
	if (!err && sent >= total && s->seconds < (double)total / rate)
		s->seconds = (double)total / rate;
	return err;
}

static int run_flat_out(struct sender *s, const struct args *a, uint64_t total,
			const volatile int *stop)
{
	double start = now();
	uint64_t sent = 0, n;
	int err = 0;

	set_alarm(a->seconds);
	while (!*stop && !err && sent < total) {
		n = total - sent < BURST_MAX ? total - sent : BURST_MAX;
		err = s->be->burst(s, n, stop);
		sent = sender_sent(s, NULL) + s->errors;
	}
	s->seconds = now() - start;
	return err;
}

int sender_run(struct sender *s, const struct args *a, const volatile int *stop, const char **why)
{
	uint64_t total = a->rate ? (uint64_t)((double)a->rate * a->seconds) : UINT64_MAX;
	int err;

	if (a->count && a->count < total)
		total = a->count;
	err = a->rate ? run_at_rate(s, a, total, stop) : run_flat_out(s, a, total, stop);
	set_alarm(0);
	if (err == -EINTR)
		return 0;
	if (err && !*why)
		*why = "sending failed";
	return err;
}

uint64_t sender_sent(const struct sender *s, uint64_t by_kind[KINDS])
{
	uint64_t sum = 0, n;
	unsigned int i;

	if (by_kind)
		memset(by_kind, 0, KINDS * sizeof(*by_kind));
	for (i = 0; i < FLOOD_TEMPLATES; i++) {
		n = s->be->sent(s, i);
		sum += n;
		if (by_kind)
			by_kind[s->cfg.tpl[i].kind] += n;
	}
	return sum;
}

void sender_close(struct sender *s)
{
	if (s->own)
		s->be->close(s);
	s->own = NULL;
}
