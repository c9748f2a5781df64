/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the control socket shows, seen from the socket: a table of questions.
 * ctl_instance.c answers them from a running instance, tests from memory.
 * All are called from the one controlling thread.
 */
#ifndef WEIR_CONTROL_CTL_SOURCE_H
#define WEIR_CONTROL_CTL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "control/drain.h"
#include "control/history.h"
#include "control/events.h"
#include "control/keys_report.h"
#include "control/ctl_policy.h"
#include "control/services.h"
#include "engine/engine.h"

struct backends;
struct host_limits;
struct host_warnings;

struct ctl_service {
	const char *listen; /* "10.0.0.2:80" */
	const char *app;
	struct service_mode mode; /* now */
	bool cookies;		  /* SYNs are answered in XDP now */
};

struct ctl_status {
	const char *iface, *mode, *xsk, *zero_copy, *hook;
	uint64_t uptime_s;
	unsigned hook_lost;
	unsigned queues, workers;
	bool draining;
	enum drain_state drain; /* as it was asked for by "drain" or a signal */
	bool drain_exit;
	uint64_t drain_left_ms; /* DRAIN_UNLIMITED */
	uint64_t flows_used, flows_capacity;
	struct engine_status engine;
	/* valid until the next call; NULL: not known */
	const struct engine_queue_status *queue;
	const struct engine_worker_status *worker;
	const struct events *events;	  /* NULL: not looked for */
	const struct host_limits *limits; /* NULL: not known */
	const struct host_warnings *limits_warn;
	const struct ctl_service *services; /* valid until the next call */
	unsigned nservices;
};

/* Whether clients should be sent here (instance.h). */
struct ctl_health {
	const char *iface;
	const char *why; /* NULL: healthy */
	bool draining, full;
	uint64_t heartbeat_age_ms;
};

/* What only the metrics show (ctl_metrics.h), besides the status. */
struct ctl_metrics {
	uint64_t resident_bytes, cpu_us; /* of the process; 0: not known */
	/*
	 * By enum weir_counter: all as `counters` gives them, the gate's alone; a worker's row
	 * is live, to be read relaxed.
	 */
	uint64_t counters[WEIR_C_MAX], gate_counters[WEIR_C_MAX];
	const uint64_t *worker_counters[WEIR_MAX_QUEUES];
	struct engine_times times;
};

#define CTL_TRACE_BATCH 64

/*
 * Takes one record. False: no more now, please; up to CTL_TRACE_BATCH that were
 * read already are still taken.
 */
typedef bool (*ctl_trace_sink)(void *arg, const struct weir_trace_rec *rec);

struct ctl_source {
	const struct ctl_source_ops {
		void (*status)(void *ctx, struct ctl_status *s);
		void (*counters)(void *ctx, uint64_t *v); /* v[WEIR_C_MAX] */
		void (*metrics)(void *ctx, struct ctl_metrics *m);
		/* NULL: none is kept */
		const struct history *(*history)(void *ctx);
		void (*health)(void *ctx, struct ctl_health *h);
		void (*keys)(void *ctx, struct keys_status *s);
		/* Those of a service, by its index in ctl_status.services; NULL: it has none. */
		const struct backends *(*backends)(void *ctx, unsigned service);
		/* As engine_conns(), bounded in time by the source. */
		int (*conns)(void *ctx, unsigned worker, uint64_t *cursor,
			     struct engine_conn_row *rows, unsigned max);
		/* source: NULL, or whose `now` is asked for */
		void (*policy)(void *ctx, const struct weir_addr *source, struct ctl_policy *p);
		/* service: index in ctl_status.services. 0 or -errno. */
		void (*drain)(void *ctx, const struct drain_wish *wish);
		int (*set_mode)(void *ctx, unsigned service, enum weir_mode mode);
		/* Also changes the filter of a trace that is on. 0 or -errno. */
		int (*trace_start)(void *ctx, const struct weir_trace_filter *filter);
		void (*trace_stop)(void *ctx);
		/* Gives what has come in to `sink`; returns events lost since the last call. */
		uint64_t (*trace_poll)(void *ctx, ctl_trace_sink sink, void *arg);
	} * ops;
	void *ctx;
	unsigned workers;
};

#endif
