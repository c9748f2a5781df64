// SPDX-License-Identifier: BSD-2-Clause
/* The template frame: Ethernet, IPv4 or IPv6, TCP, with everything that varies zero. */
#include "flood.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

/* One's complement sum of 16-bit words as they lie in memory; n is even here. */
static uint32_t sum16(uint32_t sum, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint16_t w;

	for (; n >= 2; n -= 2, b += 2) {
		memcpy(&w, b, 2);
		sum += w;
	}
	return sum;
}

/* In the order Linux writes them: MSS, SACK permitted, timestamps, NOP, window scale 7. */
static size_t syn_options(unsigned char *o, const struct args *a)
{
	static const unsigned char tail[] = {1, 3, 3, 7};
	uint16_t mss = htons(a->family == AF_INET ? 1460 : 1440);

	o[0] = TCPOPT_MAXSEG;
	o[1] = TCPOLEN_MAXSEG;
	memcpy(o + 2, &mss, sizeof(mss));
	o[4] = TCPOPT_SACK_PERMITTED;
	o[5] = TCPOLEN_SACK_PERMITTED;
	o[6] = TCPOPT_TIMESTAMP;
	o[7] = TCPOLEN_TIMESTAMP;
	memset(o + 8, 0x5a, 4);
	memset(o + 12, 0, 4);
	memcpy(o + 16, tail, sizeof(tail));
	return 20;
}

static size_t ack_options(unsigned char *o)
{
	o[0] = o[1] = TCPOPT_NOP;
	o[2] = TCPOPT_TIMESTAMP;
	o[3] = TCPOLEN_TIMESTAMP;
	memset(o + 4, 0x5a, 8);
	return 12;
}

static size_t build_tcp(unsigned char *at, const struct args *a)
{
	struct tcphdr tcp = {0};
	size_t n = sizeof(tcp);

	if (!a->plain_options)
		n += a->ack ? ack_options(at + n) : syn_options(at + n, a);
	tcp.th_dport = htons(a->port);
	tcp.th_off = (n / 4) & 0xf;
	tcp.th_flags = a->ack ? TH_ACK : TH_SYN;
	tcp.th_win = htons(64240);
	memcpy(at, &tcp, sizeof(tcp));
	return n;
}

static void build4(const struct args *a, struct flood_config *cfg, unsigned char *at, size_t n)
{
	struct ip ip = {0};
	uint32_t sum;

	ip.ip_v = 4;
	ip.ip_hl = 5;
	ip.ip_len = htons((uint16_t)(sizeof(ip) + n));
	ip.ip_off = htons(IP_DF);
	ip.ip_ttl = 64;
	ip.ip_p = IPPROTO_TCP;
	memcpy(&ip.ip_dst, &a->dst, 4);
	memcpy(at, &ip, sizeof(ip));
	cfg->ip_sum = sum16(0, at, sizeof(ip));
	sum = sum16(0, &ip.ip_dst, 4) + htons(IPPROTO_TCP) + htons((uint16_t)n);
	cfg->tcp_sum = sum16(sum, at + sizeof(ip), n);
	cfg->host_mask = htonl(a->src_len == 32 ? 0 : 0xffffffffU >> a->src_len);
	memcpy(cfg->src_net, &a->src_net, 4);
	cfg->src_net[0] &= ~cfg->host_mask;
}

static void build6(const struct args *a, struct flood_config *cfg, unsigned char *at, size_t n)
{
	struct ip6_hdr ip6 = {0};
	uint32_t sum;

	ip6.ip6_vfc = 6 << 4;
	ip6.ip6_plen = htons((uint16_t)n);
	ip6.ip6_nxt = IPPROTO_TCP;
	ip6.ip6_hlim = 64;
	ip6.ip6_dst = a->dst;
	memcpy(at, &ip6, sizeof(ip6));
	sum = sum16(0, &ip6.ip6_dst, 16) + htons(IPPROTO_TCP) + htons((uint16_t)n);
	cfg->tcp_sum = sum16(sum, at + sizeof(ip6), n);
	cfg->ipv6 = 1;
	memcpy(cfg->src_net, &a->src_net, 8);
}

/* Bursts at no more than twice the rate; below 100 ns looking at the clock is too dear. */
static uint32_t gap_ns(uint64_t rate)
{
	uint64_t gap = 1000000000 / (2 * rate);

	if (gap < 100)
		return 0;
	return gap < 1000 ? (uint32_t)gap : 1000;
}

void frame_build(const struct args *a, const struct target *t, struct flood_config *cfg)
{
	bool v6 = a->family == AF_INET6;
	size_t ip_len = v6 ? sizeof(struct ip6_hdr) : sizeof(struct ip);
	struct ether_header eth;
	unsigned char *ip;
	size_t n;

	memset(cfg, 0, sizeof(*cfg));
	memcpy(eth.ether_dhost, t->dst_mac, sizeof(eth.ether_dhost));
	memcpy(eth.ether_shost, t->src_mac, sizeof(eth.ether_shost));
	eth.ether_type = htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	memcpy(cfg->frame, &eth, sizeof(eth));
	ip = cfg->frame + sizeof(eth);
	n = build_tcp(ip + ip_len, a);
	if (v6)
		build6(a, cfg, ip, n);
	else
		build4(a, cfg, ip, n);
	cfg->len = (uint32_t)(sizeof(eth) + ip_len + n);
	cfg->ifindex = (uint32_t)t->ifindex;
	cfg->ack = a->ack;
	cfg->gap_ns = gap_ns(a->rate);
}
