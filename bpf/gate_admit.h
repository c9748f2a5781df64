/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose frame it is, and what may not enter whatever it says (RFC 1122 4.2.3.10,
 * RFC 6890): group, loopback and absent addresses, our own as a source (LAND).
 */
#ifndef WEIR_GATE_ADMIT_H
#define WEIR_GATE_ADMIT_H

#include "gate.h"
#include "gate_count.h"
#include "gate_parse.h"

_Static_assert((WEIR_SERVICE_SLOTS & (WEIR_SERVICE_SLOTS - 1)) == 0, "the index is masked");
_Static_assert(WEIR_MAX_SERVICES <= WEIR_PORT_ID_MASK, "id + 1 is in a port's cell");

/* Addressed to this device? Asked for services that name no address. */
static __always_inline int gate_mac_is_ours(const struct gate *g)
{
	const void *data = gate_data(g);

	if (!weir_pkt_fits(data, WEIR_ETH_HLEN, gate_data_end(g)))
		return 0;
	return weir_load32(data) == *(const __u32 *)weir_cfg.mac &&
	       weir_load16(data + 4) == *(const __u16 *)(weir_cfg.mac + 4);
}

/*
 * A service's table entry; for the verifier the index is bounded once more. The compiler
 * must not see that it needs no bounding: it would leave that out, and 6.1's verifier does
 * not know that id - 1 is below the table's end when id is not 0.
 */
static __always_inline struct weir_service *gate_service(const struct gate *g)
{
	__u32 i = g->service;

	__asm__ volatile("" : "+r"(i));
	return &weir_services[i & (WEIR_SERVICE_SLOTS - 1)];
}

static __always_inline int gate_in_services(struct gate *g, __be16 port)
{
	struct weir_service_key key = {
		.addr = {g->pkt.tuple.laddr[0], g->pkt.tuple.laddr[1], g->pkt.tuple.laddr[2],
			 g->pkt.tuple.laddr[3]},
		.port = port,
	};
	__u32 *id = bpf_map_lookup_elem(&services, &key);

	if (!id || *id >= WEIR_MAX_SERVICES)
		return 0;
	g->service = *id;
	return !!gate_service(g)->in_use;
}

/* An address's own service comes before the port's. */
static __always_inline int gate_is_service(struct gate *g, __u32 port)
{
	__u32 id = port & WEIR_PORT_ID_MASK;

	if (port & WEIR_PORT_ADDRESSED && gate_in_services(g, g->pkt.tuple.lport))
		return 1;
	if (!id || id > WEIR_MAX_SERVICES)
		return 0;
	g->service = id - 1;
	return gate_service(g)->in_use && gate_mac_is_ours(g);
}

static __always_inline int gate_bad_addr4(__be32 addr)
{
	__u32 first = weir_ntohl(addr) >> 24;

	return first == 0 || first == 127 || first >> 4 == 14 || addr == 0xffffffff;
}

/* ff00::/8; ::/96 with :: and ::1; ::ffff:0:0/96, which no wire carries (RFC 6890). */
static __always_inline int gate_bad_addr6(const __be32 *a)
{
	if (weir_ntohl(a[0]) >> 24 == 0xff)
		return 1;
	return !(a[0] | a[1]) && (!a[2] || a[2] == weir_htonl(0xffff));
}

static __always_inline int gate_bad_addr(const __be32 *a, const int family)
{
	return family == 4 ? gate_bad_addr4(a[3]) : gate_bad_addr6(a);
}

static __always_inline int gate_is_land(const struct weir_flow_key6 *t, const int family)
{
	if (t->raddr[3] != t->laddr[3])
		return 0;
	return family == 4 || (t->raddr[0] == t->laddr[0] && t->raddr[1] == t->laddr[1] &&
			       t->raddr[2] == t->laddr[2]);
}

/*
 * Whether to look at IPv4 options, by the header's first byte: were it by l4_off, the
 * verifier would walk all that follows once for each.
 */
static __always_inline int gate_has_options(const struct gate *g)
{
	const void *ip = gate_data(g) + g->pkt.l3_off;

	return weir_pkt_fits(ip, 1, gate_data_end(g)) && *(const volatile __u8 *)ip != 0x45;
}

/* 0, or the counter to drop under. Of a flow, the worker looks. */
static __always_inline enum weir_counter gate_admit_options(const struct gate *g)
{
	if (!gate_has_options(g))
		return WEIR_C_NONE;
	switch (gate_ip4_options(g->ctx, g->pkt.l3_off + 20, g->pkt.l4_off - g->pkt.l3_off - 20)) {
	case WEIR_PKT_OK:
		return WEIR_C_NONE;
	case WEIR_PKT_ROUTED:
		return WEIR_C_drop_ip_routed;
	}
	return WEIR_C_drop_ip_header;
}

/* 0, or the counter to drop under. */
static __always_inline enum weir_counter gate_admit_addr(const struct gate *g, const int family)
{
	const struct weir_flow_key6 *t = &g->pkt.tuple;
	const __u8 *mac = gate_data(g);

	if (!weir_pkt_fits(mac, WEIR_ETH_HLEN, gate_data_end(g)))
		return WEIR_C_drop_ip_header;
	if (mac[0] & 1)
		return WEIR_C_drop_dst_mac;
	if (mac[6] & 1)
		return WEIR_C_drop_src_mac;
	if (gate_bad_addr(t->raddr, family))
		return WEIR_C_drop_src_addr;
	if (gate_bad_addr(t->laddr, family))
		return WEIR_C_drop_dst_addr;
	if (gate_is_land(t, family))
		return WEIR_C_drop_land;
	if (!t->rport)
		return WEIR_C_drop_port_zero;
	return WEIR_C_NONE;
}

#endif
