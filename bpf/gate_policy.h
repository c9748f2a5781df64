/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who may come, and how much of each (include/weir/policy.h): asked of what is admitted
 * and of no flow, and nothing else. Without a policy that is a flag that is not set.
 *
 *	SYN	the lists; whether its source may open another flow; a SYN-ACK's token
 *	SYN to a worker		and a flow's token, as the worker will open one
 *	ACK	the lists, before its cookie is looked at
 *	ACK with a valid cookie	a flow's token, and the count of its source's flows
 *
 * A SYN proves nothing, so one that a cookie answers takes nothing from what its source may
 * open: that would be for others to spend. It is looked at all the same, as who is answered
 * must not find the door shut with the next segment; if by then it is, that segment is
 * dropped, and comes again while its cookie lives.
 *
 * Everything here is in functions of their own, which the other ways do not pay for.
 */
#ifndef WEIR_GATE_POLICY_H
#define WEIR_GATE_POLICY_H

#include "gate.h"
#include "gate_admit.h"
#include "gate_auto.h"
#include "gate_count.h"

struct gate_source {
	__be32 addr[4]; /* IPv4 as ::ffff:a.b.c.d */
	__u64 now_ms;
	__u32 service;
	__u32 v6;   /* 0 or 1 */
	__u64 hash; /* of its prefix among those whose flows are counted, once that is known */
};

static __always_inline int gate_has_policy(void)
{
	return __builtin_expect(!!(weir_cfg.flags & WEIR_CFG_POLICY), 0);
}

static __always_inline __u32 gate_policy_index(void)
{
	return weir_cfg.flags / WEIR_CFG_POLICY_1 & 1;
}

static __always_inline struct gate_source gate_source(const struct gate *g, const int family)
{
	return (struct gate_source){
		.addr = {g->pkt.tuple.raddr[0], g->pkt.tuple.raddr[1], g->pkt.tuple.raddr[2],
			 g->pkt.tuple.raddr[3]},
		.now_ms = g->mono_ms,
		.service = g->service,
		.v6 = family == 6,
	};
}

/* ---- lists -------------------------------------------------------------------- */

static __always_inline __u32 gate_acl_find(const struct gate_source *s, __u32 which, __u32 list)
{
	struct weir_acl_key6 k6 = {.prefixlen = WEIR_ACL_LIST_BITS + 128};
	struct weir_acl_key4 k4 = {.prefixlen = WEIR_ACL_LIST_BITS + 32};
	__u32 *verdict = NULL;
	void *trie;

	if (s->v6) {
		trie = bpf_map_lookup_elem(&acl6, &which);
		k6.list = weir_htonl(list);
		__builtin_memcpy(k6.addr, s->addr, sizeof(k6.addr));
		if (trie)
			verdict = bpf_map_lookup_elem(trie, &k6);
	} else {
		trie = bpf_map_lookup_elem(&acl4, &which);
		k4.list = weir_htonl(list);
		k4.addr = s->addr[3];
		if (trie)
			verdict = bpf_map_lookup_elem(trie, &k4);
	}
	return verdict ? *verdict : WEIR_ACL_ALLOW;
}

/* Whether this list, of this policy, keeps it out: 0, or the counter to drop under. */
__noinline int gate_acl(const struct gate_source *s, __u32 which, __u32 list)
{
	if (!s)
		return WEIR_C_drop_acl_denied;
	switch (gate_acl_find(s, which, list)) {
	case WEIR_ACL_ALLOW:
		return WEIR_C_NONE;
	case WEIR_ACL_UNLISTED:
		return WEIR_C_drop_acl_unlisted;
	}
	return WEIR_C_drop_acl_denied;
}

/* By the list of all services and by its own. */
static __always_inline int gate_unwelcome(const struct gate_source *s, __u32 which)
{
	const struct weir_policy *p = &weir_policies[which & 1];
	int why;

	if (!p->acl)
		return WEIR_C_NONE;
	why = gate_acl(s, which, 0);
	if (!why && p->list[s->service & (WEIR_SERVICE_SLOTS - 1)])
		why = gate_acl(s, which, p->list[s->service & (WEIR_SERVICE_SLOTS - 1)]);
	return why;
}

/* ---- buckets ------------------------------------------------------------------- */

#define GATE_LOOK 0
#define GATE_TAKE 1

static __always_inline __u64 gate_source_hash(const struct gate_source *s,
					      const struct weir_source *by)
{
	return weir_source_hash(weir_source_key, by->mask[s->v6 & 1], s->addr);
}

/* The bucket with this tag, or the fullest, which is then made the tag's; its index. */
static __always_inline __u32 gate_bucket_of(struct weir_bucket_set *set, __u32 tag,
					    const struct weir_limit *l, __u64 now, __u64 *credit)
{
	__u32 i, best = 0;
	__u64 most = 0;

#pragma unroll
	for (i = 0; i < WEIR_BUCKET_WAYS; i++) {
		__u64 c = weir_bucket_credit(&set->way[i], l, now);

		if (set->way[i].tag == tag) {
			*credit = c;
			return i;
		}
		if (c > most) {
			most = c;
			best = i;
		}
	}
	*credit = (__u64)l->burst * WEIR_BUCKET_TOKEN;
	return best;
}

/* Whether there is a token for this source; with GATE_TAKE it is taken. */
__noinline int gate_token(const struct gate_source *s, __u32 which, __u32 table, int take)
{
	const struct weir_policy *p = &weir_policies[which & 1];
	const struct weir_limit *l = table == WEIR_BUCKETS_FLOW ? &p->flow : &p->synack;
	struct weir_bucket_set *set;
	struct weir_bucket *b;
	__u64 hash, credit;
	__u32 way;

	if (!s)
		return 0;
	hash = gate_source_hash(s, &l->by);
	set = &weir_buckets[table & 1][weir_bucket_index(hash)];
	way = gate_bucket_of(set, weir_bucket_tag(hash), l, s->now_ms, &credit);
	if (take) {
		weir_opaque(way);
		b = &set->way[way & (WEIR_BUCKET_WAYS - 1)];
		b->tag = weir_bucket_tag(hash);
		b->last_ms = s->now_ms;
		b->credit =
			(__u32)(credit < WEIR_BUCKET_TOKEN ? credit : credit - WEIR_BUCKET_TOKEN);
	}
	return credit >= WEIR_BUCKET_TOKEN;
}

/* ---- counts --------------------------------------------------------------------- */

static __always_inline __u32 *gate_source_cell(struct weir_source_counts *c, __u64 hash, __u32 row)
{
	return &c->row[row][weir_source_cell(hash, row)];
}

/* Whether it has `limit` flows by these counts, 0 or 1; sets its hash for gate_count_flow(). */
__noinline int gate_many_flows(struct gate_source *s, __u32 counts, __u32 limit)
{
	struct weir_source_counts *c = &weir_sources[counts & 1];
	__u32 row;

	if (!s)
		return 1;
	s->hash = gate_source_hash(s, &c->by);
#pragma unroll
	for (row = 0; row < WEIR_SOURCE_ROWS; row++)
		if (*gate_source_cell(c, s->hash, row) < limit)
			return 0;
	return 1;
}

static __always_inline void gate_count_flow(__u64 hash, __u32 counts, __u32 by)
{
	struct weir_source_counts *c = &weir_sources[counts & 1];
	__u32 row;

#pragma unroll
	for (row = 0; row < WEIR_SOURCE_ROWS; row++)
		__sync_fetch_and_add(gate_source_cell(c, hash, row), by);
}

__noinline int gate_uncount_flow(const struct gate_source *s, __u32 counts)
{
	if (s)
		gate_count_flow(gate_source_hash(s, &weir_sources[counts & 1].by), counts, -1);
	return 0;
}

/* ---- what is asked ---------------------------------------------------------------- */

/* Whether its source may open a flow: 0, or the counter to drop under. */
static __always_inline int gate_flow_limits(struct gate_source *s, __u32 which, int take)
{
	const struct weir_policy *p = &weir_policies[which & 1];

	if (p->flow_limit && gate_many_flows(s, p->flow_counts - 1, p->flow_limit))
		return WEIR_C_drop_flow_limit;
	if (p->flow.per_sec && !gate_token(s, which, WEIR_BUCKETS_FLOW, take))
		return WEIR_C_drop_flow_rate;
	return WEIR_C_NONE;
}

/*
 * A SYN that is admitted: 0, an answer by cookie; WEIR_C_syn_to_worker, its; else the counter
 * to drop under.
 */
__noinline int gate_policy_syn(struct gate_source *s)
{
	__u32 which = gate_policy_index();
	int why;

	if (!s)
		return WEIR_C_drop_acl_denied;
	why = gate_unwelcome(s, which);
	if (!why)
		why = gate_flow_limits(s, which, GATE_LOOK);
	if (!why && weir_policies[which].synack.per_sec &&
	    !gate_token(s, which, WEIR_BUCKETS_SYNACK, GATE_TAKE))
		why = WEIR_C_drop_synack_rate;
	if (why || gate_mode_by_cookie(s->service, s->now_ms))
		return why;
	why = gate_flow_limits(s, which, GATE_TAKE);
	return why ? why : WEIR_C_syn_to_worker;
}

/*
 * An ACK of no flow; f: what its cookie says, which is to be entered, or was no good (mss 0).
 * 0, or the counter to drop under. With 0, the flow is counted.
 */
__noinline int gate_policy_ack(struct gate_source *s, struct weir_flow *f)
{
	__u32 which = gate_policy_index(), counts;
	int why;

	if (!s || !f)
		return WEIR_C_drop_acl_denied;
	why = gate_unwelcome(s, which);
	if (why || !f->mss)
		return why;
	why = gate_flow_limits(s, which, GATE_TAKE);
	counts = weir_policies[which].flow_counts;
	if (why || !counts)
		return why;
	f->flags |= counts == 1 ? WEIR_FLOW_COUNTED_0 : WEIR_FLOW_COUNTED_1;
	gate_count_flow(s->hash, counts - 1, 1);
	return WEIR_C_NONE;
}

/* ---- for the frame's ways ------------------------------------------------------------ */

/*
 * Who answers this SYN, admitted to g->service: as gate_policy_syn(). The ways to it meet in
 * one value that the compiler does not know: without that 6.1's verifier walks the answering
 * once for each of them.
 */
static __always_inline int gate_judge_syn(const struct gate *g, const int family)
{
	int verdict;

	if (gate_has_policy()) {
		struct gate_source s = gate_source(g, family);

		verdict = gate_policy_syn(&s);
	} else {
		verdict = gate_by_cookie(g) ? 0 : WEIR_C_syn_to_worker;
	}
	weir_opaque(verdict);
	return verdict;
}

/* As gate_policy_ack(). */
static __always_inline int gate_ask_ack(const struct gate *g, const int family, struct weir_flow *f)
{
	int why = WEIR_C_NONE;

	if (gate_has_policy()) {
		struct gate_source s = gate_source(g, family);

		why = gate_policy_ack(&s, f);
	}
	weir_opaque(why);
	return why;
}

/* It was not entered after all. */
static __always_inline void gate_uncount(const struct gate *g, const int family,
					 const struct weir_flow *f)
{
	if (f->flags & WEIR_FLOW_COUNTED) {
		const struct gate_source s = gate_source(g, family);

		gate_uncount_flow(&s, !!(f->flags & WEIR_FLOW_COUNTED_1));
	}
}

#endif
