/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of rtnetlink as it takes to look at an interface. Read only. */
#ifndef WEIR_CONTROL_RTNL_H
#define WEIR_CONTROL_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define RTNL_THIS_NETNS (-1)

struct rtnl_link {
	char name[IFNAMSIZ];
	unsigned ifindex;
	unsigned flags; /* IFF_* */
	uint16_t type;	/* ARPHRD_* */
	uint32_t mtu, rx_queues;
	uint8_t mac[6];
	char kind[16];	       /* "veth"; "" for hardware */
	unsigned peer_ifindex; /* IFLA_LINK, 0: none */
	int peer_nsid;	       /* RTNL_THIS_NETNS: not in another one */
	uint8_t xdp_attached;  /* XDP_ATTACHED_* */
	uint32_t xdp_prog;     /* its id where there is one */
};

/* By name, or by index where name is NULL. 0, -ENODEV, -errno. */
int rtnl_link_get(struct rtnl_link *l, const char *name, unsigned ifindex, int nsid);

/* Calls fn with every address of the interface until it returns non-zero; returns that. */
int rtnl_addrs(unsigned ifindex, int (*fn)(int family, const uint8_t *addr, void *arg), void *arg);

#endif
