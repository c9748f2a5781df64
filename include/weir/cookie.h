/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The cookie: a handshake without memory.
 *
 * PURPOSE
 *
 * A listener that answers a SYN must remember the client's options until the
 * final ACK. A flood of forged SYNs fills that memory (RFC 4987 2). The gate
 * remembers nothing: the initial sequence number of its SYN-ACK is a cookie, a
 * keyed MAC over the connection and its options beside those options. The final
 * ACK, and the first data segment too, brings it back as ack - 1; whoever holds
 * the key can then make the connection, on this node or on another.
 *
 * LAYOUT
 *
 * Without timestamps the 32 bits of the ISS hold everything:
 *
 *	 31                      10 9     7 6       3   2     1      0
 *	+--------------------------+-------+---------+------+-----+--------+
 *	|          MAC 22          | mss 3 | wscale 4| sack | ecn | parity |
 *	+--------------------------+-------+---------+------+-----+--------+
 *
 * With timestamps (RFC 7323) the client echoes our TSval, which carries half:
 *
 *	 31                                   4 3     1    0
 *	+--------------------------------------+-------+--------+
 *	|                MAC 28                | mss 3 | parity |	ISS
 *	+--------------------------------------+-------+--------+
 *	 31                             6 5       2   1     0
 *	+--------------------------------+---------+------+-----+
 *	|     milliseconds + offset      | wscale 4| sack | ecn |	TSval
 *	+--------------------------------+---------+------+-----+
 *
 *	mss	index into mss_class[8]: the largest class that is not above what
 *		the client announced. Below class 0 it is class 0, the one case
 *		of rounding up: 64 is the least MSS in honest use, and a client
 *		that asks for less to have us burn packets gets no help.
 *	wscale	0-14, or 15: not offered. Above 14 counts as 14 (RFC 7323 2.3).
 *	parity	the epoch's lowest bit.
 *
 * MAC = SipHash-2-4 of: client address, our address, client port, our port
 * (as on the wire), client ISN (32 bits), epoch (32), options (16: the bits
 * mss | wscale | sack | ecn), layout (8: 1 with timestamps), little-endian;
 * 23 bytes for IPv4, 47 for IPv6. The options being covered, a client cannot
 * trade them for better ones, and in TSval they cannot be altered on the way.
 * All that a validator needs besides the packet (keys, MSS classes, our window
 * scale) belongs to the key, so that a fleet sharing it shares all of it.
 *
 * TSval counts milliseconds of the wall clock plus an offset from the upper half
 * of the same SipHash, thus reveals neither uptime nor another connection's
 * clock. Its low six bits being taken, it is up to 64 ms late, but never ahead:
 * what the engine sends next is not below it (RFC 7323 5.4).
 *
 * LIFETIME
 *
 * epoch = wall ms >> 14, that is 16.384 s. Parity tells which of the current and
 * the previous epoch a cookie is from, so one MAC decides, and a cookie lives
 * for 16.4 to 32.8 s: long enough for a client on any path to lose a few ACKs.
 * Every epoch has one key (struct weir_keyring), so keys change between two
 * epochs and cookies of the old one stay good for their time.
 *
 * FLEETS
 *
 * Nodes with one key file (keyfile.h) finish each other's handshakes. The file
 * alone says which key an epoch has, so nodes can differ only about what time it
 * is. A cookie from a node that is ahead may be of an epoch that has not begun
 * here; with one bit of parity it would be taken for one of two epochs ago. A
 * validator therefore picks the two epochs by its own clock plus skew_ms (1.024 s
 * where keys are shared, else 0): clocks may differ by that much in either
 * direction, and a cookie lives 16.4 s less twice that, at least. The price of a
 * fleet: a first segment can be replayed to every node once, as tombstones are a
 * node's own.
 *
 * ATTACKS
 *
 *   - Guessing. One forged ACK passes with probability 2^-22 (2^-28 with
 *     timestamps; an attacker takes the better one). At a million forged ACKs a
 *     second that is one acceptance in 4.2 s (4.5 minutes); each costs one flow
 *     entry and one connection that its true address resets, or that times out.
 *     Epochs do not help: parity selects one, each guess meets one MAC.
 *   - Blind injection into a connection needs its 32-bit sequence numbers as
 *     ever; 22 bits of ISS are unpredictable to who is off the path, against the
 *     16 left to a window of 64 KiB (RFC 5961 handles the rest).
 *   - Collecting. Cookies of one's own address say nothing of another's: the
 *     MAC is a PRF of the whole 4-tuple and the client's ISN.
 *   - Replay. The same first segment is valid for the lifetime, but opens at
 *     most one connection: flow entries outlive their cookie as tombstones.
 *   - Amplification. A SYN-ACK is not larger than the SYN save for an MSS option.
 *   - Loss. A cookie is never retransmitted: if the final ACK is lost, a client
 *     that speaks first repeats it with its data; one that waits for us hangs
 *     until it gives up (the price of all cookies, RFC 4987 3.6).
 *
 * SOURCES
 *
 * RFC 4987 (the attack and its remedies); RFC 6528 (ISS = clock + keyed hash;
 * the cookie replaces the clock by the epoch, so ISNs of a re-used 4-tuple are
 * not ordered, which TIME_WAIT handling makes up for); FreeBSD's tcp_syncache.c
 * (SipHash, two rotating secrets, 3 bits each of MSS and scale); Linux's
 * syncookies.c (options in TSval, 24 bits of hash, minutes as epochs).
 */
#ifndef WEIR_COOKIE_H
#define WEIR_COOKIE_H

#include <weir/abi.h>
#include <weir/seq.h>
#include <weir/siphash.h>

#define WEIR_EPOCH_SHIFT    14
#define WEIR_COOKIE_LIFE_MS (2 << WEIR_EPOCH_SHIFT) /* at most; at least half of it */

/* Options as the MAC sees them, and as both layouts cut them. */
#define WEIR_CK_ECN	     0x001
#define WEIR_CK_SACK	     0x002
#define WEIR_CK_WSCALE_SHIFT 2
#define WEIR_CK_WSCALE_NONE  15
#define WEIR_CK_MSS_SHIFT    6
#define WEIR_CK_LOW	     0x03f /* what rides in TSval */

/* What a SYN offers. */
struct weir_syn_opts {
	__u16 mss;   /* 0: absent, 536 (IPv4) or 1220 (IPv6) is meant */
	__u8 wscale; /* WEIR_WSCALE_NONE: absent */
	__u8 flags;  /* WEIR_OPT_* */
	__u32 tsval; /* with WEIR_OPT_TS */
};

struct weir_cookie {
	__u32 iss;
	__u32 tsval; /* ours; 0 without timestamps */
};

/* The segment that should bring a cookie back. */
struct weir_cookie_ack {
	__u32 seq, ack;
	__u32 tsval, tsecr;
	int has_ts;
};

weir_inline __u32 weir_epoch(__u64 wall_ms)
{
	return (__u32)(wall_ms >> WEIR_EPOCH_SHIFT);
}

/* The one key of an epoch; `schedule` is read once, as the host may switch it. */
weir_inline const __u64 *weir_epoch_key(const struct weir_keyring *k, __u32 epoch)
{
	__u64 schedule = *(const volatile __u64 *)&k->schedule;
	__u64 i = schedule >> 32;

	if ((__s32)(epoch - (__u32)schedule) < 0)
		i ^= 1;
	weir_opaque(i);
	return k->key[i & 1];
}

/* ---- the MAC ------------------------------------------------------------ */

weir_inline __u64 weir_cookie_word(__be16 rport, __be16 lport, __u32 isn)
{
	return (__u64)weir_le16(rport) | (__u64)weir_le16(lport) << 16 | (__u64)isn << 32;
}

weir_inline __u64 weir_cookie_tail(__u32 epoch, __u32 opts, __u32 layout)
{
	return (__u64)epoch | (__u64)opts << 32 | (__u64)layout << 48;
}

weir_inline __u64 weir_cookie_words2(__be32 lo, __be32 hi)
{
	return (__u64)weir_le32(lo) | (__u64)weir_le32(hi) << 32;
}

weir_inline __u64 weir_cookie_mac4(const __u64 *key, const struct weir_flow_key4 *k, __u32 isn,
				   __u32 epoch, __u32 opts, __u32 layout)
{
	return weir_siphash24_23(key, weir_cookie_words2(k->raddr, k->laddr),
				 weir_cookie_word(k->rport, k->lport, isn),
				 weir_cookie_tail(epoch, opts, layout));
}

weir_inline __u64 weir_cookie_mac6(const __u64 *key, const struct weir_flow_key6 *k, __u32 isn,
				   __u32 epoch, __u32 opts, __u32 layout)
{
	const __u64 w[6] = {
		weir_cookie_words2(k->raddr[0], k->raddr[1]),
		weir_cookie_words2(k->raddr[2], k->raddr[3]),
		weir_cookie_words2(k->laddr[0], k->laddr[1]),
		weir_cookie_words2(k->laddr[2], k->laddr[3]),
		weir_cookie_word(k->rport, k->lport, isn),
		weir_cookie_tail(epoch, opts, layout),
	};

	return weir_siphash24_47(key, w);
}

/* ---- MSS classes ---------------------------------------------------------- */

/*
 * Ascending classes from what SYNs announce in practice: 64 and 536 as floors,
 * 1220 and 1360 (IPv6's least MTU, tunnels), 1400, 1440 and 1452 (IPv6, PPPoE),
 * 1460. Devices with a larger MTU trade 1400 and 1452 for their own two.
 */
weir_inline void weir_mss_classes(__u16 out[8], __u32 mtu)
{
	__u32 top = mtu > 65535 ? 65535 : mtu;

	out[0] = 64;
	out[1] = 536;
	out[2] = 1220;
	out[3] = 1360;
	if (top > 1520) {
		out[4] = 1440;
		out[5] = 1460;
		out[6] = top - 60;
		out[7] = top - 40;
		return;
	}
	out[4] = 1400;
	out[5] = 1440;
	out[6] = 1452;
	out[7] = 1460;
	if (top > 1500) { /* MTU - 60 is not above 1460 yet */
		out[6] = 1460;
		out[7] = top - 40;
	}
}

weir_inline __u32 weir_mss_class(const struct weir_gate_config *cfg, __u32 mss)
{
	__u32 n = 0;

	if (mss >= cfg->mss_class[7]) /* most */
		return 7;
	n += mss >= cfg->mss_class[1];
	n += mss >= cfg->mss_class[2];
	n += mss >= cfg->mss_class[3];
	n += mss >= cfg->mss_class[4];
	n += mss >= cfg->mss_class[5];
	n += mss >= cfg->mss_class[6];
	return n;
}

/* ---- making ---------------------------------------------------------------- */

weir_inline __u32 weir_cookie_opts(const struct weir_gate_config *cfg,
				   const struct weir_syn_opts *o, __u32 default_mss)
{
	__u32 ws = o->wscale;
	__u32 opts;

	if (ws == WEIR_WSCALE_NONE)
		ws = WEIR_CK_WSCALE_NONE;
	else if (ws > 14)
		ws = 14;
	opts = ws << WEIR_CK_WSCALE_SHIFT;
	if (o->flags & WEIR_OPT_SACK)
		opts |= WEIR_CK_SACK;
	if (o->flags & WEIR_OPT_ECN)
		opts |= WEIR_CK_ECN;
	return opts | weir_mss_class(cfg, o->mss ? o->mss : default_mss) << WEIR_CK_MSS_SHIFT;
}

weir_inline void weir_cookie_seal(struct weir_cookie *c, __u64 mac, __u32 opts, int ts,
				  __u64 wall_ms)
{
	__u32 parity = weir_epoch(wall_ms) & 1;
	__u32 now;

	if (!ts) {
		c->iss = (__u32)mac << 10 | opts << 1 | parity;
		c->tsval = 0;
		return;
	}
	now = (__u32)wall_ms + (__u32)(mac >> 32);
	c->iss = (__u32)mac << 4 | opts >> WEIR_CK_MSS_SHIFT << 1 | parity;
	c->tsval = (now & ~(__u32)WEIR_CK_LOW) | (opts & WEIR_CK_LOW);
	if (seq_gt(c->tsval, now))
		c->tsval -= WEIR_CK_LOW + 1;
}

weir_inline void weir_cookie_make4(const struct weir_gate_config *cfg, __u64 wall_ms,
				   const struct weir_flow_key4 *k, __u32 isn,
				   const struct weir_syn_opts *o, struct weir_cookie *c)
{
	__u32 epoch = weir_epoch(wall_ms);
	__u32 opts = weir_cookie_opts(cfg, o, 536);
	int ts = !!(o->flags & WEIR_OPT_TS);

	weir_cookie_seal(
		c, weir_cookie_mac4(weir_epoch_key(&cfg->keys, epoch), k, isn, epoch, opts, ts),
		opts, ts, wall_ms);
}

weir_inline void weir_cookie_make6(const struct weir_gate_config *cfg, __u64 wall_ms,
				   const struct weir_flow_key6 *k, __u32 isn,
				   const struct weir_syn_opts *o, struct weir_cookie *c)
{
	__u32 epoch = weir_epoch(wall_ms);
	__u32 opts = weir_cookie_opts(cfg, o, 1220);
	int ts = !!(o->flags & WEIR_OPT_TS);

	weir_cookie_seal(
		c, weir_cookie_mac6(weir_epoch_key(&cfg->keys, epoch), k, isn, epoch, opts, ts),
		opts, ts, wall_ms);
}

/* ---- checking -------------------------------------------------------------- */

/*
 * The epoch that the cookie claims: of the two that the fastest of the nodes' clocks shows
 * as the current one and the one before.
 */
weir_inline __u32 weir_cookie_epoch(const struct weir_gate_config *cfg, __u64 wall_ms, __u32 iss)
{
	__u32 epoch = weir_epoch(wall_ms + cfg->clock.skew_ms);

	return epoch - ((epoch ^ iss) & 1);
}

weir_inline __u32 weir_cookie_unseal(const struct weir_cookie_ack *a)
{
	__u32 iss = a->ack - 1;

	if (!a->has_ts)
		return iss >> 1 & 0x1ff;
	return (iss >> 1 & 7) << WEIR_CK_MSS_SHIFT | (a->tsecr & WEIR_CK_LOW);
}

weir_inline int weir_cookie_verify(const struct weir_gate_config *cfg,
				   const struct weir_cookie_ack *a, __u64 mac, __u32 opts,
				   struct weir_flow *f)
{
	__u32 iss = a->ack - 1;
	__u32 ws = opts >> WEIR_CK_WSCALE_SHIFT & 15;
	__u64 cls = opts >> WEIR_CK_MSS_SHIFT;

	if (a->has_ts ? ((__u32)mac << 4 ^ iss) >> 4 : ((__u32)mac << 10 ^ iss) >> 10)
		return 0;
	f->iss = iss;
	f->irs = a->seq - 1;
	f->ts_ours = a->has_ts ? a->tsecr : 0;
	f->ts_peer = a->has_ts ? a->tsval : 0;
	weir_opaque(cls);
	f->mss = cfg->mss_class[cls & 7];
	f->wscale = ws == WEIR_CK_WSCALE_NONE ? WEIR_WSCALE_NONE : ws;
	f->flags = (opts & WEIR_CK_SACK ? WEIR_OPT_SACK : 0) |
		   (opts & WEIR_CK_ECN ? WEIR_OPT_ECN : 0) | (a->has_ts ? WEIR_OPT_TS : 0);
	return 1;
}

/* 1: valid, all of *f but owner and created_ms is set. 0: not a cookie of ours. */
weir_inline int weir_cookie_check4(const struct weir_gate_config *cfg, __u64 wall_ms,
				   const struct weir_flow_key4 *k, const struct weir_cookie_ack *a,
				   struct weir_flow *f)
{
	__u32 epoch = weir_cookie_epoch(cfg, wall_ms, a->ack - 1);
	__u32 opts = weir_cookie_unseal(a);
	__u64 mac = weir_cookie_mac4(weir_epoch_key(&cfg->keys, epoch), k, a->seq - 1, epoch, opts,
				     a->has_ts);

	return weir_cookie_verify(cfg, a, mac, opts, f);
}

weir_inline int weir_cookie_check6(const struct weir_gate_config *cfg, __u64 wall_ms,
				   const struct weir_flow_key6 *k, const struct weir_cookie_ack *a,
				   struct weir_flow *f)
{
	__u32 epoch = weir_cookie_epoch(cfg, wall_ms, a->ack - 1);
	__u32 opts = weir_cookie_unseal(a);
	__u64 mac = weir_cookie_mac6(weir_epoch_key(&cfg->keys, epoch), k, a->seq - 1, epoch, opts,
				     a->has_ts);

	return weir_cookie_verify(cfg, a, mac, opts, f);
}

/* An IPv4 tuple as the flow map has it. */
weir_inline struct weir_flow_key4 weir_tuple_key4(const struct weir_flow_key6 *t)
{
	struct weir_flow_key4 k = {
		.raddr = t->raddr[3],
		.laddr = t->laddr[3],
		.rport = t->rport,
		.lport = t->lport,
	};

	return k;
}

/* ---- the host's view: one tuple type for both families ---------------------- */

#ifndef __bpf__
static inline int weir_tuple_is_v4(const struct weir_flow_key6 *t)
{
	return !t->raddr[0] && !t->raddr[1] && t->raddr[2] == weir_htonl(0xffff);
}

static inline void weir_cookie_make_tuple(const struct weir_gate_config *cfg, __u64 wall_ms,
					  const struct weir_flow_key6 *t, __u32 isn,
					  const struct weir_syn_opts *o, struct weir_cookie *c)
{
	if (weir_tuple_is_v4(t)) {
		struct weir_flow_key4 k = weir_tuple_key4(t);

		weir_cookie_make4(cfg, wall_ms, &k, isn, o, c);
		return;
	}
	weir_cookie_make6(cfg, wall_ms, t, isn, o, c);
}

/* As weir_cookie_check4(), of the segment's fields in host order. */
static inline int weir_cookie_check_tuple(const struct weir_gate_config *cfg, __u64 wall_ms,
					  const struct weir_flow_key6 *t, __u32 seq, __u32 ack,
					  int has_ts, __u32 tsval, __u32 tsecr, struct weir_flow *f)
{
	const struct weir_cookie_ack a = {
		.seq = seq,
		.ack = ack,
		.tsval = tsval,
		.tsecr = tsecr,
		.has_ts = !!has_ts,
	};

	if (weir_tuple_is_v4(t)) {
		struct weir_flow_key4 k = weir_tuple_key4(t);

		return weir_cookie_check4(cfg, wall_ms, &k, &a, f);
	}
	return weir_cookie_check6(cfg, wall_ms, t, &a, f);
}

/*
 * How long before wall_ms the SYN-ACK left whose cookie *f was made of, in ms: at most that
 * long, and more than WEIR_CK_LOW + 1 ms less (the essay's TSval). -1: without timestamps, or
 * when its key has gone, that cannot be told.
 */
static inline __s64 weir_cookie_age_ms(const struct weir_gate_config *cfg, __u64 wall_ms,
				       const struct weir_flow_key6 *t, const struct weir_flow *f)
{
	__u32 epoch = weir_cookie_epoch(cfg, wall_ms, f->iss);
	const __u64 *key = weir_epoch_key(&cfg->keys, epoch);
	__u32 opts = (f->iss >> 1 & 7) << WEIR_CK_MSS_SHIFT | (f->ts_ours & WEIR_CK_LOW);
	__u64 mac;
	__s32 age;

	if (!(f->flags & WEIR_OPT_TS))
		return -1;
	if (weir_tuple_is_v4(t)) {
		struct weir_flow_key4 k = weir_tuple_key4(t);

		mac = weir_cookie_mac4(key, &k, f->irs, epoch, opts, 1);
	} else {
		mac = weir_cookie_mac6(key, t, f->irs, epoch, opts, 1);
	}
	if (((__u32)mac << 4 ^ f->iss) >> 4)
		return -1;
	age = (__s32)((__u32)wall_ms + (__u32)(mac >> 32) - f->ts_ours);
	return age < 0 ? 0 : age;
}
#endif

#endif
