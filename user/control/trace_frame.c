/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include "control/trace_frame.h"
#include "tcp/tcp.h"

#define IP6_HDR	   40
#define TCP_HDR	   20
#define MAX_VLAN   2
#define MAX_EXTHDR 8

/* What is left of the captured bytes, and of the packet by its own account. */
struct cursor {
	const uint8_t *p;
	size_t cap;
	size_t wire; /* set by the IP header */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool skip(struct cursor *c, size_t n)
{
	if (n > c->cap || n > c->wire)
		return false;
	c->p += n;
	c->cap -= n;
	c->wire -= n;
	return true;
}

static bool ipv4(struct trace_frame *f, struct cursor *c)
{
	size_t ihl, total;

	if (c->cap < 20 || c->p[0] >> 4 != 4)
		return false;
	ihl = (c->p[0] & 0xf) * 4u;
	total = get16(c->p + 2);
	if (ihl < 20 || total < ihl)
		return false;
	f->src.family = f->dst.family = 4;
	memcpy(f->src.addr, c->p + 12, 4);
	memcpy(f->dst.addr, c->p + 16, 4);
	/* Only a first fragment has the ports. */
	if (c->p[9] != IPPROTO_TCP || get16(c->p + 6) & 0x1fff)
		return false;
	c->wire = total;
	return skip(c, ihl);
}

static bool ipv6(struct trace_frame *f, struct cursor *c)
{
	uint8_t next;

	if (c->cap < IP6_HDR || c->p[0] >> 4 != 6)
		return false;
	f->src.family = f->dst.family = 6;
	memcpy(f->src.addr, c->p + 8, 16);
	memcpy(f->dst.addr, c->p + 24, 16);
	next = c->p[6];
	c->wire = IP6_HDR + (size_t)get16(c->p + 4);
	if (!skip(c, IP6_HDR))
		return false;
	for (int i = 0; i < MAX_EXTHDR && next != IPPROTO_TCP; i++) {
		size_t len;

		if (c->cap < 8)
			return false;
		if (next == IPPROTO_FRAGMENT) {
			if (get16(c->p + 2) & 0xfff8)
				return false;
			len = 8;
		} else if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
			   next == IPPROTO_DSTOPTS) {
			len = 8 + c->p[1] * 8u;
		} else {
			return false;
		}
		next = c->p[0];
		if (!skip(c, len))
			return false;
	}
	return next == IPPROTO_TCP;
}

static void sack_option(struct trace_frame *f, const uint8_t *p, size_t len)
{
	for (size_t at = 2; at + 8 <= len && f->nsack < TRACE_FRAME_SACKS; at += 8) {
		f->sack[f->nsack].start = get32(p + at);
		f->sack[f->nsack].end = get32(p + at + 4);
		f->nsack++;
	}
}

static void one_option(struct trace_frame *f, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case 2:
		if (len == 4) {
			f->has_mss = true;
			f->mss = get16(p + 2);
		}
		break;
	case 3:
		if (len == 3) {
			f->has_wscale = true;
			f->wscale = p[2];
		}
		break;
	case 4:
		f->sack_permitted = len == 2;
		break;
	case 5:
		sack_option(f, p, len);
		break;
	case 8:
		if (len == 10) {
			f->has_ts = true;
			f->tsval = get32(p + 2);
			f->tsecr = get32(p + 6);
		}
		break;
	}
}

static void options(struct trace_frame *f, const uint8_t *p, size_t len)
{
	while (len > 0 && p[0] != 0) {
		size_t n = 1;

		if (p[0] != 1) {
			if (len < 2 || p[1] < 2 || p[1] > len) {
				f->malformed = true;
				return;
			}
			n = p[1];
			one_option(f, p, n);
		}
		p += n;
		len -= n;
	}
}

static bool tcp(struct trace_frame *f, const struct cursor *c)
{
	size_t doff;

	if (c->cap < TCP_HDR || c->wire < TCP_HDR)
		return false;
	f->src.port = get16(c->p);
	f->dst.port = get16(c->p + 2);
	f->seq = get32(c->p + 4);
	f->ack = get32(c->p + 8);
	f->flags = c->p[13];
	f->wnd = get16(c->p + 14);
	f->tcp = true;
	doff = (c->p[12] >> 4) * 4u;
	if (doff < TCP_HDR || doff > c->wire) {
		f->malformed = true;
		return true;
	}
	f->len = (uint32_t)(c->wire - doff);
	options(f, c->p + TCP_HDR, (doff < c->cap ? doff : c->cap) - TCP_HDR);
	return true;
}

bool trace_frame_parse(struct trace_frame *f, const uint8_t *data, size_t caplen)
{
	struct cursor c = {.p = data, .cap = caplen, .wire = SIZE_MAX};
	uint16_t proto;

	memset(f, 0, sizeof(*f));
	if (!skip(&c, 12))
		return false;
	for (;;) {
		if (c.cap < 2)
			return false;
		proto = get16(c.p);
		if (proto != ETH_P_8021Q && proto != ETH_P_8021AD)
			break;
		if (f->nvlan == MAX_VLAN || !skip(&c, 4))
			return false;
		f->nvlan++;
	}
	skip(&c, 2);
	if (proto == ETH_P_IP)
		return ipv4(f, &c) && tcp(f, &c);
	if (proto == ETH_P_IPV6)
		return ipv6(f, &c) && tcp(f, &c);
	return false;
}

bool trace_frame_match(const struct trace_frame *f, const struct weir_trace_filter *filter)
{
	uint16_t port = ntohs(filter->port);
	static const __be32 any[4];
	size_t n = filter->family == 4 ? 4 : 16;

	if (port && f->src.port != port && f->dst.port != port)
		return false;
	if (!filter->family)
		return true;
	if (f->src.family != filter->family)
		return false;
	if (!memcmp(filter->addr, any, n))
		return true;
	return !memcmp(f->src.addr, filter->addr, n) || !memcmp(f->dst.addr, filter->addr, n);
}
