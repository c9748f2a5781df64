/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The subcommands. Each gets its own argv (argv[0] is the subcommand's name),
 * answers --help, and returns the exit status: 0, 1 failure, 2 usage.
 */
#ifndef WEIR_CLI_CMDS_H
#define WEIR_CLI_CMDS_H

struct cmd {
	const char *name; /* NULL ends the table */
	int (*run)(int argc, char **argv);
	const char *help;
};

extern const struct cmd weir_cmds[];

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_drain(int argc, char **argv);
int cmd_mode(int argc, char **argv);
int cmd_backends(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_conns(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_counters(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_completion(int argc, char **argv);

#endif
