// SPDX-License-Identifier: BSD-2-Clause
/* weir-flood: a bounded flood of TCP segments inside a lab, and what came back. */
#include "flood.h"
#include "../lab_guard.h"
#include "../pin.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static volatile int stop, interrupted;

/* SIGALRM is the end of the time that was asked for. */
static void on_signal(int sig)
{
	stop = 1;
	interrupted |= sig != SIGALRM;
}

/* Without SA_RESTART, so that a burst or a pause ends at once. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

/* What was left to chance: the seed, and where in the sequence space inflow is. */
static int choose(struct args *a)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	if (!a->seed)
		a->seed = random[0];
	if (!a->have_seq)
		a->seq = (uint32_t)random[1];
	return 0;
}

static int send_all(struct sender *s, const struct args *a, struct result *r, struct answers *w,
		    const char **why)
{
	const struct timespec settle = {.tv_nsec = 50 * 1000 * 1000};
	struct progress *p = NULL;
	int err;

	r->dropped = target_tx_dropped(a);
	if (a->progress || isatty(STDERR_FILENO))
		p = progress_start(s, w);
	*why = "cannot go on sending";
	err = sender_run(s, a, &stop, why);
	progress_stop(p);
	r->interrupted = interrupted;
	nanosleep(&settle, NULL); /* the last answers are on their way */
	r->sent = sender_sent(s, r->by_kind);
	r->errors = s->errors;
	r->dropped = target_tx_dropped(a) - r->dropped;
	r->seconds = s->seconds;
	answers_read(w);
	return err;
}

static int flood(struct args *a, struct result *r, struct answers *w, const char **why)
{
	struct target t;
	struct sender s;
	int err;

	*why = "cannot run on that CPU";
	err = pin_to_cpu(a->cpu);
	if (err)
		return err;
	*why = NULL;
	err = choose(a);
	if (!err)
		err = target_resolve(a, &t, why);
	if (!err)
		err = sender_open(&s, a, &t, why);
	if (err)
		return err;
	err = answers_open(w, a, t.ifindex, why);
	if (!err)
		err = send_all(&s, a, r, w, why);
	sender_close(&s);
	return err;
}

int main(int argc, char **argv)
{
	const char *why = NULL;
	struct answers w = {.config_fd = -1, .count_fd = -1};
	struct result r = {0};
	struct args a;
	int err;

	err = args_parse(&a, argc, argv);
	if (err)
		return err > 0 ? 0 : 2;
	if (!a.outside_lab && !lab_guard_inside()) {
		fputs("weir-flood: this is no namespace of tools/lab; run it with"
		      " tools/lab exec client, or say --outside-lab\n",
		      stderr);
		return 2;
	}
	libbpf_set_print(quiet);
	catch_signals();
	err = flood(&a, &r, &w, &why);
	if (err)
		fprintf(stderr, "weir-flood: %s: %s (%s)\n", a.ifname, why ? why : "failed",
			strerror(-err));
	else if (a.json)
		err = report_json(&a, &r, &w);
	else
		report_text(&a, &r, &w);
	answers_close(&w);
	return err ? 1 : 0;
}
