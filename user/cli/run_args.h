/* SPDX-License-Identifier: BSD-2-Clause */
/* The arguments of `weir run`. */
#ifndef WEIR_CLI_RUN_ARGS_H
#define WEIR_CLI_RUN_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/log_line.h"
#include "control/instance.h"
#include "control/services.h"

struct run_args {
	struct instance_config cfg;
	struct services services;
	const char *ctl;
	uint64_t drain_ms;
	int log_level;	  /* of syslog.h */
	const char *user; /* NULL: whose we are */
	bool sandbox;
	enum log_format log_format;
};

/* 0, ARGS_HELP (printed), or a negative value after one line on stderr. */
int run_args_parse(struct run_args *a, int argc, char **argv);
void run_args_free(struct run_args *a);

#endif
