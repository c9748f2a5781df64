/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routes and neighbours as the kernel has them (rtnetlink): asked one by one, never
 * dumped, over a socket that stays open. Nothing is changed but that a neighbour is
 * looked for, as sending to it would have done.
 */
#ifndef WEIR_CONTROL_ROUTE_H
#define WEIR_CONTROL_ROUTE_H

#include <stdint.h>

#include <weir/weir.h>

struct route_nl {
	int fd;
	uint32_t seq;
};

struct route {
	struct weir_addr src;	   /* what the route prefers, or what was asked for */
	struct weir_addr next_hop; /* on the link: a gateway, or the peer itself */
	uint32_t mtu;		   /* 0: the device's */
};

int route_open(struct route_nl *nl);
void route_close(struct route_nl *nl);

/*
 * The way to `dst` through this interface; `src` NULL: whatever the route prefers. 0,
 * -ENETUNREACH (none, or not through it), -EHOSTUNREACH, -EACCES (as the route says),
 * -EADDRNOTAVAIL (`src` is not ours), -errno.
 */
int route_get(struct route_nl *nl, unsigned ifindex, const struct weir_addr *dst,
	      const struct weir_addr *src, struct route *r);

enum neigh_state {
	NEIGH_NONE,    /* not known: neigh_use() has it looked for */
	NEIGH_PENDING, /* being looked for */
	NEIGH_FAILED,  /* nobody has answered */
	NEIGH_STALE,   /* mac is filled in; to be confirmed by neigh_use() */
	NEIGH_GOOD,
};

/* An enum neigh_state, or -errno. */
int neigh_get(struct route_nl *nl, unsigned ifindex, const struct weir_addr *a, uint8_t mac[6]);
int neigh_use(struct route_nl *nl, unsigned ifindex, const struct weir_addr *a);

#endif
