/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/rowsplit.h"
#include "cli/columns.h"
#include "cli/units.h"
#include "control/ctl_request.h"
#include "engine/engine.h"

static const char *const heads[] = {"STATE",   "SERVICE", "LOCAL", "REMOTE", ">SEND-Q",
				    ">RECV-Q", ">RTT",	  ">RTO",  ">CWND",  ">SSTHRESH",
				    ">MSS",    "TIMER",	  NULL};

static uint64_t num(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void text_cell(struct columns *t, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	columns_cell(t, "%s", s && *s ? s : "-");
}

static void us_cell(struct columns *t, uint64_t us)
{
	char buf[UNITS_MAX];

	columns_cell(t, "%s", us ? units_us(us, buf) : "-");
}

static void timer_cell(struct columns *t, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "timer"));
	uint64_t us = num(o, "timer_in_us");
	char buf[UNITS_MAX];

	if (name && us)
		columns_cell(t, "%s %s", name, units_us(us, buf));
	else
		columns_cell(t, "-");
}

static int add_row(void *arg, const char *text, size_t len)
{
	struct columns *t = arg;
	uint64_t ssthresh;
	json_error_t err;
	json_t *o = json_loadb(text, len, 0, &err);

	if (!o)
		return -EINVAL;
	text_cell(t, o, "state");
	text_cell(t, o, "service");
	text_cell(t, o, "local");
	text_cell(t, o, "remote");
	columns_cell(t, "%" PRIu64, num(o, "sndq"));
	columns_cell(t, "%" PRIu64, num(o, "rcvq"));
	us_cell(t, num(o, "srtt_us"));
	us_cell(t, num(o, "rto_us"));
	columns_cell(t, "%" PRIu64, num(o, "cwnd"));
	ssthresh = num(o, "ssthresh");
	/* Before the first loss it is "arbitrarily high" (RFC 5681 3.1). */
	if (ssthresh && ssthresh < INT32_MAX)
		columns_cell(t, "%" PRIu64, ssthresh);
	else
		columns_cell(t, "-");
	columns_cell(t, "%" PRIu64, num(o, "mss"));
	timer_cell(t, o);
	json_decref(o);
	return 0;
}

/* What remains of the reply when its rows are taken out. The exit status. */
static int check_rest(const char *cmd, const char *rest)
{
	json_error_t err;
	json_t *o = json_loads(rest, 0, &err), *w;
	int rc = 0;
	size_t i;

	if (!o || ctl_error_of(o)) {
		fprintf(stderr, "weir %s: %s\n", cmd,
			o ? ctl_error_of(o) : "weir answered something else than JSON");
		rc = 1;
	}
	json_array_foreach(json_object_get(o, "unanswered_workers"), i, w)
	{
		fprintf(stderr, "weir %s: worker %d did not answer: its connections are missing\n",
			cmd, (int)json_integer_value(w));
		rc = 1;
	}
	json_decref(o);
	return rc;
}

static int no_row(void *arg, const char *text, size_t len)
{
	(void)arg, (void)text, (void)len;
	return 0;
}

static int receive(struct ctlclient *cc, struct rowsplit *rs, bool raw)
{
	const char *data;
	size_t len;
	int rc;

	do {
		if (ctlclient_bytes(cc, &data, &len))
			return 1;
		rc = rowsplit_feed(rs, data, len);
		/* An error is one short line and known before anything is printed. */
		if (raw && !strstr(rs->rest, "\"error\"") && fwrite(data, 1, len, stdout) < len)
			return 1;
	} while (rc == 0);
	if (rc < 0) {
		fprintf(stderr, "weir %s: weir answered something else than JSON\n", cc->cmd);
		return 1;
	}
	return check_rest(cc->cmd, rs->rest);
}

static int run(struct ctlclient *cc, json_t *req, bool raw)
{
	struct rowsplit rs = {.row = raw ? no_row : add_row};
	struct columns t;
	int rc;

	if (ctlclient_send(cc, req))
		return 1;
	if (columns_init(&t, stdout, heads, ctl_colors())) {
		fprintf(stderr, "weir %s: out of memory\n", cc->cmd);
		return 1;
	}
	rs.arg = &t;
	rc = receive(cc, &rs, raw);
	if (!raw && (!rc || t.rows))
		columns_flush(&t);
	columns_free(&t);
	return rc;
}

int cmd_conns(int argc, char **argv)
{
	struct ctl_target target = {0};
	const char *state = NULL;
	uint64_t port = 0;
	const struct arg table[] = {
		OPT_TARGET(target),
		OPT_JSON(target),
		OPT_STRING("state", 's', "STATE", "only those in STATE, such as ESTABLISHED",
			   &state),
		OPT_NUMBER("port", 'p', "PORT", "only those with PORT at either end", &port, 1,
			   65535),
		OPT_END,
	};
	struct ctlclient cc;
	json_t *req;
	int rc;

	rc = args_parse(argc, argv, table,
			"usage: weir conns [-i IFACE | --ctl PATH] [--state STATE] [--port PORT] "
			"[--json]\n\n"
			"The connections of a running weir: state, addresses, queues, timing.\n\n",
			NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	if (state && ctl_state_by_name(state) < 0) {
		fprintf(stderr, "weir conns: --state: '%s' is none of", state);
		for (int s = 0; s < WEIR_TCP_NSTATES; s++)
			fprintf(stderr, " %s", tcp_state_name(s));
		fputc('\n', stderr);
		return 2;
	}
	rc = ctlclient_open(&cc, argv[0], &target);
	if (rc)
		return rc;
	req = json_pack("{ss}", "cmd", "conns");
	if (state)
		json_object_set_new(req, "state", json_string(state));
	if (port)
		json_object_set_new(req, "port", json_integer((json_int_t)port));
	rc = run(&cc, req, target.json);
	ctlclient_close(&cc);
	return rc;
}
