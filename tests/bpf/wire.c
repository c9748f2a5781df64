/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.h"

#define PROTO 0x88b5 /* local experimental */

int wire_open(const char *ifname, unsigned timeout_ms)
{
	const struct timeval limit = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000};
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(PROTO),
				  .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(PROTO)), on = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sll, sizeof(sll))) {
		close(fd);
		return -1;
	}
	return fd;
}

size_t wire_make(uint8_t *buf, unsigned i, size_t len)
{
	memset(buf, 0xff, 6);
	memset(buf + 6, 0x02, 6);
	buf[12] = PROTO >> 8;
	buf[13] = PROTO & 0xff;
	for (size_t k = 14; k < len; k++)
		buf[k] = (uint8_t)(i * 7 + (i >> 8) + k);
	return len;
}

size_t wire_len(unsigned i)
{
	return 60 + (i * 37) % (ETH_FRAME_LEN - 60 + 1);
}

union fds {
	char buf[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

int wire_send_fds(int to, const void *msg, size_t len, int a, int b)
{
	union fds u = {{0}};
	struct iovec iov = {(void *)msg, len};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.buf,
			   .msg_controllen = sizeof(u.buf)};
	const int fds[] = {a, b};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

int wire_recv_fds(int from, void *msg, size_t len, int *a, int *b)
{
	union fds u;
	struct iovec iov = {msg, len};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.buf,
			   .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *c;
	int fds[2];

	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) != (ssize_t)len)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return -1;
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	*a = fds[0];
	*b = fds[1];
	return 0;
}
