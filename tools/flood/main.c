// SPDX-License-Identifier: BSD-2-Clause
/* weir-flood: a bounded SYN or ACK flood inside a lab, and what came back. */
#include "flood.h"
#include "../lab_guard.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct result {
	uint64_t sent;
	uint32_t dropped; /* at the interface: the peer's ring was full or not there */
	double seconds;
};

static volatile int stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Without SA_RESTART, so that a burst or a pause ends at once. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static double per(double n, double d)
{
	return d > 0 ? n / d : 0;
}

static int print_json(const struct args *a, const struct result *r, const struct answers *w)
{
	char dst[INET6_ADDRSTRLEN] = "";
	json_t *o;
	int err;

	inet_ntop(a->family, &a->dst, dst, sizeof(dst));
	o = json_pack("{s:i, s:s, s:s, s:i, s:I, s:f, s:I, s:I, s:f}", "version", 1, "kind",
		      a->ack ? "ack" : "syn", "address", dst, "port", (int)a->port, "rate_asked",
		      (json_int_t)a->rate, "seconds", r->seconds, "sent", (json_int_t)r->sent,
		      "dropped_at_interface", (json_int_t)r->dropped, "sent_per_s",
		      per((double)r->sent, r->seconds));
	if (!o)
		return -ENOMEM;
	if (w->known)
		err = json_object_update_new(
			o,
			json_pack("{s:I, s:I, s:I, s:f, s:f}", "answered", (json_int_t)w->syn_ack,
				  "reset", (json_int_t)w->rst, "other", (json_int_t)w->other,
				  "answered_ratio", per((double)w->syn_ack, (double)r->sent),
				  "answered_per_s", per((double)w->syn_ack, r->seconds)));
	else
		err = json_object_set_new(o, "answered", json_null());
	if (!err)
		err = json_dumpf(o, stdout, JSON_REAL_PRECISION(9)) || putchar('\n') == EOF;
	json_decref(o);
	return err ? -EIO : 0;
}

static void print_text(const struct args *a, const struct result *r, const struct answers *w)
{
	printf("sent      %12llu %s in %.2f s, %.0f/s\n", (unsigned long long)r->sent,
	       a->ack ? "ACKs" : "SYNs", r->seconds, per((double)r->sent, r->seconds));
	if (r->dropped)
		printf("dropped   %12u at the interface: its peer did not take them\n", r->dropped);
	if (!w->known) {
		printf("answered       unknown: another XDP program is on %s\n", a->ifname);
		return;
	}
	printf("answered  %12llu SYN-ACKs, %.1f %%\n", (unsigned long long)w->syn_ack,
	       100 * per((double)w->syn_ack, (double)r->sent));
	printf("reset     %12llu\n", (unsigned long long)w->rst);
	if (w->other)
		printf("other     %12llu\n", (unsigned long long)w->other);
}

static int flood(const struct args *a, struct result *r, struct answers *w, const char **why)
{
	const struct timespec settle = {.tv_nsec = 50 * 1000 * 1000};
	struct flood_config cfg;
	struct target t;
	struct sender s;
	int err;

	err = target_resolve(a, &t, why);
	if (err)
		return err;
	frame_build(a, &t, &cfg);
	err = sender_open(&s, &cfg, why);
	if (err)
		return err;
	err = answers_open(w, a, t.ifindex, why);
	if (err)
		goto out_sender;
	r->dropped = target_tx_dropped(a);
	err = sender_run(&s, a, &stop, why);
	nanosleep(&settle, NULL); /* the last answers are on their way */
	r->sent = sender_sent(&s);
	r->dropped = target_tx_dropped(a) - r->dropped;
	r->seconds = s.seconds;
	answers_read(w);
out_sender:
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
	err = pin(a.cpu);
	if (err)
		why = "cannot run on that CPU";
	else
		err = flood(&a, &r, &w, &why);
	if (err) {
		fprintf(stderr, "weir-flood: %s: %s (%s)\n", a.ifname, why ? why : "failed",
			strerror(-err));
	} else if (a.json) {
		err = print_json(&a, &r, &w);
	} else {
		print_text(&a, &r, &w);
	}
	answers_close(&w);
	return err ? 1 : 0;
}
