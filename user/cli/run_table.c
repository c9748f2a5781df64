/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "cli/log.h"
#include "cli/run_table.h"
#include "control/bursts.h"
#include "proxy/proxy.h"

#define HOUR_MS	 3600000ull
#define DAY_MS	 (24 * HOUR_MS)
#define DRAIN_MS 5000

struct run_raw run_raw;

static int add_listen(const char *value, void *dest, char *why, size_t len)
{
	struct run_raw *r = dest;
	struct weir_err err;
	int rc = services_add(r->services, value, &err);

	if (rc)
		snprintf(why, len, "%s", err.msg);
	return rc;
}

static int add_acl(struct run_raw *r, enum policy_verdict verdict, const char *value, char *why,
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
	return set_source(&((struct run_raw *)dest)->policy->synack.by, value, why, len);
}

static int set_flow_prefix(const char *value, void *dest, char *why, size_t len)
{
	return set_source(&((struct run_raw *)dest)->policy->flow.by, value, why, len);
}

void run_raw_default(struct run_raw *r, const struct instance_config *c)
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
		.dest = &run_raw.member, __VA_ARGS__                                               \
	}
/*
 * A setting is a row here, a member of struct run_raw and a line in apply() of run_args.c: on
 * the command line it is --name, in the configuration file the same with _ for -. LIVE at the
 * end of a row: its new value is taken when the file is read again (weir reload), else with
 * the next start.
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
		.call = (call_), .dest = &run_raw, LIVE                                            \
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
const struct arg run_table[] = {
	STRING("config", 'c', "FILE", file,
	 "a configuration file (weir.conf(5)); options given here go before\n"
	 "its settings, services are added to its own", .line_only = true),
	HEADING("What to serve"),
	STRING("iface", 'i', "IFACE", iface,
	 "the interface (required)"),
	{.kind = ARG_CALL, .name = "listen", .letter = 'l', .value = "ADDR:PORT=APP[:ARG]", .call = add_listen, .dest = &run_raw, .line_only = true,
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
