/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/ctlclient.h"
#include "cli/opts.h"
#include "cli/ladder.h"
#include "cli/trace_json.h"
#include "cli/trace_order.h"
#include "cli/trace_pcap.h"
#include "control/ctl_request.h"
#include "control/trace_wire.h"

#define HOLD_US	     100000 /* weir reads its rings one after the other */
#define HELD_RECORDS 16384
#define WAIT_MS	     200 /* between two looks at the clock and the signals */
#define WIDTH	     100 /* where none is asked for: wider is harder to read */

struct trace_opts {
	struct ctl_target target;
	struct ladder_opts ladder;
	const char *addr, *pcap;
	uint64_t port, count, duration_s, width;
	bool relative, absolute, quiet;
};

struct trace_run {
	const struct trace_opts *o;
	struct trace_order *order;
	struct ladder *ladder;		/* NULL: not drawn */
	struct ladder_tracker *tracker; /* for JSON */
	struct trace_pcap *pcap;
	uint64_t to_wall_ns, latest_ns, frames, lost;
	bool unsent; /* stdout is gone */
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* ---- what happens to a record ------------------------------------------------------ */

static void print_json(struct trace_run *t, json_t *o)
{
	if (o && json_dumpf(o, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	else
		t->unsent = true;
	json_decref(o);
}

static void show_lost(struct trace_run *t, uint64_t n)
{
	t->lost += n;
	if (t->ladder)
		ladder_lost(t->ladder, n);
	if (t->tracker)
		print_json(t, json_pack("{sisI}", "version", 1, "lost", (json_int_t)n));
}

static void show(struct trace_run *t, const struct trace_event *ev)
{
	if (t->o->count && t->frames >= t->o->count)
		return;
	if (ev->lost) {
		show_lost(t, ev->lost);
		return;
	}
	t->frames++;
	if (t->pcap)
		trace_pcap_write(t->pcap, &ev->rec);
	if (t->ladder)
		ladder_record(t->ladder, &ev->rec);
	if (t->tracker)
		print_json(t, trace_json(t->tracker, &ev->rec, t->to_wall_ns));
}

static void show_due(struct trace_run *t, bool flush)
{
	struct trace_event ev;
	uint64_t now = now_us();

	while (trace_order_take(t->order, &ev, now, flush))
		show(t, &ev);
}

static void hold(struct trace_run *t, const struct trace_event *ev)
{
	struct trace_event first;

	if (trace_order_full(t->order) && trace_order_take(t->order, &first, 0, true))
		show(t, &first);
	trace_order_put(t->order, ev, now_us());
}

static int one_line(struct trace_run *t, const char *line, size_t len)
{
	struct trace_event ev = {0};
	json_error_t err;
	json_t *o = json_loadb(line, len, 0, &err);
	const json_t *lost = json_object_get(o, "lost");
	int rc = 0;

	if (lost) {
		/* A gap is where the latest frame before it was. */
		ev.lost = (uint64_t)json_integer_value(lost);
		ev.rec.mono_ns = t->latest_ns;
	} else if (trace_wire_parse(&ev.rec, o)) {
		fprintf(stderr, "weir trace: weir sent something that is no record\n");
		rc = 1;
	}
	json_decref(o);
	if (rc)
		return rc;
	if (ev.rec.mono_ns > t->latest_ns)
		t->latest_ns = ev.rec.mono_ns;
	hold(t, &ev);
	return 0;
}

/* ---- the loop ------------------------------------------------------------------------ */

static bool over(struct trace_run *t, uint64_t until)
{
	if (stop || t->unsent || (t->o->count && t->frames >= t->o->count))
		return true;
	return t->o->duration_s && now_us() >= until;
}

static int follow(struct trace_run *t, struct ctlclient *cc)
{
	uint64_t until = now_us() + t->o->duration_s * 1000000u;
	size_t len;
	char *line;
	int rc = 0;

	while (!over(t, until) && !rc) {
		int got = ctlclient_line(cc, &line, &len,
					 trace_order_empty(t->order) ? WAIT_MS : HOLD_US / 4000);

		if (got == -EPIPE) {
			fprintf(stderr, "weir trace: weir has ended\n");
			break;
		}
		if (got < 0) {
			fprintf(stderr, "weir trace: %s\n", strerror(-got));
			rc = 1;
		}
		if (got > 0)
			rc = one_line(t, line, len);
		show_due(t, false);
		if (got <= 0 && (fflush(stdout) || (t->pcap && trace_pcap_flush(t->pcap))))
			t->unsent = true;
	}
	show_due(t, true);
	return rc;
}

/* Asks for the trace; the clocks of the reply's head go into *mono and *wall. */
static int begin(struct ctlclient *cc, const struct trace_opts *o, uint64_t *mono, uint64_t *wall)
{
	json_t *req = json_pack("{ss}", "cmd", "trace"), *head;
	int rc;

	if (o->port)
		json_object_set_new(req, "port", json_integer((json_int_t)o->port));
	if (o->addr)
		json_object_set_new(req, "addr", json_string(o->addr));
	head = ctlclient_call(cc, req, false, &rc);
	if (!head)
		return rc;
	*mono = (uint64_t)json_integer_value(json_object_get(head, "mono_ns"));
	*wall = (uint64_t)json_integer_value(json_object_get(head, "wall_ns"));
	json_decref(head);
	return 0;
}

static int open_outputs(struct trace_run *t, uint64_t mono, uint64_t wall)
{
	const struct trace_opts *o = t->o;

	t->to_wall_ns = wall - mono;
	t->order = trace_order_new(HELD_RECORDS, HOLD_US);
	if (o->target.json)
		t->tracker = ladder_tracker_new();
	else if (!o->quiet)
		t->ladder = ladder_new(&o->ladder, stdout);
	if (!t->order || (o->target.json && !t->tracker) ||
	    (!o->target.json && !o->quiet && !t->ladder)) {
		fprintf(stderr, "weir trace: out of memory\n");
		return 1;
	}
	if (!o->pcap)
		return 0;
	t->pcap = trace_pcap_open(o->pcap, mono, wall);
	return t->pcap ? 0 : 1;
}

static int close_outputs(struct trace_run *t)
{
	int rc = 0;

	if (trace_pcap_close(t->pcap)) {
		fprintf(stderr, "weir trace: %s was not written to its end\n", t->o->pcap);
		rc = 1;
	}
	ladder_free(t->ladder);
	ladder_tracker_free(t->tracker);
	trace_order_free(t->order);
	return rc;
}

static int run(struct ctlclient *cc, const struct trace_opts *o)
{
	struct trace_run t = {.o = o};
	uint64_t mono = 0, wall = 0;
	int rc;

	rc = begin(cc, o, &mono, &wall);
	if (rc)
		return rc;
	rc = open_outputs(&t, mono, wall);
	if (!rc) {
		fprintf(stderr, "weir trace: watching; Ctrl-C ends it\n");
		rc = follow(&t, cc);
		if (t.ladder && !t.unsent)
			ladder_summary(t.ladder);
		else if (!t.ladder)
			fprintf(stderr, "%" PRIu64 " frames, %" PRIu64 " events lost\n", t.frames,
				t.lost);
	}
	return close_outputs(&t) ? 1 : rc;
}

/* ---- the command line ------------------------------------------------------------------ */

static int check(struct trace_opts *o)
{
	struct weir_trace_filter filter = {0};

	if (o->addr && ctl_filter_addr(&filter, o->addr)) {
		fprintf(stderr, "weir trace: --addr: '%s' is no IPv4 or IPv6 address\n", o->addr);
		return 2;
	}
	if (o->relative && o->absolute) {
		fprintf(stderr, "weir trace: --relative and --absolute exclude each other\n");
		return 2;
	}
	if (o->quiet && (o->target.json || !o->pcap)) {
		fprintf(stderr, "weir trace: --quiet goes with --pcap and without --json\n");
		return 2;
	}
	return 0;
}

static void set_ladder(struct trace_opts *o)
{
	const char *term = getenv("TERM");
	struct winsize ws;

	if (!o->width) {
		bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col;

		o->width = known && ws.ws_col < WIDTH ? ws.ws_col : WIDTH;
	}
	o->ladder.width = (unsigned)o->width;
	o->ladder.numbers = o->relative	  ? LADDER_RELATIVE
			    : o->absolute ? LADDER_ABSOLUTE
					  : LADDER_BOTH;
	o->ladder.color = ctl_colors();
	o->ladder.ascii = o->ladder.ascii || (term && !strcmp(term, "dumb"));
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* A capture is closed in order even when the reader of the ladders goes away. */
	signal(SIGPIPE, SIG_IGN);
}

int cmd_trace(int argc, char **argv)
{
	struct trace_opts o = {0};
	const struct arg table[] = {
		OPT_TARGET(o.target),
		OPT_HEADING("which frames"),
		OPT_NUMBER("port", 'p', "PORT", "with PORT at either end", &o.port, 1, 65535),
		OPT_STRING("addr", 'a', "ADDR", "with ADDR at either end", &o.addr),
		OPT_NUMBER("count", 'n', "N", "end after N frames", &o.count, 1, UINT32_MAX),
		OPT_NUMBER("duration", 'd', "SECONDS", "end after SECONDS", &o.duration_s, 1,
			   864000),
		OPT_HEADING("what to print"),
		OPT_FLAG("relative", 'r', "only relative sequence numbers", &o.relative),
		OPT_FLAG("absolute", 'A', "only absolute sequence numbers", &o.absolute),
		OPT_FLAG("brief", 'b', "no explanations", &o.ladder.brief),
		OPT_FLAG("verbose", 'v', "timestamps on every segment", &o.ladder.verbose),
		OPT_FLAG("ascii", 0, "no box characters", &o.ladder.ascii),
		OPT_NUMBER("width", 'W', "COLUMNS",
			   "of the ladder, 80 to 140 (default: the\n"
			   "terminal's, up to 100)",
			   &o.width, LADDER_WIDTH_MIN, LADDER_WIDTH_MAX),
		OPT_JSON(o.target),
		OPT_STRING("pcap", 'w', "FILE", "write the frames to FILE, too", &o.pcap),
		OPT_FLAG("quiet", 'q', "only the file", &o.quiet),
		OPT_END,
	};
	struct ctlclient cc;
	int rc;

	rc = args_parse(argc, argv, table,
			"usage: weir trace [-i IFACE | --ctl PATH] [--port PORT] [--addr ADDR] "
			"[--pcap FILE] [OPTIONS]\n\n"
			"Draws connections live as ladders, from frames that were really seen and "
			"sent.\n\n",
			NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	rc = check(&o);
	if (rc)
		return rc;
	set_ladder(&o);
	catch_signals();
	rc = ctlclient_open(&cc, argv[0], &o.target);
	if (rc)
		return rc;
	rc = run(&cc, &o);
	ctlclient_close(&cc);
	return rc;
}
