// SPDX-License-Identifier: BSD-2-Clause
/* What was sent and what came back: as text, as JSON, and while it goes on. */
#include "flood.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double per(double n, double d)
{
	return d > 0 ? n / d : 0;
}

/* SYN-ACKs are answers to SYNs, whatever else was sent. */
static double answer_rate(const struct result *r, const struct answers *w)
{
	return per((double)w->syn_ack, (double)r->by_kind[KIND_SYN]);
}

static json_t *kinds_json(const struct args *a, const struct result *r)
{
	json_t *o = json_object();
	unsigned int k;

	for (k = 0; o && k < KINDS; k++) {
		if (a->kinds.share[k] &&
		    json_object_set_new(o, mix_kind_name(k),
					json_integer((json_int_t)r->by_kind[k])))
			return json_decref(o), NULL;
	}
	return o;
}

static json_t *answers_json(const struct result *r, const struct answers *w)
{
	double rate = answer_rate(r, w);

	if (!w->known)
		return json_pack("{s:n, s:n}", "answered", "answer_rate");
	return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f}", "answered", (json_int_t)w->syn_ack,
			 "reset", (json_int_t)w->rst, "other", (json_int_t)w->other, "answer_rate",
			 rate, "answered_ratio", rate, "answered_per_s",
			 per((double)w->syn_ack, r->seconds));
}

int report_json(const struct args *a, const struct result *r, const struct answers *w)
{
	double rate = per((double)r->sent, r->seconds);
	char dst[INET6_ADDRSTRLEN] = "";
	json_t *o;
	int err;

	inet_ntop(a->family, &a->dst, dst, sizeof(dst));
	o = json_pack("{s:i, s:s, s:s, s:s, s:i, s:o, s:f, s:I, s:o*, s:I, s:I, s:f, s:f, s:b}",
		      "version", 1, "kind", a->kind_text, "backend",
		      a->backend == BACKEND_XSK ? "xsk" : "live", "address", dst, "port",
		      (int)a->dst_port.lo, "rate_asked",
		      a->rate ? json_integer((json_int_t)a->rate) : json_null(), "seconds",
		      r->seconds, "sent", (json_int_t)r->sent, "by_kind", kinds_json(a, r),
		      "errors", (json_int_t)r->errors, "dropped_at_interface",
		      (json_int_t)r->dropped, "rate_per_s", rate, "sent_per_s", rate, "interrupted",
		      r->interrupted);
	if (!o)
		return -ENOMEM;
	err = json_object_update_new(o, answers_json(r, w));
	if (!err)
		err = json_dumpf(o, stdout, JSON_REAL_PRECISION(9)) || putchar('\n') == EOF;
	json_decref(o);
	return err ? -EIO : 0;
}

void report_text(const struct args *a, const struct result *r, const struct answers *w)
{
	unsigned int k;

	printf("sent      %12llu in %.2f s, %.0f/s%s\n", (unsigned long long)r->sent, r->seconds,
	       per((double)r->sent, r->seconds), r->interrupted ? ", interrupted" : "");
	for (k = 0; k < KINDS; k++)
		if (a->kinds.share[k])
			printf("  %-7s %12llu\n", mix_kind_name(k),
			       (unsigned long long)r->by_kind[k]);
	if (r->errors)
		printf("errors    %12llu not sent\n", (unsigned long long)r->errors);
	if (r->dropped)
		printf("dropped   %12u at the interface: its peer did not take them\n", r->dropped);
	if (!w->known) {
		printf("answered       unknown: another XDP program is on %s\n", a->ifname);
		return;
	}
	printf("answered  %12llu SYN-ACKs", (unsigned long long)w->syn_ack);
	if (a->kinds.share[KIND_SYN])
		printf(", %.1f %% of the SYNs", 100 * answer_rate(r, w));
	printf("\nreset     %12llu\n", (unsigned long long)w->rst);
	if (w->other)
		printf("other     %12llu\n", (unsigned long long)w->other);
}

/* ---- progress --------------------------------------------------------------- */

struct progress {
	const struct sender *sender;
	struct answers answers; /* a copy: it only reads */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static void say(struct progress *p, unsigned int second, uint64_t *last)
{
	uint64_t by_kind[KINDS], sent = sender_sent(p->sender, by_kind);
	const char *begin = isatty(STDERR_FILENO) ? "\r" : "", *end = *begin ? "\033[K" : "\n";

	fprintf(stderr, "%sweir-flood: %4u s, sent %llu, %.1f k/s", begin, second,
		(unsigned long long)sent, (double)(sent - *last) / 1e3);
	if (p->answers.known) {
		answers_read(&p->answers);
		fprintf(stderr, ", answered %llu", (unsigned long long)p->answers.syn_ack);
		if (by_kind[KIND_SYN])
			fprintf(stderr, " (%.1f %%)",
				100 * per((double)p->answers.syn_ack, (double)by_kind[KIND_SYN]));
	}
	fputs(end, stderr);
	*last = sent;
}

static void *progress_run(void *arg)
{
	struct progress *p = arg;
	unsigned int second = 0;
	struct timespec next;
	uint64_t last = 0;

	clock_gettime(CLOCK_REALTIME, &next);
	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		next.tv_sec++;
		while (!p->stop && pthread_cond_timedwait(&p->wake, &p->lock, &next) != ETIMEDOUT)
			;
		if (!p->stop)
			say(p, ++second, &last);
	}
	pthread_mutex_unlock(&p->lock);
	if (second && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	return NULL;
}

struct progress *progress_start(const struct sender *s, const struct answers *w)
{
	struct progress *p = calloc(1, sizeof(*p));
	sigset_t all, old;
	int err;

	if (!p)
		return NULL;
	p->sender = s;
	p->answers = *w;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	/* Signals are for the thread that sends: they end its call. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&p->thread, NULL, progress_run, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		return p;
	free(p);
	return NULL;
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
