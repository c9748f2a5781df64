/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A running weir: the gate on one interface, the sockets of its RX queues and
 * the engine behind them.
 *
 *     instance_open()   looks at the interface, loads the gate, binds a socket
 *                       to every RX queue, starts the workers, attaches: on
 *                       success frames are being served
 *     instance_step()   five times a second: clock, keys, capacity, notices, and
 *                       what has changed of the interface
 *     instance_drain_wish()  no new connections, while it goes on (drain.h)
 *     instance_drain()  no new connections; those open are closed in order
 *     instance_close()  detaches and takes everything down, in that order
 *
 * Nothing of it outlives the process, as the gate hangs on a bpf_link that no file
 * system pins; unless on_crash_drop asks for that, or it shares the hook with others, when
 * a kill leaves its seat in their dispatcher (attach.h). Threads: all of this is for the one
 * controlling thread.
 */
#ifndef WEIR_CONTROL_INSTANCE_H
#define WEIR_CONTROL_INSTANCE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "control/attach.h"
#include "control/bursts.h"
#include "control/drain.h"
#include "control/err.h"
#include "control/events.h"
#include "control/netif.h"
#include "control/policy.h"
#include "control/services.h"
#include "engine/engine.h"

struct instance_config {
	char iface[IFNAMSIZ];
	enum xdp_mode xdp_mode;
	enum attach_share share;  /* the XDP hook with others */
	unsigned xdp_prio;	  /* and which of them are run before */
	bool on_crash_drop;	  /* a kill leaves the gate, pinned, and services closed */
	const char *pin_dir;	  /* where (pin.h); NULL: nowhere, nor is one taken over */
	struct service_mode mode; /* of every service that has none of its own, at the start */
	unsigned queues;	  /* RX queues to serve; 0: all the device has */
	uint32_t flows;		  /* capacity of the flow table */
	/* Defaults, which may be made smaller where memory is short. */
	bool fit_conns, fit_buffers, fit_flows;
	uint32_t rx_frames;   /* UMEM frames per queue, receive */
	uint32_t tx_frames;   /* and transmit */
	const char *key_file; /* NULL: random keys, or the credential weir.key (keyfile.h) */
	uid_t key_owner;      /* who may own it beside root and who we are */
	uint64_t rotate_ms;   /* 0: keys are not rotated */
	bool accept_partial_csum;
	bool force_copy;	     /* do not try zero-copy */
	bool force_zerocopy;	     /* copy mode will not do */
	enum bursts bursts;	     /* bulk data by AF_PACKET, for the device to cut */
	int wscale;		     /* our window scale; -1: what rcvbuf needs */
	struct engine_config engine; /* workers 0: min(queues, CPUs) */
	struct services *services;   /* outlives the instance */
	const struct policy *policy; /* at the start; NULL: none */
	bool caller_driven; /* one worker without a thread: worker_poll() is the caller's */
	/* NULL, or calls start(start_arg) on the thread whose rights the workers shall have */
	int (*spawn)(void *arg, int (*start)(void *start_arg), void *start_arg);
	void *spawn_arg;
	struct takeover *takeover; /* whose place it takes (takeover.h); NULL: nobody's */
	weir_log_fn log;
	weir_event_fn event;	    /* NULL: events are messages of `log` */
	struct event_limits events; /* what is one */
};
void instance_config_default(struct instance_config *cfg);

/*
 * Bytes that an instance comes to when everything is in use, and of that what AF_XDP locks;
 * cfg->engine.workers is set, services may be NULL.
 */
uint64_t instance_needs(const struct instance_config *cfg, unsigned mtu, unsigned queues,
			uint64_t *frames);

struct gate;

struct weir_instance {
	struct instance_config cfg;
	struct netif nif;    /* name, ifindex, mtu, mac */
	const char *mode;    /* "native", "generic" */
	const char *xsk;     /* "zerocopy", "copy" */
	const char *hook;    /* "link", "dispatcher" */
	unsigned hook_lost;  /* times that somebody took the gate off it */
	char zero_copy[96];  /* "granted", "refused: why" (by queue 0), "not tried: why" */
	unsigned queues;     /* served; more, when the device gets more */
	uint64_t started_us; /* CLOCK_MONOTONIC */
	bool draining;	     /* no new connections, for whatever reason */
	struct drain drain;  /* as asked for by instance_drain_wish() */
	struct engine *engine;
	struct gate *gate;
	struct instance_priv *priv;
};

int instance_open(struct weir_instance **out, const struct instance_config *cfg,
		  struct weir_err *err);
/*
 * When nothing of the start can fail any more, and before the rights to it are given up:
 * what a killed weir had left is ours now. Until then instance_close() leaves it there.
 */
void instance_settle(struct weir_instance *inst);
/* Who will remove the pin at the end. */
int instance_give_pin(struct weir_instance *inst, uid_t uid);
/*
 * `now_us`: CLOCK_MONOTONIC. Call it every INSTANCE_STEP_MS. -ENODEV: the
 * interface has gone, and the gate with it, or it is in another namespace now. -EBUSY
 * (logged): the gate was taken off the hook, and cannot be put back or was too often.
 */
#define INSTANCE_STEP_MS 200
int instance_step(struct weir_instance *inst, uint64_t now_us);
/*
 * With cfg.takeover, between instance_open(), which leaves everything to the other, and
 * instance_settle(). On failure the other serves on once this one is closed.
 */
int instance_take_over(struct weir_instance *inst, struct weir_err *err);
/* The other has been told; cfg.takeover may be freed. */
void instance_own(struct weir_instance *inst);
/* It was given to another: instance_close() takes nothing of it down. */
void instance_given(struct weir_instance *inst);
void instance_drain(struct weir_instance *inst);
void instance_drain_wish(struct weir_instance *inst, const struct drain_wish *w, uint64_t now_us);
/* Whether a wish to end when empty has come true. */
bool instance_emptied(const struct weir_instance *inst, uint64_t now_us);
/* Whether all workers turn: none has been silent for as long as the gate would bear it. */
bool instance_alive(const struct weir_instance *inst);
bool instance_drained(const struct weir_instance *inst);
void instance_close(struct weir_instance *inst);

/*
 * Another policy, live (gate_policy.h). With denied_flows reset, connections of sources that
 * it denies are reset by their owners. On failure the one in force stays.
 */
int instance_policy(struct weir_instance *inst, const struct policy *p, struct weir_err *err);

/* ---- looking in, for the control socket ------------------------------------ */

/* What is looked for, and on now. */
const struct events *instance_events_of(const struct weir_instance *inst);
/* Other limits, live. */
void instance_event_limits(struct weir_instance *inst, const struct event_limits *l);

/* What the machine granted at the start, and what of that was too little. */
struct host_limits;
struct host_warnings;
const struct host_limits *instance_limits_of(const struct weir_instance *inst,
					     const struct host_warnings **w);

/* All counters of gate and engine, v[WEIR_C_MAX], cumulative since start. */
void instance_counters(const struct weir_instance *inst, uint64_t *v);

/* The last minutes, a sample a second; NULL where the caller drives the worker. */
struct history;
const struct history *instance_history(const struct weir_instance *inst);

/* The policy in force, and what this source (NULL: none) has left of its limits. */
struct ctl_policy;
void instance_get_policy(const struct weir_instance *inst, const struct weir_addr *source,
			 struct ctl_policy *out);

/* Entries in the flow table now, and its capacity. */
void instance_flows(const struct weir_instance *inst, uint64_t *used, uint64_t *capacity);

/*
 * Switches the trace of gate and engine. `filter` all zero: every frame; NULL
 * with on: the filter in force. Records: struct weir_trace_rec. The gate's come
 * through a BPF ring buffer (instance_trace_fd(): give it to ring_buffer__new()),
 * the workers' through engine_trace_read().
 */
int instance_trace(struct weir_instance *inst, bool on, const struct weir_trace_filter *filter);
int instance_trace_fd(const struct weir_instance *inst);

/* The mode of one service (index in cfg.services), live. 0 or -EINVAL. */
int instance_service_mode(struct weir_instance *inst, unsigned service, enum weir_mode mode);

/*
 * Whether clients should be sent here: the gate answers, it is not draining, and the worker
 * of each queue has beaten its heart within the time after which the gate stops answering.
 * A full flow table is told but is no reason: to send its clients elsewhere would fill the
 * others' tables.
 */
struct instance_health {
	const char *why; /* what is wrong, static; NULL: healthy */
	bool draining, full;
	uint64_t heartbeat_age_ms; /* of the worker that has been silent longest */
};
void instance_health(const struct weir_instance *inst, struct instance_health *h);

/* What it is now. */
struct instance_service {
	struct service_mode mode;
	bool cookies; /* SYNs are answered in XDP: always, or by auto at this moment */
};
void instance_service(const struct weir_instance *inst, unsigned service,
		      struct instance_service *out);

#endif
