/* SPDX-License-Identifier: BSD-2-Clause */
/* weir reload: a running weir reads its configuration file again. */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"

#define TIMEOUT_MS 30000 /* many services, and a filter of thousands of prefixes */

static unsigned count(const json_t *services, const char *name)
{
	return (unsigned)json_integer_value(json_object_get(services, name));
}

static void print_done(const json_t *reply)
{
	const json_t *s = json_object_get(reply, "services");
	const json_t *waiting = json_object_get(reply, "after_restart"), *name;
	size_t i;

	printf("reloaded: services: %u added, %u removed, %u changed, %u as before\n",
	       count(s, "added"), count(s, "removed"), count(s, "changed"), count(s, "kept"));
	if (!json_array_size(waiting))
		return;
	printf("after a restart:");
	json_array_foreach(waiting, i, name)
	{
		printf(" %s", json_string_value(name));
	}
	putchar('\n');
}

static void print_refused(const json_t *reply, const char *cmd)
{
	const json_t *errors = json_object_get(reply, "errors"), *e;
	const char *file, *message;
	json_int_t line, column;
	size_t i;

	fprintf(stderr, "weir %s: nothing has changed: %s\n", cmd,
		json_string_value(json_object_get(reply, "error")));
	json_array_foreach(errors, i, e)
	{
		/* The first is the reason above. */
		if (i && !json_unpack((json_t *)e, "{s:s,s:I,s:I,s:s}", "file", &file, "line",
				      &line, "column", &column, "message", &message))
			fprintf(stderr, "weir %s: %s:%d:%d: %s\n", cmd, file, (int)line,
				(int)column, message);
	}
}

/* What is refused is an answer, too, which --json shows as it is. */
static int ask(struct ctlclient *cc, bool json)
{
	json_t *reply;
	char *line;
	size_t len;
	int status;

	if (ctlclient_send(cc, json_pack("{ss}", "cmd", "reload")))
		return 1;
	if (ctlclient_line(cc, &line, &len, TIMEOUT_MS) <= 0) {
		fprintf(stderr, "weir %s: weir does not answer\n", cc->cmd);
		return 1;
	}
	reply = json_loadb(line, len, 0, NULL);
	status = json_is_true(json_object_get(reply, "reloaded")) ? 0 : 1;
	if (json)
		printf("%.*s\n", (int)len, line);
	else if (!status)
		print_done(reply);
	else
		print_refused(reply, cc->cmd);
	json_decref(reply);
	return status;
}

int cmd_reload(int argc, char **argv)
{
	struct ctl_target target = {0};
	const struct arg table[] = {OPT_TARGET(target), OPT_JSON(target), OPT_END};
	struct ctlclient cc;
	int rc, words;

	rc = args_parse(
		argc, argv, table,
		"usage: weir reload [IFACE] [--ctl PATH] [--json]\n\n"
		"Has a running weir read its configuration file again, as SIGHUP does: services,\n"
		"modes, limits, lists, keys and the log's level change without a connection\n"
		"being dropped. A file with anything wrong changes nothing, and where it is wrong\n"
		"is told. What cannot change in a running weir is named; it waits for a "
		"restart.\n\n",
		&words);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (words > 1) {
		fprintf(stderr, "weir reload: one interface at a time; see weir reload --help\n");
		return 2;
	}
	if (words)
		target.iface = argv[1];
	rc = ctlclient_open(&cc, argv[0], &target);
	if (rc)
		return rc;
	rc = ask(&cc, target.json);
	ctlclient_close(&cc);
	return rc;
}
