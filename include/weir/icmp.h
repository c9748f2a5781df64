/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors that quote a TCP segment of ours, one source for BPF and host.
 *
 *	Ethernet, tags │ IP │ ICMP, 8 bytes │ quoted IP + options │ ≥ 8 bytes of TCP │ …
 *	               │    │ type code MTU │ or extensions       │ ports, sequence  │
 *	               └ l3_off             └ the segment as it passed the reporter
 *	                    └ l4_off                                         end ┘
 *
 * What an attacker can do: anyone may send such a frame, from any address. It has to
 * name a live flow (the gate looks) at the address it was itself sent to, which takes
 * the four numbers of a tuple, and a sequence number in flight (the core looks, RFC
 * 5927 4.1), which takes luck of window / 2^32 a try. What passes can then lower the
 * path MTU, to no less than the core's own minimum, or end a connection that is still
 * opening; an open one is never ended by ICMP (RFC 5927 5.2).
 *
 * Everything comes from the wire: nothing is read past the datagram's end, be it
 * padding; the quoted lengths only have to leave room for a TCP header, as a quote
 * is cut (RFC 792: 8 bytes of it; RFC 4443: as much as fits).
 */
#ifndef WEIR_ICMP_H
#define WEIR_ICMP_H

#include <weir/packet.h>

#define WEIR_PROTO_ICMP	  1
#define WEIR_PROTO_ICMPV6 58
#define WEIR_ICMP_HLEN	  8

/* What an error means for TCP (RFC 1122 4.2.3.9, RFC 1191, RFC 4443, RFC 8201). */
enum weir_icmp_kind {
	WEIR_ICMP_NONE,	   /* no error, or one that TCP ignores (source quench, RFC 6633) */
	WEIR_ICMP_TOO_BIG, /* a smaller segment would pass: mtu */
	WEIR_ICMP_HARD,	   /* nobody there takes TCP at this port, or it is forbidden */
	WEIR_ICMP_SOFT,	   /* may pass by itself: no route, host away, hops used up… */
};

struct weir_icmp {
	struct weir_flow_key6 tuple; /* of the quoted segment: local = its source */
	__u32 seq;		     /* its sequence number */
	__u32 mtu;		     /* TOO_BIG: the next hop's; 0: an old router, not told */
	__u32 quoted_len;	     /* the whole quoted packet's, IP header included */
	__u8 family;		     /* 4 or 6 */
	__u8 kind;		     /* enum weir_icmp_kind */
	__u8 type, code;
};

/* ---- types and codes ------------------------------------------------------ */

/* Protocol or port unreachable, or administratively prohibited. */
weir_inline enum weir_icmp_kind weir_icmp_kind4(__u8 type, __u8 code)
{
	switch (type) {
	case 3:
		if (code == 4)
			return WEIR_ICMP_TOO_BIG;
		if (code == 2 || code == 3 || code == 9 || code == 10 || code == 13)
			return WEIR_ICMP_HARD;
		return WEIR_ICMP_SOFT;
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return WEIR_ICMP_SOFT;
	}
	return WEIR_ICMP_NONE;
}

/* A parameter problem of code 1 is IPv6's protocol unreachable (RFC 4443 3.4). */
weir_inline enum weir_icmp_kind weir_icmp_kind6(__u8 type, __u8 code)
{
	switch (type) {
	case 1:
		if (code == 1 || code == 4 || code == 5 || code == 6)
			return WEIR_ICMP_HARD;
		return WEIR_ICMP_SOFT;
	case 2:
		return WEIR_ICMP_TOO_BIG;
	case 3: /* time exceeded */
		return WEIR_ICMP_SOFT;
	case 4:
		return code == 1 ? WEIR_ICMP_HARD : WEIR_ICMP_SOFT;
	}
	return WEIR_ICMP_NONE;
}

/*
 * Whether the parsed frame (weir_pkt_ip4() looks at the version of TCP alone) carries
 * ICMP in one piece.
 */
weir_inline int weir_icmp_carried(const void *data, const void *data_end, const struct weir_pkt *p,
				  const int family)
{
	const __u8 *ip = (const __u8 *)data + p->l3_off;

	if (p->proto != (family == 4 ? WEIR_PROTO_ICMP : WEIR_PROTO_ICMPV6) || p->fragment)
		return 0;
	if (family == 6)
		return 1;
	return p->l4_off >= p->l3_off + 20 && weir_pkt_fits(ip, 1, data_end) && ip[0] >> 4 == 4;
}

/* ---- the steps, in order; offsets are from the frame's start --------------- */

/* The ICMP header at `off` of a datagram that ends at `end`. Sets all but the quote. */
weir_inline enum weir_icmp_kind weir_icmp_head(const void *data, const void *data_end, __u32 off,
					       __u32 end, const int family, struct weir_icmp *m)
{
	const __u8 *h = (const __u8 *)data + off;

	if (off + WEIR_ICMP_HLEN > end)
		return WEIR_ICMP_NONE;
	weir_opaque(h); /* two checks: clang would make one value of them, here and below */
	if (!weir_pkt_fits(h, WEIR_ICMP_HLEN, data_end))
		return WEIR_ICMP_NONE;
	m->family = family;
	m->type = h[0];
	m->code = h[1];
	m->kind = family == 4 ? weir_icmp_kind4(h[0], h[1]) : weir_icmp_kind6(h[0], h[1]);
	if (m->kind == WEIR_ICMP_TOO_BIG)
		m->mtu = family == 4 ? weir_ntohs(weir_load16(h + 6))
				     : weir_ntohl(weir_load32(h + 4));
	return (enum weir_icmp_kind)m->kind;
}

/* The quoted IPv4 header at `off`: the length of it, 0 when it quotes no TCP of ours. */
weir_inline __u32 weir_icmp_quoted4(const void *data, const void *data_end, __u32 off, __u32 end,
				    struct weir_icmp *m)
{
	const __u8 *ip = (const __u8 *)data + off;
	__u32 hlen;

	if (off + 20 > end)
		return 0;
	weir_opaque(ip);
	if (!weir_pkt_fits(ip, 20, data_end))
		return 0;
	hlen = (ip[0] & 15) * 4;
	m->quoted_len = weir_ntohs(weir_load16(ip + 2));
	if (ip[0] >> 4 != 4 || hlen < 20 || ip[9] != WEIR_PROTO_TCP || m->quoted_len < hlen + 20)
		return 0;
	if (weir_ntohs(weir_load16(ip + 6)) & 0x1fff) /* a later fragment: no ports */
		return 0;
	m->tuple.laddr[0] = m->tuple.laddr[1] = 0;
	m->tuple.raddr[0] = m->tuple.raddr[1] = 0;
	m->tuple.laddr[2] = m->tuple.raddr[2] = weir_htonl(0xffff);
	m->tuple.laddr[3] = weir_load32(ip + 12);
	m->tuple.raddr[3] = weir_load32(ip + 16);
	return hlen;
}

/*
 * The quoted IPv6 header at `off`: 0 and where weir_pkt_ext() goes on (of use when
 * e->proto is not TCP yet), or -1.
 */
weir_inline int weir_icmp_quoted6(const void *data, const void *data_end, __u32 off, __u32 end,
				  struct weir_icmp *m, struct weir_ext *e)
{
	const __u8 *ip = (const __u8 *)data + off;
	int i;

	if (off + 40 > end)
		return -1;
	weir_opaque(ip);
	if (!weir_pkt_fits(ip, 40, data_end) || ip[0] >> 4 != 6)
		return -1;
	m->quoted_len = 40 + weir_ntohs(weir_load16(ip + 4));
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		m->tuple.laddr[i] = weir_load32(ip + 8 + 4 * i);
		m->tuple.raddr[i] = weir_load32(ip + 24 + 4 * i);
	}
	e->off = off + 40;
	e->proto = ip[6];
	e->fragment = 0;
	return 0;
}

/* The quoted TCP header's first 8 bytes at `off`. 0 or -1. */
weir_inline int weir_icmp_quoted_tcp(const void *data, const void *data_end, __u32 off, __u32 end,
				     struct weir_icmp *m)
{
	const __u8 *th = (const __u8 *)data + off;

	if (off + 8 > end)
		return -1;
	weir_opaque(th);
	if (!weir_pkt_fits(th, 8, data_end))
		return -1;
	m->tuple.lport = weir_load16(th);
	m->tuple.rport = weir_load16(th + 2);
	m->seq = weir_ntohl(weir_load32(th + 4));
	return 0;
}

/* An error goes to the source of what it quotes (RFC 1122 3.2.2): else it is made up. */
weir_inline int weir_icmp_is_for(const struct weir_icmp *m, const struct weir_flow_key6 *outer)
{
	return m->tuple.laddr[3] == outer->laddr[3] && m->tuple.laddr[2] == outer->laddr[2] &&
	       m->tuple.laddr[1] == outer->laddr[1] && m->tuple.laddr[0] == outer->laddr[0];
}

#ifndef __bpf__

#include <linux/errno.h>

static inline int weir_icmp_quoted(const void *frame, const void *fend, __u32 off, __u32 end,
				   struct weir_icmp *m)
{
	struct weir_ext e = {0};
	__u32 hlen;

	if (m->family == 4) {
		hlen = weir_icmp_quoted4(frame, fend, off, end, m);
		return hlen ? weir_icmp_quoted_tcp(frame, fend, off + hlen, end, m) : -1;
	}
	if (weir_icmp_quoted6(frame, fend, off, end, m, &e))
		return -1;
	if (e.proto != WEIR_PROTO_TCP && weir_pkt_ext(frame, fend, &e) != WEIR_PKT_OK)
		return -1;
	if (e.fragment == 2 || m->quoted_len < e.off - off + 20)
		return -1;
	return weir_icmp_quoted_tcp(frame, fend, e.off, end, m);
}

/* Of the whole message; IPv6's has a pseudo-header (RFC 4443 2.3). */
static inline int weir_icmp_csum_ok(const void *frame, const struct weir_pkt *p)
{
	__u32 len = p->end - p->l4_off;
	__u64 sum = 0;

	if (p->family == 6)
		sum = weir_csum_addr(&p->tuple, 6) + weir_htonl(len) +
		      weir_htonl(WEIR_PROTO_ICMPV6);
	return weir_csum_fold(weir_csum_bytes((const __u8 *)frame + p->l4_off, len, sum)) == 0xffff;
}

/*
 * *p as weir_pkt_parse() filled it, verdict WEIR_PKT_NOT_TCP. True: a whole ICMP
 * error with good checksums that quotes a TCP segment sent from where it went to;
 * *m is filled. Whether there is such a flow, and the sequence number, is the
 * caller's to check.
 */
static inline int weir_icmp_parse(const void *frame, unsigned long len, const struct weir_pkt *p,
				  struct weir_icmp *m)
{
	const void *fend = (const __u8 *)frame + len;

	__builtin_memset(m, 0, sizeof(*m));
	if (!weir_icmp_carried(frame, fend, p, p->family) || p->end > len || p->l4_off > p->end)
		return 0;
	if (!weir_icmp_head(frame, fend, p->l4_off, p->end, p->family, m))
		return 0;
	if (weir_icmp_quoted(frame, fend, p->l4_off + WEIR_ICMP_HLEN, p->end, m))
		return 0;
	return weir_icmp_is_for(m, &p->tuple) && weir_csum_ip_ok(frame, p) &&
	       weir_icmp_csum_ok(frame, p);
}

/* The errno that an application is to see. */
static inline int weir_icmp_errno4(__u8 type, __u8 code)
{
	if (type == 12)
		return EPROTO;
	if (type != 3)
		return EHOSTUNREACH;
	switch (code) {
	case 0:	 /* net unreachable */
	case 6:	 /* net unknown */
	case 9:	 /* net prohibited */
	case 11: /* net unreachable for this type of service */
		return ENETUNREACH;
	case 2:
		return ENOPROTOOPT;
	case 3:
		return ECONNREFUSED;
	case 4:
		return EMSGSIZE;
	}
	return EHOSTUNREACH;
}

static inline int weir_icmp_errno6(__u8 type, __u8 code)
{
	switch (type) {
	case 1:
		if (code == 0)
			return ENETUNREACH;
		if (code == 4)
			return ECONNREFUSED;
		return code == 2 || code == 3 ? EHOSTUNREACH : EACCES;
	case 2:
		return EMSGSIZE;
	case 4:
		return code == 1 ? ENOPROTOOPT : EPROTO;
	}
	return EHOSTUNREACH;
}

static inline int weir_icmp_errno(const struct weir_icmp *m)
{
	return m->family == 4 ? weir_icmp_errno4(m->type, m->code)
			      : weir_icmp_errno6(m->type, m->code);
}

#endif

#endif
