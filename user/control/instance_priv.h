/* SPDX-License-Identifier: BSD-2-Clause */
/* What instance.c builds and instance_step.c keeps going. */
#ifndef WEIR_CONTROL_INSTANCE_PRIV_H
#define WEIR_CONTROL_INSTANCE_PRIV_H

#include "control/attach.h"
#include "control/clock.h"
#include "control/flowmap_bpf.h"
#include "control/gate_inherit.h"
#include "control/history.h"
#include "control/host_limits.h"
#include "control/instance.h"
#include "control/instance_keys.h"
#include "control/netops.h"
#include "control/often.h"
#include "control/pin.h"
#include "net/pktio_xsk.h"

#define INSTANCE_NOTICES 5
#define HEARTBEAT_MAX_MS 2000

struct notice {
	uint64_t told;	  /* the count when it was last given */
	uint64_t next_us; /* not again before */
};

/* An instance_queue_fn makes an RX queue's socket, known to the gate; on failure there is none. */
/* What such a socket is to be. */
struct pktio_xsk_config instance_queue_config(const struct weir_instance *inst, unsigned q);
/* The queue's socket to the gate; it is closed if that fails. */
int instance_queue_serve(struct weir_instance *inst, unsigned q, struct weir_err *err);
typedef int instance_queue_fn(struct weir_instance *inst, unsigned q, struct weir_err *err);
instance_queue_fn instance_bind_queue;
/* For all that have none. */
int instance_open_queues(struct weir_instance *inst, instance_queue_fn *one, struct weir_err *err);

/* The engine on the sockets, with all services; and its threads. */
int instance_make_engine(struct weir_instance *inst, struct weir_err *err);
int instance_start_workers(struct weir_instance *inst, struct weir_err *err);

struct instance_priv {
	struct clock_sync clock;
	struct instance_keys keys;
	struct flowmap_bpf flows;
	struct netops *net;
	struct pktio *io[WEIR_MAX_QUEUES];
	struct pin pin;
	struct attach_want want;
	struct attachment at;
	bool untaken;		 /* the sockets' rings are another weir's yet: hands off */
	bool anew;		 /* they cannot be had, and are opened when it has closed its own */
	struct gate_cells cells; /* of that one's gate */
	unsigned mtu_max;	 /* what the buffers were made for: the MTU at the start */

	struct events events;
	struct host_limits limits;
	struct host_warnings warnings; /* of them */

	/* instance_step.c */
	uint64_t next_second_us;
	struct notice notices[INSTANCE_NOTICES];
	struct service_app *retired; /* of services that are gone (instance_reload.h) */
	uint64_t step_us;
	struct history *history; /* NULL: caller-driven */
	struct often lost;	 /* the hook, each time within a minute */
	bool flows_full, clock_told, clock_steps, drift_told;
};

/* instance_events.c: an event for the log, by cfg.event, or as a message by cfg.log. */
void instance_tell(const struct weir_instance *inst, int level, const char *name,
		   const struct weir_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* instance_events.c: once a second; begins and ends of events go into the log. */
void instance_events(struct weir_instance *inst, uint64_t now_us);

/* Says of which of `s`, but those in `told` (may be NULL), the interface has no address. */
void instance_warn_of_foreign(const struct weir_instance *inst, const struct services *s,
			      struct services *told);

/* The gate, for attach.h. */
struct attach_prog instance_prog(const struct weir_instance *inst);

/* Before anything is made to fit: warns of limits of this process that will not do. */
void instance_limits(struct weir_instance *inst);

/*
 * Once the interface is known: makes defaults smaller than they are (cfg.fit_*) where there
 * is not the memory for them, -ENOMEM where what was asked for does not fit `available`.
 */
int instance_fit(struct weir_instance *inst, uint64_t available, struct weir_err *err);

#endif
