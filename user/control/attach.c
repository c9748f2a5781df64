/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "control/attach.h"
#include "control/dispatcher.h"
#include "control/hook.h"
#include "control/pin.h"
#include "control/rtnl.h"

/* The hook is another's. `but`: why it cannot be shared, or "". */
static int taken(const struct netif *n, const struct hook *h, const char *but, struct weir_err *err)
{
	char holder[HOOK_TEXT_MAX];

	hook_text(h, n->name, holder, sizeof(holder));
	return err_unsuited(err, -EBUSY, "%s: the interface already has an XDP program: %s%s",
			    n->name, holder, but);
}

/* The hook has a dispatcher: whether there is a seat for us, and in which mode. */
static int choose_seat(struct attachment *at, const struct netif *n, const struct hook *h,
		       const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	struct holder weir;
	int rc;

	if (want->share == ATTACH_SHARE_NEVER)
		return taken(n, h, "; --xdp-dispatcher auto would join it", err);
	rc = dispatcher_ready(n->ifindex, h->prog_id, err);
	if (rc)
		return rc;
	dispatcher_weirs(n->ifindex, &weir);
	if (weir.pid)
		return err_unsuited(
			err, -EBUSY,
			"%s: another weir, process %d, has a seat in the interface's XDP "
			"dispatcher",
			n->name, (int)weir.pid);
	if (want->mode != XDP_MODE_AUTO && (want->mode == XDP_MODE_GENERIC) != h->generic)
		return taken(n, h, ", and --xdp-mode must be the dispatcher's", err);
	at->shared = true;
	at->mode = h->generic ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;
	log(LOG_NOTICE, "%s: XDP program %u is libxdp's dispatcher: joining it, %s", n->name,
	    h->prog_id, attach_mode_name(at->mode));
	return 0;
}

/* A free hook: native XDP where that works. */
static int choose_mode(enum xdp_mode *mode, const struct netif *n, enum xdp_mode want,
		       weir_log_fn log)
{
	const char *why;

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

/* Of a weir that lives the sockets are found bound before this is attached. */
static int choose_left(struct attachment *at, const struct netif *n, const struct hook *h,
		       const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	enum xdp_mode mode = h->generic ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;

	if (want->share == ATTACH_SHARE_ALWAYS)
		return taken(n, h, ", and --xdp-dispatcher always wants a free one", err);
	if (want->mode != XDP_MODE_AUTO && want->mode != mode)
		return taken(n, h, ", and the mode cannot be changed by that", err);
	at->left = true;
	at->mode = mode;
	log(LOG_NOTICE, "%s: a killed weir has left its gate there, %s: taking it over", n->name,
	    attach_mode_name(mode));
	return 0;
}

/* Whether the pin's link is what is on the hook. */
static bool is_left(const struct netif *n, const struct hook *h, const struct attach_want *want,
		    weir_log_fn log)
{
	bool stale = false;
	int fd = want->pin ? pin_find(want->pin, h, &stale) : -ENOENT;

	if (stale)
		log(LOG_NOTICE, "%s: removed the pin of a gate that has gone", n->name);
	if (fd >= 0)
		close(fd);
	return fd >= 0 && !h->by.pid;
}

int attach_choose(struct attachment *at, const struct netif *n, const struct attach_want *want,
		  weir_log_fn log, struct weir_err *err)
{
	struct hook h;
	int rc;

	*at = (struct attachment)ATTACHMENT_NONE;
	rc = hook_query(&h, n->ifindex);
	if (rc)
		return err_set(err, rc, "%s: cannot ask for its XDP program: %s", n->name,
			       strerror(-rc));
	if (is_left(n, &h, want, log))
		return choose_left(at, n, &h, want, log, err);
	switch (h.kind) {
	case HOOK_DISPATCHER:
		return choose_seat(at, n, &h, want, log, err);
	case HOOK_FREE:
		break;
	default:
		if (h.kind == HOOK_LINK && hook_is_weir(h.prog) && !h.by.pid)
			return taken(n, &h, "; no pin of it is in --pin-dir", err);
		return taken(n, &h, "", err);
	}
	at->shared = want->share == ATTACH_SHARE_ALWAYS;
	rc = at->shared ? dispatcher_ready(n->ifindex, 0, err) : 0;
	return rc ? rc : choose_mode(&at->mode, n, want->mode, log);
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
	struct hook now;

	switch (rc) {
	case -EBUSY:
	case -EEXIST: /* somebody was faster */
		if (!hook_query(&now, n->ifindex) && now.kind != HOOK_FREE)
			return taken(n, &now, "", err);
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

/* What libxdp said of it says more than its error does. */
static int explain_seat(const struct netif *n, enum xdp_mode mode, int rc, const char *said,
			struct weir_err *err)
{
	const char *why = mode == XDP_MODE_NATIVE ? native_refused(rc) : NULL;

	if (rc == -E2BIG)
		why = "all are taken";
	else if (strstr(said, "xdp-dispatcher.o"))
		why = "its xdp-dispatcher.o is not there; it comes with libxdp (Debian: libxdp1)";
	else if (*said || !why)
		why = *said ? said : strerror(-rc);
	return err_unsuited(err, rc, "%s: no seat in libxdp's dispatcher: %s", n->name, why);
}

int attach_join(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	struct dispatcher_seat seat = {
		.ifindex = n->ifindex,
		.generic = at->mode == XDP_MODE_GENERIC,
		.prio = want->prio,
		.log = log,
	};
	const char *said = "";
	int rc;

	seat.obj = prog->again(prog->arg);
	if (!seat.obj)
		return err_set(err, -errno, "cannot load the gate a second time: %s",
			       strerror(errno));
	rc = dispatcher_join(&at->seat, &seat, &said);
	return rc ? explain_seat(n, at->mode, rc, said, err) : 0;
}

static int take_seat(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		     const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	if (dispatcher_sweep(n->ifindex) > 0)
		log(LOG_NOTICE, "%s: took out of the dispatcher what a killed weir had left",
		    n->name);
	return attach_join(at, n, prog, want, log, err);
}

static int take_link(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		     const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	const char *why;
	int fd;

	fd = link_create(prog->fd, n->ifindex, at->mode);
	why = native_refused(fd);
	if (fd < 0 && why && at->mode == XDP_MODE_NATIVE && want->mode == XDP_MODE_AUTO) {
		log(LOG_NOTICE, "%s: %s: using generic XDP", n->name, why);
		at->mode = XDP_MODE_GENERIC;
		fd = link_create(prog->fd, n->ifindex, at->mode);
	}
	if (fd < 0)
		return explain(n, at->mode, fd, err);
	at->link_fd = fd;
	return 0;
}

int attach_replace(int link_fd, int prog_fd, uint32_t was)
{
	DECLARE_LIBBPF_OPTS(bpf_link_update_opts, opts);
	int old = bpf_prog_get_fd_by_id(was), rc;

	if (old >= 0) { /* only root may know it */
		opts.flags = BPF_F_REPLACE;
		opts.old_prog_fd = (unsigned)old;
	}
	rc = bpf_link_update(link_fd, prog_fd, &opts);
	if (old >= 0)
		close(old);
	return rc;
}

/* Our program in the place of the dead weir's: no frame passes without one or the other. */
static int take_over(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		     const struct attach_want *want, struct weir_err *err)
{
	bool stale;
	struct hook h;
	int rc = hook_query(&h, n->ifindex), fd;

	fd = rc ? rc : pin_find(want->pin, &h, &stale);
	if (fd < 0)
		return err_set(err, fd,
			       "%s: the gate that a killed weir had left went meanwhile: try again",
			       n->name);
	rc = attach_replace(fd, prog->fd, h.prog_id);
	if (rc) {
		close(fd);
		return err_set(err, rc,
			       "%s: cannot take over the gate of a killed weir: %s; `weir detach "
			       "%s` takes it off",
			       n->name, strerror(-rc), n->name);
	}
	at->link_fd = fd;
	at->trial = true;
	at->pin = want->pin;
	return 0;
}

/* The link as it shall be while we run. */
static int keep_link(struct attachment *at, const struct attach_want *want, struct weir_err *err)
{
	int rc;

	if (!want->keep || at->pin)
		return 0;
	rc = pin_make(want->pin, at->link_fd);
	if (rc) {
		attach_end(at);
		return err_set(err, rc, "--on-crash drop: cannot pin the gate: %s", strerror(-rc));
	}
	at->pin = want->pin;
	return 0;
}

int attach_gate(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	int rc;

	if (at->shared)
		return take_seat(at, n, prog, want, log, err);
	rc = at->left ? take_over(at, n, prog, want, err) : take_link(at, n, prog, want, log, err);
	return rc ? rc : keep_link(at, want, err);
}

int attach_look(const struct attachment *at, const struct netif *n)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	struct rtnl_link l;

	if (at->seat)
		return dispatcher_look(at->seat);
	if (!bpf_obj_get_info_by_fd(at->link_fd, &info, &len) && info.xdp.ifindex)
		return 1;
	return rtnl_link_get(&l, NULL, n->ifindex, RTNL_THIS_NETNS) == -ENODEV ? -ENODEV : 0;
}

int attach_again(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		 const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	/* The sockets were made for this mode. */
	struct attach_want same = *want;
	const char *said = "";
	struct hook h;
	int rc;

	same.mode = at->mode;
	if (at->seat) {
		if (!hook_query(&h, n->ifindex) && (h.kind == HOOK_LINK || h.kind == HOOK_NETLINK))
			return taken(n, &h, "", err);
		rc = dispatcher_rejoin(at->seat, &said);
		return rc ? explain_seat(n, at->mode, rc, said, err) : 0;
	}
	attach_end(at);
	rc = attach_choose(at, n, &same, log, err);
	return rc ? rc : attach_gate(at, n, prog, &same, log, err);
}

void attach_settle(struct attachment *at, const struct attach_want *want)
{
	if (at->trial && !want->keep && !pin_remove(at->pin))
		at->pin = NULL;
	at->trial = false;
}

void attach_end(struct attachment *at)
{
	dispatcher_leave(at->seat);
	if (at->link_fd >= 0 && !at->trial) {
		bpf_link_detach(at->link_fd); /* done when it returns, unlike close() */
		if (at->pin)
			pin_remove(at->pin);
	} else if (at->pinned) {
		pin_remove(at->pin);
	}
	if (at->link_fd >= 0)
		close(at->link_fd);
	*at = (struct attachment){.mode = at->mode, .shared = at->shared, .link_fd = -1};
}

const char *attach_mode_name(enum xdp_mode mode)
{
	return mode == XDP_MODE_NATIVE ? "native" : "generic";
}
