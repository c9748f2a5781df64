/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate as the host holds it: the loaded program, its maps and its mapped
 * memory. The only file that knows the skeleton.
 *
 *     gate_open()      loads; nothing is attached
 *     gate_services()  what is ours
 *     gate_bind()      a socket for a queue; all of them before attaching
 *
 * What is ours may change while frames come in (gate_services.c): gate_listen(),
 * gate_unlisten(), gate_service_mode() and gate_port_active() may be called by any
 * thread at any time.
 */
#ifndef WEIR_CONTROL_GATE_H
#define WEIR_CONTROL_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "control/err.h"
#include "control/policy.h"
#include "control/services.h"

struct bpf_object;
struct flowmap_bpf;
struct weir_bpf;

struct gate {
	struct weir_bpf *skel;
	struct weir_bpf *again;	      /* gate_again(); or NULL */
	struct weir_gate_config *cfg; /* the gate's own, live */
	uint64_t *heartbeat;	      /* WEIR_MAX_QUEUES cells */
	uint32_t *presence;	      /* WEIR_PRESENCE_CELLS (include/weir/presence.h) */
	uint32_t presence_bias;	      /* of each cell (gate_inherit.h) */
	int bss_fd;		      /* the map in which all of that is, */
	size_t presence_off;	      /* and where in it */
	unsigned cpus;		      /* rows of the counters in use */
	int prog_fd, clock_fd, flows4_fd, flows6_fd, trace_fd;

	/* gate_services.c; the gate's own two are live */
	uint16_t *ports;	       /* weir_ports[65536] */
	struct weir_service *services; /* weir_services[WEIR_SERVICE_SLOTS] */
	int services_fd;
	pthread_mutex_t lock; /* of what follows, and for writing the above */
	struct gate_listen {
		struct weir_addr addr;
		uint16_t next, prev;  /* a ring of those at the same address */
	} listens[WEIR_MAX_SERVICES]; /* of those in use */
	unsigned free_from;	      /* ids below are in use */
	uint16_t addressed[65536];    /* services at an address, by port */
	uint32_t active[65536];	      /* who takes this port for active opens */

	/* gate_policy.c; under the lock, but for what is live */
	struct flowmap_bpf *flows; /* where flows are counted by source; NULL: nowhere else */
	struct policy policy;	   /* in force */
	struct {
		int v4, v6;
	} acl[2];	 /* the tries of the gate's two policies */
	int acl_outer;	 /* and a map that has some of them */
	uint32_t counts; /* 1, 2: last counted in; 0: never */
	struct weir_policy *policies;
	struct weir_source_counts *sources;
	struct weir_bucket_set *buckets;
	uint64_t *source_key;
};

/* flows: capacity of each of the two flow maps. */
int gate_open(struct gate **out, uint32_t flows, weir_log_fn log, struct weir_err *err);
/* The same on the flow maps of another gate, which they are fit for: `flows` is theirs. */
struct gate_maps {
	int flows4_fd, flows6_fd;
};
int gate_open_on(struct gate **out, uint32_t flows, const struct gate_maps *others, weir_log_fn log,
		 struct weir_err *err);
void gate_close(struct gate *g); /* NULL is fine */

/*
 * The program a second time, opened and not loaded, on the maps of the first: for libxdp,
 * which loads it itself, as an extension of its dispatcher. NULL and errno. The gate's own.
 */
struct bpf_object *gate_again(struct gate *g);

int gate_bind(struct gate *g, unsigned queue, int xsk_fd);

/* Returns when no frame is with a program that was on the hook before the call. */
void gate_wait_for_frames(const struct gate *g);

/* ---- what is ours: gate_services.c ----------------------------------------- */

/* All of `s`, in their own modes or this one; each receives its gate_id. */
int gate_services(struct gate *g, struct services *s, const struct service_mode *common,
		  struct weir_err *err);

/* One more: its id, -EEXIST, -ENOSPC (WEIR_MAX_SERVICES), -errno. */
int gate_listen(struct gate *g, const struct weir_addr *a, const struct service_mode *m);
/*
 * No longer: what comes for it is the host's again, but frames of connections that are
 * open. That is why its port stays an active one, for good.
 */
void gate_unlisten(struct gate *g, unsigned id);

/* The entry of the service at exactly this address and port; NULL: there is none. */
struct weir_service *gate_service_at(struct gate *g, const struct weir_addr *a);

/* Live. 0 or -EINVAL (no such service). `auto` begins with the workers. */
int gate_service_mode(struct gate *g, unsigned id, enum weir_mode mode);
enum weir_mode gate_service_mode_now(const struct gate *g, unsigned id);

/* All of its mode, as gate_service_mode(). */
int gate_service_set(struct gate *g, unsigned id, const struct service_mode *m);

/*
 * Whether the port is the local one of an active open: then frames of a flow to it
 * are the worker's, and all others the host's. Counted: on for as many calls as off.
 */
void gate_port_active(struct gate *g, uint16_t port, bool on);

/* ---- looking in, and switches -------------------------------------------------- */

/* Adds all CPUs' rows to v[WEIR_C_MAX]. */
void gate_counters(const struct gate *g, uint64_t *v);
uint64_t gate_counter(const struct gate *g, enum weir_counter c);

void gate_flag(struct gate *g, uint32_t flag, bool on); /* WEIR_CFG_* */
/* filter NULL: the one in force stays. */
void gate_trace(struct gate *g, bool on, const struct weir_trace_filter *filter);

#endif
