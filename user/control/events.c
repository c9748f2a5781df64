/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <weir/abi.h>
#include "control/history.h"

#define SECOND_US 1000000u

const char *const event_kind_names[EVENT_KINDS] = {"syn_flood", "ack_flood", "ring_drops"};

static uint64_t total(enum event_kind kind, const uint64_t *v)
{
	switch (kind) {
	case EVENT_SYN_FLOOD:
		return history_total(HISTORY_syns, v);
	case EVENT_ACK_FLOOD:
		return v[WEIR_C_drop_ack_cookie] + v[WEIR_C_rst_sent];
	case EVENT_RING_DROPS:
		return history_total(HISTORY_ring_drops, v);
	default:
		return 0;
	}
}

void event_limits_default(struct event_limits *l)
{
	*l = (struct event_limits){
		.per_sec = {[EVENT_SYN_FLOOD] = 10000,
			    [EVENT_ACK_FLOOD] = 10000,
			    [EVENT_RING_DROPS] = 100},
		.after_us = 3 * SECOND_US,
		.hold_us = 10 * SECOND_US,
	};
}

void events_init(struct events *e, const struct event_limits *l)
{
	memset(e, 0, sizeof(*e));
	e->limits = *l;
}

static uint64_t added(uint64_t *last, uint64_t now)
{
	uint64_t n = now > *last ? now - *last : 0;

	*last = now;
	return n;
}

/*
 * Those that the gate let in by their cookie also open connections, once a worker has
 * them; those that a worker answered only do that.
 */
static uint64_t confirmed(const uint64_t *v)
{
	uint64_t opened = v[WEIR_C_conn_opened], active = v[WEIR_C_connect_established];
	uint64_t by_worker = opened > active ? opened - active : 0;

	return v[WEIR_C_ack_accepted] > by_worker ? v[WEIR_C_ack_accepted] : by_worker;
}

/* What a look found of one kind since the look before, at from_us. */
struct look {
	uint64_t from_us, now_us, rate, count, answered, accepted;
};

static void begin(struct event_watch *w, const struct look *l)
{
	if (!w->since_us) {
		w->since_us = l->from_us;
		w->peak = w->total = w->answered = w->accepted = 0;
	}
}

static void add(struct event_watch *w, const struct look *l)
{
	if (l->rate > w->peak)
		w->peak = l->rate;
	w->total += l->count;
	w->answered += l->answered;
	w->accepted += l->accepted;
}

static struct event event_of(enum event_kind kind, const struct event_watch *w, uint64_t limit,
			     uint64_t until_us)
{
	return (struct event){
		.kind = kind,
		.began = w->on,
		.limit = limit,
		.peak = w->peak,
		.duration_us = until_us - w->since_us,
		.total = w->total,
		.answered = w->answered,
		.accepted = w->accepted,
	};
}

/* While it is not on. Whether it begins. */
static bool rises(struct event_watch *w, const struct look *l, const struct event_limits *limits,
		  bool above)
{
	if (!above) {
		w->since_us = 0;
		return false;
	}
	begin(w, l);
	add(w, l);
	if (l->now_us - w->since_us < limits->after_us)
		return false;
	w->on = true;
	w->times++;
	w->quiet_us = 0;
	return true;
}

/* While it is on. Whether it ends. */
static bool falls(struct event_watch *w, const struct look *l, const struct event_limits *limits,
		  bool quiet)
{
	add(w, l);
	if (!quiet) {
		w->quiet_us = 0;
		return false;
	}
	if (!w->quiet_us)
		w->quiet_us = l->from_us;
	if (l->now_us - w->quiet_us < limits->hold_us)
		return false;
	w->on = false;
	return true;
}

static bool watch(struct events *e, enum event_kind kind, const struct look *l, struct event *out)
{
	struct event_watch *w = &e->watch[kind];
	uint64_t limit = e->limits.per_sec[kind];
	/* Clients that finish are none of a flood, however many. */
	bool genuine = kind == EVENT_SYN_FLOOD && l->accepted * 2 >= l->count;

	if (!w->on) {
		if (!rises(w, l, &e->limits, limit && l->rate >= limit && !genuine))
			return false;
		*out = event_of(kind, w, limit, l->now_us);
		return true;
	}
	if (!falls(w, l, &e->limits, !limit || l->rate < limit / 2 || genuine))
		return false;
	*out = event_of(kind, w, limit, w->quiet_us);
	w->since_us = 0;
	return true;
}

unsigned events_step(struct events *e, const uint64_t *v, uint64_t now_us,
		     struct event out[EVENT_KINDS])
{
	uint64_t us = now_us - e->last_us, from_us = e->last_us;
	uint64_t answered, accepted;
	unsigned n = 0;

	if (us < SECOND_US / 10)
		return 0; /* too short for a rate */
	answered = added(&e->answered, v[WEIR_C_syn_answered] + v[WEIR_C_syn_taken]);
	accepted = added(&e->accepted, confirmed(v));
	e->last_us = now_us;
	for (int k = 0; k < EVENT_KINDS; k++) {
		const enum event_kind kind = (enum event_kind)k;
		struct look l = {.from_us = from_us,
				 .now_us = now_us,
				 .count = added(&e->seen[k], total(kind, v))};

		l.rate = l.count * SECOND_US / us;
		if (kind == EVENT_SYN_FLOOD) {
			l.answered = answered;
			l.accepted = accepted;
		}
		if (from_us && watch(e, kind, &l, &out[n]))
			n++;
	}
	return n;
}

/* ---- in words -------------------------------------------------------------------------- */

unsigned event_unconfirmed(const struct event *ev)
{
	if (!ev->answered || ev->accepted >= ev->answered)
		return 0;
	return (unsigned)((ev->answered - ev->accepted) * 100 / ev->answered);
}

int event_level(const struct event *ev)
{
	return ev->began ? LOG_WARNING : LOG_NOTICE;
}

const char *event_name(const struct event *ev)
{
	static const char *const names[EVENT_KINDS][2] = {
		{"flood_ended", "flood_began"},
		{"ack_flood_ended", "ack_flood_began"},
		{"ring_drops_ended", "ring_drops_began"},
	};

	return names[ev->kind][ev->began];
}

static const char *const nouns[EVENT_KINDS] = {"flood of SYNs", "flood of ACKs",
					       "loss of frames before slow workers"};
static const char *const units[EVENT_KINDS] = {"SYN/s", "ACK/s", "frames/s"};

void event_text(const struct event *ev, char *buf, size_t len)
{
	uint64_t s = ev->duration_us / SECOND_US;
	int n;

	if (ev->began) {
		snprintf(buf, len, "a %s began: %" PRIu64 " %s, limit %" PRIu64, nouns[ev->kind],
			 ev->peak, units[ev->kind], ev->limit);
		return;
	}
	n = snprintf(buf, len,
		     "the %s has ended: %" PRIu64 " s, peak %" PRIu64 " %s, %" PRIu64 " in all",
		     nouns[ev->kind], s, ev->peak, units[ev->kind], ev->total);
	if (ev->kind == EVENT_SYN_FLOOD && n > 0 && (size_t)n < len)
		snprintf(buf + n, len - (size_t)n,
			 ", %" PRIu64 " answered, %" PRIu64 " accepted, %u%% unconfirmed",
			 ev->answered, ev->accepted, event_unconfirmed(ev));
}

void event_fields(const struct event *ev, struct weir_field f[EVENT_FIELDS])
{
	unsigned n = 0;

	f[n++] = FIELD_TEXT("kind", event_kind_names[ev->kind]);
	f[n++] = FIELD_NUMBER("limit_per_sec", ev->limit);
	f[n++] = FIELD_NUMBER("peak_per_sec", ev->peak);
	f[n++] = FIELD_NUMBER("duration_ms", ev->duration_us / 1000);
	f[n++] = FIELD_NUMBER("total", ev->total);
	if (ev->kind == EVENT_SYN_FLOOD) {
		f[n++] = FIELD_NUMBER("syn_answered", ev->answered);
		f[n++] = FIELD_NUMBER("accepted", ev->accepted);
		f[n++] = FIELD_NUMBER("unconfirmed_percent", event_unconfirmed(ev));
	}
	f[n] = FIELD_END;
}
