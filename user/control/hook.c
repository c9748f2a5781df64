/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "control/hook.h"
#include "control/rtnl.h"

static bool link_is_it(const struct hook *h, unsigned ifindex, uint32_t link_id)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_link_get_fd_by_id(link_id), rc;

	if (fd < 0)
		return false;
	rc = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return !rc && info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex &&
	       info.prog_id == h->prog_id;
}

static uint32_t find_link(const struct hook *h, unsigned ifindex)
{
	uint32_t id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		if (link_is_it(h, ifindex, id))
			return id;
	}
	return 0;
}

/* False: we may not. */
static bool name_prog(struct hook *h)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(h->prog_id);

	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		snprintf(h->prog, sizeof(h->prog), "%.15s", info.name);
	close(fd);
	return true;
}

int hook_query(struct hook *h, unsigned ifindex)
{
	struct rtnl_link l;
	int rc = rtnl_link_get(&l, NULL, ifindex, RTNL_THIS_NETNS);

	memset(h, 0, sizeof(*h));
	if (rc || !l.xdp_prog)
		return rc;
	h->prog_id = l.xdp_prog;
	h->generic = l.xdp_attached == XDP_ATTACHED_SKB;
	h->kind = HOOK_HIDDEN;
	if (!name_prog(h))
		return 0;
	h->link_id = find_link(h, ifindex);
	if (h->link_id)
		h->kind = HOOK_LINK;
	else
		h->kind = strcmp(h->prog, "xdp_dispatcher") ? HOOK_NETLINK : HOOK_DISPATCHER;
	if (h->link_id)
		holder_of_link(&h->by, h->link_id);
	else
		holder_of_prog(&h->by, h->prog_id);
	return 0;
}

static void by_link(const struct hook *h, char *buf, size_t len)
{
	if (h->by.pid)
		snprintf(buf, len,
			 "on bpf_link %u of process %d (%s), with whose end it goes; or `bpftool "
			 "link detach id %u`",
			 h->link_id, (int)h->by.pid, h->by.comm, h->link_id);
	else
		snprintf(buf, len,
			 "on bpf_link %u, which no process in sight has open (pinned?): `bpftool "
			 "link detach id %u` takes it off",
			 h->link_id, h->link_id);
}

static void by_netlink(const struct hook *h, const char *ifname, char *buf, size_t len)
{
	char who[64] = "";

	if (h->by.pid)
		snprintf(who, sizeof(who), " (process %d, %s, has it open)", (int)h->by.pid,
			 h->by.comm);
	snprintf(buf, len, "attached by netlink%s: `ip link set dev %s %s off` takes it off", who,
		 ifname, h->generic ? "xdpgeneric" : "xdp");
}

void hook_text(const struct hook *h, const char *ifname, char *buf, size_t len)
{
	int n;

	n = snprintf(buf, len, "program %u%s%s%s, %s, ", h->prog_id, *h->prog ? " (" : "", h->prog,
		     *h->prog ? ")" : "", h->generic ? "generic" : "native");
	if (n < 0 || (size_t)n >= len)
		return;
	buf += n;
	len -= (size_t)n;
	if (hook_is_weir(h->prog) && h->by.pid)
		snprintf(buf, len, "another weir: process %d", (int)h->by.pid);
	else if (hook_is_weir(h->prog))
		snprintf(buf, len,
			 "another weir, whose process is not in sight; if it was killed with "
			 "--on-crash drop: `weir detach %s`, or run weir again",
			 ifname);
	else if (h->kind == HOOK_HIDDEN)
		snprintf(buf, len, "of which only root may see more: `bpftool prog show id %u`",
			 h->prog_id);
	else if (h->kind == HOOK_LINK)
		by_link(h, buf, len);
	else if (h->kind == HOOK_NETLINK)
		by_netlink(h, ifname, buf, len);
	else
		snprintf(buf, len, "libxdp's dispatcher; `xdp-loader status %s` lists what it runs",
			 ifname);
}
