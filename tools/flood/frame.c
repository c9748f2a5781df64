// SPDX-License-Identifier: BSD-2-Clause
/*
 * The template frames: Ethernet, tags, IPv4 or IPv6, TCP, with everything that
 * varies zero.
 *
 * Options, window and TTL are those of a default installation at an MTU of 1500:
 *
 *	          SYN's options, in order             window   TTL   later segments
 *	linux     MSS, SACK, TS, NOP, WS 7            64240     64   NOP, NOP, TS
 *	windows   MSS, NOP, WS 8, NOP, NOP, SACK      64240    128   none
 *	macos     MSS, NOP, WS 6, NOP, NOP, TS,       65535     64   NOP, NOP, TS
 *	          SACK, end, end
 *	none      none                                64240     64   none
 */
#include "flood.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include <weir/csum.h>

#define TS_BYTE 0x5a /* of timestamps: nobody's clock */

struct layout {
	const char *syn; /* M MSS, S SACK permitted, T timestamps, W window scale, N NOP, E end */
	unsigned char wscale;
	uint16_t syn_window, window;
	unsigned char ttl;
	bool timestamps; /* in later segments */
};

static const struct layout layouts[LAYOUTS] = {
	[LAYOUT_LINUX] = {"MSTNW", 7, 64240, 502, 64, true},
	[LAYOUT_WINDOWS] = {"MNWNNS", 8, 64240, 1026, 128, false},
	[LAYOUT_MACOS] = {"MNWNNTSEE", 6, 65535, 2058, 64, true},
	[LAYOUT_NONE] = {"", 0, 64240, 64240, 64, false},
};

static const unsigned char flags[KINDS] = {
	[KIND_SYN] = TH_SYN,	      [KIND_ACK] = TH_ACK,
	[KIND_RST] = TH_RST,	      [KIND_SYN_ACK] = TH_SYN | TH_ACK,
	[KIND_FIN] = TH_FIN | TH_ACK, [KIND_INFLOW] = TH_ACK,
};

static size_t put_timestamps(unsigned char *o, bool echo)
{
	o[0] = TCPOPT_TIMESTAMP;
	o[1] = TCPOLEN_TIMESTAMP;
	memset(o + 2, TS_BYTE, 4);
	memset(o + 6, echo ? TS_BYTE : 0, 4);
	return TCPOLEN_TIMESTAMP;
}

static size_t put_option(unsigned char *o, char what, const struct args *a, const struct layout *l,
			 bool echo)
{
	uint16_t mss = htons(a->family == AF_INET ? 1460 : 1440);

	switch (what) {
	case 'M':
		o[0] = TCPOPT_MAXSEG;
		o[1] = TCPOLEN_MAXSEG;
		memcpy(o + 2, &mss, sizeof(mss));
		return TCPOLEN_MAXSEG;
	case 'S':
		o[0] = TCPOPT_SACK_PERMITTED;
		o[1] = TCPOLEN_SACK_PERMITTED;
		return TCPOLEN_SACK_PERMITTED;
	case 'T':
		return put_timestamps(o, echo);
	case 'W':
		o[0] = TCPOPT_WINDOW;
		o[1] = TCPOLEN_WINDOW;
		o[2] = l->wscale;
		return TCPOLEN_WINDOW;
	default:
		o[0] = what == 'N' ? TCPOPT_NOP : TCPOPT_EOL;
		return 1;
	}
}

static size_t put_options(unsigned char *o, enum flood_kind kind, const struct args *a,
			  const struct layout *l)
{
	const char *what = "";
	size_t n = 0;

	if (kind == KIND_SYN || kind == KIND_SYN_ACK)
		what = l->syn;
	else if (l->timestamps && kind != KIND_RST)
		what = "NNT";
	for (; *what; what++)
		n += put_option(o + n, *what, a, l, kind != KIND_SYN);
	return n;
}

static size_t put_tcp(unsigned char *at, enum flood_kind kind, const struct args *a,
		      const struct layout *l)
{
	struct tcphdr tcp = {0};
	size_t n = sizeof(tcp);

	n += put_options(at + n, kind, a, l);
	tcp.th_off = (n / 4) & 0xf;
	tcp.th_flags = flags[kind];
	tcp.th_win = htons(kind == KIND_SYN || kind == KIND_SYN_ACK ? l->syn_window
			   : kind == KIND_RST			    ? 0
								    : l->window);
	memcpy(at, &tcp, sizeof(tcp));
	return n;
}

static void put_ip4(struct flood_template *t, unsigned char *at, const struct args *a,
		    const struct layout *l, size_t n)
{
	struct ip ip = {0};

	ip.ip_v = 4;
	ip.ip_hl = 5;
	ip.ip_len = htons((uint16_t)(sizeof(ip) + n));
	ip.ip_off = htons(IP_DF);
	ip.ip_ttl = l->ttl;
	ip.ip_p = IPPROTO_TCP;
	memcpy(&ip.ip_dst, &a->dst, 4);
	memcpy(at, &ip, sizeof(ip));
	t->ip_sum = weir_csum_fold(weir_csum_bytes(at, sizeof(ip), 0));
}

static void put_ip6(unsigned char *at, const struct args *a, const struct layout *l, size_t n)
{
	struct ip6_hdr ip6 = {0};

	ip6.ip6_vfc = 6 << 4;
	ip6.ip6_plen = htons((uint16_t)n);
	ip6.ip6_nxt = IPPROTO_TCP;
	ip6.ip6_hlim = l->ttl;
	ip6.ip6_dst = a->dst;
	memcpy(at, &ip6, sizeof(ip6));
}

/* Ethernet and tags; a single tag is 802.1Q, an outer one 802.1ad. Their length. */
static size_t put_link(unsigned char *at, const struct args *a, const struct target *t)
{
	const uint16_t types[] = {ETHERTYPE_VLAN, 0x88a8};
	uint16_t type = htons(a->family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP), v;
	size_t n = 2 * ETHER_ADDR_LEN;
	unsigned int i;

	memcpy(at, t->dst_mac, ETHER_ADDR_LEN);
	memcpy(at + ETHER_ADDR_LEN, t->src_mac, ETHER_ADDR_LEN);
	for (i = 0; i < a->vlans; i++, n += 4) {
		v = htons(types[a->vlans - 1 - i]);
		memcpy(at + n, &v, 2);
		v = htons(a->vlan[i]);
		memcpy(at + n + 2, &v, 2);
	}
	memcpy(at + n, &type, 2);
	return n + 2;
}

/* The bits below a prefix, as a mask; and the prefix without them. */
static void set_source(struct flood_template *t, const struct in6_addr *net, unsigned int len,
		       unsigned int words)
{
	unsigned int i, fixed;

	for (i = 0; i < words; i++) {
		fixed = len < 32 ? len : 32;
		len -= fixed;
		t->src_mask[i] = htonl(fixed == 32 ? 0 : 0xffffffffU >> fixed);
		memcpy(&t->src_net[i], (const char *)net + 4 * i, 4);
		t->src_net[i] &= ~t->src_mask[i];
	}
}

/* What is drawn. In a flow: ACKs of anything, 64 Ki around a number that is not in its window. */
static void set_draws(struct flood_template *t, const struct args *a, uint32_t seq)
{
	const struct ports *src = t->kind == KIND_INFLOW ? &a->flow_port : &a->src_port;
	unsigned int words = a->family == AF_INET ? 1 : 4;

	if (t->kind == KIND_INFLOW)
		set_source(t, &a->flow, 32 * words, words);
	else
		set_source(t, &a->src_net, a->src_len, words);
	t->src_port = src->lo;
	t->src_ports = src->hi - src->lo + 1U;
	t->dst_port = a->dst_port.lo;
	t->dst_ports = a->dst_port.hi - a->dst_port.lo + 1U;
	t->seq = t->kind == KIND_INFLOW ? seq : 0;
	t->seq_mask = t->kind == KIND_INFLOW ? 0xffff : 0xffffffff;
	t->ack_mask = flags[t->kind] & TH_ACK ? 0xffffffff : 0;
}

static void build(struct flood_template *t, enum flood_kind kind, const struct layout *l,
		  const struct args *a, const struct target *to)
{
	size_t ip_len = a->family == AF_INET6 ? sizeof(struct ip6_hdr) : sizeof(struct ip);
	size_t addr_len = a->family == AF_INET6 ? 16 : 4, link, n;
	unsigned char *frame = (unsigned char *)t->word;
	uint64_t sum;

	link = put_link(frame, a, to);
	n = put_tcp(frame + link + ip_len, kind, a, l);
	if (a->family == AF_INET6)
		put_ip6(frame + link, a, l, n);
	else
		put_ip4(t, frame + link, a, l, n);
	sum = weir_csum_bytes(&a->dst, addr_len, weir_csum_proto((uint32_t)n));
	t->tcp_sum = weir_csum_fold(weir_csum_bytes(frame + link + ip_len, n, sum));
	t->kind = kind;
	t->len = (uint32_t)(link + ip_len + n);
	memcpy(&t->tail, frame + t->len - 8, 8);
	set_draws(t, a, a->seq);
}

/*
 * Spreads the templates over the slots by their shares, each as evenly as can be: a
 * slot goes to whoever is furthest behind what is due to it.
 */
static void set_slots(struct flood_config *cfg, const double *share, unsigned int n)
{
	double behind[FLOOD_TEMPLATES] = {0}, sum = 0;
	unsigned int i, slot, next;

	for (i = 0; i < n; i++)
		sum += share[i];
	for (slot = 0; slot < FLOOD_SLOTS; slot++) {
		next = 0;
		for (i = 0; i < n; i++) {
			behind[i] += share[i] / sum;
			if (behind[i] > behind[next])
				next = i;
		}
		behind[next] -= 1;
		cfg->slot[slot] = (unsigned char)next;
	}
}

/* A group of frames at no more than twice the rate, and no slower than a million a second. */
static uint32_t gap_ns(uint64_t rate)
{
	uint64_t gap = rate ? 1000000000 / (2 * rate) : 0;

	return FLOOD_GROUP * (gap < 1000 ? (uint32_t)gap : 1000);
}

void flood_build(const struct args *a, const struct target *t, struct flood_config *cfg)
{
	double share[FLOOD_TEMPLATES];
	unsigned int n = 0, k, l;

	memset(cfg, 0, sizeof(*cfg));
	for (k = 0; k < KINDS; k++) {
		for (l = 0; l < LAYOUTS; l++) {
			if (!a->kinds.share[k] || !a->layouts.share[l])
				continue;
			build(&cfg->tpl[n], k, &layouts[l], a, t);
			share[n++] = (double)a->kinds.share[k] * a->layouts.share[l];
		}
	}
	set_slots(cfg, share, n);
	cfg->len = cfg->tpl[0].len;
	cfg->l3_off = ETHER_HDR_LEN + 4 * a->vlans;
	cfg->ipv6 = a->family == AF_INET6;
	cfg->ifindex = (uint32_t)t->ifindex;
	cfg->gap_ns = a->bursts ? 0 : gap_ns(a->rate);
}
