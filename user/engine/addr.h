/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of either family, compared and put into tuples. */
#ifndef WEIR_ENGINE_ADDR_H
#define WEIR_ENGINE_ADDR_H

#include <stdbool.h>
#include <string.h>

#include <weir/seq.h>
#include <weir/weir.h>

static inline size_t addr_len(const struct weir_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

/* 0.0.0.0, or ::. */
static inline bool addr_is_any(const struct weir_addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->addr, zero, addr_len(a));
}

/* Whatever their ports. */
static inline bool addr_same_host(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, addr_len(a));
}

/* In 16 bytes, IPv4 as ::ffff:a.b.c.d: as tuples and the gate's services have it. */
static inline void addr_mapped(__be32 out[4], const struct weir_addr *a)
{
	memset(out, 0, 16);
	if (a->family == 4) {
		out[2] = weir_htonl(0xffff);
		memcpy(&out[3], a->addr, 4);
	} else {
		memcpy(out, a->addr, 16);
	}
}

#endif
