/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel says about a network interface, as far as attaching the gate
 * to it depends on it; nothing here changes anything.
 */
#ifndef WEIR_CONTROL_NETIF_H
#define WEIR_CONTROL_NETIF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/weir.h>
#include "control/err.h"

struct netif {
	char name[IFNAMSIZ];
	char driver[32]; /* "" when the device does not say */
	unsigned ifindex;
	unsigned mtu;
	unsigned rx_queues;
	uint8_t mac[6];
	bool up;
	bool carrier; /* up, and so is what it leads to */
	bool loopback;
	bool ethernet;
	bool vlan_offload; /* the device strips VLAN tags before the gate sees them */
	bool csum_offload; /* checksums of what is sent are left to the device */
};

/* Fills *n; an interface that is missing or no good for the gate is an error. */
int netif_query(struct netif *n, const char *name, struct weir_err *err);

#define NETIF_MTU_MIN 576 /* that the gate serves */

/*
 * What may have changed since: takes over name, MTU, address, state and the number of RX
 * queues, whatever they are. NETIF_NEW_* of what did, 0, or -errno; -ENODEV: it is not in
 * this namespace any more.
 */
#define NETIF_NEW_MTU	 1
#define NETIF_NEW_MAC	 2
#define NETIF_NEW_LINK	 4
#define NETIF_NEW_NAME	 8
#define NETIF_NEW_QUEUES 16
int netif_refresh(struct netif *n);

/* Asks the driver (SIOCETHTOOL): `cmd` is one of <linux/ethtool.h>. 0 or -errno. */
int netif_ethtool(const char *name, void *cmd);

/* Whether `a` is one of the interface's addresses. 1, 0, or -errno. */
int netif_has_addr(const struct netif *n, const struct weir_addr *a);
/* The same for many: all of its addresses, to be asked and freed. 0 or -errno. */
struct netif_addrs {
	struct weir_addr *v; /* in order, ports 0 */
	size_t n, room;
};
int netif_addrs_get(const struct netif *n, struct netif_addrs *all);
bool netif_addrs_have(const struct netif_addrs *all, const struct weir_addr *a);

/*
 * Native XDP_TX on a veth reaches its peer only when the peer has an XDP
 * program of its own.
 */
enum veth_peer {
	VETH_NOT,	   /* not a veth */
	VETH_PEER_XDP,	   /* the peer has a program: native works */
	VETH_PEER_BARE,	   /* it has none */
	VETH_PEER_UNKNOWN, /* the peer's namespace cannot be asked */
};
enum veth_peer netif_veth_peer(const struct netif *n);

#endif
