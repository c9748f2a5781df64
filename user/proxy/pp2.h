/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the PROXY protocol, version 2: what tells a backend whose bytes follow.
 *
 *     0         12        13       14      16
 *     signature  version  family   length  addresses: source, destination, their ports
 *                | command | proto
 */
#ifndef WEIR_PROXY_PP2_H
#define WEIR_PROXY_PP2_H

#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>

#define PP2_MAX 52 /* with IPv6 addresses */

/*
 * For a client's connection: TCP from src (the client) to dst (what it connected to). With
 * src NULL: LOCAL, a connection of our own, as a health check is. Bytes written, 0 when `cap`
 * does not hold them or the families differ.
 */
size_t pp2_header(uint8_t *out, size_t cap, const struct weir_addr *src,
		  const struct weir_addr *dst);

#endif
