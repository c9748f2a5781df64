/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Policy, as the gate reads it: who may come and how much, by source.
 *
 * There are two of everything that the host writes (weir_policies[], and a trie for each in
 * the maps acl4 and acl6); WEIR_CFG_POLICY_1 in the gate's flags says which is in force, so
 * that one store puts a new policy into force whole, lists and limits together. The other one
 * is written only after a grace period, when no frame is judged by it any more.
 *
 * Lists: longest-prefix tries whose keys begin with the number of the list, 32 bits, so that
 * one trie has all lists, and a key of these 32 bits alone says what a list makes of those
 * whom it does not name.
 *
 * Limits are by source prefix: the address under a mask, hashed with a key that the gate
 * makes for itself, so that nobody can tell which sources meet.
 *
 *	Buckets (SYN-ACKs, new flows) lie in sets of WEIR_BUCKET_WAYS, each with a tag of its
 *	source: 13 bits choose the set, 31 tell sources in it apart. One that is not there
 *	takes the place of the fullest, and begins full. So memory is bounded; a source is
 *	never held to what others have spent; and one that is being limited has an empty
 *	bucket, which gives way last: to push it out takes WEIR_BUCKET_WAYS others in its
 *	set that are emptier still, each of them sending more than its limit, and nobody
 *	knows who they would have to be. A flood of made-up sources, each seen once, has
 *	full buckets and displaces its own. What is not held to a limit are sources so many
 *	that each stays below it.
 *	CPUs take from a bucket without a lock: two at once may spend one token twice.
 *
 *	Counts (flows open) may not be forgotten, so they are not tagged: each source has one
 *	cell in each of WEIR_SOURCE_ROWS rows, which it shares with whom it meets there. It
 *	is at its limit when all of its cells say so. The least of them is never below its
 *	own count; it is above when it meets others in every row. With n sources at their
 *	limit, that befalls a share of (1 - exp(-n / 65536))^4 of all others: 3 in a
 *	hundred thousand for 5000, and all those flows must be open, not forged.
 *
 * Who counts a flow says so in its entry (WEIR_FLOW_COUNTED_*). Its owner counts it down when
 * the connection is over, or the entry deleted before that, by what the entry says, whichever
 * limits were in force when it was made. There are two tables of counts, so that new prefix
 * lengths begin with a clean one, into which the host then counts what is open: no entry is
 * left that names the other, and a crash leaves nothing that this does not mend.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/abi.h>
#include <weir/seq.h>
#include <weir/siphash.h>

/* ---- lists -------------------------------------------------------------------- */

#define WEIR_ACL_ALLOW	  1
#define WEIR_ACL_DENY	  2
#define WEIR_ACL_UNLISTED 3 /* a list's own, when it allows anything: none other */

#define WEIR_ACL_LIST_BITS 32
#define WEIR_ACL_MAX	   (1 << 21) /* prefixes of a family, all lists together */

struct weir_acl_key4 {
	__u32 prefixlen; /* of what follows */
	__be32 list;
	__be32 addr;
};

struct weir_acl_key6 {
	__u32 prefixlen;
	__be32 list;
	__be32 addr[4];
};

/* ---- limits ------------------------------------------------------------------- */

/* IPv4 sources are ::ffff:a.b.c.d here: mask[0] is for them, mask[1] for IPv6. */
struct weir_source {
	__be32 mask[2][4];
};

struct weir_limit {
	__u32 per_sec; /* 0: none */
	__u32 burst;   /* at least 1 */
	struct weir_source by;
};

struct weir_policy {
	__u32 acl;	   /* 1: there are lists */
	__u32 flow_limit;  /* flows of a source; 0: no limit */
	__u32 flow_counts; /* 1, 2: flows are counted, in weir_sources[that - 1] */
	__u32 pad;
	struct weir_limit synack, flow;
	__u16 list[WEIR_SERVICE_SLOTS]; /* a service's own; 0: none */
};

/* In weir_flow.flags: counted, in weir_sources[0] or [1]; over, and so not to be counted. */
#define WEIR_FLOW_OVER	    0x20
#define WEIR_FLOW_COUNTED_0 0x40
#define WEIR_FLOW_COUNTED_1 0x80
#define WEIR_FLOW_COUNTED   (WEIR_FLOW_COUNTED_0 | WEIR_FLOW_COUNTED_1)

/* ---- buckets -------------------------------------------------------------------- */

#define WEIR_BUCKET_SETS  8192
#define WEIR_BUCKET_WAYS  4
#define WEIR_BUCKET_TOKEN 1000 /* of credit: a millisecond earns per_sec */

struct weir_bucket {
	__u32 tag; /* 0: nobody's */
	__u32 credit;
	__u64 last_ms;
};

struct weir_bucket_set {
	struct weir_bucket way[WEIR_BUCKET_WAYS];
} __attribute__((aligned(64)));

enum weir_bucket_table { WEIR_BUCKETS_SYNACK, WEIR_BUCKETS_FLOW, WEIR_BUCKET_TABLES };

/* ---- counts ----------------------------------------------------------------------- */

#define WEIR_SOURCE_ROWS  4
#define WEIR_SOURCE_CELLS 65536

struct weir_source_counts {
	struct weir_source by;
	__u32 row[WEIR_SOURCE_ROWS][WEIR_SOURCE_CELLS];
};

/* ---- for both sides ----------------------------------------------------------------- */

weir_inline __u64 weir_source_hash(const __u64 key[2], const __be32 mask[4], const __be32 addr[4])
{
	struct weir_sip s;

	weir_sip_init(&s, key);
	weir_sip_word(&s, (__u64)(addr[0] & mask[0]) << 32 | (addr[1] & mask[1]));
	weir_sip_word(&s, (__u64)(addr[2] & mask[2]) << 32 | (addr[3] & mask[3]));
	return weir_sip_final(&s);
}

weir_inline __u32 weir_source_cell(__u64 hash, unsigned int row)
{
	return (__u32)(hash >> 16 * row) & (WEIR_SOURCE_CELLS - 1);
}

weir_inline __u32 weir_bucket_index(__u64 hash)
{
	return (__u32)hash & (WEIR_BUCKET_SETS - 1);
}

weir_inline __u32 weir_bucket_tag(__u64 hash)
{
	return (__u32)(hash >> 32) | 1;
}

/* What a bucket holds now. The clock of another CPU may be a tick ahead. */
weir_inline __u64 weir_bucket_credit(const struct weir_bucket *b, const struct weir_limit *l,
				     __u64 now_ms)
{
	__u64 full = (__u64)l->burst * WEIR_BUCKET_TOKEN, elapsed = now_ms - b->last_ms, credit;

	if (!b->tag)
		return full;
	if ((__s64)elapsed < 0)
		elapsed = 0;
	credit = b->credit + elapsed * l->per_sec;
	return credit < full ? credit : full;
}

#endif
