/* SPDX-License-Identifier: BSD-2-Clause */
/* The hook from one weir to the next, both of which live (attach.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "control/attach.h"
#include "control/dispatcher.h"
#include "control/hook.h"
#include "control/pin.h"

/* ---- taker ----------------------------------------------------------------------- */

int attach_choose_given(struct attachment *at, const struct netif *n,
			const struct attach_want *want, const struct attach_given *given,
			struct weir_err *err)
{
	enum xdp_mode mode = given->generic ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;

	*at = (struct attachment)ATTACHMENT_NONE;
	if (want->mode != XDP_MODE_AUTO && want->mode != mode)
		return err_unsuited(
			err, -EINVAL,
			"--takeover: the running weir's gate on %s is %s, and --xdp-mode "
			"%s would need it to stop",
			n->name, attach_mode_name(mode), attach_mode_name(want->mode));
	if ((want->share == ATTACH_SHARE_ALWAYS && !given->shared) ||
	    (want->share == ATTACH_SHARE_NEVER && given->shared))
		return err_unsuited(
			err, -EINVAL,
			"--takeover: the running weir %s libxdp's dispatcher on %s, and "
			"--xdp-dispatcher %s would need it to stop",
			given->shared ? "is in" : "is not in", n->name,
			given->shared ? "never" : "always");
	at->shared = given->shared;
	at->mode = mode;
	return given->shared ? dispatcher_ready(n->ifindex, 0, err) : 0;
}

/* Whether that is where we would pin it, too. */
static bool same_place(const struct pin *mine, const struct attach_given *given)
{
	struct stat a, b;

	return mine && mine->dir_fd >= 0 && !strcmp(mine->name, given->pin_name) &&
	       !fstat(mine->dir_fd, &a) && !fstat(given->pin_dir_fd, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int keep_link(struct attachment *at, const struct attach_want *want,
		     const struct attach_given *given, struct weir_err *err)
{
	int rc;

	if (!want->keep)
		return 0;
	if (!given->pinned || !same_place(want->pin, given)) {
		rc = pin_make(want->pin, at->link_fd);
		if (rc)
			return err_set(err, rc, "--on-crash drop: cannot pin the gate: %s",
				       strerror(-rc));
		at->pinned = true;
	}
	at->pin = want->pin;
	return 0;
}

static uint32_t prog_on(int link_fd, const struct netif *n)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len) || info.type != BPF_LINK_TYPE_XDP ||
	    info.xdp.ifindex != n->ifindex)
		return 0;
	return info.prog_id;
}

int attach_take(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, const struct attach_given *given, weir_log_fn log,
		struct weir_err *err)
{
	uint32_t was;
	int rc;

	if (at->shared) /* beside it: two gates in a row do what one does */
		return attach_join(at, n, prog, want, log, err);
	was = prog_on(given->link_fd, n);
	if (!was)
		return err_set(err, -ENOENT,
			       "--takeover: the running weir's gate is not on %s any more",
			       n->name);
	at->link_fd = fcntl(given->link_fd, F_DUPFD_CLOEXEC, 0);
	if (at->link_fd < 0)
		return err_set(err, -errno, "--takeover: %s", strerror(errno));
	at->trial = true;
	rc = attach_replace(at->link_fd, prog->fd, was);
	if (rc)
		return err_set(err, rc,
			       "--takeover: %s: cannot put the gate in the other's place: %s",
			       n->name, strerror(-rc));
	return keep_link(at, want, given, err);
}

void attach_settle_given(struct attachment *at, const struct attach_given *given)
{
	if (at->seat)
		dispatcher_sweep_others(at->seat);
	if (given->pinned && (!at->pin || at->pinned))
		unlinkat(given->pin_dir_fd, given->pin_name, 0);
}

void attach_own(struct attachment *at)
{
	at->trial = at->pinned = false;
}

/* ---- giver ------------------------------------------------------------------------- */

void attach_give(const struct attachment *at, struct attach_given *given)
{
	memset(given, 0, sizeof(*given));
	given->shared = at->seat != NULL;
	given->generic = at->mode == XDP_MODE_GENERIC;
	given->link_fd = at->link_fd;
	given->pinned = at->pin != NULL;
	given->pin_dir_fd = at->pin ? at->pin->dir_fd : -1;
	if (at->pin)
		snprintf(given->pin_name, sizeof(given->pin_name), "%s", at->pin->name);
}

void attach_release(struct attachment *at)
{
	dispatcher_forget(at->seat);
	if (at->link_fd >= 0)
		close(at->link_fd);
	*at = (struct attachment)ATTACHMENT_NONE;
}

int attach_put_back(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		    const struct attach_want *want, weir_log_fn log, struct weir_err *err)
{
	int rc;

	if (at->seat)
		return attach_look(at, n) == 1 ? 0 : attach_again(at, n, prog, want, log, err);
	rc = attach_replace(at->link_fd, prog->fd, prog_on(at->link_fd, n));
	if (rc)
		return err_set(err, rc, "%s: cannot put the gate back: %s", n->name, strerror(-rc));
	if (!at->pin)
		return 0;
	rc = pin_make(at->pin, at->link_fd);
	if (rc && rc != -EEXIST)
		log(LOG_WARNING, "--on-crash drop: cannot pin the gate again: %s", strerror(-rc));
	return 0;
}
