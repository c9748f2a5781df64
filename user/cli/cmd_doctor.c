/* SPDX-License-Identifier: BSD-2-Clause */
/* weir doctor: what will hurt on an interface, and the commands that mend it. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/doctor_view.h"
#include "cli/opts.h"

struct visit {
	struct doctor_facts facts;
	struct doctor_report report;
};

static int visit(const char *cmd, const char *iface, bool json)
{
	struct visit *v = calloc(1, sizeof(*v));
	struct weir_err err;
	json_t *o;
	int status;

	if (!v) {
		fprintf(stderr, "weir %s: out of memory\n", cmd);
		return 1;
	}
	if (doctor_gather(&v->facts, iface, &err)) {
		fprintf(stderr, "weir %s: %s\n", cmd, err.msg);
		free(v);
		return 2;
	}
	doctor_judge(&v->facts, &v->report);
	if (json) {
		o = doctor_json(&v->report, iface);
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else {
		doctor_print(&v->report, stdout, ctl_colors());
	}
	status = doctor_worst(&v->report) == DOCTOR_BAD;
	free(v);
	return status;
}

int cmd_doctor(int argc, char **argv)
{
	bool json = false;
	const struct arg table[] = {OPT_FLAG("json", 0, "print JSON", &json), OPT_END};
	const char *iface;
	int status;

	iface = args_one(
		argc, argv, table,
		"usage: weir doctor IFACE [--json]\n\n"
		"What the kernel, the machine and the interface offer to weir, and what of them\n"
		"will hurt, each with the command that mends it. Changes nothing itself. Exit\n"
		"status 1: weir run would fail, or frames would be lost.\n\n",
		"interface", &status);
	if (!iface)
		return status;
	return visit(argv[0], iface, json);
}
