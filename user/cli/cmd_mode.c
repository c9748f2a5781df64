/* SPDX-License-Identifier: BSD-2-Clause */
/* weir mode: who answers a service's SYNs, shown and switched. */
#include <errno.h>
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/mode_args.h"
#include "cli/opts.h"
#include "cli/status_view.h"

static json_t *request(const struct mode_args *a)
{
	json_t *req = json_pack("{ss}", "cmd", "mode");

	if (req && a->service)
		json_object_set_new(req, "service", json_string(a->service));
	if (req && a->mode)
		json_object_set_new(req, "mode", json_string(a->mode));
	return req;
}

int cmd_mode(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	struct mode_args a;
	json_t *reply;
	int rc, words;

	rc = args_parse(
		argc, argv, table,
		"usage: weir mode [IFACE] [ADDR:PORT] [always|auto|never] [--ctl PATH] "
		"[--json]\n\n"
		"Who answers the SYNs of a service, or of all: with a cookie in XDP (always),\n"
		"the worker that serves it (never), or the worker until a flood is seen\n"
		"(auto). Without a mode it is only shown; changes take effect at once.\n\n",
		&words);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (mode_args_parse(&a, words, argv + 1))
		return 2;
	if (a.iface)
		target.iface = a.iface;
	reply = ctlclient_ask(argv[0], &target, request(&a), &rc);
	if (reply)
		modes_print(reply, stdout, ctl_colors());
	json_decref(reply);
	return rc;
}
