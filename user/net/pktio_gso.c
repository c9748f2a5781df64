/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/pktio_gso.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TCP_CSUM_OFF 16
#define SNDBUF	     (4 << 20)
#define HDR_MAX	     (22 + 40 + 60)

struct pktio_gso {
	int fd;
	/* The burst that the socket had no room for. */
	size_t kept;
	uint8_t keep[sizeof(struct virtio_net_hdr) + HDR_MAX + PKTIO_GSO_MAX];
};

static int set_up(int fd, const char *ifname)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET};
	int one = 1, sndbuf = SNDBUF;

	ll.sll_ifindex = (int)if_nametoindex(ifname);
	if (!ll.sll_ifindex)
		return -ENODEV;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	/* Protocol 0: no frame is received. */
	return bind(fd, (struct sockaddr *)&ll, sizeof(ll)) ? -errno : 0;
}

int pktio_gso_open(struct pktio_gso **out, const char *ifname)
{
	struct pktio_gso *g = malloc(sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->kept = 0;
	g->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = g->fd < 0 ? -errno : set_up(g->fd, ifname);
	if (!err) {
		*out = g;
		return 0;
	}
	pktio_gso_close(g);
	return err;
}

void pktio_gso_close(struct pktio_gso *g)
{
	if (g && g->fd >= 0)
		close(g->fd);
	free(g);
}

static struct virtio_net_hdr describe(const struct pktio_burst *b)
{
	bool v6 = b->hdr[b->l3_off] >> 4 == 6;
	struct virtio_net_hdr v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = b->hdr_len,
		.csum_start = b->l4_off,
		.csum_offset = TCP_CSUM_OFF,
	};

	if (b->len > b->cut) {
		v.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		v.gso_size = b->cut;
	}
	return v;
}

/* What could not be sent keeps its place: behind it nothing may be sent. */
static void keep(struct pktio_gso *g, const struct iovec *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(g->keep + g->kept, v[i].iov_base, v[i].iov_len);
		g->kept += v[i].iov_len;
	}
}

int pktio_gso_send(struct pktio_gso *g, const struct pktio_burst *b)
{
	struct virtio_net_hdr vnet = describe(b);
	struct iovec v[2 + PKTIO_BURST_PIECES] = {
		{.iov_base = &vnet, .iov_len = sizeof(vnet)},
		{.iov_base = (void *)b->hdr, .iov_len = b->hdr_len},
	};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2 + b->n};

	for (unsigned i = 0; i < b->n; i++)
		v[2 + i] = (struct iovec){(void *)b->piece[i].p, b->piece[i].len};
	if (sendmsg(g->fd, &m, MSG_DONTWAIT) >= 0)
		return 0;
	if (errno != EAGAIN && errno != EINTR)
		return -errno;
	keep(g, v, 2 + b->n);
	return -EAGAIN;
}

int pktio_gso_retry(struct pktio_gso *g)
{
	int err = 0;

	if (!g->kept)
		return 0;
	if (send(g->fd, g->keep, g->kept, MSG_DONTWAIT) < 0)
		err = -errno;
	if (err == -EAGAIN || err == -EINTR)
		return -EAGAIN;
	g->kept = 0;
	return err;
}
