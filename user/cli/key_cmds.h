/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands of weir key, as cmds.h has those of weir, and what they share. */
#ifndef WEIR_CLI_KEY_CMDS_H
#define WEIR_CLI_KEY_CMDS_H

#include "cli/args.h"
#include "control/err.h"

int key_new(int argc, char **argv);
int key_rotate(int argc, char **argv);
int key_show_id(int argc, char **argv);
int key_check(int argc, char **argv);
int key_status(int argc, char **argv);

/* The one word that is no option; NULL when there is none to go on with: *status then. */
const char *key_one_file(int argc, char **argv, const struct arg *table, const char *text,
			 int *status);
/* Prints it; the exit status. */
int key_fail(const char *cmd, const struct weir_err *err);

#endif
