/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "proxy/pp2.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define VERSION	    0x20
#define CMD_LOCAL   0x0
#define CMD_PROXY   0x1
#define UNSPEC	    0x00
#define TCP_OVER_V4 0x11
#define TCP_OVER_V6 0x21
#define HEAD	    16

static uint8_t *put16(uint8_t *p, uint16_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static void head(uint8_t *out, uint8_t command, uint8_t family, size_t len)
{
	memcpy(out, signature, sizeof(signature));
	out[12] = VERSION | command;
	out[13] = family;
	put16(out + 14, (uint16_t)len);
}

size_t pp2_header(uint8_t *out, size_t cap, const struct weir_addr *src,
		  const struct weir_addr *dst)
{
	size_t alen, len;
	uint8_t *p;

	if (!src) {
		if (cap < HEAD)
			return 0;
		head(out, CMD_LOCAL, UNSPEC, 0);
		return HEAD;
	}
	if (src->family != dst->family || (src->family != 4 && src->family != 6))
		return 0;
	alen = src->family == 4 ? 4 : 16;
	len = 2 * alen + 4;
	if (cap < HEAD + len)
		return 0;
	head(out, CMD_PROXY, src->family == 4 ? TCP_OVER_V4 : TCP_OVER_V6, len);
	p = out + HEAD;
	memcpy(p, src->addr, alen);
	memcpy(p + alen, dst->addr, alen);
	p = put16(p + 2 * alen, src->port);
	put16(p, dst->port);
	return HEAD + len;
}
