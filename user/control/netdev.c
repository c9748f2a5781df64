/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/netdev.h"
#include "control/nlmsg.h"

/* Of <linux/netdev.h>, which the headers of Linux 6.1 do not have. */
#define CMD_DEV_GET	   1
#define A_DEV_IFINDEX	   1
#define A_DEV_XDP_FEATURES 3

struct request {
	struct nlmsghdr nh;
	struct genlmsghdr g;
	char attrs[64];
};

static int open_genl(void)
{
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void request(struct request *req, uint16_t family, uint8_t cmd)
{
	memset(req, 0, sizeof(*req));
	req->nh.nlmsg_len = NLMSG_LENGTH(sizeof(req->g));
	req->nh.nlmsg_type = family;
	req->nh.nlmsg_flags = NLM_F_REQUEST;
	req->g.cmd = cmd;
	req->g.version = 1;
}

/* Sends it and copies the answer's attribute `type`. 0, -ENOENT (it has none), -errno. */
static int ask(int fd, const struct request *req, uint16_t type, void *out, size_t len)
{
	char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nh = (struct nlmsghdr *)buf;
	struct rtattr *a;
	ssize_t n;
	int left;

	if (send(fd, req, req->nh.nlmsg_len, 0) < 0 || (n = recv(fd, buf, sizeof(buf), 0)) < 0)
		return -errno;
	if (!NLMSG_OK(nh, (size_t)n))
		return -EIO;
	if (nh->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(nh))->error;
	left = (int)nh->nlmsg_len - (int)NLMSG_LENGTH(GENL_HDRLEN);
	for (a = (struct rtattr *)((char *)NLMSG_DATA(nh) + GENL_HDRLEN); RTA_OK(a, left);
	     a = RTA_NEXT(a, left)) {
		if ((a->rta_type & NLA_TYPE_MASK) != type || RTA_PAYLOAD(a) < len)
			continue;
		memcpy(out, RTA_DATA(a), len);
		return 0;
	}
	return -ENOENT;
}

int netdev_xdp_features(unsigned ifindex, uint64_t *features)
{
	struct request req;
	uint32_t index = ifindex;
	uint16_t family;
	int fd = open_genl(), rc;

	if (fd < 0)
		return fd;
	request(&req, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	nlmsg_put(&req.nh, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"));
	rc = ask(fd, &req, CTRL_ATTR_FAMILY_ID, &family, sizeof(family));
	if (!rc) {
		request(&req, family, CMD_DEV_GET);
		nlmsg_put(&req.nh, A_DEV_IFINDEX, &index, sizeof(index));
		rc = ask(fd, &req, A_DEV_XDP_FEATURES, features, sizeof(*features));
	}
	close(fd);
	return rc;
}
