/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/route.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/nlmsg.h"

#define REPLY_MAX 4096

struct request {
	struct nlmsghdr nh;
	union {
		struct rtmsg rt;
		struct ndmsg nd;
	};
	char attrs[128];
};

int route_open(struct route_nl *nl)
{
	nl->seq = 0;
	nl->fd = nlmsg_open();
	return nl->fd < 0 ? nl->fd : 0;
}

void route_close(struct route_nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

/* ---- messages ------------------------------------------------------------------- */

static int family_of(const struct weir_addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

static uint8_t addr_len(const struct weir_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

static int error_of(const struct nlmsghdr *nh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nh);

	return nh->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) ? e->error : -EIO;
}

/*
 * Sends the request; the answer of type `want` (0: none but the acknowledgement) into
 * buf. An answer to an earlier question, which had timed out, is passed over.
 */
static int ask(struct route_nl *nl, struct request *req, uint16_t want, char *buf, size_t size)
{
	struct nlmsghdr *nh = (struct nlmsghdr *)buf;

	req->nh.nlmsg_seq = ++nl->seq;
	if (send(nl->fd, req, req->nh.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(nl->fd, buf, size, 0);

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!NLMSG_OK(nh, (size_t)n))
			return -EIO;
		if (nh->nlmsg_seq != nl->seq)
			continue;
		if (nh->nlmsg_type == NLMSG_ERROR) {
			int err = error_of(nh);

			return err || !want ? err : -EIO;
		}
		return nh->nlmsg_type == want ? 0 : -EIO;
	}
}

static bool take_addr(struct weir_addr *a, uint8_t family, const struct rtattr *attr)
{
	uint16_t port = a->port;

	if (RTA_PAYLOAD(attr) < (family == 4 ? 4u : 16u))
		return false;
	memset(a, 0, sizeof(*a));
	a->family = family;
	a->port = port;
	memcpy(a->addr, RTA_DATA(attr), family == 4 ? 4 : 16);
	return true;
}

/* ---- routes ----------------------------------------------------------------------- */

static uint32_t mtu_of(const struct rtattr *metrics)
{
	const struct rtattr *a = RTA_DATA(metrics);
	int len = (int)RTA_PAYLOAD(metrics);

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == RTAX_MTU)
			return nlmsg_u32(a);
	}
	return 0;
}

/* An IPv4 route may go over an IPv6 next hop (RTA_VIA). */
static void take_via(struct weir_addr *a, const struct rtattr *attr)
{
	const struct rtvia *via = RTA_DATA(attr);
	size_t len = RTA_PAYLOAD(attr) - sizeof(*via);

	if (RTA_PAYLOAD(attr) < sizeof(*via) || (len != 4 && len != 16))
		return;
	memset(a, 0, sizeof(*a));
	a->family = len == 4 ? 4 : 6;
	memcpy(a->addr, via->rtvia_addr, len);
}

static int parse_route(struct nlmsghdr *nh, unsigned ifindex, uint8_t family, struct route *r)
{
	const struct rtmsg *rt = NLMSG_DATA(nh);
	struct rtattr *a = RTM_RTA(rt);
	int len = (int)RTM_PAYLOAD(nh);
	unsigned oif = 0;

	/* Our own addresses are the host's, and groups are nobody's to connect to. */
	if (rt->rtm_type != RTN_UNICAST)
		return -ENETUNREACH;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		switch (a->rta_type) {
		case RTA_OIF:
			oif = nlmsg_u32(a);
			break;
		case RTA_PREFSRC:
			if (!r->src.family)
				take_addr(&r->src, family, a);
			break;
		case RTA_GATEWAY:
			take_addr(&r->next_hop, family, a);
			break;
		case RTA_VIA:
			take_via(&r->next_hop, a);
			break;
		case RTA_METRICS:
			r->mtu = mtu_of(a);
			break;
		}
	}
	return oif == ifindex ? 0 : -ENETUNREACH;
}

static bool is_link_local(const struct weir_addr *a)
{
	return a->family == 6 && a->addr[0] == 0xfe && (a->addr[1] & 0xc0) == 0x80;
}

int route_get(struct route_nl *nl, unsigned ifindex, const struct weir_addr *dst,
	      const struct weir_addr *src, struct route *r)
{
	struct request req = {
		.nh = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
		       .nlmsg_type = RTM_GETROUTE,
		       .nlmsg_flags = NLM_F_REQUEST},
		.rt = {.rtm_family = (unsigned char)family_of(dst),
		       .rtm_dst_len = (unsigned char)(addr_len(dst) * 8)},
	};
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err;

	nlmsg_put(&req.nh, RTA_DST, dst->addr, addr_len(dst));
	if (src) {
		req.rt.rtm_src_len = (unsigned char)(addr_len(src) * 8);
		nlmsg_put(&req.nh, RTA_SRC, src->addr, addr_len(src));
	}
	/* A link-local address means one on our link: there is but one. */
	if (is_link_local(dst))
		nlmsg_put(&req.nh, RTA_OIF, &ifindex, sizeof(ifindex));
	err = ask(nl, &req, RTM_NEWROUTE, buf, sizeof(buf));
	/* Of a source that is not its own the kernel says that there is no route. */
	if ((err == -EINVAL || err == -ENETUNREACH) && src)
		return route_get(nl, ifindex, dst, NULL, r) ? err : -EADDRNOTAVAIL;
	if (err)
		return err;
	memset(r, 0, sizeof(*r));
	r->next_hop = *dst;
	if (src)
		r->src = *src;
	return parse_route((struct nlmsghdr *)buf, ifindex, dst->family, r);
}

/* ---- neighbours --------------------------------------------------------------------- */

static void neigh_request(struct request *req, unsigned ifindex, const struct weir_addr *a)
{
	memset(req, 0, sizeof(*req));
	req->nh.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg));
	req->nd.ndm_family = (uint8_t)family_of(a);
	req->nd.ndm_ifindex = (int)ifindex;
	nlmsg_put(&req->nh, NDA_DST, a->addr, addr_len(a));
}

static int parse_neigh(struct nlmsghdr *nh, uint8_t mac[6])
{
	const struct ndmsg *nd = NLMSG_DATA(nh);
	struct rtattr *a = (struct rtattr *)((char *)NLMSG_DATA(nh) + NLMSG_ALIGN(sizeof(*nd)));
	int len = (int)NLMSG_PAYLOAD(nh, sizeof(*nd));
	bool found = false;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == 6) {
			memcpy(mac, RTA_DATA(a), 6);
			found = true;
		}
	}
	if (nd->ndm_state & NUD_FAILED)
		return NEIGH_FAILED;
	if (nd->ndm_state & NUD_INCOMPLETE)
		return NEIGH_PENDING;
	if (!found || nd->ndm_state == NUD_NONE)
		return NEIGH_NONE;
	return nd->ndm_state & (NUD_STALE | NUD_DELAY | NUD_PROBE) ? NEIGH_STALE : NEIGH_GOOD;
}

int neigh_get(struct route_nl *nl, unsigned ifindex, const struct weir_addr *a, uint8_t mac[6])
{
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct request req;
	int err;

	neigh_request(&req, ifindex, a);
	req.nh.nlmsg_type = RTM_GETNEIGH;
	req.nh.nlmsg_flags = NLM_F_REQUEST;
	err = ask(nl, &req, RTM_NEWNEIGH, buf, sizeof(buf));
	if (err == -ENOENT)
		return NEIGH_NONE;
	return err ? err : parse_neigh((struct nlmsghdr *)buf, mac);
}

int neigh_use(struct route_nl *nl, unsigned ifindex, const struct weir_addr *a)
{
	char buf[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct request req;

	neigh_request(&req, ifindex, a);
	req.nh.nlmsg_type = RTM_NEWNEIGH;
	req.nh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	req.nd.ndm_state = NUD_NONE;
	req.nd.ndm_flags = NTF_USE;
	return ask(nl, &req, 0, buf, sizeof(buf));
}
