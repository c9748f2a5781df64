/* SPDX-License-Identifier: BSD-2-Clause */
/* weir drain: no new connections, and how many are left. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"

#define LOOK_US	  200000
#define NO_LIMIT  UINT64_MAX
#define HOUR_MS	  3600000ull
#define LIMIT_MAX (30 * 24 * HOUR_MS)

struct drain_args {
	struct ctl_target target;
	bool undo, wait, exit;
	uint64_t limit_ms;
};

static json_t *request(const struct drain_args *a)
{
	json_t *req = json_pack("{ss}", "cmd", "drain");

	if (req && a->undo)
		json_object_set_new(req, "undo", json_true());
	if (req && a->exit)
		json_object_set_new(req, "exit", json_true());
	if (req && a->limit_ms != NO_LIMIT)
		json_object_set_new(req, "limit_ms", json_integer((json_int_t)a->limit_ms));
	return req;
}

static uint64_t connections(const json_t *reply)
{
	return (uint64_t)json_integer_value(json_object_get(reply, "connections"));
}

static uint64_t left_of(const json_t *status)
{
	const char *name;
	uint64_t sum = 0;
	json_t *v;

	json_object_foreach(json_object_get(status, "connections"), name, v)
	{
		if (strcmp(name, "TIME_WAIT"))
			sum += (uint64_t)json_integer_value(v);
	}
	return sum;
}

static void show(const struct drain_args *a, const json_t *reply)
{
	const json_t *d = json_object_get(reply, "drain");
	const json_t *left = json_object_get(d, "left_ms");

	if (a->target.json) {
		json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		printf("%s, %" PRIu64 " connections",
		       json_string_value(json_object_get(d, "state")), connections(reply));
		if (json_is_integer(left))
			printf(", closed in %.1f s", (double)json_integer_value(left) / 1000.0);
		printf("%s\n", json_is_true(json_object_get(d, "exit")) ? ", then it ends" : "");
	}
	fflush(stdout);
}

/* A question that may find weir gone: -1 then, as is right when it was told to end. */
static int64_t ask(const struct drain_args *a, struct ctlclient *cc)
{
	int64_t left = -1;
	json_t *reply;
	int rc;

	cc->quiet = a->exit;
	reply = ctlclient_call(cc, json_pack("{ss}", "cmd", "status"), false, &rc);
	if (!reply)
		return -1;
	/* Undone by another: nobody should wait for ever. */
	if (!json_is_true(json_object_get(reply, "draining")))
		left = -2;
	else
		left = (int64_t)left_of(reply);
	json_decref(reply);
	return left;
}

static int wait_empty(const struct drain_args *a, struct ctlclient *cc)
{
	int64_t left;

	do {
		usleep(LOOK_US);
		left = ask(a, cc);
	} while (left > 0 || (left == 0 && a->exit));
	if (left == -2)
		fprintf(stderr, "weir drain: somebody has undone it\n");
	else if (left == -1 && !a->exit)
		fprintf(stderr, "weir drain: weir has ended\n");
	else if (!a->target.json)
		printf("%s\n", a->exit ? "ended" : "empty");
	return left == -2 || (left == -1 && !a->exit);
}

static int drain(const char *cmd, const struct drain_args *a)
{
	struct ctlclient cc;
	json_t *reply;
	int rc;

	rc = ctlclient_open(&cc, cmd, &a->target);
	if (rc)
		return rc;
	reply = ctlclient_call(&cc, request(a), false, &rc);
	if (reply) {
		show(a, reply);
		json_decref(reply);
		if (a->wait)
			rc = wait_empty(a, &cc);
	}
	ctlclient_close(&cc);
	return rc;
}

int cmd_drain(int argc, char **argv)
{
	struct drain_args a = {.limit_ms = NO_LIMIT};
	const struct arg table[] = {
		OPT_TARGET(a.target),
		{.kind = ARG_TIME_MS,
		 .name = "drain-ms",
		 .value = "TIME",
		 .help = "close in order what is left after this time (500ms, 30s,\n"
			 "10m; default: never)",
		 .dest = &a.limit_ms,
		 .max = LIMIT_MAX},
		OPT_FLAG("exit", 0, "weir ends when it is empty", &a.exit),
		OPT_FLAG("wait", 'w', "return when it is empty, or has ended", &a.wait),
		OPT_FLAG("undo", 0, "serve again", &a.undo),
		OPT_JSON(a.target),
		OPT_END};
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir drain [-i IFACE] [--drain-ms TIME] [--exit] [--wait] [--json]\n"
		"       weir drain [-i IFACE] --undo\n\n"
		"Takes no new connections; those that are open go on. SYNs go unanswered, so\n"
		"that a client's next one may reach another node; health checks say that weir\n"
		"is draining.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (a.undo && (a.exit || a.wait || a.limit_ms != NO_LIMIT)) {
		fprintf(stderr, "weir %s: --undo goes with no other wish\n", argv[0]);
		return 2;
	}
	return drain(argv[0], &a);
}
