/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/status_view.h"

int cmd_status(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	struct ctlclient cc;
	json_t *reply;
	int rc;

	rc = args_parse(argc, argv, table,
			"usage: weir status [-i IFACE | --ctl PATH] [--json]\n\n"
			"What a running weir is attached to, serves and holds.\n\n",
			NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	rc = ctlclient_open(&cc, argv[0], &target);
	if (rc)
		return rc;
	reply = ctlclient_call(&cc, json_pack("{ss}", "cmd", "status"), target.json, &rc);
	if (reply)
		status_print(reply, stdout, ctl_colors());
	json_decref(reply);
	ctlclient_close(&cc);
	return rc;
}
