/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/xdp_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/holder.h"

#define REPLY_MAX 32768

struct wanted {
	const char *field; /* of a BPF object's fdinfo; NULL: a socket */
	uint32_t id;
};

static bool info_says(const char *path, const struct wanted *w)
{
	size_t len = strlen(w->field);
	bool found = false;
	char line[128];
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, w->field, len) && strtoul(line + len, NULL, 10) == w->id;
	fclose(f);
	return found;
}

static bool is_it(const char *pid, const char *fd, const struct wanted *w)
{
	char path[64 + 2 * NAME_MAX], link[64], socket[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	if (!w->field) {
		snprintf(socket, sizeof(socket), "socket:[%u]", w->id);
		return !strcmp(link, socket);
	}
	if (strncmp(link, "anon_inode:bpf", 14))
		return false;
	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	return info_says(path, w);
}

static bool has_it(const char *pid, const struct wanted *w)
{
	char path[32 + NAME_MAX];
	bool found = false;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (d = readdir(dir)))
		found = isdigit((unsigned char)d->d_name[0]) && is_it(pid, d->d_name, w);
	closedir(dir);
	return found;
}

static void name_it(struct holder *h, const char *pid)
{
	char path[32 + NAME_MAX];
	FILE *f;

	h->pid = (pid_t)strtol(pid, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(h->comm, sizeof(h->comm), f))
		h->comm[strcspn(h->comm, "\n")] = '\0';
	fclose(f);
}

static bool look(struct holder *h, const struct wanted *w)
{
	long own = getpid();
	struct dirent *d;
	DIR *dir;

	memset(h, 0, sizeof(*h));
	dir = opendir("/proc");
	if (!dir)
		return false;
	while (!h->pid && (d = readdir(dir))) {
		if (isdigit((unsigned char)d->d_name[0]) && strtol(d->d_name, NULL, 10) != own &&
		    has_it(d->d_name, w))
			name_it(h, d->d_name);
	}
	closedir(dir);
	return h->pid;
}

bool holder_of_prog(struct holder *h, uint32_t prog_id)
{
	return look(h, &(struct wanted){"prog_id:", prog_id});
}

bool holder_of_link(struct holder *h, uint32_t link_id)
{
	return look(h, &(struct wanted){"link_id:", link_id});
}

bool holder_of_socket(struct holder *h, uint32_t inode)
{
	return inode && look(h, &(struct wanted){NULL, inode});
}

/* ---- AF_XDP sockets ----------------------------------------------------------- */

static bool bound_to(struct nlmsghdr *nh, unsigned ifindex, unsigned queue)
{
	struct xdp_diag_msg *msg = NLMSG_DATA(nh);
	int len = (int)(nh->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	struct rtattr *a = (struct rtattr *)((char *)msg + NLMSG_ALIGN(sizeof(*msg)));
	const struct xdp_diag_info *info;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type != XDP_DIAG_INFO || RTA_PAYLOAD(a) < sizeof(*info))
			continue;
		info = RTA_DATA(a);
		return info->ifindex == ifindex && info->queue_id == queue;
	}
	return false;
}

/* The inode of the socket in this part of the reply, 0: go on, -1: that was all. */
static long in_reply(char *buf, size_t n, unsigned ifindex, unsigned queue)
{
	struct nlmsghdr *nh = (struct nlmsghdr *)buf;

	for (; NLMSG_OK(nh, n); nh = NLMSG_NEXT(nh, n)) {
		if (nh->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return -1;
		if (bound_to(nh, ifindex, queue))
			return (long)((struct xdp_diag_msg *)NLMSG_DATA(nh))->xdiag_ino;
	}
	return 0;
}

static uint32_t socket_of_queue(unsigned ifindex, unsigned queue)
{
	struct {
		struct nlmsghdr nh;
		struct xdp_diag_req req;
	} ask = {
		.nh = {.nlmsg_len = sizeof(ask),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.req = {.sdiag_family = AF_XDP, .xdiag_show = XDP_SHOW_INFO},
	};
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	long inode = fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0 ? -1 : 0;

	while (!inode) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		inode = n > 0 ? in_reply(buf, (size_t)n, ifindex, queue) : -1;
	}
	if (fd >= 0)
		close(fd);
	return inode > 0 ? (uint32_t)inode : 0;
}

bool holder_of_queue(struct holder *h, unsigned ifindex, unsigned queue)
{
	memset(h, 0, sizeof(*h));
	return holder_of_socket(h, socket_of_queue(ifindex, queue));
}
