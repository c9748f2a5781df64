/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/ethtool.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/abi.h>
#include "control/netif.h"
#include "control/rtnl.h"
#include "net/pktio_xsk.h"

int netif_ethtool(const char *name, void *cmd)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	ifr.ifr_data = cmd;
	rc = ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
	close(fd);
	return rc;
}

/*
 * The queues in use; rtnetlink knows only how many were allocated. A driver
 * counts a queue that both receives and sends as combined.
 */
static unsigned rx_queues(const char *name, unsigned allocated)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_rxnfc rings = {.cmd = ETHTOOL_GRXRINGS};

	if (!netif_ethtool(name, &ch) && ch.rx_count + ch.combined_count)
		return ch.rx_count + ch.combined_count;
	if (!netif_ethtool(name, &rings) && rings.data && rings.data <= allocated)
		return (unsigned)rings.data;
	return allocated ? allocated : 1;
}

static void ask_driver(struct netif *n)
{
	struct ethtool_drvinfo drv = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS}, csum = {.cmd = ETHTOOL_GTXCSUM};

	if (!netif_ethtool(n->name, &drv))
		snprintf(n->driver, sizeof(n->driver), "%.31s", drv.driver);
	n->csum_offload = netif_ethtool(n->name, &csum) || csum.data;
	n->vlan_offload = !netif_ethtool(n->name, &flags) && (flags.data & ETH_FLAG_RXVLAN);
}

static int judge(const struct netif *n, struct weir_err *err)
{
	if (n->loopback)
		return err_unsuited(err, -EOPNOTSUPP,
				    "%s: the loopback interface is not supported; use one that "
				    "leads to other hosts",
				    n->name);
	if (!n->ethernet)
		return err_unsuited(err, -EOPNOTSUPP, "%s: not an Ethernet interface", n->name);
	if (!n->up)
		return err_unsuited(err, -ENETDOWN,
				    "%s: the interface is down; `ip link set %s up` first", n->name,
				    n->name);
	if (n->mtu > PKTIO_XSK_MTU_MAX)
		return err_unsuited(err, -EMSGSIZE,
				    "%s: MTU %u does not fit one XDP buffer; at most %d: "
				    "`ip link set %s mtu ...`",
				    n->name, n->mtu, PKTIO_XSK_MTU_MAX, n->name);
	if (n->mtu < NETIF_MTU_MIN)
		return err_unsuited(err, -EMSGSIZE, "%s: MTU %u is too small (at least %d)",
				    n->name, n->mtu, NETIF_MTU_MIN);
	if (n->rx_queues > WEIR_MAX_QUEUES)
		return err_unsuited(err, -E2BIG,
				    "%s: %u RX queues, at most %d; `ethtool -L` makes it fewer",
				    n->name, n->rx_queues, WEIR_MAX_QUEUES);
	return 0;
}

static bool carrier(const struct rtnl_link *l)
{
	return (l->flags & IFF_UP) && (l->flags & IFF_RUNNING);
}

int netif_query(struct netif *n, const char *name, struct weir_err *err)
{
	struct rtnl_link l;
	int rc = -ENODEV;

	memset(n, 0, sizeof(*n));
	if (*name && strlen(name) < IFNAMSIZ)
		rc = rtnl_link_get(&l, name, 0, RTNL_THIS_NETNS);
	if (rc == -ENODEV || rc == -EINVAL)
		return err_unsuited(err, -ENODEV, "%s: no such interface", name);
	if (rc)
		return err_set(err, rc, "%s: cannot ask the kernel about it: %s", name,
			       strerror(-rc));
	memcpy(n->name, name, strlen(name));
	n->ifindex = l.ifindex;
	n->mtu = l.mtu;
	memcpy(n->mac, l.mac, sizeof(n->mac));
	n->up = l.flags & IFF_UP;
	n->carrier = carrier(&l);
	n->loopback = l.flags & IFF_LOOPBACK;
	n->ethernet = l.type == ARPHRD_ETHER;
	n->rx_queues = rx_queues(name, l.rx_queues);
	ask_driver(n);
	return judge(n, err);
}

int netif_refresh(struct netif *n)
{
	struct rtnl_link l;
	int rc = rtnl_link_get(&l, NULL, n->ifindex, RTNL_THIS_NETNS);
	unsigned queues;

	if (rc)
		return rc;
	queues = rx_queues(l.name, l.rx_queues); /* it may have been renamed */
	rc = (l.mtu != n->mtu ? NETIF_NEW_MTU : 0) |
	     (memcmp(l.mac, n->mac, sizeof(n->mac)) ? NETIF_NEW_MAC : 0) |
	     (carrier(&l) != n->carrier ? NETIF_NEW_LINK : 0) |
	     (strcmp(l.name, n->name) ? NETIF_NEW_NAME : 0) |
	     (queues != n->rx_queues ? NETIF_NEW_QUEUES : 0);
	memcpy(n->name, l.name, sizeof(n->name));
	n->up = l.flags & IFF_UP;
	n->carrier = carrier(&l);
	n->mtu = l.mtu;
	n->rx_queues = queues;
	memcpy(n->mac, l.mac, sizeof(n->mac));
	return rc;
}

static int match_addr(int family, const uint8_t *addr, void *arg)
{
	const struct weir_addr *a = arg;

	if (family == AF_INET)
		return a->family == 4 && !memcmp(addr, a->addr, 4);
	return a->family == 6 && !memcmp(addr, a->addr, 16);
}

int netif_has_addr(const struct netif *n, const struct weir_addr *a)
{
	struct weir_addr copy = *a;

	return rtnl_addrs(n->ifindex, match_addr, &copy);
}

static int collect(int family, const uint8_t *addr, void *arg)
{
	struct netif_addrs *all = arg;
	struct weir_addr *a;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 64;

		a = realloc(all->v, room * sizeof(*a));
		if (!a)
			return -ENOMEM;
		all->v = a;
		all->room = room;
	}
	a = &all->v[all->n++];
	memset(a, 0, sizeof(*a));
	a->family = family == AF_INET ? 4 : 6;
	memcpy(a->addr, addr, family == AF_INET ? 4 : 16);
	return 0;
}

static int in_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct weir_addr));
}

int netif_addrs_get(const struct netif *n, struct netif_addrs *all)
{
	int rc;

	memset(all, 0, sizeof(*all));
	rc = rtnl_addrs(n->ifindex, collect, all);
	if (rc) {
		free(all->v);
		return rc;
	}
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), in_order);
	return 0;
}

bool netif_addrs_have(const struct netif_addrs *all, const struct weir_addr *a)
{
	struct weir_addr key;

	memset(&key, 0, sizeof(key));
	key.family = a->family;
	memcpy(key.addr, a->addr, a->family == 4 ? 4 : 16);
	return all->n && bsearch(&key, all->v, all->n, sizeof(key), in_order);
}

enum veth_peer netif_veth_peer(const struct netif *n)
{
	struct rtnl_link own, peer;

	if (rtnl_link_get(&own, NULL, n->ifindex, RTNL_THIS_NETNS))
		return VETH_PEER_UNKNOWN;
	if (strcmp(own.kind, "veth"))
		return VETH_NOT;
	if (!own.peer_ifindex || rtnl_link_get(&peer, NULL, own.peer_ifindex, own.peer_nsid))
		return VETH_PEER_UNKNOWN;
	/* A generic program on the peer does not start the NAPI that would poll our frames. */
	return peer.xdp_attached == XDP_ATTACHED_DRV || peer.xdp_attached == XDP_ATTACHED_MULTI
		       ? VETH_PEER_XDP
		       : VETH_PEER_BARE;
}
