/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `weir run` reads its configuration file again: on SIGHUP, and when `weir reload` asks.
 *
 *   {"version":1,"reloaded":true,"file":F,"services":{"added":N,"removed":N,"changed":N,"kept":N},
 *    "after_restart":[NAME,…]}
 *   {"version":1,"reloaded":false,"error":S,"file":F,"errors":[{file,line,column,message},…]}
 */
#ifndef WEIR_CLI_RUN_RELOAD_H
#define WEIR_CLI_RUN_RELOAD_H

#include <jansson.h>

#include "cli/run_args.h"

struct run_reload {
	struct weir_instance *inst;
	struct run_args *first; /* what the process was started with */
	struct run_args *now;	/* what is served; first, or one of ours */
	uint64_t drain_us;
};

/* Takes what can be taken of the file, or nothing if it is wrong; logs which, and replies. */
json_t *run_reload(void *arg);
/* Once the instance is closed. */
void run_reload_free(struct run_reload *r);

#endif
