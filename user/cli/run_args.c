/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/conf_run.h"
#include "cli/log.h"
#include "cli/run_args.h"
#include "control/ctl_metrics_http.h"
#include "control/pin.h"
#include "proxy/proxy.h"

#define MIB	 (1ull << 20)
#define HOUR_MS	 3600000ull
#define DAY_MS	 (24 * HOUR_MS)
#define DRAIN_MS 5000

static const char usage[] =
	"usage: weir run -i IFACE --listen ADDR:PORT=APP[:ARG] ... [OPTIONS]\n"
	"       weir run -c FILE [OPTIONS]\n\n"
	"Attaches the gate to IFACE and serves. SYNs to the services are answered in XDP with\n"
	"a cookie; connections that complete the handshake are served from user space over\n"
	"AF_XDP. All other traffic goes to the host's stack as before. On SIGINT or SIGTERM the\n"
	"connections are closed and the interface is left as it was.\n\n"
	"  weir run -i eth0 --listen 192.0.2.7:80=http:/srv/www --listen '[2001:db8::7]:7=echo'\n";

/* What the table fills, before it is checked and put where it belongs. */
struct raw {
	const char *iface, *key_file, *ctl, *metrics;
	const char *user, *pin_dir;
	unsigned mode, xdp_mode, share, bursts, log_level, log_format;
	unsigned sandbox, on_crash;
	unsigned proxy_io;
	uint64_t auto_syn_rate, auto_hold;
	bool copy, zerocopy, busy_poll, accept_partial, takeover;
	uint64_t xdp_prio, queues, workers, rx_frames, tx_frames;
	uint64_t conns, flows, buffers, rcvbuf, sndbuf, wscale;
	uint64_t msl, rto_max, user_timeout, fin_wait_2, last_ack, persist, keepalive;
	struct weir_app_limits limits;
	uint64_t drain, rotate;
	uint64_t event_syn, event_ack, event_drops, event_after, event_hold;
	struct services *services;
	struct policy *policy;
	uint64_t synack_rate, synack_burst, flow_rate, flow_burst, flow_limit, max_flows, rst_rate;
	unsigned unknown_ack, denied_flows;
	const char *file;
};

/* One is filled at a time, in one thread: the table can name its places. */
static struct raw raw;

static int add_listen(const char *value, void *dest, char *why, size_t len)
{
	struct raw *r = dest;
	struct weir_err err;
	int rc = services_add(r->services, value, &err);

	if (rc)
		snprintf(why, len, "%s", err.msg);
	return rc;
}

static int add_acl(struct raw *r, enum policy_verdict verdict, const char *value, char *why,
		   size_t len)
{
	struct weir_err err;
	int rc = policy_add_arg(r->policy, verdict, value, &err);

	if (rc)
		snprintf(why, len, "%s", err.msg);
	return rc;
}

static int add_allow(const char *value, void *dest, char *why, size_t len)
{
	return add_acl(dest, POLICY_ALLOW, value, why, len);
}

static int add_deny(const char *value, void *dest, char *why, size_t len)
{
	return add_acl(dest, POLICY_DENY, value, why, len);
}

static int set_source(struct policy_source *by, const char *value, char *why, size_t len)
{
	int rc = policy_parse_source(by, value);

	if (rc)
		snprintf(why, len, "%.40s: not the lengths of IPv4's and IPv6's prefixes, as 24,56",
			 value);
	return rc;
}

static int set_synack_prefix(const char *value, void *dest, char *why, size_t len)
{
	return set_source(&((struct raw *)dest)->policy->synack.by, value, why, len);
}

static int set_flow_prefix(const char *value, void *dest, char *why, size_t len)
{
	return set_source(&((struct raw *)dest)->policy->flow.by, value, why, len);
}

static void raw_default(struct raw *r, const struct instance_config *c)
{
	const struct tcp_config *t = &c->engine.tcp;

	memset(r, 0, sizeof(*r));
	r->log_level = 2;
	r->auto_syn_rate = c->mode.syn_per_sec;
	r->auto_hold = c->mode.hold_ms;
	r->xdp_prio = c->xdp_prio;
	r->rcvbuf = t->rcvbuf / 1024;
	r->sndbuf = t->sndbuf / 1024;
	r->wscale = UINT64_MAX;
	r->rx_frames = c->rx_frames;
	r->tx_frames = c->tx_frames;
	r->msl = t->msl_us / 1000;
	r->rto_max = t->rto_max_us / 1000;
	r->user_timeout = t->user_timeout_us / 1000;
	r->fin_wait_2 = t->fin_wait_2_us / 1000;
	r->last_ack = t->last_ack_us / 1000;
	r->persist = t->persist_limit_us / 1000;
	r->keepalive = t->keepalive_idle_us / 1000;
	r->rotate = c->rotate_ms;
	r->drain = DRAIN_MS;
	r->event_syn = c->events.per_sec[EVENT_SYN_FLOOD];
	r->event_ack = c->events.per_sec[EVENT_ACK_FLOOD];
	r->event_drops = c->events.per_sec[EVENT_RING_DROPS];
	r->event_after = c->events.after_us / 1000;
	r->event_hold = c->events.hold_us / 1000;
	r->rst_rate = POLICY_RST_PER_SEC;
	weir_app_limits_default(&r->limits);
}

#define HEADING(text)                                                                              \
	{                                                                                          \
		.kind = ARG_HEADING, .name = (text)                                                \
	}
#define OPT(kind_, name_, value_, member, help_, ...)                                              \
	{                                                                                          \
		.kind = (kind_), .name = (name_), .value = (value_), .help = (help_),              \
		.dest = &raw.member, __VA_ARGS__                                                   \
	}
/*
 * A setting is a row here, a member of struct raw and a line in apply(): on the command line
 * it is --name, in the configuration file the same with _ for -. LIVE at the end of a row: its
 * new value is taken when the file is read again (weir reload), else with the next start.
 */
#define LIVE			      .live = true
#define FLAG(name, member, help, ...) OPT(ARG_FLAG, name, NULL, member, help, ##__VA_ARGS__)
#define STRING(name, letter_, value, member, help, ...)                                            \
	OPT(ARG_STRING, name, value, member, help, .letter = (letter_), ##__VA_ARGS__)
#define NUMBER(name, value, member, min_, max_, help, ...)                                         \
	OPT(ARG_NUMBER, name, value, member, help, .min = (min_), .max = (max_), ##__VA_ARGS__)
#define TIME(name, member, min_, max_, help, ...)                                                  \
	OPT(ARG_TIME_MS, name, "TIME", member, help, .min = (min_), .max = (max_), ##__VA_ARGS__)
#define CALL(name_, value_, call_, help_)                                                          \
	{                                                                                          \
		.kind = ARG_CALL, .name = (name_), .value = (value_), .help = (help_),             \
		.call = (call_), .dest = &raw, LIVE                                                \
	}
#define CHOICE(name, value, member, choices_, help, ...)                                           \
	OPT(ARG_CHOICE, name, value, member, help, .choices = (choices_), ##__VA_ARGS__)

static const char *const xdp_modes[] = {"auto", "native", "generic", NULL};
static const char *const shares[] = {"auto", "always", "never", NULL};
static const char *const bursts[] = {"auto", "on", "off", NULL};
static const char *const unknown_acks[] = {"rst", "drop", NULL};
static const char *const denied_flows[] = {"keep", "reset", NULL};
static const char *const on_crash[] = {"pass", "drop", NULL};
static const char *const on_off[] = {"on", "off", NULL};

/* clang-format off */
static const struct arg table[] = {
	STRING("config", 'c', "FILE", file,
	 "a configuration file (weir.conf(5)); options given here go before\n"
	 "its settings, services are added to its own", .line_only = true),
	HEADING("What to serve"),
	STRING("iface", 'i', "IFACE", iface,
	 "the interface (required)"),
	{.kind = ARG_CALL, .name = "listen", .letter = 'l', .value = "ADDR:PORT=APP[:ARG]", .call = add_listen, .dest = &raw, .line_only = true,
	 .help = "a service, repeated for more: ADDR is IPv4, [IPv6], or * for\n"
	 "any; APP is echo, discard, sized, http:DIR or\n"
	 "proxy:BACKEND[,BACKEND...][,OPTION=VALUE...]; @FILE has many,\n"
	 "one a line"},
	CHOICE("mode", "MODE", mode, service_mode_names,
	 "who answers SYNs: always, the gate with cookies (default);\n"
	 "never, the workers; auto, the workers until a flood is seen", LIVE),
	NUMBER("auto-syn-rate", "N", auto_syn_rate, 1, 100000000,
	 "auto: SYNs a second, of one service on one CPU, that are a flood", LIVE),
	TIME("auto-hold", auto_hold, 1, HOUR_MS,
	 "auto: cookies for so long after a flood was last seen (10s)", LIVE),
	CHOICE("proxy-io", "HOW", proxy_io, proxy_io_names,
	 "how proxies wait for backends: auto (default: uring where the\n"
	 "kernel has it), uring or epoll"),
	HEADING("The interface"),
	CHOICE("xdp-mode", "MODE", xdp_mode, xdp_modes,
	 "where the gate runs: auto (default: native where that works),\n"
	 "native or generic"),
	CHOICE("xdp-dispatcher", "WHEN", share, shares,
	 "share the interface with other XDP programs in libxdp's\n"
	 "dispatcher: auto (default: where one is), always (make one) or\n"
	 "never"),
	NUMBER("xdp-prio", "N", xdp_prio, 0, 1000,
	 "our place in it: programs with a lower one see frames first (60)"),
	NUMBER("queues", "N", queues, 1, WEIR_MAX_QUEUES,
	 "insist on this number of RX queues; all are served in any case"),
	NUMBER("workers", "N", workers, 1, WEIR_MAX_QUEUES,
	 "threads (default: one per RX queue, no more than CPUs)"),
	FLAG("copy", copy,
	 "do not try zero-copy AF_XDP"),
	FLAG("zerocopy", zerocopy,
	 "insist on zero-copy AF_XDP: end where the driver refuses it\n"
	 "(default: copy mode then; weir status says why)"),
	CHOICE("bursts", "WHEN", bursts, bursts,
	 "bulk data in bursts that the kernel or the device cuts into\n"
	 "segments, where AF_XDP copies: auto (default: unless an XDP\n"
	 "program may see their checksums unmade), on or off"),
	FLAG("busy-poll", busy_poll,
	 "workers never sleep: a core each, for latency"),
	NUMBER("rx-frames", "N", rx_frames, 64, 65536,
	 "receive buffers of each queue, a power of two (4096)"),
	NUMBER("tx-frames", "N", tx_frames, 64, 65536,
	 "transmit buffers of each queue, a power of two (2048)"),
	FLAG("accept-partial-csum", accept_partial,
	 "take segments whose checksum the sender left to its device, as\n"
	 "veths and virtual machines do; not for a real network"),
	HEADING("Capacity (the defaults are less where memory is short)"),
	NUMBER("conns", "N", conns, 1, 1 << 24,
	 "connections of each worker (131072)"),
	NUMBER("flows", "N", flows, 16, 1 << 26,
	 "entries of the flow table, for each of IPv4 and IPv6: what is\n"
	 "open, and for half a minute what was (262144)"),
	NUMBER("buffers", "MIB", buffers, 1, 1 << 20,
	 "memory for data in flight, of each worker (256)"),
	NUMBER("rcvbuf", "KIB", rcvbuf, 4, 1 << 20,
	 "receive buffer of a connection"),
	NUMBER("sndbuf", "KIB", sndbuf, 4, 1 << 20,
	 "send buffer of a connection"),
	NUMBER("wscale", "SHIFT", wscale, 0, 14,
	 "our window scale (default: what rcvbuf needs)"),
	HEADING("Times (500ms, 30s, 10m; a bare number is milliseconds)"),
	TIME("msl", msl, 1, 600000,
	 "TIME_WAIT lasts twice this (30s)"),
	TIME("rto-max", rto_max, 1000, 600000,
	 "the longest wait between two retransmissions (60s; less is for lossy links)"),
	TIME("user-timeout", user_timeout, 0, DAY_MS,
	 "for data to be acknowledged, 0: for ever (100s)"),
	TIME("fin-wait-2", fin_wait_2, 1, DAY_MS,
	 "for the peer to close after us (60s)"),
	TIME("last-ack", last_ack, 1, DAY_MS,
	 "for the last acknowledgement (60s)"),
	TIME("persist", persist, 1, DAY_MS,
	 "for a window held at zero (60s)"),
	TIME("keepalive", keepalive, 0, DAY_MS,
	 "idle before a keep-alive probe, 0: none (0)"),
	TIME("header-timeout", limits.header_ms, 0, DAY_MS,
	 "http: for a whole request head (10s)", LIVE),
	TIME("idle-timeout", limits.idle_ms, 0, DAY_MS,
	 "http: between requests (30s)", LIVE),
	TIME("stall-timeout", limits.stall_ms, 0, DAY_MS,
	 "http: for a reader that acknowledges nothing (120s)", LIVE),
	TIME("stream-timeout", limits.stream_idle_ms, 0, DAY_MS,
	 "echo, discard, sized: without a byte moved (300s)", LIVE),
	TIME("drain-ms", drain, 0, HOUR_MS,
	 "for connections to close when stopping, before they are reset\n"
	 "(5s)", LIVE),
	HEADING("Policy (who may come, and how much of each, by source address)"),
	CALL("acl-deny", "[ADDR:PORT=]PREFIX", add_deny,
	 "who is not let in, repeated for more: 192.0.2.0/24, 2001:db8::/32,\n"
	 "or @FILE, one a line; with ADDR:PORT= to that service. The longest\n"
	 "prefix that holds a source decides"),
	CALL("acl-allow", "[ADDR:PORT=]PREFIX", add_allow,
	 "who is; and then nobody else that no list names"),
	CHOICE("denied-flows", "WHAT", denied_flows, denied_flows,
	 "what becomes of open connections of a source that is denied\n"
	 "while weir runs: keep (default) or reset", LIVE),
	NUMBER("synack-rate", "N", synack_rate, 0, POLICY_PER_SEC_MAX,
	 "SYN-ACKs a second towards a source, lest forged SYNs make us\n"
	 "flood it, 0: no limit (0)", LIVE),
	NUMBER("synack-burst", "N", synack_burst, 0, POLICY_PER_SEC_MAX,
	 "so many at once, 0: a second's worth (0)", LIVE),
	CALL("synack-prefix", "LEN4,LEN6", set_synack_prefix,
	 "what counts as one source, prefix lengths (24,56)"),
	NUMBER("flow-rate", "N", flow_rate, 0, POLICY_PER_SEC_MAX,
	 "connections a second that a source may open, 0: no limit (0)", LIVE),
	NUMBER("flow-burst", "N", flow_burst, 0, POLICY_PER_SEC_MAX,
	 "so many at once, 0: a second's worth (0)", LIVE),
	NUMBER("flow-limit", "N", flow_limit, 0, UINT32_MAX,
	 "connections that a source may have open, 0: no limit (0)", LIVE),
	CALL("flow-prefix", "LEN4,LEN6", set_flow_prefix,
	 "what counts as one source for these (32,64)"),
	NUMBER("max-flows", "N", max_flows, 0, UINT32_MAX,
	 "connections open, of all sources; more are not answered, 0: what\n"
	 "there is room for (0)", LIVE),
	CHOICE("unknown-ack", "WHAT", unknown_ack, unknown_acks,
	 "ACKs of no connection: rst (default), so that clients of an\n"
	 "engine that was restarted do not hang, as long as they are few;\n"
	 "or drop", LIVE),
	NUMBER("rst-rate", "N", rst_rate, 1, POLICY_PER_SEC_MAX,
	 "how few: ACKs a second on one CPU (100)", LIVE),
	HEADING("Keys"),
	STRING("key-file", 0, "FILE", key_file,
	 "the cookies' key, shared by nodes that stand in for each other\n"
	 "(default: a random one)", LIVE),
	TIME("rotate", rotate, 0, 30 * DAY_MS,
	 "a new random key this often, 0: never (10m)", LIVE),
	HEADING("Safety"),
	STRING("user", 0, "NAME", user,
	 "become this user, and of its group, once all is set up (started\n"
	 "as root)"),
	CHOICE("sandbox", "WHEN", sandbox, on_off,
	 "on (default): then give up all privileges and system calls but\n"
	 "those that are needed; files are only read; off"),
	CHOICE("on-crash", "WHAT", on_crash, on_crash,
	 "when weir is killed: pass (default), the host's stack sees all\n"
	 "traffic again; drop, the gate stays and drops what is for the\n"
	 "services, until the next weir run or weir detach"),
	STRING("pin-dir", 0, "DIR", pin_dir,
	 "where drop keeps the gate: a directory in a BPF file system\n"
	 "(/sys/fs/bpf/weir)"),
	FLAG("takeover", takeover,
	 "take the place of the weir that runs on IFACE, which then ends:\n"
	 "no new connection is refused meanwhile, those that are open are\n"
	 "reset", .line_only = true),
	HEADING("Control"),
	STRING("ctl", 0, "PATH", ctl,
	 "the control socket (/run/weir/<netns inode>-IFACE.sock)"),
	STRING("metrics", 0, "WHERE", metrics,
	 "serve metrics for Prometheus and /healthz by the host's own TCP:\n"
	 "ADDR:PORT of a management network, or unix:/PATH (default: no)"),
	NUMBER("event-syn-rate", "N", event_syn, 0, 1000000000,
	 "tell of a flood: so many SYNs a second, and less than half of\n"
	 "them confirmed; 0: never (10000)", LIVE),
	NUMBER("event-ack-rate", "N", event_ack, 0, 1000000000,
	 "and of ACKs that are no connection's (10000)", LIVE),
	NUMBER("event-ring-drops", "N", event_drops, 0, 1000000000,
	 "and of frames lost before slow workers (100)", LIVE),
	TIME("event-after", event_after, 0, HOUR_MS,
	 "an event has begun once it has lasted so long (3s)", LIVE),
	TIME("event-hold", event_hold, 0, HOUR_MS,
	 "and ended once it was below half of that for so long (10s)", LIVE),
	CHOICE("log-level", "LEVEL", log_level, log_level_names,
	 "error, warning, notice (default), info or debug", LIVE),
	CHOICE("log-format", "FORMAT", log_format, log_format_names,
	 "text; json, an object a line; journal, with its levels; auto\n"
	 "(default): journal where stderr is the journal's, else text", LIVE),
	{.name = NULL},
};
/* clang-format on */

/* What is not given may be fitted to the machine. */
static void apply_capacity(struct instance_config *c, const struct raw *r)
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

static void apply_events(struct event_limits *l, const struct raw *r)
{
	l->per_sec[EVENT_SYN_FLOOD] = r->event_syn;
	l->per_sec[EVENT_ACK_FLOOD] = r->event_ack;
	l->per_sec[EVENT_RING_DROPS] = r->event_drops;
	l->after_us = r->event_after * 1000;
	l->hold_us = r->event_hold * 1000;
}

static void apply_policy(struct policy *p, const struct raw *r)
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

static void apply(struct run_args *a, const struct raw *r)
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

static void check(struct run_args *a, const struct raw *r)
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
	raw_default(&raw, &a->cfg);
	raw.services = &a->services;
	if (policy_default(&a->policy))
		return conf_bad(&a->conf, (struct conf_at){0}, "out of memory");
	a->cfg.policy = raw.policy = &a->policy;
	a->file = file;
	if (!file)
		return 0;
	/* The rest of what is wrong is shown with it, even if the file alone would not do. */
	return conf_read(&a->conf, file) || conf_run(&a->conf, table, &a->services, &a->policy)
		       ? -EINVAL
		       : 0;
}

static int finish(struct run_args *a)
{
	check(a, &raw);
	/* Services that come later find room in every connection for what they keep. */
	if (a->file && weir_app_state_max() > a->cfg.engine.state_max)
		a->cfg.engine.state_max = (unsigned)weir_app_state_max();
	if (a->conf.ndiags)
		return -EINVAL;
	a->raw = malloc(sizeof(*a->raw));
	if (!a->raw)
		return conf_bad(&a->conf, (struct conf_at){0}, "out of memory");
	*a->raw = raw;
	apply(a, &raw);
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
	const char *file = wants_help(argc, argv) ? NULL : args_look(argc, argv, table, "config");
	int rc;

	if (begin(a, file))
		return fail(a);
	rc = args_parse(argc, argv, table, usage, NULL);
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
	if (args_again(a->argc, a->argv, table, why, sizeof(why)))
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

static bool same(const struct arg *row, const struct raw *x, const struct raw *y)
{
	const void *a, *b;
	size_t at;

	if (row->kind == ARG_HEADING || row->kind == ARG_CALL)
		return true;
	at = (size_t)((const char *)row->dest - (const char *)&raw);
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

	for (row = table; row->name; row++) {
		if (row->live || same(row, now->raw, next->raw))
			continue;
		if (n < max)
			names[n] = row->name;
		n++;
	}
	return n;
}
