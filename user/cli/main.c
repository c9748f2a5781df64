/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"
#include "proxy/proxy.h"

const struct cmd weir_cmds[] = {
	{"run", cmd_run, "attach to an interface and serve"},
	{"check", cmd_check, "whether a configuration file is valid, and where not"},
	{"reload", cmd_reload, "a running weir reads its configuration file again"},
	{"status", cmd_status, "a running weir: mode, queues, connections, memory"},
	{"mode", cmd_mode, "who answers SYNs, gate or worker: shown, switched live"},
	{"top", cmd_top, "live: floods, refusals, connections, CPU, the last minutes"},
	{"health", cmd_health, "whether clients should be sent here, as an exit status"},
	{"key", cmd_key, "key files of fleets: made, rotated, compared, and in use"},
	{"backends", cmd_backends, "the servers behind proxied services, and how they are"},
	{"policy", cmd_policy, "who may come and how much of each: lists, limits, hits"},
	{"drain", cmd_drain, "empty it: no new connections, those open go on"},
	{"conns", cmd_conns, "its connections, as a table"},
	{"counters", cmd_counters, "all counters of gate and engine"},
	{"trace", cmd_trace, "its connections drawn live as ladders"},
	{"doctor", cmd_doctor, "what an interface and the machine offer, and what will hurt"},
	{"detach", cmd_detach, "take off an interface what a killed weir has left"},
	{"completion", cmd_completion, "for bash, zsh or fish: options, choices, interfaces"},
	{.name = NULL},
};

static void usage(FILE *f)
{
	const struct cmd *c;

	fputs("weir answers TCP handshakes in XDP and serves the connections from user space.\n\n"
	      "usage: weir COMMAND [OPTIONS]; weir COMMAND --help\n\n",
	      f);
	for (c = weir_cmds; c->name; c++)
		fprintf(f, "  %-10s %s\n", c->name, c->help);
	fputs("  --version  print the version\n", f);
}

int main(int argc, char **argv)
{
	const struct cmd *c;

	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("weir " WEIR_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	proxy_register();
	for (c = weir_cmds; c->name; c++) {
		if (!strcmp(argv[1], c->name))
			return c->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "weir: unknown command '%s'; see weir --help\n", argv[1]);
	return 2;
}
