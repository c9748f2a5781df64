/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Presence: whether a 4-tuple can be a flow at all, told by one load.
 *
 * A flood's segments come from everywhere and are of no flow, but each of them would
 * have the flow table looked up, at a bucket that no cache knows: dearer than all else
 * that an answer takes. So flows are counted beside the table, in cells chosen by a hash
 * of the tuple. A cell of 0 says that there is none; any other sends to the table.
 *
 *	who enters a flow counts it first, and takes the count back if it did not enter it;
 *	who deletes one takes its count back afterwards.
 *
 * Thus cell >= the entries that hash to it, at any time, and a flow is never overlooked.
 * Both sides add atomically. 32 bits hold more flows than a table.
 *
 * With n flows a share of 1 - exp(-n / WEIR_PRESENCE_CELLS) of strangers is looked up.
 * The hash has no secret: who picks tuples that meet in a used cell has them looked up,
 * no more.
 */
#ifndef WEIR_PRESENCE_H
#define WEIR_PRESENCE_H

#include <weir/abi.h>
#include <weir/seq.h>

/* Multiplicative hashing: its upper bits are the good ones. */
weir_inline __u64 weir_tuple_mix(__u64 x, __u64 y)
{
	return (x ^ y * 0xff51afd7ed558ccdULL) * 0x9e3779b97f4a7c15ULL;
}

weir_inline __u64 weir_tuple_hash4(const struct weir_flow_key4 *k)
{
	return weir_tuple_mix((__u64)k->raddr << 32 | (__u32)k->rport << 16 | k->lport, k->laddr);
}

weir_inline __u64 weir_tuple_hash6(const struct weir_flow_key6 *k)
{
	__u64 x = (__u64)k->raddr[3] << 32 | (__u32)k->rport << 16 | k->lport;
	__u64 y = k->laddr[3];

	x ^= (__u64)k->raddr[0] << 32 | k->raddr[1];
	y ^= (__u64)k->raddr[2] << 32 | k->laddr[2];
	return weir_tuple_mix(x, y);
}

/* The cell of a tuple, from its hash. */
weir_inline __u32 weir_presence_cell(__u64 hash)
{
	return (__u32)(hash >> (64 - WEIR_PRESENCE_BITS));
}

#endif
