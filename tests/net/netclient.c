/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments to options, options to a subcommand. */
#include "nc.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct command {
	const char *name;
	int (*run)(const struct nc_options *o);
} commands[] = {
	{"echo", nc_echo},	   {"fetch", nc_fetch},	    {"hold", nc_hold},
	{"slowread", nc_slowread}, {"rstmid", nc_rstmid},   {"idle", nc_idle},
	{"dribble", nc_dribble},   {"zerowin", nc_zerowin}, {"halfopen", nc_halfopen},
};

enum {
	OPT_SRC = 256,
	OPT_CONNS,
	OPT_CONCURRENCY,
	OPT_REQUESTS,
	OPT_KEEPALIVE,
	OPT_SECONDS,
	OPT_TIME,
	OPT_LIMIT_MS,
	OPT_INTERVAL_MS,
	OPT_HOLD,
	OPT_BYTES,
	OPT_RATE,
	OPT_SEED,
	OPT_STALL_AFTER,
	OPT_STALL,
	OPT_RCVBUF,
	OPT_PATH,
	OPT_BODY,
	OPT_DISCARD,
	OPT_SERVER_CLOSE,
	OPT_RESET,
	OPT_JSON
};

static const struct option longopts[] = {
	{"src", required_argument, NULL, OPT_SRC},
	{"conns", required_argument, NULL, OPT_CONNS},
	{"concurrency", required_argument, NULL, OPT_CONCURRENCY},
	{"requests", required_argument, NULL, OPT_REQUESTS},
	{"keepalive", required_argument, NULL, OPT_KEEPALIVE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"time", required_argument, NULL, OPT_TIME},
	{"limit-ms", required_argument, NULL, OPT_LIMIT_MS},
	{"interval-ms", required_argument, NULL, OPT_INTERVAL_MS},
	{"hold", required_argument, NULL, OPT_HOLD},
	{"bytes", required_argument, NULL, OPT_BYTES},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seed", required_argument, NULL, OPT_SEED},
	{"stall-after", required_argument, NULL, OPT_STALL_AFTER},
	{"stall", required_argument, NULL, OPT_STALL},
	{"rcvbuf", required_argument, NULL, OPT_RCVBUF},
	{"path", required_argument, NULL, OPT_PATH},
	{"body", required_argument, NULL, OPT_BODY},
	{"discard", no_argument, NULL, OPT_DISCARD},
	{"server-close", no_argument, NULL, OPT_SERVER_CLOSE},
	{"reset", no_argument, NULL, OPT_RESET},
	{"json", no_argument, NULL, OPT_JSON}, /* always; accepted for symmetry */
	{NULL, 0, NULL, 0},
};

static int usage(void)
{
	fprintf(stderr, "usage: netclient COMMAND HOST PORT [OPTIONS]\ncommands:");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, " %s", commands[i].name);
	fprintf(stderr, "\noptions:");
	for (const struct option *o = longopts; o->name; o++)
		fprintf(stderr, " --%s", o->name);
	fprintf(stderr, "\n");
	return 2;
}

static int map_body(const char *path, struct nc_options *o)
{
	struct stat st;
	void *p;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		goto out;
	}
	p = mmap(NULL, (size_t)st.st_size + 1, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		err = -errno;
		goto out;
	}
	o->body = p;
	o->body_len = (uint64_t)st.st_size;
out:
	close(fd);
	return err;
}

static int set_number(struct nc_options *o, int opt, uint64_t v)
{
	switch (opt) {
	case OPT_CONNS:
		o->conns = (unsigned)v;
		break;
	case OPT_CONCURRENCY:
		o->concurrency = (unsigned)v;
		break;
	case OPT_REQUESTS:
		o->requests = v;
		break;
	case OPT_KEEPALIVE:
		o->keepalive = (unsigned)v;
		break;
	case OPT_SECONDS:
		o->seconds = (unsigned)v;
		break;
	case OPT_TIME:
		o->time = (unsigned)v;
		break;
	case OPT_LIMIT_MS:
		o->limit_ms = (unsigned)v;
		break;
	case OPT_INTERVAL_MS:
		o->interval_ms = (unsigned)v;
		break;
	case OPT_HOLD:
		o->hold = (unsigned)v;
		break;
	case OPT_BYTES:
		o->bytes = v;
		break;
	case OPT_RATE:
		o->rate = v;
		break;
	case OPT_SEED:
		o->seed = v;
		break;
	case OPT_STALL_AFTER:
		o->stall_after = v;
		break;
	case OPT_STALL:
		o->stall = (unsigned)v;
		break;
	case OPT_RCVBUF:
		o->rcvbuf = (int)v;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

static int set_option(struct nc_options *o, int opt, const char *arg)
{
	char *end;
	uint64_t v;

	switch (opt) {
	case OPT_SRC:
		return nc_parse_sources(arg, o);
	case OPT_PATH:
		o->path = arg;
		return 0;
	case OPT_BODY:
		return map_body(arg, o);
	case OPT_DISCARD:
		o->discard = true;
		return 0;
	case OPT_SERVER_CLOSE:
		o->server_close = true;
		return 0;
	case OPT_RESET:
		o->reset = true;
		return 0;
	case OPT_JSON:
		return 0;
	default:
		if (!arg)
			return -EINVAL;
		v = strtoull(arg, &end, 10);
		return *arg == '\0' || *end != '\0' ? -EINVAL : set_number(o, opt, v);
	}
}

int main(int argc, char **argv)
{
	struct nc_options o = {.conns = 1,
			       .concurrency = 64,
			       .keepalive = 1,
			       .time = 60,
			       .limit_ms = 3000,
			       .interval_ms = 100,
			       .hold = 60,
			       .path = "/",
			       .bytes = 0,
			       .seed = 1};
	int opt;

	if (argc < 4 || nc_parse_addr(argv[2], argv[3], &o.to) < 0)
		return usage();
	o.host = argv[2];
	optind = 4;
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		int err = set_option(&o, opt, optarg);

		if (err) {
			fprintf(stderr, "netclient: %s: %s\n", optarg ? optarg : argv[optind - 1],
				strerror(-err));
			return usage();
		}
	}
	if (!o.conns || !o.concurrency || optind != argc)
		return usage();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(&o);
	}
	return usage();
}
