/* SPDX-License-Identifier: BSD-2-Clause */
/* weir health: whether clients should be sent here, for scripts of routing daemons. */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "control/ctl.h"

struct all {
	const char *cmd;
	uint64_t timeout_ms;
	bool json;
	unsigned asked;
	int worst;
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void say(const json_t *reply, bool healthy, bool json)
{
	if (json) {
		json_dumpf(reply, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else if (healthy) {
		printf("%s: healthy%s\n", text(reply, "iface"),
		       json_is_true(json_object_get(reply, "full"))
			       ? ", but full: new clients wait for room"
			       : "");
	} else {
		printf("%s: not healthy: %s\n", text(reply, "iface"), text(reply, "reason"));
	}
}

static int ask(const struct all *a, const struct ctl_target *target)
{
	struct ctlclient cc;
	json_t *reply;
	int rc;

	if (ctlclient_open(&cc, a->cmd, target))
		return 1; /* which of several was meant is no question here */
	cc.timeout_ms = (int)a->timeout_ms;
	reply = ctlclient_call(&cc, json_pack("{ss}", "cmd", "health"), false, &rc);
	if (reply) {
		bool healthy = json_is_true(json_object_get(reply, "healthy"));

		say(reply, healthy, a->json);
		rc = healthy ? 0 : 1;
	}
	json_decref(reply);
	ctlclient_close(&cc);
	return rc;
}

static int ask_next(const char *path, void *arg)
{
	struct all *a = arg;
	struct ctl_target target = {.ctl = path};

	a->asked++;
	a->worst |= ask(a, &target);
	return 0;
}

int cmd_health(int argc, char **argv)
{
	struct ctl_target target = {0};
	struct all a = {.cmd = argv[0], .timeout_ms = 2000};
	const struct arg table[] = {
		OPT_STRING("iface", 'i', "IFACE", "the weir on this interface (default: all)",
			   &target.iface),
		OPT_STRING("ctl", 0, "PATH", "its control socket, where it is not the default",
			   &target.ctl),
		{.kind = ARG_TIME_MS,
		 .name = "timeout",
		 .value = "TIME",
		 .help = "how long to wait for weir's answer (2s)",
		 .dest = &a.timeout_ms,
		 .min = 1,
		 .max = 60000},
		OPT_JSON(target),
		OPT_END};
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir health [-i IFACE | --ctl PATH] [--timeout TIME] [--json]\n\n"
		"Exit status 0 when clients should be sent here: weir answers, does not drain, "
		"and\n"
		"the worker of every RX queue is alive; 1 otherwise, also where no weir runs.\n"
		"Without -i all weirs of this network namespace must be healthy. Made for the\n"
		"health checks of routing daemons and load balancers.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	a.json = target.json;
	if (!target.iface && !target.ctl && !ctl_each_path(ask_next, &a) && a.asked)
		return a.worst;
	return ask(&a, &target); /* which says that there is none */
}
