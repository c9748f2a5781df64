/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The contract between the gate (bpf/) and the host (user/, tests/, tools/).
 *
 * Everything that both sides touch is declared here once: the keys and values
 * of the flow maps, the configuration block that the host writes and the gate
 * reads, the service tables, the counters' layout and the trace records.
 *
 * Byte order: fields of type __be16/__be32 are in network order, everything
 * else is in host order. No libc, no kernel-internal headers: this file is
 * compiled by clang for the BPF target and by any C11 compiler for the host.
 *
 * Lifetime and ownership of a flow entry (see ARCHITECTURE.md, "flows"):
 *   - only the gate creates (BPF_NOEXIST), only the owning worker deletes;
 *   - while an entry exists every frame of its 4-tuple goes to user space.
 */
#ifndef WEIR_ABI_H
#define WEIR_ABI_H

#include <linux/types.h>

/* ---- limits ---------------------------------------------------------- */

#define WEIR_MAX_QUEUES 64  /* RX queues of one device */
#define WEIR_MAX_CPUS	512 /* rows of the counter table */
/* weir_services[]: a power of two, as its index is masked; a port's cell holds id + 1. */
#define WEIR_SERVICE_SLOTS 16384
#define WEIR_MAX_SERVICES  (WEIR_SERVICE_SLOTS - 1)
#define WEIR_TRACE_SNAP	   160 /* bytes of a frame kept by a trace record */

#define WEIR_PRESENCE_BITS  16 /* of a cell's index (presence.h) */
#define WEIR_PRESENCE_CELLS (1 << WEIR_PRESENCE_BITS)

/* ---- flows ----------------------------------------------------------- */

/* From the server's point of view: r = remote (the client), l = local. */
struct weir_flow_key4 {
	__be32 raddr;
	__be32 laddr;
	__be16 rport;
	__be16 lport;
};

struct weir_flow_key6 {
	__be32 raddr[4];
	__be32 laddr[4];
	__be16 rport;
	__be16 lport;
};

#define WEIR_WSCALE_NONE 0xff /* the peer did not offer window scaling */

/* weir_flow.flags and the options a cookie carries */
#define WEIR_OPT_SACK 0x01
#define WEIR_OPT_TS   0x02
#define WEIR_OPT_ECN  0x04

/*
 * What the handshake agreed on, as the validated cookie says it. Enough to
 * build the connection from any later segment of the flow.
 */
struct weir_flow {
	__u32 owner;	  /* RX queue on which the flow was let in */
	__u32 iss;	  /* our initial sequence number (the cookie) */
	__u32 irs;	  /* the client's initial sequence number */
	__u32 ts_ours;	  /* our TSval as the client echoed it; 0 without TS */
	__u32 ts_peer;	  /* the client's TSval on the opening segment */
	__u16 mss;	  /* what we may send, never above what was offered */
	__u8 wscale;	  /* the client's shift, 0-14, or WEIR_WSCALE_NONE */
	__u8 flags;	  /* WEIR_OPT_*; WEIR_FLOW_COUNTED_* (policy.h) */
	__u64 created_ms; /* gate's monotonic clock, ms (weir_clock.h) */
};

/* ---- services -------------------------------------------------------- */

enum weir_mode {
	WEIR_MODE_ALWAYS = 0, /* every SYN is answered in XDP */
	WEIR_MODE_AUTO = 1,   /* by the worker until a flood is seen */
	WEIR_MODE_NEVER = 2,  /* by the worker */
};

/*
 * weir_ports[port] (host-order index) decides with one load whether a port
 * can be ours at all:
 *   0                          no service, no flow: PASS
 *   low 14 bits n > 0          an any-address service: weir_services[n - 1]
 *   WEIR_PORT_ADDRESSED        services bound to addresses: look in the
 *                              `services` map first
 *   WEIR_PORT_ACTIVE           a local port of an active open: only flows
 */
#define WEIR_PORT_ID_MASK   0x3fff
#define WEIR_PORT_ACTIVE    0x4000
#define WEIR_PORT_ADDRESSED 0x8000

/*
 * Key of the `services` map; IPv4 addresses as ::ffff:a.b.c.d. Value: __u32 id,
 * the index into weir_services[]. For each address of an addressed service the
 * host also enters {address, port 0}: TCP to it whose ports cannot be read (later
 * fragments) is dropped; without that entry it passes, harmless by itself.
 */
struct weir_service_key {
	__be32 addr[4];
	__be16 port;
	__u16 pad; /* 0 */
};

/*
 * In auto, the gate itself decides, frame by frame: while fewer than syn_per_sec SYNs
 * a second come for the service, on one CPU, they go to the worker; above that, or
 * while a worker's backlog is full (pressure_ms), they are answered by cookies, and
 * for hold_ms after the last such moment.
 */
struct weir_service {
	__u32 in_use;
	__u32 mode;	   /* enum weir_mode, live */
	__u32 syn_per_sec; /* live */
	__u32 hold_ms;	   /* live */
	__u64 pressure_ms; /* gate's mono_ms when a worker last had no room; workers write */
	__u64 cookies_ms;  /* gate's mono_ms until which auto answers by cookies; gate writes */
};

/* ---- configuration: written by the host, read by the gate ------------- */

/*
 * The gate's clock. Every member but wall_offset_ms and fixed_ms is set
 * before attaching. mono_ms = ((jiffies64 - base_jiffies) * tick_mult) >> 20,
 * where tick_mult = milliseconds per jiffy << 20; the host's equal is
 * (CLOCK_MONOTONIC - base_mono) in ms. wall_ms = mono_ms + wall_offset_ms.
 * With fixed != 0 (tests) mono_ms is fixed_ms.
 */
struct weir_gate_clock {
	__u64 base_jiffies;
	__u64 tick_mult;
	__u64 wall_offset_ms; /* re-calibrated by the host, never stepped back */
	__u64 fixed_ms;
	__u32 fixed;
	__u32 skew_ms; /* by which the clock of a node that shares our keys may be ahead; live */
};

/*
 * Two keys, one switch. The key of an epoch is
 *     key[(__s32)(epoch - switch_epoch) >= 0 ? newer : newer ^ 1]
 * so every epoch has exactly one key, a validator computes one MAC, and a
 * rotation at an epoch's edge refuses nobody. `schedule` holds switch_epoch in
 * its low and `newer` in its high 32 bits: one aligned 64-bit store switches.
 */
struct weir_keyring {
	__u64 key[2][2]; /* SipHash k0, k1 */
	__u64 schedule;
};

/* weir_gate_config.flags */
#define WEIR_CFG_ACCEPT_PARTIAL_CSUM 0x01 /* --accept-partial-csum */
#define WEIR_CFG_FLOWS_FULL	     0x02 /* at flow capacity: no new SYN-ACK */
#define WEIR_CFG_DRAINING	     0x04 /* shutting down: no new SYN-ACK */
#define WEIR_CFG_CLOCK_STEP	     0x08 /* the wall clock is about to jump: no new SYN-ACK */
#define WEIR_CFG_POLICY		     0x10 /* there is one (policy.h) */
#define WEIR_CFG_POLICY_1	     0x20 /* and it is weir_policies[1]; else [0] */
#define WEIR_CFG_CLOSED		     (WEIR_CFG_FLOWS_FULL | WEIR_CFG_DRAINING | WEIR_CFG_CLOCK_STEP)

struct weir_gate_config {
	struct weir_gate_clock clock;
	struct weir_keyring keys;
	__u16 mss_class[8];	/* ascending; fixed with the key for a fleet */
	__u32 flags;		/* WEIR_CFG_*, live */
	__u32 heartbeat_max_ms; /* 0: do not check (tests) */
	__u32 rst_per_sec;	/* unknown ACKs to look at, per second and CPU; 0: no RST */
	__u16 window;		/* window of the SYN-ACK, unscaled */
	__u16 mss4;		/* our MSS by the device's MTU: MTU - 40 */
	__u16 mss6;		/* MTU - 60 */
	__u8 wscale;		/* our shift, fixed with the key */
	__u8 ttl;		/* TTL and hop limit of what the gate sends */
	__u8 mac[6];		/* the device's address */
	__u16 trace;		/* 0 off, 1 on: one branch when off, live */
	struct weir_trace_filter {
		__be16 port;	/* either port; 0 any */
		__u16 family;	/* 4, 6, or 0 any */
		__be32 addr[4]; /* either address, IPv4 in addr[0]; used with family */
	} trace_filter;
};

/* ---- trace ----------------------------------------------------------- */

enum weir_trace_where { WEIR_TRACE_GATE = 0, WEIR_TRACE_WORKER = 1 };
enum weir_trace_dir { WEIR_TRACE_IN = 0, WEIR_TRACE_OUT = 1 };

/*
 * One frame as it was seen. Each frame yields one record: the gate writes those
 * it ends itself (answered, reset, dropped) and those it sends; the worker
 * writes those it processed and those it sent.
 */
struct weir_trace_rec {
	__u64 mono_ns;	   /* CLOCK_MONOTONIC */
	__u32 source;	   /* CPU or worker */
	__u16 len;	   /* on the wire */
	__u16 caplen;	   /* bytes in data */
	__u16 outcome;	   /* enum weir_counter: why it was dropped, or 0 */
	__u8 where;	   /* enum weir_trace_where */
	__u8 dir;	   /* enum weir_trace_dir */
	__u8 state_before; /* our TCP state, enum weir_tcp_state numbering */
	__u8 state_after;
	__u8 pad[2];
	__u8 data[WEIR_TRACE_SNAP];
};

/* TCP states in RFC 9293's order; the names are the JSON's and the CLI's. */
#define WEIR_TCP_STATES(X)                                                                         \
	X(CLOSED)                                                                                  \
	X(LISTEN)                                                                                  \
	X(SYN_SENT)                                                                                \
	X(SYN_RCVD)                                                                                \
	X(ESTABLISHED)                                                                             \
	X(FIN_WAIT_1)                                                                              \
	X(FIN_WAIT_2)                                                                              \
	X(CLOSE_WAIT)                                                                              \
	X(CLOSING)                                                                                 \
	X(LAST_ACK)                                                                                \
	X(TIME_WAIT)

enum weir_tcp_state {
#define X(name) WEIR_##name,
	WEIR_TCP_STATES(X)
#undef X
		WEIR_TCP_NSTATES
};

/* ---- counters -------------------------------------------------------- */

/* Defined once in counters.def; index 0 is never counted ("no outcome"). */
enum weir_counter {
	WEIR_C_NONE = 0,
#define COUNTER(name, side, text) WEIR_C_##name,
#include <weir/counters.def>
#undef COUNTER
	WEIR_C_MAX
};

/* One row per CPU (the gate) or per worker (the engine), a cache line apart. */
struct weir_counter_row {
	__u64 v[(WEIR_C_MAX + 7) & ~7];
} __attribute__((aligned(64)));

#endif
