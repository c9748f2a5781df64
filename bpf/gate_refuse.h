/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Segments of no flow and without a cookie: whom to tell, by an RST.
 *
 * A client of an engine that was restarted has to learn that its connection is
 * gone, or it hangs. But one whose handshake is under way must not be reset: when
 * its final ACK and its first segment are lost, the second one comes in here, and
 * the first, which carries the cookie, comes again within its RTO. So a tuple is
 * remembered when it is refused, and reset only if it is still being refused three
 * seconds later: a tail loss probe repeats the last segment after two round trips, the
 * first one's RTO is three at the beginning, and a round trip by satellite takes more than
 * half a second.
 *
 * Remembering and telling both take a token. Under a flood there are none, and a
 * segment costs a look at the bucket.
 */
#ifndef WEIR_GATE_REFUSE_H
#define WEIR_GATE_REFUSE_H

#include "gate.h"
#include "gate_flow.h"

#define GATE_REFUSED	  65536 /* slots; the newest tuple of a slot has it */
#define GATE_REFUSED_MIN  3000	/* ms */
#define GATE_REFUSED_LIFE 120000

/* Credit of one CPU: a token is 1000, a millisecond earns rst_per_sec of it. */
struct gate_bucket {
	__u64 last_ms;
	__u64 credit;
} GATE_CACHE_LINE;

static struct gate_bucket gate_buckets[WEIR_MAX_CPUS];

/* A tag of the tuple, and when it was first refused (mono ms): one word, one store. */
static __u64 gate_refused[GATE_REFUSED];

/* The burst is one second's worth. */
static __always_inline struct gate_bucket *gate_bucket(const struct gate *g)
{
	struct gate_bucket *b = &gate_buckets[bpf_get_smp_processor_id() & (WEIR_MAX_CPUS - 1)];
	__u64 rate = weir_cfg.rst_per_sec;
	__u64 elapsed = g->mono_ms - b->last_ms;

	if (elapsed > 1000)
		elapsed = 1000;
	b->last_ms = g->mono_ms;
	b->credit += elapsed * rate;
	if (b->credit > rate * 1000)
		b->credit = rate * 1000;
	return b;
}

/*
 * Whether this refused segment is to be told so. No secret is in the hash: who makes two
 * tuples collide gets at most an RST three seconds early.
 */
static __always_inline int gate_may_reset(const struct gate *g, const int family)
{
	struct gate_bucket *b = gate_bucket(g);
	__u64 hash, *slot, age;

	if (b->credit < 1000)
		return 0;
	hash = gate_hash(&g->pkt.tuple, family);
	slot = &gate_refused[hash >> 48 & (GATE_REFUSED - 1)];
	age = (__u32)((__u32)g->mono_ms - (__u32)*slot);
	if (*slot >> 32 == (hash & 0xffffffff) && age < GATE_REFUSED_LIFE) {
		if (age < GATE_REFUSED_MIN)
			return 0;
		b->credit -= 1000;
		return 1;
	}
	*slot = hash << 32 | (__u32)g->mono_ms;
	b->credit -= 1000;
	return 0;
}

#endif
