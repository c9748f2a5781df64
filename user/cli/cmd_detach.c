/* SPDX-License-Identifier: BSD-2-Clause */
/* weir detach: what a weir that was killed has left in an XDP dispatcher. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cmds.h"
#include "control/dispatcher.h"
#include "control/hook.h"

static int detach(const char *cmd, const char *iface)
{
	unsigned ifindex = if_nametoindex(iface);
	struct weir_err err;
	struct holder weir;
	struct hook hook;
	int rc;

	if (!ifindex || hook_query(&hook, ifindex)) {
		fprintf(stderr, "weir %s: %s: no such interface\n", cmd, iface);
		return 2;
	}
	if (hook.kind == HOOK_DISPATCHER && dispatcher_ready(ifindex, hook.prog_id, &err)) {
		fprintf(stderr, "weir %s: %s\n", cmd, err.msg);
		return err.status;
	}
	if (hook.kind != HOOK_DISPATCHER || !dispatcher_weirs(ifindex, &weir)) {
		printf("%s: nothing of a killed weir is there\n", iface);
		return 0;
	}
	if (weir.pid) {
		fprintf(stderr, "weir %s: %s: process %d (%s) runs on it: stop that\n", cmd, iface,
			(int)weir.pid, weir.comm);
		return 1;
	}
	rc = dispatcher_sweep(ifindex);
	if (rc < 0) {
		fprintf(stderr, "weir %s: %s: cannot take it out: %s\n", cmd, iface, strerror(-rc));
		return 1;
	}
	printf("%s: taken out of the dispatcher: %d of a killed weir\n", iface, rc);
	return 0;
}

int cmd_detach(int argc, char **argv)
{
	static const struct arg table[] = {{.name = NULL}};
	const char *iface;
	int status;

	iface = args_one(
		argc, argv, table,
		"usage: weir detach IFACE\n\n"
		"Where the gate shares the XDP hook (weir run --xdp-dispatcher), it stays in\n"
		"libxdp's dispatcher when weir is killed, and closes weir's services until the\n"
		"next weir run. This takes it out and leaves all other programs in place.\n",
		"interface", &status);
	if (!iface)
		return status;
	return detach(argv[0], iface);
}
