// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <string.h>

#include <weir/csum.h>

#include "cost.h"

const uint8_t cost_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

/* SYNs as they are sent by these systems; LAYOUT_TS is every later segment of Linux. */
static const struct {
	uint8_t len;
	uint8_t bytes[24];
	uint8_t ts; /* where TSval is; 0: none */
} layouts[] = {
	[LAYOUT_NONE] = {0, {0}, 0},
	[LAYOUT_LINUX] = {20,
			  {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7},
			  8},
	[LAYOUT_WINDOWS] = {12, {2, 4, 0x05, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2}, 0},
	[LAYOUT_MACOS] = {24,
			  {2, 4, 0x05, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2},
			  12},
	[LAYOUT_TS] = {12, {1, 1, 8, 10}, 4},
};

/* splitmix64 (Steele, Lea and Flood 2014) */
uint64_t cost_random(void)
{
	static uint64_t state = 0x5eed;
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void put16(uint8_t *p, uint16_t v)
{
	v = htons(v);
	memcpy(p, &v, 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

/* 100.64.0.0/10, fd00::/96 → 10.0.0.2, fd00::2 */
struct weir_flow_key6 cost_tuple(const struct cost_spec *s)
{
	struct weir_flow_key6 t = {.rport = htons(s->sport), .lport = htons(s->dport)};

	if (s->family == 4) {
		t.raddr[2] = t.laddr[2] = htonl(0xffff);
		t.raddr[3] = htonl(0x64400000 | (s->source & 0x3fffff));
		t.laddr[3] = htonl(0x0a000002);
	} else {
		t.raddr[0] = t.laddr[0] = htonl(0xfd000000);
		t.raddr[3] = htonl(s->source);
		t.raddr[2] = htonl(0x10000);
		t.laddr[3] = htonl(2);
	}
	return t;
}

static uint8_t *put_ip(const struct cost_spec *s, const struct weir_flow_key6 *t, uint8_t *ip,
		       uint16_t tcp_len)
{
	uint16_t sum;

	if (s->family == 6) {
		ip[0] = 0x60;
		put16(ip + 4, tcp_len);
		ip[6] = 6;
		ip[7] = 64;
		memcpy(ip + 8, t->raddr, 16);
		memcpy(ip + 24, t->laddr, 16);
		return ip + 40;
	}
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(20 + tcp_len));
	put16(ip + 4, (uint16_t)cost_random());
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, &t->raddr[3], 4);
	memcpy(ip + 16, &t->laddr[3], 4);
	sum = (uint16_t)~weir_csum_fold(weir_csum_bytes(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
	return ip + 20;
}

static void put_tcp(const struct cost_spec *s, const struct weir_flow_key6 *t, uint8_t *th,
		    uint16_t len)
{
	uint64_t sum = weir_csum_addr(t, s->family) + weir_csum_proto(len);
	uint16_t check;

	put16(th, s->sport);
	put16(th + 2, s->dport);
	put32(th + 4, s->seq);
	put32(th + 8, s->ack);
	th[12] = (uint8_t)(len / 4 << 4);
	th[13] = s->flags;
	put16(th + 14, 64240);
	memcpy(th + 20, layouts[s->layout].bytes, layouts[s->layout].len);
	if (layouts[s->layout].ts) {
		put32(th + 20 + layouts[s->layout].ts, s->tsval);
		put32(th + 24 + layouts[s->layout].ts, s->tsecr);
	}
	check = (uint16_t)~weir_csum_fold(weir_csum_bytes(th, len, sum));
	memcpy(th + 16, &check, 2);
}

void cost_build(const struct cost_spec *s, struct cost_frame *f)
{
	uint16_t tcp_len = (uint16_t)(20 + layouts[s->layout].len);
	struct weir_flow_key6 t = cost_tuple(s);
	uint8_t *p = f->bytes;
	unsigned i;

	memset(f, 0, sizeof(*f));
	memcpy(p, cost_mac, 6);
	memcpy(p + 6, peer_mac, 6);
	for (p += 12, i = 0; i < s->vlans; i++, p += 4)
		put32(p, 0x81000000u + 5 + i);
	put16(p, s->family == 4 ? 0x0800 : 0x86dd);
	p = put_ip(s, &t, p + 2, tcp_len);
	put_tcp(s, &t, p, tcp_len);
	f->len = (uint16_t)(p + tcp_len - f->bytes);
	if (f->len < 60)
		f->len = 60;
}
