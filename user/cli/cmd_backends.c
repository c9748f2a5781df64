/* SPDX-License-Identifier: BSD-2-Clause */
/* weir backends: the servers behind proxied services, and how they are. */
#include <stdio.h>

#include "cli/backends_view.h"
#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"

int cmd_backends(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	json_t *reply;
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir backends [-i IFACE | --ctl PATH] [--json]\n\n"
		"The servers behind proxied services: up, down (by their checks), ejected (for\n"
		"a time, as connects failed) or draining (no longer configured, connections go\n"
		"on); connections now and ever, connects that failed, the smoothed time of a\n"
		"connect, good checks of all, and what went wrong last.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	reply = ctlclient_ask(argv[0], &target, json_pack("{ss}", "cmd", "backends"), &rc);
	if (reply && backends_print(reply, stdout, ctl_colors()))
		rc = 1;
	json_decref(reply);
	return rc;
}
