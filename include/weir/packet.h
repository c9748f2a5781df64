/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The packet view: where things are in a frame, one source for BPF and host.
 *
 *	Ethernet, 0-2 VLAN tags │ IPv4 + options            │ TCP + options │ data │ padding
 *	                        │ IPv6 + extension headers  │               │      │
 *	                        └ l3_off                    └ l4_off        └ payload_off
 *	                                                                           └ end
 *
 * Everything comes from the wire: each length is held against the one around it
 * and against the frame's end before it is used. `have` says how far the parser
 * came, so that a frame which is wrong further in can still be attributed to a
 * service. All fields but those of type __be* are in host order.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <weir/abi.h>
#include <weir/cookie.h>
#include <weir/seq.h>

#define WEIR_ETH_HLEN	  14
#define WEIR_VLAN_HLEN	  4
#define WEIR_ETH_P_IP	  0x0800
#define WEIR_ETH_P_IPV6	  0x86dd
#define WEIR_ETH_P_8021Q  0x8100
#define WEIR_ETH_P_8021AD 0x88a8
#define WEIR_PROTO_TCP	  6
#define WEIR_MAX_EXT	  6 /* IPv6 extension headers that we walk */

/* TCP flags as on the wire; the core's TCP_* (user/tcp/tcp.h) are the same bits. */
#define WEIR_TH_FIN 0x01
#define WEIR_TH_SYN 0x02
#define WEIR_TH_RST 0x04
#define WEIR_TH_PSH 0x08
#define WEIR_TH_ACK 0x10
#define WEIR_TH_URG 0x20
#define WEIR_TH_ECE 0x40
#define WEIR_TH_CWR 0x80

enum weir_pkt_verdict {
	WEIR_PKT_OK,
	WEIR_PKT_NOT_IP,     /* another ethertype, a third tag, no whole Ethernet header */
	WEIR_PKT_NOT_TCP,    /* another protocol */
	WEIR_PKT_BAD_IP,     /* truncated IP header, wrong version, header length lies */
	WEIR_PKT_BAD_IP_LEN, /* total length below the headers or past the frame's end */
	WEIR_PKT_BAD_EXT,    /* truncated IPv6 extension header */
	WEIR_PKT_MANY_EXT,   /* more than WEIR_MAX_EXT of them */
	WEIR_PKT_ROUTED,     /* IPv6: segments left, not at its end; IPv4: by its source */
	WEIR_PKT_FRAGMENT,   /* a first or a later one */
	WEIR_PKT_BAD_TCP,    /* truncated TCP header, data offset lies */
};

#define WEIR_HAVE_ADDR	0x01 /* tuple's addresses */
#define WEIR_HAVE_PORTS 0x02 /* tuple's ports */

struct weir_pkt {
	struct weir_flow_key6 tuple; /* remote = source; IPv4 as ::ffff:a.b.c.d */
	__u32 l3_off, l4_off;
	__u32 end; /* of the IP datagram, padding excluded */
	__u32 payload_off, payload_len;
	__u32 seq, ack;
	__u16 wnd, urg;
	__be16 check; /* TCP checksum as received */
	__u8 family;  /* 4, 6, or 0 */
	__u8 vlans;
	__u8 have;  /* WEIR_HAVE_* */
	__u8 flags; /* WEIR_TH_* */
	__u8 tcp_hlen;
	__u8 ip_ecn;
	__u8 ttl;      /* or hop limit */
	__u8 proto;    /* past IPv6 extension headers */
	__u8 fragment; /* 0, 1 first, 2 later */
};

weir_inline int weir_pkt_fits(const void *p, __u32 n, const void *data_end)
{
	return (const __u8 *)p + n <= (const __u8 *)data_end;
}

weir_inline __u32 weir_frame_len(const void *data, const void *data_end)
{
	long n = (const __u8 *)data_end - (const __u8 *)data;

	weir_opaque(n); /* else clang subtracts 32-bit halves, which the verifier refuses */
	return (__u32)n;
}

/* ---- layer 2 ------------------------------------------------------------ */

weir_inline int weir_is_vlan(__u16 ethertype)
{
	return ethertype == WEIR_ETH_P_8021Q || ethertype == WEIR_ETH_P_8021AD;
}

/* Sets l3_off, vlans and family; the verdict is OK or NOT_IP. */
weir_inline enum weir_pkt_verdict weir_pkt_eth(const void *data, const void *data_end,
					       struct weir_pkt *p)
{
	const __u8 *f = (const __u8 *)data;
	__u16 type;

	p->l3_off = WEIR_ETH_HLEN;
	if (!weir_pkt_fits(f, WEIR_ETH_HLEN, data_end))
		return WEIR_PKT_NOT_IP;
	type = weir_ntohs(weir_load16(f + 12));
	if (weir_is_vlan(type)) {
		if (!weir_pkt_fits(f, WEIR_ETH_HLEN + WEIR_VLAN_HLEN, data_end))
			return WEIR_PKT_NOT_IP;
		type = weir_ntohs(weir_load16(f + 16));
		p->l3_off = WEIR_ETH_HLEN + WEIR_VLAN_HLEN;
		p->vlans = 1;
		if (weir_is_vlan(type)) {
			if (!weir_pkt_fits(f, WEIR_ETH_HLEN + 2 * WEIR_VLAN_HLEN, data_end))
				return WEIR_PKT_NOT_IP;
			type = weir_ntohs(weir_load16(f + 20));
			p->l3_off = WEIR_ETH_HLEN + 2 * WEIR_VLAN_HLEN;
			p->vlans = 2;
		}
	}
	if (type == WEIR_ETH_P_IP)
		p->family = 4;
	else if (type == WEIR_ETH_P_IPV6)
		p->family = 6;
	else
		return WEIR_PKT_NOT_IP;
	return WEIR_PKT_OK;
}

/* ---- layer 3 ------------------------------------------------------------ */

weir_inline enum weir_pkt_verdict weir_pkt_ip4(const void *data, const void *data_end,
					       struct weir_pkt *p)
{
	const __u8 *ip = (const __u8 *)data + p->l3_off;
	__u32 hlen, frag;

	if (!weir_pkt_fits(ip, 20, data_end))
		return WEIR_PKT_BAD_IP;
	p->proto = ip[9];
	p->ttl = ip[8];
	p->ip_ecn = ip[1] & 3;
	p->tuple.raddr[0] = p->tuple.raddr[1] = 0;
	p->tuple.laddr[0] = p->tuple.laddr[1] = 0;
	p->tuple.raddr[2] = p->tuple.laddr[2] = weir_htonl(0xffff);
	p->tuple.raddr[3] = weir_load32(ip + 12);
	p->tuple.laddr[3] = weir_load32(ip + 16);
	p->have = WEIR_HAVE_ADDR;
	hlen = (ip[0] & 15) * 4;
	p->l4_off = p->l3_off + hlen;
	frag = weir_ntohs(weir_load16(ip + 6)) & 0x3fff; /* MF and the offset */
	if (frag)
		p->fragment = frag & 0x1fff ? 2 : 1;
	p->end = p->l3_off + weir_ntohs(weir_load16(ip + 2));
	if (p->proto != WEIR_PROTO_TCP)
		return WEIR_PKT_NOT_TCP;
	return ip[0] >> 4 == 4 && hlen >= 20 ? WEIR_PKT_OK : WEIR_PKT_BAD_IP;
}

/*
 * The `len` bytes of IPv4 options: OK, ROUTED with a loose or strict source route, whose
 * packets a firewall drops (RFC 7126 4.3, 4.4), or BAD_IP when a length lies.
 */
weir_inline enum weir_pkt_verdict weir_pkt_ip4_options(const void *opts, __u32 len,
						       const void *data_end)
{
	__u32 off = 0;
	int i;

	for (i = 0; i < 40; i++) {
		const __u8 *o = (const __u8 *)opts + off;

		if (off >= len || !weir_pkt_fits(o, 1, data_end) || !o[0])
			return WEIR_PKT_OK;
		if (o[0] == 131 || o[0] == 137)
			return WEIR_PKT_ROUTED;
		if (o[0] != 1) {
			if (off + 2 > len || !weir_pkt_fits(o, 2, data_end) || o[1] < 2 ||
			    off + o[1] > len)
				return WEIR_PKT_BAD_IP;
			o++;
		}
		/* A NOP is its own length. Read again: see weir_tcp_opts_walk(). */
		off += *(const volatile __u8 *)o;
	}
	return WEIR_PKT_OK;
}

/* A walk over extension headers: where it starts, then where it ended. */
struct weir_ext {
	__u32 off;
	__u32 proto;	/* of what is at off */
	__u32 fragment; /* as in struct weir_pkt */
};

/*
 * Walks hop-by-hop, routing, destination, authentication and fragment headers
 * (RFC 8200 4, RFC 4302) and stops at what follows them. A later fragment ends the
 * walk: what comes next is not a header. An atomic fragment (RFC 6946) is none.
 */
weir_inline enum weir_pkt_verdict weir_pkt_ext(const void *data, const void *data_end,
					       struct weir_ext *e)
{
	__u32 off = e->off;
	__u32 next = e->proto;
	int i;

/* Unrolled: 6.1's verifier refuses a loop that clang lays out with its latch first. */
#pragma GCC unroll 7
	for (i = 0; i <= WEIR_MAX_EXT; i++) {
		const __u8 *h = (const __u8 *)data + off;
		int is_ext = next == 0 || next == 43 || next == 44 || next == 51 || next == 60;

		e->off = off;
		e->proto = next;
		if (next == WEIR_PROTO_TCP)
			return WEIR_PKT_OK;
		if (!is_ext)
			return WEIR_PKT_NOT_TCP;
		if (i == WEIR_MAX_EXT)
			return WEIR_PKT_MANY_EXT;
		if (!weir_pkt_fits(h, 8, data_end))
			return WEIR_PKT_BAD_EXT;
		if (next == 43 && h[3])
			return WEIR_PKT_ROUTED;
		if (next == 44) {
			__u32 frag = weir_ntohs(weir_load16(h + 2));

			off += 8;
			if (frag & 0xfff9)
				e->fragment = frag & 0xfff8 ? 2 : 1;
		} else {
			off += next == 51 ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
		}
		next = h[0];
		if (e->fragment == 2) {
			e->proto = next;
			return next == WEIR_PROTO_TCP ? WEIR_PKT_OK : WEIR_PKT_NOT_TCP;
		}
	}
	return WEIR_PKT_MANY_EXT;
}

/* The fixed header alone; p->proto then says whether weir_pkt_ext() comes next. */
weir_inline enum weir_pkt_verdict weir_pkt_ip6(const void *data, const void *data_end,
					       struct weir_pkt *p)
{
	const __u8 *ip = (const __u8 *)data + p->l3_off;
	int i;

	if (!weir_pkt_fits(ip, 40, data_end))
		return WEIR_PKT_BAD_IP;
	p->proto = ip[6];
	p->ttl = ip[7];
	p->ip_ecn = ip[1] >> 4 & 3;
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		p->tuple.raddr[i] = weir_load32(ip + 8 + 4 * i);
		p->tuple.laddr[i] = weir_load32(ip + 24 + 4 * i);
	}
	p->have = WEIR_HAVE_ADDR;
	p->end = p->l3_off + 40 + weir_ntohs(weir_load16(ip + 4));
	p->l4_off = p->l3_off + 40;
	return ip[0] >> 4 == 6 ? WEIR_PKT_OK : WEIR_PKT_BAD_IP;
}

/* ---- layer 4 ------------------------------------------------------------ */

/*
 * For p->proto TCP. Ports are read even from a datagram whose length lies, so
 * that it is known to whom it was sent; nothing else is.
 */
weir_inline enum weir_pkt_verdict weir_pkt_tcp(const void *data, const void *data_end,
					       struct weir_pkt *p)
{
	const __u8 *th = (const __u8 *)data + p->l4_off;
	__u32 hlen, len;

	if (p->fragment == 2)
		return WEIR_PKT_FRAGMENT;
	if (weir_pkt_fits(th, 4, data_end)) {
		p->tuple.rport = weir_load16(th);
		p->tuple.lport = weir_load16(th + 2);
		p->have |= WEIR_HAVE_PORTS;
	}
	if (p->end < p->l4_off || p->end > weir_frame_len(data, data_end))
		return WEIR_PKT_BAD_IP_LEN;
	if (p->fragment)
		return WEIR_PKT_FRAGMENT;
	len = p->end - p->l4_off;
	if (len < 20 || !weir_pkt_fits(th, 20, data_end))
		return WEIR_PKT_BAD_TCP;
	hlen = (th[12] >> 4) * 4;
	if (hlen < 20 || hlen > len)
		return WEIR_PKT_BAD_TCP;
	p->tcp_hlen = hlen;
	p->seq = weir_ntohl(weir_load32(th + 4));
	p->ack = weir_ntohl(weir_load32(th + 8));
	p->flags = th[13];
	p->wnd = weir_ntohs(weir_load16(th + 14));
	p->check = weir_load16(th + 16);
	p->urg = weir_ntohs(weir_load16(th + 18));
	p->payload_off = p->l4_off + hlen;
	p->payload_len = len - hlen;
	return WEIR_PKT_OK;
}

#ifndef __bpf__

static inline enum weir_pkt_verdict weir_pkt_ip(const void *frame, const void *end,
						struct weir_pkt *p)
{
	enum weir_pkt_verdict v;
	struct weir_ext e;

	if (p->family == 4)
		return weir_pkt_ip4(frame, end, p);
	v = weir_pkt_ip6(frame, end, p);
	if (v || p->proto == WEIR_PROTO_TCP)
		return v;
	e = (struct weir_ext){.off = p->l4_off, .proto = p->proto};
	v = weir_pkt_ext(frame, end, &e);
	p->l4_off = e.off;
	p->proto = e.proto;
	p->fragment = e.fragment;
	return v;
}

/* All layers. *p is filled as far as p->have and the verdict say. */
static inline enum weir_pkt_verdict weir_pkt_parse(const void *frame, unsigned long len,
						   struct weir_pkt *p)
{
	const void *end = (const __u8 *)frame + len;
	enum weir_pkt_verdict v;

	__builtin_memset(p, 0, sizeof(*p));
	v = weir_pkt_eth(frame, end, p);
	if (v)
		return v;
	v = weir_pkt_ip(frame, end, p);
	if (!v)
		v = weir_pkt_tcp(frame, end, p);
	if (!v && p->family == 4 && p->l4_off > p->l3_off + 20)
		v = weir_pkt_ip4_options((const __u8 *)frame + p->l3_off + 20,
					 p->l4_off - p->l3_off - 20, end);
	return v;
}

#endif

/* What lies in and over the headers, in files of their own. */
#include <weir/csum.h>
#include <weir/tcpopt.h>

#endif
