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
static __always_inline int gate_syns_too_many(const struct weir_service *s, __u32 id, __u64 now)
{
	struct gate_syns *b = bpf_map_lookup_elem(&auto_syns, &id);
	__u64 rate = s->syn_per_sec, elapsed;

	if (!b)
		return 1;
	elapsed = now - b->last_ms;
	if (elapsed > 1000 || !b->last_ms) /* a new one is full */
		elapsed = 1000;
	b->last_ms = now;
	b->credit += elapsed * rate;
	if (b->credit > rate * 1000)
		b->credit = rate * 1000;
	if (b->credit < 1000)
		return 1;
	b->credit -= 1000;
	return 0;
}

/*
 * Signed: the worker's clock may be a jiffy ahead of ours, and `now` is small after
 * the start.
 */
static __always_inline int gate_before(__u64 a, __u64 b)
{
	return (__s64)(a - b) < 0;
}

/* A flood until `until`: whoever begins it counts it, one CPU alone. */
static __always_inline void gate_auto_extend(struct weir_service *s, __u64 was, __u64 until)
{
	if (was && gate_before(until, was + GATE_AUTO_STEP))
		return;
	if (__sync_val_compare_and_swap(&s->cookies_ms, was, until) == was && !was)
		gate_row()->v[WEIR_C_auto_to_cookies]++;
}

/*
 * Whether automatic mode answers this SYN by a cookie. Not inlined: it would cost
 * the other modes registers.
 */
__noinline int gate_auto_cookies(__u32 id, __u64 now)
{
	struct weir_service *s = &weir_services[id & (WEIR_SERVICE_SLOTS - 1)];
	__u64 was = s->cookies_ms, pressure = s->pressure_ms, until = 0;

	if (was && !gate_before(now, was)) {
		if (__sync_val_compare_and_swap(&s->cookies_ms, was, 0) == was)
			gate_row()->v[WEIR_C_auto_to_worker]++;
		was = 0;
	}
	if (gate_syns_too_many(s, id, now))
		until = now + s->hold_ms;
	else if (pressure && gate_before(now, pressure + s->hold_ms))
		until = pressure + s->hold_ms;
	if (until)
		gate_auto_extend(s, was, until);
	return until || was;
}

/* Whether a SYN to this service is the gate's to answer. */
static __always_inline int gate_mode_by_cookie(__u32 id, __u64 now)
{
	__u32 mode = weir_services[id & (WEIR_SERVICE_SLOTS - 1)].mode;

	if (__builtin_expect(mode == WEIR_MODE_AUTO, 0))
		return gate_auto_cookies(id, now);
	return mode != WEIR_MODE_NEVER;
}

static __always_inline int gate_by_cookie(const struct gate *g)
{
	__u32 mode = gate_service(g)->mode;

	if (__builtin_expect(mode == WEIR_MODE_AUTO, 0))
		return gate_auto_cookies(g->service, g->mono_ms);
	return mode != WEIR_MODE_NEVER;
}

#endif
