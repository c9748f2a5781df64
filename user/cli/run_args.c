/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conf_run.h"
#include "cli/log.h"
#include "cli/run_args.h"
#include "cli/run_table.h"
#include "control/ctl_metrics_http.h"
#include "control/pin.h"
#include "proxy/proxy.h"

#define MIB (1ull << 20)

static const char usage[] =
	"usage: weir run -i IFACE --listen ADDR:PORT=APP[:ARG] ... [OPTIONS]\n"
	"       weir run -c FILE [OPTIONS]\n\n"
	"Attaches the gate to IFACE and serves. SYNs to the services are answered in XDP with\n"
	"a cookie; connections that complete the handshake are served from user space over\n"
	"AF_XDP. All other traffic goes to the host's stack as before. On SIGINT or SIGTERM the\n"
	"connections are closed and the interface is left as it was.\n\n"
	"  weir run -i eth0 --listen 192.0.2.7:80=http:/srv/www --listen '[2001:db8::7]:7=echo'\n";

/* What is not given may be fitted to the machine. */
static void apply_capacity(struct instance_config *c, const struct run_raw *r)
{
	c->fit_conns = !r->conns;
	c->fit_buffers = !r->buffers;
	c->fit_flows = !r->flows;
	if (r->conns)
		c->engine.conns = (unsigned)r->conns;
	if (r->buffers)
		c->engine.buffer_bytes = r->buffers * MIB;
	if (r->flows)
		c->flows = (uint32_t)r->flows;
}

static void apply_events(struct event_limits *l, const struct run_raw *r)
{
	l->per_sec[EVENT_SYN_FLOOD] = r->event_syn;
	l->per_sec[EVENT_ACK_FLOOD] = r->event_ack;
	l->per_sec[EVENT_RING_DROPS] = r->event_drops;
	l->after_us = r->event_after * 1000;
	l->hold_us = r->event_hold * 1000;
}

static void apply_policy(struct policy *p, const struct run_raw *r)
{
	p->synack.per_sec = (uint32_t)r->synack_rate;
	p->synack.burst = (uint32_t)r->synack_burst;
	p->flow.per_sec = (uint32_t)r->flow_rate;
	p->flow.burst = (uint32_t)r->flow_burst;
	p->flow_limit = (uint32_t)r->flow_limit;
	p->max_flows = (uint32_t)r->max_flows;
	p->rst_per_sec = r->unknown_ack ? 0 : (uint32_t)r->rst_rate;
	p->denied_flows = (enum policy_denied)r->denied_flows;
}

static void apply(struct run_args *a, const struct run_raw *r)
{
	struct instance_config *c = &a->cfg;
	struct tcp_config *t = &c->engine.tcp;

	memcpy(c->iface, r->iface, strlen(r->iface) + 1);
	c->mode.mode = (enum weir_mode)r->mode;
	c->mode.syn_per_sec = (uint32_t)r->auto_syn_rate;
	c->mode.hold_ms = (uint32_t)r->auto_hold;
	c->xdp_mode = (enum xdp_mode)r->xdp_mode;
	c->share = (enum attach_share)r->share;
	c->xdp_prio = (unsigned)r->xdp_prio;
	c->on_crash_drop = r->on_crash;
	c->pin_dir = r->pin_dir ? r->pin_dir : PIN_DIR;
	c->key_file = r->key_file;
	c->force_copy = r->copy;
	c->force_zerocopy = r->zerocopy;
	c->bursts = (enum bursts)r->bursts;
	c->accept_partial_csum = r->accept_partial;
	c->queues = (unsigned)r->queues;
	c->rx_frames = (uint32_t)r->rx_frames;
	c->tx_frames = (uint32_t)r->tx_frames;
	apply_capacity(c, r);
	apply_events(&c->events, r);
	c->rotate_ms = r->rotate;
	c->wscale = r->wscale == UINT64_MAX ? -1 : (int)r->wscale;
	c->engine.busy_poll = r->busy_poll;
	c->engine.workers = (unsigned)r->workers;
	t->rcvbuf = (uint32_t)r->rcvbuf * 1024;
	t->sndbuf = (uint32_t)r->sndbuf * 1024;
	t->msl_us = r->msl * 1000;
	t->rto_max_us = r->rto_max * 1000;
	t->user_timeout_us = r->user_timeout * 1000;
	t->fin_wait_2_us = r->fin_wait_2 * 1000;
	t->last_ack_us = r->last_ack * 1000;
	t->persist_limit_us = r->persist * 1000;
	t->keepalive_idle_us = r->keepalive * 1000;
	a->ctl = r->ctl;
	a->metrics = r->metrics;
	a->drain_ms = r->drain;
	a->user = r->user;
	a->takeover = r->takeover;
	a->sandbox = !r->sandbox;
	proxy_set_io((enum bio_kind)r->proxy_io);
	apply_policy(&a->policy, r);
	services_set_limits(&a->services, &r->limits);
	a->log_level = LOG_LEVEL_FIRST + (int)r->log_level;
	a->log_format = (enum log_format)r->log_format;
}

/* ---- what only the whole can tell ------------------------------------------------- */

static bool pow2(uint64_t n)
{
	return !(n & (n - 1));
}

static void refuse(struct run_args *a, const char *option, const char *why)
{
	struct conf_at at = a->file ? conf_where(&a->conf, option) : (struct conf_at){0};

	conf_bad(&a->conf, at, "%s", why);
}

static bool same_place(const struct weir_addr *a, const struct weir_addr *b)
{
	if (a->port != b->port)
		return false;
	return !a->family || !b->family ||
	       (a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr)));
}

/* What the gate takes never reaches the host's stack, where the metrics are served. */
static void check_metrics(struct run_args *a, const char *where)
{
	struct weir_addr at;
	char why[256];

	if (metrics_parse(where, &at)) {
		snprintf(why, sizeof(why), "metrics %s: not ADDR:PORT or unix:/PATH", where);
		refuse(a, "metrics", why);
		return;
	}
	for (unsigned i = 0; at.port && i < a->services.n; i++) {
		if (!same_place(&at, &a->services.v[i].addr))
			continue;
		snprintf(why, sizeof(why), "metrics %s: that is the service %s", where,
			 a->services.v[i].text);
		refuse(a, "metrics", why);
		return;
	}
}

static void check(struct run_args *a, const struct run_raw *r)
{
	struct weir_err err;

	if (!r->iface)
		refuse(a, "iface",
		       a->file ? "no interface: it needs interface: NAME"
			       : "-i IFACE is missing; see weir run --help");
	else if (strlen(r->iface) >= sizeof(a->cfg.iface))
		refuse(a, "iface", "no such interface: the name is too long");
	if (!a->services.n)
		refuse(a, "services",
		       a->file ? "nothing to serve: it needs services"
			       : "nothing to serve: --listen ADDR:PORT=APP[:ARG] is missing; see "
				 "weir run --help");
	if (r->copy && r->zerocopy)
		refuse(a, "zerocopy", "copy or zerocopy, not both");
	if (r->metrics)
		check_metrics(a, r->metrics);
	if (policy_check(r->policy, &err))
		refuse(a, "acl-deny", err.msg);
	if (!pow2(r->rx_frames))
		refuse(a, "rx-frames", "rx-frames must be a power of two");
	if (!pow2(r->tx_frames))
		refuse(a, "tx-frames", "tx-frames must be a power of two");
}

/* ---- from file and command line ------------------------------------------------------ */

static int begin(struct run_args *a, const char *file)
{
	memset(a, 0, sizeof(*a));
	instance_config_default(&a->cfg);
	a->cfg.services = &a->services;
	a->cfg.log = log_msg;
	a->cfg.event = log_event;
	run_raw_default(&run_raw, &a->cfg);
	run_raw.services = &a->services;
	if (policy_default(&a->policy))
		return conf_bad(&a->conf, (struct conf_at){0}, "out of memory");
	a->cfg.policy = run_raw.policy = &a->policy;
	a->file = file;
	if (!file)
		return 0;
	/* The rest of what is wrong is shown with it, even if the file alone would not do. */
	return conf_read(&a->conf, file) || conf_run(&a->conf, run_table, &a->services, &a->policy)
		       ? -EINVAL
		       : 0;
}

static int finish(struct run_args *a)
{
	check(a, &run_raw);
	/* Services that come later find room in every connection for what they keep. */
	if (a->file && weir_app_state_max() > a->cfg.engine.state_max)
		a->cfg.engine.state_max = (unsigned)weir_app_state_max();
	if (a->conf.ndiags)
		return -EINVAL;
	a->raw = malloc(sizeof(*a->raw));
	if (!a->raw)
		return conf_bad(&a->conf, (struct conf_at){0}, "out of memory");
	*a->raw = run_raw;
	apply(a, &run_raw);
	return 0;
}

static int fail(const struct run_args *a)
{
	if (a->file)
		conf_print(&a->conf, stderr);
	else
		fprintf(stderr, "weir run: %s\n", a->conf.diag[0].msg);
	return -EINVAL;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	}
	return false;
}

int run_args_parse(struct run_args *a, int argc, char **argv)
{
	const char *file =
		wants_help(argc, argv) ? NULL : args_look(argc, argv, run_table, "config");
	int rc;

	if (begin(a, file))
		return fail(a);
	rc = args_parse(argc, argv, run_table, usage, NULL);
	if (rc)
		return rc;
	a->argc = argc;
	a->argv = argv;
	return finish(a) ? fail(a) : 0;
}

int run_args_file(struct run_args *a, const char *file)
{
	return begin(a, file) ? -EINVAL : finish(a);
}

int run_args_again(struct run_args *a, const struct run_args *before)
{
	char why[600];

	if (begin(a, before->file))
		return -EINVAL;
	a->argc = before->argc;
	a->argv = before->argv;
	if (args_again(a->argc, a->argv, run_table, why, sizeof(why)))
		return conf_bad(&a->conf, (struct conf_at){0}, "the command line: %s", why);
	return finish(a);
}

void run_args_free(struct run_args *a)
{
	services_free(&a->services);
	policy_free(&a->policy);
	conf_free(&a->conf);
	free(a->raw);
	a->raw = NULL;
}

/* ---- what a running process takes -------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same(const struct arg *row, const struct run_raw *x, const struct run_raw *y)
{
	const void *a, *b;
	size_t at;

	if (row->kind == ARG_HEADING || row->kind == ARG_CALL)
		return true;
	at = (size_t)((const char *)row->dest - (const char *)&run_raw);
	a = (const char *)x + at;
	b = (const char *)y + at;
	switch (row->kind) {
	case ARG_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case ARG_STRING:
		return same_text(*(const char *const *)a, *(const char *const *)b);
	case ARG_NUMBER:
	case ARG_TIME_MS:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case ARG_CHOICE:
		return *(const unsigned *)a == *(const unsigned *)b;
	case ARG_CALL:
	case ARG_HEADING:
		break;
	}
	return true;
}

unsigned run_args_waiting(const struct run_args *now, const struct run_args *next,
			  const char **names, unsigned max)
{
	const struct arg *row;
	unsigned n = 0;

	for (row = run_table; row->name; row++) {
		if (row->live || same(row, now->raw, next->raw))
			continue;
		if (n < max)
			names[n] = row->name;
		n++;
	}
	return n;
}
