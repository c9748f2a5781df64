/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/status_view.h"
#include "control/ctl.h"

struct all {
	const char *cmd;
	bool json;
	unsigned shown;
};

static int show(const char *cmd, const struct ctl_target *target)
{
	json_t *reply;
	int rc;

	reply = ctlclient_ask(cmd, target, json_pack("{ss}", "cmd", "status"), &rc);
	if (reply)
		status_print(reply, stdout, ctl_colors());
	json_decref(reply);
	return rc;
}

static int show_next(const char *path, void *arg)
{
	struct all *a = arg;
	struct ctl_target target = {.ctl = path, .json = a->json};

	if (a->shown++ && !a->json)
		putchar('\n');
	return show(a->cmd, &target);
}

int cmd_status(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {
		OPT_STRING("iface", 'i', "IFACE", "the weir on this interface (default: all)",
			   &target.iface),
		OPT_STRING("ctl", 0, "PATH", "its control socket, where it is not the default",
			   &target.ctl),
		OPT_JSON(target), OPT_END};
	struct all all = {.cmd = argv[0]};
	int rc;

	rc = args_parse(argc, argv, table,
			"usage: weir status [-i IFACE | --ctl PATH] [--json]\n\n"
			"What the weirs that run here are attached to, serve and hold.\n\n",
			NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	all.json = target.json;
	if (!target.iface && !target.ctl) {
		rc = ctl_each_path(show_next, &all);
		if (all.shown)
			return rc;
	}
	return show(argv[0], &target); /* which says that there is none */
}
