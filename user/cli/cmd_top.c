/* SPDX-License-Identifier: BSD-2-Clause */
/* weir top: live, on a terminal or line by line. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd_top_curses.h"
#include "cli/cmds.h"
#include "cli/opts.h"
#include "cli/top_feed.h"
#include "cli/top_ui.h"

#define NAP_MS	     100      /* a signal just before poll() waits no longer than this */
#define SILENT_US    5000000  /* a weir that takes longer has its silence shown */
#define GIVE_UP_US   10000000 /* by --once */
#define RESTARTED_US 10000000 /* how long a restart is told */
#define PLAIN_COLS   80

struct top_opts {
	struct ctl_target target;
	uint64_t interval_ms;
	bool once;
};

struct top {
	const struct top_opts *o;
	struct top_feed feed;
	struct top_model model;
	struct top_view view;
	uint64_t next_us, restarted_us;
	char message[160], restarted_at[16];
};

static volatile sig_atomic_t ended;

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_end};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void look_at_machine(struct top *t)
{
	FILE *f = fopen("/proc/stat", "re");
	char line[256];

	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		top_model_machine(&t->model, line);
	fclose(f);
}

/* Asks when it is time to, takes what has come. Waits NAP_MS at most for either, or a key. */
static enum top_news turn(struct top *t, int key_fd)
{
	struct pollfd fds[] = {{.fd = top_feed_fd(&t->feed), .events = POLLIN},
			       {.fd = key_fd, .events = POLLIN}};
	uint64_t now = now_us();
	int wait_ms = NAP_MS;

	if (!t->view.paused && now >= t->next_us) {
		t->next_us = now + t->view.interval_ms * 1000ull;
		look_at_machine(t);
		top_feed_ask(&t->feed, &t->model, now);
		fds[0].fd = top_feed_fd(&t->feed);
	}
	if (t->next_us > now && t->next_us - now < NAP_MS * 1000u)
		wait_ms = (int)((t->next_us - now) / 1000) + 1;
	if (poll(fds, 2, wait_ms) < 0)
		return TOP_NOTHING;
	if (fds[1].revents & (POLLHUP | POLLERR | POLLNVAL))
		ended = 1;
	if (!fds[0].revents && fds[0].fd >= 0)
		return TOP_NOTHING;
	return top_feed_take(&t->feed, &t->model, now_us());
}

/* ---- without a terminal ---------------------------------------------------------------- */

static int print_frame(struct top *t)
{
	struct top_screen s;

	top_model_sort(&t->model, t->view.sort);
	if (top_screen_init(&s, top_layout_rows(&t->model), PLAIN_COLS))
		return -ENOMEM;
	top_layout(&s, &t->model, &t->view);
	top_print(&s, stdout);
	top_screen_free(&s);
	return 0;
}

static int print_json(const struct top *t)
{
	json_t *o = top_model_json(&t->model);
	int rc = o ? json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;

	json_decref(o);
	putchar('\n');
	return rc;
}

/* A frame or a line with each update that has rates; by --once only the first. */
static int stream(struct top *t)
{
	t->view.plain = true;
	while (!ended) {
		enum top_news news = turn(t, -1);

		if (news == TOP_LOST) {
			fprintf(stderr, "weir top: weir has gone%s\n",
				t->o->once ? "" : ": waiting for it");
			if (t->o->once)
				return 1;
		}
		if (t->o->once && top_feed_silent(&t->feed, now_us()) > GIVE_UP_US) {
			fprintf(stderr, "weir top: weir does not answer\n");
			return 1;
		}
		if ((news != TOP_UPDATED && news != TOP_RESTARTED) || t->model.updates < 2)
			continue;
		if (t->o->target.json ? print_json(t) : print_frame(t))
			return 1;
		if (t->o->once)
			break;
		if (!t->o->target.json)
			putchar('\n');
		if (fflush(stdout))
			break; /* nobody reads it any more */
	}
	return fflush(stdout) ? 1 : 0;
}

/* ---- on a terminal ------------------------------------------------------------------------ */

static void tell(struct top *t, uint64_t now)
{
	uint64_t silent = top_feed_silent(&t->feed, now);

	t->view.message = t->message;
	t->view.gone = t->feed.lost_us;
	if (t->feed.lost_us)
		snprintf(t->message, sizeof(t->message),
			 "weir has gone, %u s ago: waiting for it; what is shown is of before",
			 (unsigned)(silent / 1000000));
	else if (silent > SILENT_US)
		snprintf(t->message, sizeof(t->message), "weir has not answered for %u s",
			 (unsigned)(silent / 1000000));
	else if (t->restarted_us && now - t->restarted_us < RESTARTED_US)
		snprintf(t->message, sizeof(t->message), "weir was restarted: here again since %s",
			 t->restarted_at);
	else
		t->view.message = NULL;
}

static int draw(struct top *t)
{
	struct top_screen s;
	unsigned rows, cols;

	terminal_size(&rows, &cols);
	if (top_screen_init(&s, rows, cols))
		return -ENOMEM;
	tell(t, now_us());
	top_model_sort(&t->model, t->view.sort);
	top_layout(&s, &t->model, &t->view);
	terminal_show(&s);
	top_screen_free(&s);
	return 0;
}

static void note_restart(struct top *t)
{
	time_t wall = time(NULL);
	struct tm tm;

	t->restarted_us = now_us();
	strftime(t->restarted_at, sizeof(t->restarted_at), "%H:%M:%S", localtime_r(&wall, &tm));
}

/* Everything that was typed. False: leave. */
static bool keys(struct top *t, bool *drawn)
{
	unsigned rows, cols, k;
	bool resized = false;

	terminal_size(&rows, &cols);
	while ((k = terminal_key(&resized)) != TOP_KEY_NONE) {
		unsigned interval = t->view.interval_ms;

		*drawn = false;
		if (!top_key(&t->view, &t->model, k, rows > 4 ? rows - 4 : 1))
			return false;
		if (t->view.interval_ms != interval)
			t->next_us = 0;
	}
	return true;
}

static int live(struct top *t)
{
	bool drawn = false;
	uint64_t drawn_us = 0;

	while (!ended) {
		enum top_news news;

		/* What is told of the time that passes changes by itself. */
		if (!drawn || now_us() - drawn_us > 1000000) {
			if (draw(t))
				return 1;
			drawn = true;
			drawn_us = now_us();
		}
		news = turn(t, STDIN_FILENO);
		if (news == TOP_RESTARTED)
			note_restart(t);
		drawn &= news == TOP_NOTHING;
		if (!keys(t, &drawn))
			break;
	}
	return 0;
}

static bool may_color(void)
{
	const char *no = getenv("NO_COLOR");

	return !(no && *no);
}

static int run(struct top *t)
{
	int rc;

	if (t->o->once || t->o->target.json)
		return stream(t);
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		fprintf(stderr, "weir top: not on a terminal: use --once or --json\n");
		return 2;
	}
	if (terminal_open(may_color()))
		return stream(t);
	rc = live(t);
	terminal_close();
	return rc;
}

int cmd_top(int argc, char **argv)
{
	struct top_opts o = {.interval_ms = 1000};
	const struct arg table[] = {
		OPT_TARGET(o.target),
		{.kind = ARG_TIME_MS,
		 .name = "interval",
		 .letter = 'n',
		 .value = "TIME",
		 .help = "between two looks (1s)",
		 .dest = &o.interval_ms,
		 .min = TOP_INTERVAL_MIN_MS,
		 .max = TOP_INTERVAL_MAX_MS},
		OPT_FLAG("once", '1', "print one look as text, and end", &o.once),
		OPT_FLAG("json", 0, "print a line of JSON with each look", &o.target.json),
		OPT_END,
	};
	struct top *t;
	int rc;

	rc = args_parse(
		argc, argv, table,
		"usage: weir top [-i IFACE | --ctl PATH] [--interval TIME] [--once] "
		"[--json]\n\n"
		"A running weir, live: SYNs, cookies, refusals, connections, CPU, and the last\n"
		"minutes. Keys: h says which.\n\n",
		NULL);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	t = calloc(1, sizeof(*t));
	if (!t) {
		fprintf(stderr, "weir top: out of memory\n");
		return 1;
	}
	setlocale(LC_CTYPE, "");
	t->o = &o;
	t->view.interval_ms = (unsigned)o.interval_ms;
	t->view.unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	rc = top_feed_open(&t->feed, argv[0], &o.target);
	if (!rc) {
		catch_signals();
		rc = run(t);
		top_feed_close(&t->feed);
	}
	free(t);
	return rc;
}
