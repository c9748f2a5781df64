/* SPDX-License-Identifier: BSD-2-Clause */
/* weir policy: the lists and limits in force, what they hit, and what becomes of an address. */
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/policy_view.h"
#include "control/policy.h"

/* [IFACE] [test ADDR] */
static int words(int n, char **w, struct ctl_target *target, const char **addr)
{
	struct policy_prefix x;

	if (n && strcmp(w[0], "test")) {
		target->iface = *w++;
		n--;
	}
	if (!n)
		return 0;
	if (n != 2 || strcmp(w[0], "test")) {
		fprintf(stderr, "weir policy: %s; see weir policy --help\n",
			strcmp(w[0], "test") ? "one interface at a time" : "test which address?");
		return -1;
	}
	if (policy_parse_prefix(&x, w[1]) || strchr(w[1], '/')) {
		fprintf(stderr, "weir policy: '%s': no address, as 192.0.2.7 or 2001:db8::7\n",
			w[1]);
		return -1;
	}
	*addr = w[1];
	return 0;
}

int cmd_policy(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	const char *addr = NULL;
	json_t *reply, *req;
	int rc, n;

	rc = args_parse(
		argc, argv, table,
		"usage: weir policy [IFACE] [test ADDR] [--ctl PATH] [--json]\n\n"
		"Who may come and how much of each: the lists and limits that are in force, and\n"
		"how often they have kept something out. `test ADDR` says what the lists make of\n"
		"an address, and what it has left of the limits now.\n\n",
		&n);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (words(n, argv + 1, &target, &addr))
		return 2;
	req = json_pack("{ss}", "cmd", "policy");
	if (req && addr)
		json_object_set_new(req, "addr", json_string(addr));
	reply = ctlclient_ask(argv[0], &target, req, &rc);
	if (reply)
		policy_print(reply, stdout, ctl_colors());
	json_decref(reply);
	return rc;
}
