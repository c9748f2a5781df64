// SPDX-License-Identifier: BSD-2-Clause
/* Where the flood goes: the interface, the neighbour's MAC address. */
#include "flood.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static size_t addr_len(const struct args *a)
{
	return a->family == AF_INET ? 4 : 16;
}

/* Any datagram makes the kernel ask for the neighbour; the discard port will do. */
static void provoke(const struct args *a, int ifindex)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(9),
				    .sin6_addr = a->dst,
				    .sin6_scope_id = (uint32_t)ifindex};
	int fd = socket(a->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return;
	memcpy(&sin.sin_addr, &a->dst, 4);
	/* An answer of any kind is not wanted, and a failure shows in the table. */
	if (a->family == AF_INET)
		n = sendto(fd, "", 0, 0, (struct sockaddr *)&sin, sizeof(sin));
	else
		n = sendto(fd, "", 0, 0, (struct sockaddr *)&sin6, sizeof(sin6));
	(void)n;
	close(fd);
}

/* Is this entry our destination, with an address that can be used? Then copies it. */
static bool match_neighbour(struct nlmsghdr *h, const struct args *a, int ifindex,
			    unsigned char *mac)
{
	const int usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	struct ndmsg *nd = NLMSG_DATA(h);
	const void *lladdr = NULL;
	bool ours = false;
	struct rtattr *rta;
	int left;

	if (h->nlmsg_type != RTM_NEWNEIGH || h->nlmsg_len < NLMSG_LENGTH(sizeof(*nd)) ||
	    nd->ndm_ifindex != ifindex || !(nd->ndm_state & usable))
		return false;
	rta = (struct rtattr *)((char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*nd)));
	for (; RTA_OK(rta, left); rta = RTA_NEXT(rta, left)) {
		if (rta->rta_type == NDA_DST && RTA_PAYLOAD(rta) == addr_len(a))
			ours = !memcmp(RTA_DATA(rta), &a->dst, addr_len(a));
		else if (rta->rta_type == NDA_LLADDR && RTA_PAYLOAD(rta) == 6)
			lladdr = RTA_DATA(rta);
	}
	if (!ours || !lladdr)
		return false;
	memcpy(mac, lladdr, 6);
	return true;
}

static int find_neighbour(const struct args *a, int ifindex, unsigned char *mac)
{
	struct {
		struct nlmsghdr h;
		struct ndmsg nd;
	} req = {.h = {.nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_GETNEIGH,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		 .nd = {.ndm_family = (unsigned char)a->family}};
	_Alignas(struct nlmsghdr) char buf[16384];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *h;
	int err = -ENOENT;
	ssize_t got;
	size_t at;

	if (fd < 0)
		return -errno;
	if (send(fd, &req, sizeof(req), 0) < 0) {
		err = -errno;
		goto out;
	}
	while ((got = recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (at = 0; at + sizeof(*h) <= (size_t)got; at += NLMSG_ALIGN(h->nlmsg_len)) {
			h = (struct nlmsghdr *)(buf + at);
			if (h->nlmsg_len < sizeof(*h) || h->nlmsg_type == NLMSG_DONE ||
			    h->nlmsg_type == NLMSG_ERROR)
				goto out;
			if (match_neighbour(h, a, ifindex, mac)) {
				err = 0;
				goto out;
			}
		}
	}
	if (got < 0)
		err = -errno;
out:
	close(fd);
	return err;
}

static int resolve_mac(const struct args *a, int ifindex, unsigned char *mac)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int tries;

	if (a->have_dst_mac) {
		memcpy(mac, a->dst_mac, 6);
		return 0;
	}
	for (tries = 0; tries < 200; tries++) {
		if (!find_neighbour(a, ifindex, mac))
			return 0;
		if (tries % 50 == 0)
			provoke(a, ifindex);
		nanosleep(&pause, NULL);
	}
	return -EHOSTUNREACH;
}

int target_resolve(const struct args *a, struct target *t, const char **why)
{
	struct ifreq ifr = {0};
	int fd, err = 0;

	t->ifindex = (int)if_nametoindex(a->ifname);
	if (!t->ifindex) {
		*why = "no such interface";
		return -ENODEV;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, a->ifname, sizeof(ifr.ifr_name));
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		err = -errno;
	close(fd);
	if (err)
		return err;
	memcpy(t->src_mac, ifr.ifr_hwaddr.sa_data, sizeof(t->src_mac));
	err = resolve_mac(a, t->ifindex, t->dst_mac);
	if (err)
		*why = "the destination does not answer for its MAC address on this interface;"
		       " is it up and on the same link? (else say --dst-mac)";
	return err;
}

uint32_t target_tx_dropped(const struct args *a)
{
	const struct rtnl_link_stats *stats;
	struct ifaddrs *list, *i;
	uint32_t n = 0;

	if (getifaddrs(&list))
		return 0;
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET || !i->ifa_data ||
		    strcmp(i->ifa_name, a->ifname) != 0)
			continue;
		stats = i->ifa_data;
		n = stats->tx_dropped;
	}
	freeifaddrs(list);
	return n;
}
