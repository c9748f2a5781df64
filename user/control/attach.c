/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <syslog.h>

#include <bpf/bpf.h>

#include "control/attach.h"

static int taken(const struct netif *n, uint32_t prog, struct weir_err *err)
{
	char holder[64];

	netif_xdp_holder(prog, holder, sizeof(holder));
	return err_unsuited(err, -EBUSY, "%s: the interface already has an XDP program: %s%s",
			    n->name, holder, strstr(holder, "weir_gate") ? ", another weir" : "");
}

int attach_choose(enum xdp_mode *mode, const struct netif *n, enum xdp_mode want, weir_log_fn log,
		  struct weir_err *err)
{
	const char *why;

	if (n->xdp_prog)
		return taken(n, n->xdp_prog, err);
	*mode = want == XDP_MODE_GENERIC ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;
	if (want == XDP_MODE_GENERIC)
		return 0;

	switch (netif_veth_peer(n)) {
	case VETH_PEER_BARE:
		why = "is a veth whose other end has no XDP program";
		break;
	case VETH_PEER_UNKNOWN:
		why = "is a veth whose other end cannot be asked for its XDP program";
		break;
	default:
		return 0;
	}
	if (want == XDP_MODE_NATIVE) {
		log(LOG_WARNING, "%s %s: what native XDP sends will not arrive unless it gets one",
		    n->name, why);
		return 0;
	}
	*mode = XDP_MODE_GENERIC;
	log(LOG_NOTICE, "%s %s, so that native XDP could not answer: using generic XDP", n->name,
	    why);
	return 0;
}

static int link_create(int prog_fd, unsigned ifindex, enum xdp_mode mode)
{
	struct bpf_link_create_opts opts = {.sz = sizeof(opts),
					    .flags = mode == XDP_MODE_NATIVE ? XDP_FLAGS_DRV_MODE
									     : XDP_FLAGS_SKB_MODE};

	return bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);
}

/* Errors by which drivers say that native XDP is not for this device as it is set up. */
static const char *native_refused(int rc)
{
	switch (rc) {
	case -EOPNOTSUPP:
		return "the driver has no native XDP, or not with the present offloads";
	case -ERANGE:
		return "the MTU (on a veth, its peer's) is too large for native XDP";
	case -ENOSPC:
		return "fewer RX queues than its peer has TX queues";
	case -EINVAL:
		return "the driver refuses a program with the present settings (MTU, LRO, rings)";
	case -ENOMEM:
		return "the driver has no queues or memory left for native XDP";
	}
	return NULL;
}

static int explain(const struct netif *n, enum xdp_mode mode, int rc, struct weir_err *err)
{
	const char *why = mode == XDP_MODE_NATIVE ? native_refused(rc) : NULL;
	struct netif now;

	switch (rc) {
	case -EBUSY:
	case -EEXIST: /* somebody was faster */
		if (!netif_query(&now, n->name, err) && now.xdp_prog)
			return taken(n, now.xdp_prog, err);
		return err_unsuited(err, rc, "%s: the interface already has an XDP program",
				    n->name);
	case -EPERM:
		return err_set(err, rc,
			       "%s: attaching is not permitted: run as root, or with CAP_NET_ADMIN "
			       "and CAP_BPF",
			       n->name);
	}
	if (why)
		return err_unsuited(err, rc, "%s: %s; try --xdp-mode generic", n->name, why);
	return err_unsuited(err, rc, "%s: cannot attach in %s mode: %s", n->name,
			    attach_mode_name(mode), strerror(-rc));
}

int attach_gate(enum xdp_mode *mode, const struct netif *n, int prog_fd, enum xdp_mode want,
		weir_log_fn log, struct weir_err *err)
{
	const char *why;
	int fd;

	fd = link_create(prog_fd, n->ifindex, *mode);
	why = native_refused(fd);
	if (fd < 0 && why && *mode == XDP_MODE_NATIVE && want == XDP_MODE_AUTO) {
		log(LOG_NOTICE, "%s: %s: using generic XDP", n->name, why);
		*mode = XDP_MODE_GENERIC;
		fd = link_create(prog_fd, n->ifindex, *mode);
	}
	if (fd < 0)
		return explain(n, *mode, fd, err);
	return fd;
}

bool attach_alive(int link_fd)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(link_fd, &info, &len) && info.xdp.ifindex;
}

const char *attach_mode_name(enum xdp_mode mode)
{
	return mode == XDP_MODE_NATIVE ? "native" : "generic";
}
