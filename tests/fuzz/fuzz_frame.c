/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame as it comes from the wire: include/weir/packet.h, what a worker reads of
 * it, and its TCP header. The frame lies at the end of its own allocation, so that
 * a byte too far is seen; what is parsed must lie within, and the two parsers of the
 * header, the packet view's and the core's, must agree. Since fuzzers do not guess
 * checksums, a second round mends them. ICMP errors (include/weir/icmp.h) likewise.
 */
#include "fuzz.h"

#include <errno.h>

#include <weir/icmp.h>
#include "engine/frame.h"

static void check_view(const struct weir_pkt *v, size_t len)
{
	REQUIRE(v->l3_off >= WEIR_ETH_HLEN && v->l3_off < v->l4_off);
	REQUIRE(v->l4_off + 20 <= v->payload_off);
	REQUIRE(v->payload_off + v->payload_len == v->end && v->end <= len);
	REQUIRE(v->payload_off == v->l4_off + v->tcp_hlen);
	REQUIRE(v->have == (WEIR_HAVE_ADDR | WEIR_HAVE_PORTS));
	REQUIRE(v->family == 4 || v->family == 6);
	REQUIRE(!v->fragment && v->vlans <= 2 && v->proto == WEIR_PROTO_TCP);
}

static void check_packet(const struct rx_pkt *p)
{
	const struct weir_pkt *v = &p->v;
	const struct tcp_seg *s = &p->seg;
	uint8_t out[FRAME_HDRS_MAX + 64];
	struct l2 l2;

	check_view(v, p->len);
	REQUIRE(s->seq == v->seq && s->ack == v->ack && s->flags == v->flags);
	REQUIRE(s->wnd == v->wnd && s->urg == v->urg && s->len == v->payload_len);
	REQUIRE(s->payload == p->data + v->payload_off);
	REQUIRE(s->sport == weir_ntohs(v->tuple.rport) && s->dport == weir_ntohs(v->tuple.lport));
	REQUIRE(s->nsack <= TCP_MAX_SACK);
	REQUIRE(s->wscale <= 14 || s->wscale == WEIR_WSCALE_NONE);
	/* The answer's headers: parsed again they are the reverse. */
	l2_reply(&l2, p);
	REQUIRE(l2.len <= L2_MAX);
	REQUIRE(frame_headers(out, &l2, &v->tuple, 20, 0) <= sizeof(out));
}

static void fix_checksums(uint8_t *frame, const struct weir_pkt *v)
{
	uint64_t sum;

	if (v->family == 4) {
		weir_store16(frame + v->l3_off + 10, 0);
		sum = weir_csum_bytes(frame + v->l3_off, (frame[v->l3_off] & 15) * 4u, 0);
		weir_store16(frame + v->l3_off + 10, (__u16)~weir_csum_fold(sum));
	}
	weir_store16(frame + v->l4_off + 16, 0);
	sum = weir_csum_addr(&v->tuple, v->family) + weir_csum_proto(v->end - v->l4_off);
	sum = weir_csum_bytes(frame + v->l4_off, v->end - v->l4_off, sum);
	weir_store16(frame + v->l4_off + 16, (__u16)~weir_csum_fold(sum));
}

static void check_options(const uint8_t *frame, const struct weir_pkt *v)
{
	struct tcp_seg s;

	if (tcp_seg_parse(&s, frame + v->l4_off, v->end - v->l4_off))
		abort(); /* the view has accepted that header */
}

static void check_icmp(uint8_t *frame, size_t len, const struct weir_pkt *v)
{
	struct weir_icmp m;
	uint64_t sum = 0;

	if (v->l4_off && v->l4_off + 8 <= v->end && v->end <= len) {
		uint32_t n = v->end - v->l4_off;

		if (v->family == 6)
			sum = weir_csum_addr(&v->tuple, 6) + weir_htonl(n) +
			      weir_htonl(WEIR_PROTO_ICMPV6);
		weir_store16(frame + v->l4_off + 2, 0);
		sum = weir_csum_bytes(frame + v->l4_off, n, sum);
		weir_store16(frame + v->l4_off + 2, (__u16)~weir_csum_fold(sum));
	}
	if (!weir_icmp_parse(frame, len, v, &m))
		return;
	REQUIRE(m.kind > WEIR_ICMP_NONE && m.kind <= WEIR_ICMP_SOFT);
	REQUIRE(m.family == v->family && weir_icmp_errno(&m) > 0);
	/* It is about a segment that was sent from where it went to. */
	REQUIRE(!memcmp(m.tuple.laddr, v->tuple.laddr, sizeof(m.tuple.laddr)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *frame = malloc(len ? len : 1);
	struct weir_pkt v;
	struct rx_pkt p;
	int outcome;

	REQUIRE(frame);
	memcpy(frame, data, len);
	outcome = weir_pkt_parse(frame, len, &v);
	if (outcome == WEIR_PKT_NOT_TCP) {
		check_icmp(frame, len, &v);
		memcpy(frame, data, len);
	}
	if (outcome == WEIR_PKT_OK) {
		check_view(&v, len);
		check_options(frame, &v);
		fix_checksums(frame, &v);
		/* What is whole and summed right is refused for its addresses alone. */
		outcome = rx_pkt_parse(&p, frame, (uint32_t)len, false);
		REQUIRE(!outcome || outcome == WEIR_C_drop_frame_malformed);
		if (outcome)
			REQUIRE(frame[0] & 1 || (v.family == 6 && weir_tuple_is_v4(&v.tuple)));
		else
			check_packet(&p);
		memcpy(frame, data, len);
	}
	if (!rx_pkt_parse(&p, frame, (uint32_t)len, true))
		check_packet(&p);
	free(frame);
	return 0;
}
