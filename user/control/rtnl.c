/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/nlmsg.h"
#include "control/rtnl.h"

#define REPLY_MAX 32768

struct request {
	struct nlmsghdr nh;
	union {
		struct ifinfomsg ifi;
		struct ifaddrmsg ifa;
	};
	char attrs[128];
};

static void attr_str(char *buf, size_t size, const struct rtattr *a)
{
	size_t len = strnlen(RTA_DATA(a), RTA_PAYLOAD(a));

	if (len >= size)
		len = size - 1;
	memcpy(buf, RTA_DATA(a), len);
	buf[len] = '\0';
}

static void parse_nested(struct rtnl_link *l, const struct rtattr *outer)
{
	struct rtattr *a = RTA_DATA(outer);
	int len = (int)RTA_PAYLOAD(outer);

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		int type = a->rta_type & NLA_TYPE_MASK;

		if ((outer->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO) {
			if (type == IFLA_INFO_KIND)
				attr_str(l->kind, sizeof(l->kind), a);
		} else if (type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(a) >= 1) {
			l->xdp_attached = *(uint8_t *)RTA_DATA(a);
		} else if (type == IFLA_XDP_PROG_ID || type == IFLA_XDP_DRV_PROG_ID ||
			   type == IFLA_XDP_SKB_PROG_ID || type == IFLA_XDP_HW_PROG_ID) {
			l->xdp_prog = nlmsg_u32(a);
		}
	}
}

static void parse_link(struct rtnl_link *l, struct nlmsghdr *nh)
{
	struct ifinfomsg *ifi = NLMSG_DATA(nh);
	struct rtattr *a = IFLA_RTA(ifi);
	int len = (int)IFLA_PAYLOAD(nh);

	memset(l, 0, sizeof(*l));
	l->ifindex = (unsigned)ifi->ifi_index;
	l->flags = ifi->ifi_flags;
	l->type = ifi->ifi_type;
	l->peer_nsid = RTNL_THIS_NETNS;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			attr_str(l->name, sizeof(l->name), a);
			break;
		case IFLA_MTU:
			l->mtu = nlmsg_u32(a);
			break;
		case IFLA_NUM_RX_QUEUES:
			l->rx_queues = nlmsg_u32(a);
			break;
		case IFLA_ADDRESS:
			if (RTA_PAYLOAD(a) == sizeof(l->mac))
				memcpy(l->mac, RTA_DATA(a), sizeof(l->mac));
			break;
		case IFLA_LINK:
			l->peer_ifindex = nlmsg_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			l->peer_nsid = (int)nlmsg_u32(a);
			break;
		case IFLA_LINKINFO:
		case IFLA_XDP:
			parse_nested(l, a);
			break;
		}
	}
}

int rtnl_link_get(struct rtnl_link *l, const char *name, unsigned ifindex, int nsid)
{
	struct request req = {
		.nh = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST},
		.ifi = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex},
	};
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nh = (struct nlmsghdr *)buf;
	ssize_t n;
	int fd, rc;

	fd = nlmsg_open();
	if (fd < 0)
		return fd;
	if (name)
		nlmsg_put(&req.nh, IFLA_IFNAME, name, (uint16_t)(strlen(name) + 1));
	if (nsid != RTNL_THIS_NETNS)
		nlmsg_put(&req.nh, IFLA_TARGET_NETNSID, &nsid, sizeof(nsid));
	rc = -EIO;
	if (send(fd, &req, req.nh.nlmsg_len, 0) < 0 || (n = recv(fd, buf, sizeof(buf), 0)) < 0) {
		rc = -errno;
	} else if (NLMSG_OK(nh, (size_t)n) && nh->nlmsg_type == NLMSG_ERROR) {
		rc = ((struct nlmsgerr *)NLMSG_DATA(nh))->error;
		rc = rc ? rc : -EIO;
	} else if (NLMSG_OK(nh, (size_t)n) && nh->nlmsg_type == RTM_NEWLINK) {
		parse_link(l, nh);
		rc = 0;
	}
	close(fd);
	return rc;
}

static int parse_addr(struct nlmsghdr *nh, unsigned ifindex,
		      int (*fn)(int family, const uint8_t *addr, void *arg), void *arg)
{
	struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	size_t want = ifa->ifa_family == AF_INET6 ? 16 : 4;
	struct rtattr *a = IFA_RTA(ifa), *found = NULL;
	int len = (int)IFA_PAYLOAD(nh);

	if (ifa->ifa_index != ifindex)
		return 0;
	/* Of a point-to-point interface IFA_ADDRESS is the other end's. */
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !found))
			found = a;
	}
	if (!found || RTA_PAYLOAD(found) != want)
		return 0;
	return fn(ifa->ifa_family, RTA_DATA(found), arg);
}

int rtnl_addrs(unsigned ifindex, int (*fn)(int family, const uint8_t *addr, void *arg), void *arg)
{
	struct request req = {
		.nh = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
		       .nlmsg_type = RTM_GETADDR,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.ifa = {.ifa_family = AF_UNSPEC},
	};
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool more = true;
	int fd, rc = 0;

	fd = nlmsg_open();
	if (fd < 0)
		return fd;
	if (send(fd, &req, req.nh.nlmsg_len, 0) < 0) {
		rc = -errno;
		more = false;
	}
	while (more) {
		struct nlmsghdr *nh = (struct nlmsghdr *)buf;
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n <= 0) {
			rc = n < 0 ? -errno : -EIO;
			break;
		}
		for (; more && NLMSG_OK(nh, (size_t)n); nh = NLMSG_NEXT(nh, n)) {
			if (nh->nlmsg_type == RTM_NEWADDR)
				rc = parse_addr(nh, ifindex, fn, arg);
			else if (nh->nlmsg_type == NLMSG_ERROR)
				rc = ((struct nlmsgerr *)NLMSG_DATA(nh))->error;
			more = !rc && nh->nlmsg_type != NLMSG_DONE;
		}
	}
	close(fd);
	return rc;
}
