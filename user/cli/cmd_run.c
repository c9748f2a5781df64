/* SPDX-License-Identifier: BSD-2-Clause */
/* weir run: from arguments to a served interface, and back. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/log.h"
#include "cli/run_args.h"
#include "cli/run_reload.h"
#include "control/ctl.h"
#include "control/ctl_metrics_http.h"
#include "control/ctl_server.h"
#include "control/dispatcher.h"
#include "control/instance.h"
#include "control/notify.h"
#include "control/sandbox.h"
#include "control/takeover.h"

#define DRAIN_LOOK_MS 20 /* how often a drain's end is looked for */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* As far as we may: UMEM counts as locked memory, http opens a file per response. */
static void raise_limits(void)
{
	struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_MEMLOCK, &r);
	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* Blocked before any thread exists, so that all of them inherit it. */
static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_timer(void)
{
	struct itimerspec every = {.it_interval.tv_nsec = INSTANCE_STEP_MS * 1000000L,
				   .it_value.tv_nsec = INSTANCE_STEP_MS * 1000000L};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && timerfd_settime(fd, 0, &every, NULL)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct loop {
	struct weir_instance *inst;
	struct ctl *ctl;
	struct sandbox sandbox;
	struct metrics *metrics; /* NULL: none */
	struct run_reload reload;
	struct notify notify;
	enum drain_state told;
	int sig_fd, timer_fd;
	uint64_t deadline; /* of the drain; 0: serving */

	struct takeover *take;	    /* from whom we take over; NULL: nobody, or it is done */
	struct takeover_give *give; /* who is about to take over; NULL: nobody */
	bool given;		    /* and has */
	uid_t started_as;
	const char *metrics_at;
};

/* ---- another one takes over ----------------------------------------------------------- */

static int on_handover(void *arg, int sock, unsigned abi, char *why, size_t len)
{
	struct loop *l = arg;
	const struct takeover_giver by = {
		.inst = l->inst,
		.ctl_fd = ctl_listener(l->ctl),
		.metrics_fd = l->metrics ? metrics_listener(l->metrics) : -1,
		.metrics = l->metrics_at,
		.owner = l->started_as,
	};

	if (l->give) {
		snprintf(why, len, "process %d is about to take over",
			 (int)takeover_give_pid(l->give));
		return -EBUSY;
	}
	return takeover_give_open(&l->give, &by, sock, abi, now_us(), why, len);
}

static void give_up(struct loop *l, int rc)
{
	log_msg(LOG_WARNING, "process %d has asked to take over, and does not: %s",
		(int)takeover_give_pid(l->give),
		rc == -ETIMEDOUT    ? "it says nothing"
		: rc == -ECONNRESET ? "it has ended"
				    : strerror(-rc));
	takeover_give_close(l->give);
	l->give = NULL;
}

/* Whether that ends us, with the exit status in *status. */
static bool on_give(struct loop *l, int *status)
{
	struct weir_err err = {.msg = ""};
	int rc = takeover_give_look(l->give, now_us());

	if (rc <= 0) {
		if (rc)
			give_up(l, rc);
		return false;
	}
	switch (takeover_give(l->give, &err)) {
	case TAKEOVER_BACKED:
		takeover_give_close(l->give);
		l->give = NULL;
		return false;
	case TAKEOVER_GIVEN:
		log_msg(LOG_NOTICE, "handed over to process %d", (int)takeover_give_pid(l->give));
		l->given = true;
		*status = 0;
		return true;
	case TAKEOVER_LOST:
		l->given = true;
		break;
	case TAKEOVER_FAILED:
		break;
	}
	log_msg(LOG_ERR, "%s", err.msg);
	*status = 1;
	return true;
}

/* What is ours now: nobody else takes it down. */
static void taken_over(struct loop *l)
{
	notify_heard(); /* before the other ends */
	takeover_done(l->take);
	instance_own(l->inst);
	ctl_keep_name(l->ctl, false);
	if (l->metrics)
		metrics_keep_name(l->metrics, false);
	takeover_free(l->take);
	l->take = NULL;
}

/* ---- the loop --------------------------------------------------------------------------- */

/* Whether to leave: the second signal does not wait. */
static bool on_signal(struct loop *l)
{
	struct signalfd_siginfo si;

	while (read(l->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		/* Without a file it is the terminal that has gone. */
		if (si.ssi_signo == SIGHUP && l->reload.first->file) {
			notify_reloading();
			json_decref(run_reload(&l->reload));
			notify_ready("%s on %s", drain_name(l->inst->drain.state),
				     l->inst->nif.name);
			continue;
		}
		if (l->deadline)
			return true;
		l->deadline = now_us() + l->reload.drain_us;
		log_msg(LOG_NOTICE, "stopping: closing the connections (again to stop at once)");
		notify_stopping("closing the connections");
		instance_drain(l->inst);
	}
	return false;
}

static int wait_ms(const struct loop *l)
{
	int ms = l->metrics ? metrics_wait_ms(l->metrics) : -1;

	if (l->deadline && (ms < 0 || ms > DRAIN_LOOK_MS))
		ms = DRAIN_LOOK_MS;
	return ms;
}

/* The service manager's line on how things are; it is told of changes alone. */
static void tell_state(struct loop *l)
{
	if (l->told == l->inst->drain.state || l->deadline)
		return;
	l->told = l->inst->drain.state;
	notify_status("%s on %s", drain_name(l->told), l->inst->nif.name);
}

/* What is due every INSTANCE_STEP_MS: 0, or the exit status, with *over set. */
static int step(struct loop *l, uint64_t now, bool *over)
{
	int rc = instance_step(l->inst, now);

	sandbox_step(&l->sandbox);
	notify_alive(&l->notify, instance_alive(l->inst), now);
	tell_state(l);
	if (rc == -ENODEV)
		log_msg(LOG_ERR, "%s has gone", l->inst->nif.name);
	*over = rc || instance_emptied(l->inst, now);
	if (*over && !rc)
		log_msg(LOG_NOTICE, "empty: stopping");
	return rc ? 1 : 0;
}

static int serve(struct loop *l)
{
	struct pollfd fds[] = {
		{.fd = l->sig_fd, .events = POLLIN},
		{.fd = l->timer_fd, .events = POLLIN},
		{.fd = ctl_fd(l->ctl), .events = POLLIN},
		{.fd = l->metrics ? metrics_fd(l->metrics) : -1, .events = POLLIN},
		{.events = POLLIN},
	};
	uint64_t ticks, now;
	bool over;
	int rc;

	for (;;) {
		fds[4].fd = l->give ? takeover_give_fd(l->give) : -1;
		if (poll(fds, 5, wait_ms(l)) < 0 && errno != EINTR)
			return 1;
		if (on_signal(l))
			return 0;
		now = now_us();
		if (read(l->timer_fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks)) {
			rc = step(l, now, &over);
			if (over)
				return rc;
			log_step();
		}
		ctl_step(l->ctl, now);
		if (l->metrics)
			metrics_step(l->metrics, now);
		if (l->give && on_give(l, &rc))
			return rc;
		if (l->deadline && (instance_drained(l->inst) || now >= l->deadline))
			return 0;
	}
}

static int fail(const struct weir_err *err)
{
	fprintf(stderr, "weir run: %s\n", err->msg);
	return err->status;
}

/* It is removed at the end, and made anew when the gate is put back on the hook. */
static void keep_pin(struct loop *l, const struct instance_config *cfg)
{
	struct sandbox *sb = &l->sandbox;
	int rc;

	sb->needs |= SANDBOX_PIN;
	sandbox_dir(sb, cfg->pin_dir, SANDBOX_WRITE);
	rc = sb->user ? instance_give_pin(l->inst, sb->uid) : 0;
	if (rc)
		log_msg(LOG_WARNING, "%s cannot be given to %s: %s", cfg->pin_dir, sb->user,
			strerror(-rc));
}

/* What the sandbox must leave, as far as it shows only now. */
static int enter_sandbox(struct loop *l, const struct run_args *a, struct weir_err *err)
{
	struct sandbox *sb = &l->sandbox;
	struct rlimit r;

	sandbox_dir_of(sb, ctl_path(l->ctl), SANDBOX_REMOVE);
	if (l->metrics && metrics_path(l->metrics))
		sandbox_dir_of(sb, metrics_path(l->metrics), SANDBOX_REMOVE);
	if (sb->user && ctl_give(l->ctl, sb->uid, sb->gid))
		log_msg(LOG_WARNING, "%s cannot be given to %s: %s", ctl_path(l->ctl), sb->user,
			strerror(errno));
	if (!strcmp(l->inst->hook, "dispatcher")) {
		sb->needs |= SANDBOX_DISPATCHER;
		sandbox_dir(sb, dispatcher_bpffs(), SANDBOX_WRITE);
	}
	if (a->cfg.on_crash_drop && !strcmp(l->inst->hook, "link"))
		keep_pin(l, &a->cfg);
	if (getrlimit(RLIMIT_MEMLOCK, &r) || r.rlim_cur != RLIM_INFINITY)
		sb->needs |= SANDBOX_MEMLOCK;
	instance_settle(l->inst);
	return sandbox_enter(sb, err);
}

/* Of a weir whose place we take, the sockets that it listens on. */
static int open_control(struct loop *l, const struct run_args *a, struct weir_err *err)
{
	int ctl_fd = l->take ? takeover_fd(l->take, TAKEOVER_FD_CTL) : -1, metrics_fd = -1;
	int rc = ctl_open_on(&l->ctl, l->inst, a->ctl, ctl_fd, err);

	if (rc || !a->metrics)
		return rc;
	if (l->take && !strcmp(takeover_offer(l->take)->metrics, a->metrics))
		metrics_fd = takeover_fd(l->take, TAKEOVER_FD_METRICS);
	l->metrics_at = a->metrics;
	return metrics_open_on(&l->metrics, a->metrics, metrics_fd, ctl_server_source(l->ctl), err);
}

/* Whoever has thought better of it by now leaves the other weir as it is. */
static int take_over(struct loop *l, struct weir_err *err)
{
	struct pollfd p = {.fd = l->sig_fd, .events = POLLIN};

	takeover_phase("prepared");
	if (poll(&p, 1, 0) > 0)
		return err_set(err, -EINTR, "--takeover: stopped by a signal");
	return instance_take_over(l->inst, err);
}

/*
 * Whatever is opened or looked up for good comes before the sandbox, and nobody is told that
 * we are ready before it is closed.
 */
static int open_all(struct loop *l, struct run_args *a, struct weir_err *err)
{
	int rc;

	rc = sandbox_init(&l->sandbox, a->sandbox, a->user, a->cfg.log, err);
	if (rc)
		return rc;
	if (a->user)
		a->cfg.key_owner = l->sandbox.uid;
	a->cfg.spawn = sandbox_spawn;
	a->cfg.spawn_arg = &l->sandbox;
	if (a->takeover)
		rc = takeover_ask(&l->take, a->ctl, a->cfg.iface, err);
	if (rc)
		return rc;
	a->cfg.takeover = l->take;
	rc = instance_open(&l->inst, &a->cfg, err);
	if (!rc)
		rc = open_control(l, a, err);
	if (!rc && l->take)
		rc = take_over(l, err);
	if (!rc)
		rc = enter_sandbox(l, a, err);
	if (rc)
		return rc;
	l->reload.inst = l->inst;
	ctl_on_reload(l->ctl, run_reload, &l->reload);
	ctl_on_handover(l->ctl, on_handover, l);
	return 0;
}

static void close_all(struct loop *l)
{
	if (l->given) {
		instance_given(l->inst);
		ctl_keep_name(l->ctl, true);
		if (l->metrics)
			metrics_hand_over(l->metrics);
	}
	takeover_give_close(l->give);
	metrics_close(l->metrics);
	ctl_close(l->ctl);
	if (l->inst)
		instance_close(l->inst);
	takeover_free(l->take);
	run_reload_free(&l->reload);
	sandbox_step(&l->sandbox);
}

static void say_ready(const struct weir_instance *inst)
{
	const struct weir_field fields[] = {
		FIELD_TEXT("iface", inst->nif.name),  FIELD_TEXT("mode", inst->mode),
		FIELD_NUMBER("queues", inst->queues), FIELD_TEXT("xsk", inst->xsk),
		FIELD_TEXT("hook", inst->hook),	      FIELD_END};

	log_always("ready", fields, "ready iface=%s mode=%s queues=%u xsk=%s hook=%s",
		   inst->nif.name, inst->mode, inst->queues, inst->xsk, inst->hook);
}

static int run(struct run_args *a)
{
	struct loop l = {.reload = {.first = a, .now = a, .drain_us = a->drain_ms * 1000},
			 .started_as = geteuid()};
	struct weir_err err;
	int status;

	log_set_level(a->log_level);
	log_set_format(a->log_format);
	notify_init(&l.notify);
	l.sig_fd = open_signals();
	l.timer_fd = open_timer();
	if (l.sig_fd < 0 || l.timer_fd < 0) {
		fprintf(stderr, "weir run: no signal or timer descriptor: %s\n", strerror(errno));
		return 1;
	}
	raise_limits();
	if (open_all(&l, a, &err)) {
		status = fail(&err);
	} else {
		say_ready(l.inst);
		notify_ready("serving on %s", l.inst->nif.name);
		if (l.take)
			taken_over(&l);
		status = serve(&l);
	}
	close_all(&l);
	close(l.timer_fd);
	close(l.sig_fd);
	if (!status && !l.given)
		log_msg(LOG_NOTICE, "stopped");
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run_args *a = calloc(1, sizeof(*a));
	int rc, status;

	if (!a) {
		fprintf(stderr, "weir run: out of memory\n");
		return 1;
	}
	rc = run_args_parse(a, argc, argv);
	if (rc)
		status = rc < 0 ? 2 : 0;
	else
		status = run(a);
	run_args_free(a);
	free(a);
	return status;
}
