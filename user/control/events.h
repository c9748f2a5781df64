/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an operator wants to be told of as it begins and ends: floods, and frames that the
 * machine is too slow for. Counters and time in, events out; no clock, no log.
 *
 *     rate >= limit for after_us            has begun, when that time did
 *     rate < limit / 2 for hold_us          has ended, when that time began
 *
 * A flood of SYNs is one only while less than half of them are confirmed: many clients are
 * no flood.
 */
#ifndef WEIR_CONTROL_EVENTS_H
#define WEIR_CONTROL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/event_log.h"

enum event_kind {
	EVENT_SYN_FLOOD,  /* SYNs to services, whatever became of them */
	EVENT_ACK_FLOOD,  /* ACKs of no flow, without a cookie of ours */
	EVENT_RING_DROPS, /* frames that the workers were too slow for */
	EVENT_KINDS
};
extern const char *const event_kind_names[EVENT_KINDS]; /* "syn_flood", … */

struct event_limits {
	uint64_t per_sec[EVENT_KINDS]; /* 0: not looked for */
	uint64_t after_us, hold_us;
};
void event_limits_default(struct event_limits *l);

struct events {
	struct event_limits limits; /* may change at any time */
	uint64_t last_us;	    /* of the look before; 0: none yet */
	uint64_t seen[EVENT_KINDS], answered, accepted;
	struct event_watch {
		bool on;
		uint64_t times;			    /* that it began */
		uint64_t since_us;		    /* above the limit; 0: it is not */
		uint64_t quiet_us;		    /* while on: below half of it; 0: it is not */
		uint64_t peak;			    /* a second */
		uint64_t total, answered, accepted; /* since since_us */
	} watch[EVENT_KINDS];
};

struct event {
	enum event_kind kind;
	bool began;	/* else ended */
	uint64_t limit; /* a second */
	uint64_t peak;
	uint64_t duration_us;
	uint64_t total;
	uint64_t answered, accepted; /* of SYN floods */
};

void events_init(struct events *e, const struct event_limits *l);
/* About once a second. `counters` by enum weir_counter, cumulative. What happened; how many. */
unsigned events_step(struct events *e, const uint64_t *counters, uint64_t now_us,
		     struct event out[EVENT_KINDS]);

/* Of answered SYNs those that nobody confirmed, in percent. */
unsigned event_unconfirmed(const struct event *ev);

/* For the log: level, name ("flood_began"), a sentence, fields (they point into ev). */
#define EVENT_FIELDS 9
int event_level(const struct event *ev);
const char *event_name(const struct event *ev);
void event_text(const struct event *ev, char *buf, size_t len);
void event_fields(const struct event *ev, struct weir_field f[EVENT_FIELDS]);

#endif
