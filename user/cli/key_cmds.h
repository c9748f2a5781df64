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

/* Prints it; the exit status. */
int key_fail(const char *cmd, const struct weir_err *err);

#endif
