/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who answers a SYN, by the service's mode: the gate with a cookie, or the worker
 * with a SYN_RCVD of its own.
 *
 * `auto` is the worker until a flood is seen, which is either of
 *
 *   - a SYN that finds no token. Each CPU has a bucket for each service, of one
 *     second's worth of syn_per_sec: what reaches the workers before the gate takes
 *     over is bounded by it, whatever the flood's rate;
 *   - a worker without room (pressure_ms).
 *
 * Then cookies until hold_ms after the last such moment: cookies_ms says until when,
 * for all CPUs, and 0 when it is over. That cell is read by every SYN and so written
 * only when it would move by GATE_AUTO_STEP, a hundred times less often than SYNs
 * come in a flood; the hold is that much shorter at most.
 *
 * In `always` all of it is one load and one branch.
 */
#ifndef WEIR_GATE_AUTO_H
#define WEIR_GATE_AUTO_H

#include "gate.h"
#include "gate_admit.h"
#include "gate_count.h"

#define GATE_AUTO_STEP 125 /* ms */

/* A token is 1000: a millisecond earns syn_per_sec of it. */
struct gate_syns {
	__u64 last_ms;
	__u64 credit;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct gate_syns);
} auto_syns SEC(".maps");

/* Takes a token; whether there was none. */
static __always_inline int gate_syns_too_many(const struct gate *g, const struct weir_service *s)
{
	__u64 rate = s->syn_per_sec, elapsed;
	__u32 key = g->service;
	struct gate_syns *b = bpf_map_lookup_elem(&auto_syns, &key);

	if (!b)
		return 1;
	elapsed = g->mono_ms - b->last_ms;
	if (elapsed > 1000 || !b->last_ms) /* a new one is full */
		elapsed = 1000;
	b->last_ms = g->mono_ms;
	b->credit += elapsed * rate;
	if (b->credit > rate * 1000)
		b->credit = rate * 1000;
	if (b->credit < 1000)
		return 1;
	b->credit -= 1000;
	return 0;
}

/*
 * Signed: the worker's clock may be a jiffy ahead of ours, and mono_ms is small
 * after the start.
 */
static __always_inline int gate_before(__u64 a, __u64 b)
{
	return (__s64)(a - b) < 0;
}

/* A flood until `until`: whoever begins it counts it, one CPU alone. */
static __always_inline void gate_auto_extend(struct gate *g, struct weir_service *s, __u64 was,
					     __u64 until)
{
	if (was && gate_before(until, was + GATE_AUTO_STEP))
		return;
	if (__sync_val_compare_and_swap(&s->cookies_ms, was, until) == was && !was)
		gate_count(g, WEIR_C_auto_to_cookies);
}

static __always_inline int gate_auto_cookies(struct gate *g, struct weir_service *s)
{
	__u64 was = s->cookies_ms, pressure = s->pressure_ms, until = 0;

	if (was && !gate_before(g->mono_ms, was)) {
		if (__sync_val_compare_and_swap(&s->cookies_ms, was, 0) == was)
			gate_count(g, WEIR_C_auto_to_worker);
		was = 0;
	}
	if (gate_syns_too_many(g, s))
		until = g->mono_ms + s->hold_ms;
	else if (pressure && gate_before(g->mono_ms, pressure + s->hold_ms))
		until = pressure + s->hold_ms;
	if (until)
		gate_auto_extend(g, s, was, until);
	return until || was;
}

/* Whether this SYN, admitted to g->service, is the gate's to answer. */
static __always_inline int gate_by_cookie(struct gate *g)
{
	struct weir_service *s = gate_service(g);

	switch (s->mode) {
	case WEIR_MODE_NEVER:
		return 0;
	case WEIR_MODE_AUTO:
		return gate_auto_cookies(g, s);
	}
	return 1;
}

#endif
