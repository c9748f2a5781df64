/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/frame.h"

#include <string.h>

static enum weir_csum checksum(const struct rx_pkt *p)
{
	/* The gate looks at the IP header only where it answers. */
	if (!weir_csum_ip_ok(p->data, &p->v))
		return WEIR_CSUM_BAD;
	return weir_csum_tcp(p->data, &p->v);
}

int rx_pkt_parse(struct rx_pkt *p, const uint8_t *data, uint32_t len, bool accept_partial)
{
	p->data = data;
	p->len = len;
	if (weir_pkt_parse(data, len, &p->v) != WEIR_PKT_OK)
		return WEIR_C_drop_frame_malformed;
	/* An IPv4-mapped address in an IPv6 header would be taken for IPv4 (RFC 4942 2.2). */
	if (p->v.family == 6 && weir_tuple_is_v4(&p->v.tuple))
		return WEIR_C_drop_frame_malformed;
	if (data[0] & 1) /* to a group: RFC 1122 4.2.3.10 */
		return WEIR_C_drop_frame_malformed;
	switch (checksum(p)) {
	case WEIR_CSUM_GOOD:
		break;
	case WEIR_CSUM_PARTIAL:
		if (!accept_partial)
			return WEIR_C_drop_frame_partial_csum;
		break;
	case WEIR_CSUM_BAD:
		return WEIR_C_drop_frame_csum;
	}
	if (tcp_seg_parse(&p->seg, data + p->v.l4_off, p->v.end - p->v.l4_off))
		return WEIR_C_drop_frame_malformed;
	p->seg.ip_ecn = p->v.ip_ecn;
	return 0;
}

void l2_reply(struct l2 *l2, const struct rx_pkt *p)
{
	l2->len = (uint8_t)p->v.l3_off;
	memcpy(l2->hdr, p->data + 6, 6);
	memcpy(l2->hdr + 6, p->data, 6);
	memcpy(l2->hdr + 12, p->data + 12, l2->len - 14);
}

bool l2_same(const struct l2 *a, const struct l2 *b)
{
	return a->len == b->len && !memcmp(a->hdr, b->hdr, a->len - 2);
}

static void ip4_header(uint8_t *ip, const weir_tuple *t, size_t seg_len, uint8_t ecn)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = ecn;
	weir_store16(ip + 2, weir_htons(20 + seg_len));
	ip[6] = 0x40; /* DF */
	ip[8] = FRAME_TTL;
	ip[9] = WEIR_PROTO_TCP;
	weir_store32(ip + 12, t->laddr[3]);
	weir_store32(ip + 16, t->raddr[3]);
	weir_store16(ip + 10, (__u16)~weir_csum_fold(weir_csum_bytes(ip, 20, 0)));
}

static void ip6_header(uint8_t *ip, const weir_tuple *t, size_t seg_len, uint8_t ecn)
{
	ip[0] = 0x60;
	ip[1] = (uint8_t)(ecn << 4);
	ip[2] = ip[3] = 0;
	weir_store16(ip + 4, weir_htons(seg_len));
	ip[6] = WEIR_PROTO_TCP;
	ip[7] = FRAME_TTL;
	memcpy(ip + 8, t->laddr, 16);
	memcpy(ip + 24, t->raddr, 16);
}

size_t frame_headers(uint8_t *buf, const struct l2 *l2, const weir_tuple *t, size_t seg_len,
		     uint8_t ecn)
{
	bool v4 = weir_tuple_is_v4(t);

	memcpy(buf, l2->hdr, l2->len - 2);
	weir_store16(buf + l2->len - 2, weir_htons(v4 ? WEIR_ETH_P_IP : WEIR_ETH_P_IPV6));
	if (v4)
		ip4_header(buf + l2->len, t, seg_len, ecn);
	else
		ip6_header(buf + l2->len, t, seg_len, ecn);
	return l2->len + frame_ip_len(t) + seg_len;
}
