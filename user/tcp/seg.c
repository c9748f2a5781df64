/* SPDX-License-Identifier: BSD-2-Clause */
/* An arriving header, parsed: RFC 9293 3.1, options of RFC 7323 and 2018. */
#include <errno.h>
#include <string.h>

#include "tcp/tcp_conn.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8
};

static uint16_t get16(const uint8_t *p)
{
	return weir_ntohs(weir_load16(p));
}

static uint32_t get32(const uint8_t *p)
{
	return weir_ntohl(weir_load32(p));
}

static void sack_blocks(struct tcp_seg *seg, const uint8_t *p, size_t n)
{
	for (; n >= 8 && seg->nsack < TCP_MAX_SACK; p += 8, n -= 8) {
		seg->sack[seg->nsack].start = get32(p);
		seg->sack[seg->nsack].end = get32(p + 4);
		seg->nsack++;
	}
}

/* One option of `len` bytes at `p`; a known kind of the wrong length is ignored. */
static void option(struct tcp_seg *seg, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case OPT_MSS:
		if (len == 4)
			seg->mss = get16(p + 2);
		break;
	case OPT_WSCALE:
		if (len == 3)
			seg->wscale = p[2] > 14 ? 14 : p[2]; /* RFC 7323 2.3 */
		break;
	case OPT_SACK_OK:
		if (len == 2)
			seg->sack_permitted = true;
		break;
	case OPT_SACK:
		if (len >= 10 && len % 8 == 2)
			sack_blocks(seg, p + 2, len - 2);
		break;
	case OPT_TS:
		if (len == 10) {
			seg->has_ts = true;
			seg->tsval = get32(p + 2);
			seg->tsecr = get32(p + 6);
		}
		break;
	}
}

int tcp_seg_parse(struct tcp_seg *seg, const uint8_t *tcp, size_t len)
{
	size_t header, at = 20;

	memset(seg, 0, sizeof(*seg));
	seg->wscale = WEIR_WSCALE_NONE;
	if (len < 20)
		return -EINVAL;
	header = (size_t)(tcp[12] >> 4) * 4;
	if (header < 20 || header > len)
		return -EINVAL;
	seg->sport = get16(tcp);
	seg->dport = get16(tcp + 2);
	seg->seq = get32(tcp + 4);
	seg->ack = get32(tcp + 8);
	seg->flags = tcp[13];
	seg->wnd = get16(tcp + 14);
	seg->urg = get16(tcp + 18);
	seg->payload = tcp + header;
	seg->len = (uint32_t)(len - header);
	while (at < header && tcp[at] != OPT_END) {
		size_t n;

		if (tcp[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= header)
			break;
		n = tcp[at + 1];
		if (n < 2 || at + n > header)
			break;
		option(seg, tcp + at, n);
		at += n;
	}
	return 0;
}
