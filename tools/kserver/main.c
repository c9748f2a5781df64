// SPDX-License-Identifier: BSD-2-Clause
/* kserver: which service, where, in how many threads. */
#include "kserver.h"
#include "../pin.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define THREADS_MAX 64

static const char usage[] =
	"usage: kserver sized|echo|discard ADDR:PORT [options]\n"
	"       kserver ADDR PORT FILE\n"
	"\n"
	"Serves on the kernel's TCP what weir's applications serve on weir's; with a FILE,\n"
	"that file over HTTP.\n"
	"\n"
	"  --threads N       each with its own listener (SO_REUSEPORT) (1)\n"
	"  --cpu N           run the first thread on CPU N, the next on N + 1 ...\n"
	"  --busy-poll       never sleep\n"
	"  --so-busy-poll US poll the device for so long before sleeping (SO_BUSY_POLL)\n"
	"  --help\n";

static const struct service *const services[] = {&service_sized, &service_echo, &service_discard};

struct worker {
	pthread_t thread;
	const struct loop_options *o;
	int listener, cpu, err;
};

static volatile int stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->err = pin_to_cpu(w->cpu);
	if (!w->err)
		w->err = loop_run(w->o, w->listener, &stop);
	return NULL;
}

static int misuse(const char *what)
{
	fprintf(stderr, "kserver: %s; see --help\n", what);
	return 2;
}

static int number(const char *s, int max)
{
	char *end;
	long v = strtol(s, &end, 10);

	return end == s || *end || v < 0 || v > max ? -1 : (int)v;
}

/* All listeners are there before the first thread serves. */
static int serve(const struct loop_options *o, int threads, int cpu)
{
	struct worker w[THREADS_MAX] = {0};
	int i, started = 0, err = 0;

	for (i = 0; i < threads; i++) {
		w[i] = (struct worker){.o = o, .cpu = cpu < 0 ? -1 : cpu + i};
		w[i].listener = loop_listen(o);
		if (w[i].listener < 0) {
			fprintf(stderr, "kserver: %s port %s: %s\n", o->addr, o->port,
				strerror(-w[i].listener));
			return 1;
		}
	}
	for (i = 1; i < threads && !err; i++, started++)
		err = -pthread_create(&w[i].thread, NULL, work, &w[i]);
	if (!err)
		work(&w[0]);
	stop = 1;
	for (i = 1; i <= started; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < threads; i++)
		err = err ? err : w[i].err;
	if (err)
		fprintf(stderr, "kserver: %s\n", strerror(-err));
	return err ? 1 : 0;
}

/* ADDR:PORT or [ADDR]:PORT, taken apart in place. */
static int split(char *where, struct loop_options *o)
{
	char *colon = strrchr(where, ':');

	if (!colon || colon == where)
		return -EINVAL;
	*colon = '\0';
	o->port = colon + 1;
	o->addr = where;
	if (*where == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		o->addr = where + 1;
	}
	return number(o->port, 65535) > 0 ? 0 : -EINVAL;
}

static int find(int argc, char **argv, struct loop_options *o)
{
	int err;

	if (argc == 3) {
		o->service = &service_http;
		o->addr = argv[0];
		o->port = argv[1];
		err = http_load(argv[2]);
		if (err)
			fprintf(stderr, "kserver: %s: %s\n", argv[2], strerror(-err));
		return err ? 1 : 0;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(services) / sizeof(services[0]); i++)
		if (!strcmp(argv[0], services[i]->name))
			o->service = services[i];
	if (!o->service)
		return misuse("which service? sized, echo or discard, and ADDR:PORT");
	if (split(argv[1], o))
		return misuse("where? ADDR:PORT, such as 10.0.0.2:80 or [fd00::2]:80");
	sized_init();
	return 0;
}

enum { OPT_THREADS = 256, OPT_CPU, OPT_BUSY, OPT_SO_BUSY, OPT_HELP };

static const struct option options[] = {
	{"threads", required_argument, NULL, OPT_THREADS},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"busy-poll", no_argument, NULL, OPT_BUSY},
	{"so-busy-poll", required_argument, NULL, OPT_SO_BUSY},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct loop_options o = {0};
	int opt, v = 0, threads = 1, cpu = -1;
	struct rlimit files;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == OPT_HELP)
			return fputs(usage, stdout) == EOF;
		if (opt == '?')
			return 2;
		if (optarg && (v = number(optarg, opt == OPT_THREADS ? THREADS_MAX : 1000000)) < 0)
			return misuse("an option wants a number");
		threads = opt == OPT_THREADS ? v : threads;
		cpu = opt == OPT_CPU ? v : cpu;
		o.busy_poll |= opt == OPT_BUSY;
		o.busy_poll_us = opt == OPT_SO_BUSY ? v : o.busy_poll_us;
	}
	if (threads < 1 || cpu >= CPU_SETSIZE - THREADS_MAX)
		return misuse("so many threads, or such a CPU, there are not");
	o.reuseport = threads > 1;
	v = find(argc - optind, argv + optind, &o);
	if (v)
		return v;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return serve(&o, threads, cpu);
}
