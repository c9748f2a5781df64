// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "cost.h"

#define SYN 0x02
#define ACK 0x10

/* As in a flood: each from another source, none of them known. */
static struct cost_spec stranger(const struct cost_case *c, uint8_t flags)
{
	uint64_t r = cost_random();

	return (struct cost_spec){
		.family = c->family,
		.vlans = c->vlans,
		.layout = c->layout,
		.flags = flags,
		.dport = COST_PORT,
		.sport = (uint16_t)(1024 + (uint16_t)r % 64000),
		.source = 0x200000 | (uint32_t)(r >> 16 & 0x1fffff),
		.seq = (uint32_t)(r >> 32),
		.ack = flags & ACK ? (uint32_t)cost_random() : 0,
		.tsval = (uint32_t)cost_random(),
		.tsecr = flags & ACK ? (uint32_t)cost_random() : 0,
	};
}

static int make_syn(const struct cost_case *c, const struct cost_gate *g, struct cost_frame *f)
{
	const struct cost_spec s = stranger(c, SYN);

	(void)g;
	cost_build(&s, f);
	return 0;
}

static int make_ack(const struct cost_case *c, const struct cost_gate *g, struct cost_frame *f)
{
	const struct cost_spec s = stranger(c, ACK);

	(void)g;
	cost_build(&s, f);
	return 0;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return ntohl(v);
}

/* The ACK to what the gate answers to a SYN. */
static int make_final_ack(const struct cost_case *c, const struct cost_gate *g,
			  struct cost_frame *f)
{
	struct cost_case syn = *c;
	struct cost_spec s;
	const uint8_t *th;
	int act;

	syn.layout = c->layout == LAYOUT_TS ? LAYOUT_LINUX : LAYOUT_WINDOWS;
	s = stranger(&syn, SYN);
	cost_build(&s, f);
	act = cost_once(g->prog, f);
	if (act != XDP_TX)
		return act < 0 ? act : -EPROTO;
	th = f->bytes + 14 + 4 * c->vlans + (c->family == 4 ? 20 : 40);
	s.layout = c->layout;
	s.flags = ACK;
	s.seq++;
	s.ack = get32(th + 4) + 1;
	s.tsecr = get32(th + 28); /* of the layout that Linux and our answer have */
	s.tsval++;
	cost_build(&s, f);
	return 0;
}

static int make_flow(const struct cost_case *c, const struct cost_gate *g, struct cost_frame *f)
{
	const struct cost_spec s = cost_flow(c->family, (uint32_t)(cost_random() % c->flows));

	(void)g;
	cost_build(&s, f);
	return 0;
}

static int make_other(const struct cost_case *c, const struct cost_gate *g, struct cost_frame *f)
{
	struct cost_spec s = stranger(c, ACK);

	(void)g;
	s.dport = COST_OTHER_PORT;
	cost_build(&s, f);
	return 0;
}

#define SYNS(name, fam, tags, l)                                                                   \
	{                                                                                          \
		"syn_path", name, fam, tags, l, 1, XDP_TX, make_syn, 0                             \
	}

static const struct cost_case cases[] = {
	SYNS("linux-ipv4", 4, 0, LAYOUT_LINUX),
	SYNS("linux-ipv6", 6, 0, LAYOUT_LINUX),
	SYNS("linux-ipv4-vlan", 4, 1, LAYOUT_LINUX),
	SYNS("linux-ipv6-vlan", 6, 1, LAYOUT_LINUX),
	SYNS("windows-ipv4", 4, 0, LAYOUT_WINDOWS),
	SYNS("windows-ipv6", 6, 0, LAYOUT_WINDOWS),
	SYNS("windows-ipv4-vlan", 4, 1, LAYOUT_WINDOWS),
	SYNS("macos-ipv4", 4, 0, LAYOUT_MACOS),
	SYNS("macos-ipv6", 6, 0, LAYOUT_MACOS),
	SYNS("macos-ipv4-vlan", 4, 1, LAYOUT_MACOS),
	SYNS("none-ipv4", 4, 0, LAYOUT_NONE),
	SYNS("none-ipv6", 6, 0, LAYOUT_NONE),
	SYNS("none-ipv4-vlan", 4, 1, LAYOUT_NONE),
	{"syn_path", "linux-ipv4-100k-flows", 4, 0, LAYOUT_LINUX, 100000, XDP_TX, make_syn, 0},
	{"ack_accept", "ipv4", 4, 0, LAYOUT_TS, 0, XDP_REDIRECT, make_final_ack, 0},
	{"ack_accept", "ipv6", 6, 0, LAYOUT_TS, 0, XDP_REDIRECT, make_final_ack, 0},
	{"ack_accept", "ipv4-no-timestamps", 4, 0, LAYOUT_NONE, 0, XDP_REDIRECT, make_final_ack, 0},
	{"ack_reject", "ipv4", 4, 0, LAYOUT_TS, 1, XDP_DROP, make_ack, 0},
	{"ack_reject", "ipv6", 6, 0, LAYOUT_TS, 1, XDP_DROP, make_ack, 0},
	{"ack_reject", "ipv4-no-timestamps", 4, 0, LAYOUT_NONE, 1, XDP_DROP, make_ack, 0},
	{"policy", "syn-lists-ipv4", 4, 0, LAYOUT_LINUX, 1, XDP_TX, make_syn, COST_LISTS},
	{"policy", "syn-lists-ipv6", 6, 0, LAYOUT_LINUX, 1, XDP_TX, make_syn, COST_LISTS},
	{"policy", "syn-denied-ipv4", 4, 0, LAYOUT_LINUX, 1, XDP_DROP, make_syn, COST_DENIED},
	{"policy", "syn-denied-ipv6", 6, 0, LAYOUT_LINUX, 1, XDP_DROP, make_syn, COST_DENIED},
	{"policy", "syn-synack-rate-ipv4", 4, 0, LAYOUT_LINUX, 1, XDP_TX, make_syn, COST_SYNACK},
	{"policy", "syn-synack-rate-ipv6", 6, 0, LAYOUT_LINUX, 1, XDP_TX, make_syn, COST_SYNACK},
	{"policy", "syn-flow-limits-ipv4", 4, 0, LAYOUT_LINUX, 1, XDP_TX, make_syn, COST_FLOWS},
	{"policy", "accept-lists-ipv4", 4, 0, LAYOUT_TS, 0, XDP_REDIRECT, make_final_ack,
	 COST_LISTS},
	{"policy", "accept-flow-limits-ipv4", 4, 0, LAYOUT_TS, 0, XDP_REDIRECT, make_final_ack,
	 COST_FLOWS},
	{"flow_hit", "ipv4-1", 4, 0, LAYOUT_TS, 1, XDP_REDIRECT, make_flow, 0},
	{"flow_hit", "ipv4-1k", 4, 0, LAYOUT_TS, 1000, XDP_REDIRECT, make_flow, 0},
	{"flow_hit", "ipv4-1M", 4, 0, LAYOUT_TS, 1000000, XDP_REDIRECT, make_flow, 0},
	{"flow_hit", "ipv6-1", 6, 0, LAYOUT_TS, 1, XDP_REDIRECT, make_flow, 0},
	{"flow_hit", "ipv6-1k", 6, 0, LAYOUT_TS, 1000, XDP_REDIRECT, make_flow, 0},
	{"pass", "ipv4", 4, 0, LAYOUT_TS, 1, XDP_PASS, make_other, 0},
	{"pass", "ipv6", 6, 0, LAYOUT_TS, 1, XDP_PASS, make_other, 0},
};

const struct cost_case *cost_cases(unsigned *n)
{
	*n = sizeof(cases) / sizeof(cases[0]);
	return cases;
}
