/* SPDX-License-Identifier: BSD-2-Clause */
/* weir check: whether a configuration file would do, and where it would not. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cmds.h"
#include "cli/conf_run.h"
#include "cli/opts.h"
#include "cli/run_args.h"

#define DEFAULT_FILE "/etc/weir/weir.conf"

static void look_for_interface(struct run_args *a)
{
	if (!if_nametoindex(a->cfg.iface))
		conf_bad(&a->conf, conf_where(&a->conf, "iface"), "%s: no such interface here",
			 a->cfg.iface);
}

static void print_json(const struct run_args *a, const char *file)
{
	json_t *o = json_pack("{s:i,s:s,s:b,s:o}", "version", 1, "file", file, "valid",
			      !a->conf.ndiags, "errors", conf_json(&a->conf));

	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static int check(const char *file, bool elsewhere, bool json)
{
	struct run_args *a = calloc(1, sizeof(*a));
	int status;

	if (!a) {
		fprintf(stderr, "weir check: out of memory\n");
		return 1;
	}
	if (!run_args_file(a, file) && !elsewhere)
		look_for_interface(a);
	status = a->conf.ndiags ? 1 : 0;
	if (json)
		print_json(a, file);
	else if (status)
		conf_print(&a->conf, stderr);
	else
		printf("%s: valid: %u service%s on %s\n", file, a->services.n,
		       a->services.n == 1 ? "" : "s", a->cfg.iface);
	run_args_free(a);
	free(a);
	return status;
}

int cmd_check(int argc, char **argv)
{
	bool json = false, elsewhere = false;
	const struct arg table[] = {OPT_FLAG("elsewhere", 0,
					     "for another machine: do not look for the interface",
					     &elsewhere),
				    OPT_FLAG("json", 0, "print JSON", &json), OPT_END};
	int rc, words;

	rc = args_parse(argc, argv, table,
			"usage: weir check [FILE] [--elsewhere] [--json]\n\n"
			"Whether weir run -c FILE would take the file (" DEFAULT_FILE "). What\n"
			"is wrong is shown as FILE:LINE:COLUMN: with the line and a caret below.\n"
			"Exits 0 if the file is valid, 1 if it is not, 2 for a wrong use.\n\n",
			&words);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (words > 1) {
		fprintf(stderr, "weir check: one file at a time; see weir check --help\n");
		return 2;
	}
	return check(words ? argv[1] : DEFAULT_FILE, elsewhere, json);
}
