/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/status_view.h"

struct counters_opts {
	struct ctl_target target;
	bool all;
	uint64_t watch_s;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static json_t *ask(struct ctlclient *cc, bool raw, int *rc)
{
	return ctlclient_call(cc, json_pack("{ss}", "cmd", "counters"), raw, rc);
}

/* Until weir ends or a signal ends us. As JSON: a line each time, cumulative. */
static int watch(struct ctlclient *cc, const struct counters_opts *o)
{
	json_t *before = NULL, *reply;
	double last = 0, now;
	int rc;

	for (;;) {
		reply = ask(cc, o->target.json, &rc);
		now = now_s();
		if (rc)
			break;
		if (reply && before) {
			if (ctl_colors())
				fputs("\033[H\033[2J", stdout);
			counters_print(reply, before, now - last, o->all, stdout, ctl_colors());
			putchar('\n');
		}
		json_decref(before);
		before = reply;
		last = now;
		if (fflush(stdout))
			break;
		sleep((unsigned)o->watch_s);
	}
	json_decref(before);
	return rc;
}

int cmd_counters(int argc, char **argv)
{
	struct counters_opts o = {0};
	const struct arg table[] = {
		OPT_TARGET(o.target),
		OPT_JSON(o.target),
		OPT_FLAG("all", 'a', "those that are 0, too", &o.all),
		OPT_NUMBER("watch", 'w', "SECONDS", "every SECONDS: what was added, and per second",
			   &o.watch_s, 1, 86400),
		OPT_END,
	};
	struct ctlclient cc;
	json_t *reply;
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir counters [-i IFACE | --ctl PATH] [--all] [--watch SECONDS] "
		"[--json]\n\n"
		"Every outcome of gate and engine has a counter, cumulative since start.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	rc = ctlclient_open(&cc, argv[0], &o.target);
	if (rc)
		return rc;
	if (o.watch_s) {
		rc = watch(&cc, &o);
	} else {
		reply = ask(&cc, o.target.json, &rc);
		if (reply)
			counters_print(reply, NULL, 0, o.all, stdout, ctl_colors());
		json_decref(reply);
	}
	ctlclient_close(&cc);
	return rc;
}
