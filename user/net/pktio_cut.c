/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/pktio_cut.h"

#include <string.h>

#include <weir/packet.h>

#define TCP_SEQ	  4
#define TCP_FLAGS 13
#define TCP_CSUM  16
#define FIN_PSH	  0x09

static void copy_payload(const struct pktio_burst *b, size_t from, uint8_t *to, size_t len)
{
	for (unsigned i = 0; i < b->n && len; i++) {
		size_t skip = from < b->piece[i].len ? from : b->piece[i].len;
		size_t n = b->piece[i].len - skip < len ? b->piece[i].len - skip : len;

		memcpy(to, b->piece[i].p + skip, n);
		from -= skip;
		to += n;
		len -= n;
	}
}

/* Returns the sum of the pseudo-header. */
static uint64_t fix_ip(uint8_t *ip, size_t ip_len, size_t tcp_len, unsigned i)
{
	uint64_t sum = weir_htons((uint16_t)tcp_len) + weir_htons(WEIR_PROTO_TCP);

	if (ip[0] >> 4 == 6) {
		weir_store16(ip + 4, weir_htons((uint16_t)(ip_len - 40 + tcp_len)));
		return weir_csum_bytes(ip + 8, 32, sum);
	}
	weir_store16(ip + 2, weir_htons((uint16_t)(ip_len + tcp_len)));
	weir_store16(ip + 4, weir_htons((uint16_t)i)); /* as the kernel counts them */
	weir_store16(ip + 10, 0);
	weir_store16(ip + 10, (uint16_t)~weir_csum_fold(weir_csum_bytes(ip, ip_len, 0)));
	return weir_csum_bytes(ip + 12, 8, sum);
}

size_t pktio_cut(const struct pktio_burst *b, unsigned i, uint8_t *frame)
{
	size_t from = (size_t)i * b->cut, left = b->len - from;
	size_t len = left < b->cut ? left : b->cut, head = b->hdr_len - b->l4_off;
	uint8_t *tcp = frame + b->l4_off;
	uint64_t sum;

	memcpy(frame, b->hdr, b->hdr_len);
	copy_payload(b, from, frame + b->hdr_len, len);
	weir_store32(tcp + TCP_SEQ,
		     weir_htonl(weir_ntohl(weir_load32(tcp + TCP_SEQ)) + (uint32_t)from));
	if (len < left)
		tcp[TCP_FLAGS] &= (uint8_t)~FIN_PSH;
	sum = fix_ip(frame + b->l3_off, b->l4_off - b->l3_off, head + len, i);
	weir_store16(tcp + TCP_CSUM, 0);
	sum = weir_csum_bytes(tcp, head + len, sum);
	weir_store16(tcp + TCP_CSUM, (uint16_t)~weir_csum_fold(sum));
	return b->hdr_len + len;
}
