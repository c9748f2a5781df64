/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/net_namespace.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/nlmsg.h"
#include "control/peer_netns.h"
#include "control/rtnl.h"

/* The number that our namespace has for that of `ns_fd`; negative: none, or -errno. */
static int nsid_of(int ns_fd)
{
	struct {
		struct nlmsghdr nh;
		struct rtgenmsg gen;
		char attrs[32];
	} req = {.nh = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
			.nlmsg_type = RTM_GETNSID,
			.nlmsg_flags = NLM_F_REQUEST}};
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nh = (struct nlmsghdr *)buf;
	int fd = nlmsg_open(), id = -ENOENT, left;
	struct rtattr *a;
	ssize_t n;

	if (fd < 0)
		return fd;
	nlmsg_put(&req.nh, NETNSA_FD, &ns_fd, sizeof(ns_fd));
	n = send(fd, &req, req.nh.nlmsg_len, 0) < 0 ? -1 : recv(fd, buf, sizeof(buf), 0);
	close(fd);
	if (n < 0 || !NLMSG_OK(nh, (size_t)n) || nh->nlmsg_type != RTM_NEWNSID)
		return -ENOENT;
	left = (int)nh->nlmsg_len - (int)NLMSG_SPACE(sizeof(struct rtgenmsg));
	for (a = (struct rtattr *)((char *)nh + NLMSG_SPACE(sizeof(struct rtgenmsg)));
	     RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == NETNSA_NSID)
			id = (int)nlmsg_u32(a);
	return id;
}

/*
 * Tries the entries of a directory: those with a name that `ip netns` knows, or processes.
 * A descriptor of the namespace, or -ENOENT.
 */
static int search(const char *dir, bool processes, int nsid, char *run, size_t len)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int found = -ENOENT;

	while (found < 0 && d && (e = readdir(d))) {
		char path[PATH_MAX];
		int fd;

		if (processes ? !isdigit((unsigned char)*e->d_name) : *e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, e->d_name, processes ? "/ns/net" : "");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (nsid_of(fd) != nsid) {
			close(fd);
			continue;
		}
		snprintf(run, len, processes ? "nsenter -t %s -n " : "ip netns exec %s ",
			 e->d_name);
		found = fd;
	}
	if (d)
		closedir(d);
	return found;
}

static int find(int nsid, char *run, size_t len)
{
	int fd = search("/run/netns", false, nsid, run, len);

	return fd < 0 ? search("/proc", true, nsid, run, len) : fd;
}

static int call_there(int there, unsigned ifindex, void (*fn)(const char *, void *), void *arg)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), rc = -ENOENT;
	char name[IFNAMSIZ];

	if (own < 0)
		return -errno;
	if (setns(there, CLONE_NEWNET)) {
		rc = -errno;
	} else {
		if (if_indextoname(ifindex, name)) {
			fn(name, arg);
			rc = 0;
		}
		if (setns(own, CLONE_NEWNET))
			rc = -errno;
	}
	close(own);
	return rc;
}

int peer_netns_call(unsigned ifindex, void (*fn)(const char *ifname, void *arg), void *arg,
		    char *run, size_t len)
{
	char name[IFNAMSIZ];
	struct rtnl_link l;
	int rc = rtnl_link_get(&l, NULL, ifindex, RTNL_THIS_NETNS), there;

	*run = '\0';
	if (rc)
		return rc;
	if (!l.peer_ifindex)
		return -ENOENT;
	if (l.peer_nsid == RTNL_THIS_NETNS) {
		if (!if_indextoname(l.peer_ifindex, name))
			return -ENOENT;
		fn(name, arg);
		return 0;
	}
	there = find(l.peer_nsid, run, len);
	if (there < 0)
		return there;
	rc = call_there(there, l.peer_ifindex, fn, arg);
	close(there);
	return rc;
}
