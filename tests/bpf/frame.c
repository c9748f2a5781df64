/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <string.h>

#include "frame.h"

const struct frame_layout frame_layouts[] = {
	{.name = "none", .wscale = -1},
	{.name = "linux",
	 .opts = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 7},
	 .opts_len = 20,
	 .mss = 1460,
	 .wscale = 7,
	 .sack = 1,
	 .ts = 1,
	 .tsval = 0x12345678},
	{.name = "windows",
	 .opts = {2, 4, 0x05, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2},
	 .opts_len = 12,
	 .mss = 1460,
	 .wscale = 8,
	 .sack = 1},
	{.name = "macos",
	 .opts = {2,	4,    0x05, 0xa0, 1, 3, 3, 6, 1, 1, 8, 10,
		  0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 0, 4, 2, 0, 0},
	 .opts_len = 24,
	 .mss = 1440,
	 .wscale = 6,
	 .sack = 1,
	 .ts = 1,
	 .tsval = 0xcafebabe},
	{.name = "mss only", .opts = {2, 4, 0x02, 0x18}, .opts_len = 4, .mss = 536, .wscale = -1},
	{.name = "scale only", .opts = {3, 3, 0, 1}, .opts_len = 4, .wscale = 0},
	{.name = "sack only", .opts = {1, 1, 4, 2}, .opts_len = 4, .wscale = -1, .sack = 1},
	{.name = "timestamps only",
	 .opts = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0},
	 .opts_len = 12,
	 .wscale = -1,
	 .ts = 1,
	 .tsval = 1},
	{.name = "timestamps and scale above the limit",
	 .opts = {8, 10, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 3, 3, 15, 0, 0, 0},
	 .opts_len = 16,
	 .wscale = 14,
	 .ts = 1,
	 .tsval = 0xffffffff},
	{.name = "unknown kinds between",
	 .opts = {254, 4, 0xab, 0xcd, 34, 2,  2,  4,  0x04, 0xc4, 19, 18, 1, 2, 3, 4, 5, 6,
		  7,   8, 9,	10,   11, 12, 13, 14, 15,   16,	  4,  2,  3, 3, 1, 0, 0, 0},
	 .opts_len = 36,
	 .mss = 1220,
	 .wscale = 1,
	 .sack = 1},
};
const size_t frame_nlayouts = sizeof(frame_layouts) / sizeof(frame_layouts[0]);

void frame_addr(uint8_t addr[16], const char *text)
{
	memset(addr, 0, 16);
	inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, addr);
}

struct frame frame_syn(int family)
{
	struct frame f = {
		.family = family,
		.dmac = {2, 0, 0, 0, 0, 2},
		.smac = {2, 0, 0, 0, 0, 1},
		.tpid = {0x8100, 0x8100, 0x8100},
		.tci = {0x0064, 0x2065, 0x0066},
		.ttl = 64,
		.proto = 6,
		.id = 0x1234,
		.frag = 0x4000,
		.sport = 40000,
		.dport = 80,
		.seq = 0x01020304,
		.window = 64240,
		.flags = SYN,
	};

	frame_addr(f.src, family == 4 ? "10.0.0.1" : "fd00::1");
	frame_addr(f.dst, family == 4 ? "10.0.0.2" : "fd00::2");
	return f;
}

struct frame frame_answer(const struct frame *f, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct frame a = {
		.family = f->family,
		.vlans = f->vlans,
		.ttl = 64,
		.proto = 6,
		.frag = 0x4000,
		.sport = f->dport,
		.dport = f->sport,
		.seq = seq,
		.ack = ack,
		.flags = flags,
	};

	memcpy(a.dmac, f->smac, 6);
	memcpy(a.smac, f->dmac, 6);
	memcpy(a.src, f->dst, 16);
	memcpy(a.dst, f->src, 16);
	memcpy(a.tpid, f->tpid, sizeof(a.tpid));
	memcpy(a.tci, f->tci, sizeof(a.tci));
	return a;
}

void frame_opts(struct frame *f, const void *opts, size_t len)
{
	memcpy(f->opts, opts, len);
	f->opts_len = len;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

void frame_timestamps(struct frame *f, uint32_t tsval, uint32_t tsecr)
{
	uint8_t o[12] = {1, 1, 8, 10};

	put32(o + 4, tsval);
	put32(o + 8, tsecr);
	frame_opts(f, o, sizeof(o));
}

/* RFC 1071, two bytes at a time, big-endian. */
static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	size_t i;

	for (i = 0; i < len; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static size_t ext_bytes(const struct frame_ext *e)
{
	if (e->type == 44)
		return 8;
	return e->type == 51 ? (e->len + 2u) * 4 : (e->len + 1u) * 8;
}

size_t frame_l3(const struct frame *f)
{
	return 14 + 4 * f->vlans;
}

size_t frame_l4(const struct frame *f)
{
	size_t off = frame_l3(f);
	unsigned i;

	if (f->family == 4)
		return off + 20 + f->ip_opts_len;
	for (off += 40, i = 0; i < f->exts; i++)
		off += ext_bytes(&f->ext[i]);
	return off;
}

static size_t tcp_len(const struct frame *f)
{
	if (f->raw)
		return f->raw_len;
	return 20 + f->opts_len + f->data_len;
}

static uint32_t pseudo(const struct frame *f)
{
	size_t n = f->family == 4 ? 4 : 16;
	uint8_t tail[4] = {0, f->proto};
	uint32_t s = sum(f->src, n, 0);

	s = sum(f->dst, n, s);
	put16(tail + 2, (uint16_t)tcp_len(f));
	return sum(tail, 4, s);
}

void frame_fix_ip(const struct frame *f, uint8_t *buf)
{
	uint8_t *ip = buf + frame_l3(f);

	if (f->family != 4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum(ip, 20 + f->ip_opts_len, 0));
}

/* ICMP's own sum; only IPv6's has a pseudo-header (RFC 4443 2.3). */
static void fix_raw(const struct frame *f, uint8_t *th)
{
	if (f->raw_len < 4)
		return;
	put16(th + 2, 0);
	put16(th + 2, (uint16_t)~sum(th, f->raw_len, f->family == 6 ? pseudo(f) : 0));
}

void frame_fix_tcp(const struct frame *f, uint8_t *buf)
{
	uint8_t *th = buf + frame_l4(f);

	if (f->raw) {
		fix_raw(f, th);
		return;
	}
	put16(th + 16, 0);
	put16(th + 16, (uint16_t)~sum(th, tcp_len(f), pseudo(f)));
}

void frame_partial(const struct frame *f, uint8_t *buf)
{
	put16(buf + frame_l4(f) + 16, (uint16_t)pseudo(f));
}

static uint8_t *build_ip4(const struct frame *f, uint8_t *ip)
{
	size_t hlen = 20 + f->ip_opts_len;

	ip[0] = (uint8_t)(0x40 | hlen / 4);
	ip[1] = f->tos;
	put16(ip + 2, (uint16_t)(hlen + tcp_len(f)));
	put16(ip + 4, f->id);
	put16(ip + 6, f->frag);
	ip[8] = f->ttl;
	ip[9] = f->proto;
	memcpy(ip + 12, f->src, 4);
	memcpy(ip + 16, f->dst, 4);
	if (f->ip_opts_len)
		memcpy(ip + 20, f->ip_opts, f->ip_opts_len);
	return ip + hlen;
}

static uint8_t *build_ip6(const struct frame *f, uint8_t *ip)
{
	uint8_t *p = ip + 40;
	unsigned i;

	ip[0] = (uint8_t)(0x60 | f->tos >> 4);
	ip[1] = (uint8_t)(f->tos << 4);
	put16(ip + 4, (uint16_t)(frame_l4(f) - frame_l3(f) - 40 + tcp_len(f)));
	ip[6] = f->exts ? f->ext[0].type : f->proto;
	ip[7] = f->ttl;
	memcpy(ip + 8, f->src, 16);
	memcpy(ip + 24, f->dst, 16);
	for (i = 0; i < f->exts; i++) {
		const struct frame_ext *e = &f->ext[i];

		p[0] = i + 1 < f->exts ? e[1].type : f->proto;
		p[1] = e->len;
		if (e->type == 44)
			put16(p + 2, e->frag);
		else if (e->type != 51 && e->type != 43)
			p[2] = 1, p[3] = (uint8_t)(ext_bytes(e) - 4); /* PadN */
		p += ext_bytes(e);
	}
	return p;
}

static void build_tcp(const struct frame *f, uint8_t *th)
{
	put16(th, f->sport);
	put16(th + 2, f->dport);
	put32(th + 4, f->seq);
	put32(th + 8, f->ack);
	th[12] = (uint8_t)((20 + f->opts_len) / 4 << 4);
	th[13] = f->flags;
	put16(th + 14, f->window);
	put16(th + 18, f->urg);
	memcpy(th + 20, f->opts, f->opts_len);
	if (f->data_len)
		memcpy(th + 20 + f->opts_len, f->data, f->data_len);
}

size_t frame_build(const struct frame *f, uint8_t *buf)
{
	uint8_t *p = buf, *th;
	unsigned i;

	memset(buf, 0, FRAME_MAX);
	memcpy(p, f->dmac, 6);
	memcpy(p + 6, f->smac, 6);
	for (p += 12, i = 0; i < f->vlans; i++, p += 4) {
		put16(p, f->tpid[i]);
		put16(p + 2, f->tci[i]);
	}
	put16(p, f->family == 4 ? 0x0800 : 0x86dd);
	th = f->family == 4 ? build_ip4(f, p + 2) : build_ip6(f, p + 2);
	if (f->raw)
		memcpy(th, f->raw, f->raw_len);
	else
		build_tcp(f, th);
	frame_fix_ip(f, buf);
	frame_fix_tcp(f, buf);
	return (size_t)(th - buf) + tcp_len(f) + f->padding;
}

struct frame frame_icmp(const struct frame *sent, uint8_t type, uint8_t code, uint32_t rest,
			size_t quote, uint8_t *raw)
{
	struct frame f = frame_syn(sent->family);
	size_t whole, l3 = frame_l3(sent);
	uint8_t buf[FRAME_MAX];

	whole = frame_build(sent, buf) - sent->padding - l3;
	if (quote > whole)
		quote = whole;
	memset(raw, 0, FRAME_MAX);
	raw[0] = type;
	raw[1] = code;
	put32(raw + 4, rest);
	memcpy(raw + 8, buf + l3, quote);
	memcpy(f.dmac, sent->smac, 6);
	frame_addr(f.src, f.family == 4 ? "10.0.0.254" : "fd00::fe");
	memcpy(f.dst, sent->src, 16);
	f.proto = f.family == 4 ? 1 : 58;
	f.raw = raw;
	f.raw_len = 8 + quote;
	return f;
}
