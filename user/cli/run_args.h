/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `weir run` is to do: the configuration file's settings (-c FILE), then those of the
 * command line, which go before them; its services are added to the file's.
 */
#ifndef WEIR_CLI_RUN_ARGS_H
#define WEIR_CLI_RUN_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/conf.h"
#include "cli/log_line.h"
#include "control/instance.h"
#include "control/policy.h"
#include "control/services.h"

struct run_args {
	struct instance_config cfg;
	struct services services;
	struct policy policy;
	const char *ctl;
	const char *metrics; /* NULL: none */
	uint64_t drain_ms;
	int log_level;	  /* of syslog.h */
	const char *user; /* NULL: whose we are */
	bool sandbox;
	bool takeover; /* of the weir that runs there (control/takeover.h) */
	enum log_format log_format;

	int argc;
	char **argv;
	const char *file;    /* NULL: none */
	struct conf conf;    /* texts of the file are its own */
	struct run_raw *raw; /* every option's value */
};

/* 0, ARGS_HELP (printed), or a negative value after it was said on stderr. */
int run_args_parse(struct run_args *a, int argc, char **argv);
void run_args_free(struct run_args *a);

/*
 * A file by itself, and anew what `before` was made from: nothing is printed, what is wrong is
 * in a->conf.diag[]. In any case run_args_free().
 */
int run_args_file(struct run_args *a, const char *file);
int run_args_again(struct run_args *a, const struct run_args *before);

/*
 * The options that differ between two and that a running process does not take: the names of
 * the first `max`, and how many there are.
 */
unsigned run_args_waiting(const struct run_args *now, const struct run_args *next,
			  const char **names, unsigned max);

#endif
