/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/dispatcher.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <syslog.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "control/hook.h"
#include "control/rtnl.h"

#define SEATS	  10
#define LOOKS	  5	/* while others swap it, it is seen without its programs */
#define LOOK_WAIT 20000 /* us */

struct dispatcher {
	struct dispatcher_seat seat;
	struct xdp_program *prog;
	uint32_t main_id; /* of the dispatcher that we were last seen in */
};

/* ---- what libxdp says --------------------------------------------------------- */

/* Its callback has no argument of its own. */
static weir_log_fn libxdp_log;
static char complaint[200];

static int print_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	char line[sizeof(complaint)];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (level == LIBXDP_WARN)
		memcpy(complaint, line, sizeof(complaint));
	if (libxdp_log)
		libxdp_log(LOG_DEBUG, "libxdp: %s", line);
	return 0;
}

static void listen_to_libxdp(weir_log_fn log)
{
	complaint[0] = '\0';
	if (log)
		libxdp_log = log;
	libxdp_set_print(print_libxdp);
}

/* ---- pins --------------------------------------------------------------------- */

const char *dispatcher_bpffs(void)
{
	const char *dir = secure_getenv(XDP_BPFFS_ENVVAR);

	return dir ? dir : "/sys/fs/bpf";
}

static bool has_bpffs(void)
{
	const char *mounts = secure_getenv(XDP_BPFFS_MOUNT_ENVVAR);
	struct statfs st;

	if (!statfs(dispatcher_bpffs(), &st) && (unsigned long)st.f_type == BPF_FS_MAGIC)
		return true;
	return mounts && !strcmp(mounts, "1"); /* then libxdp does it */
}

static void pin_dir(char *buf, size_t len, unsigned ifindex, uint32_t main_id)
{
	snprintf(buf, len, "%s/xdp/dispatch-%u-%u", dispatcher_bpffs(), ifindex, main_id);
}

static bool has_pins(unsigned ifindex, uint32_t main_id)
{
	char dir[PATH_MAX];

	pin_dir(dir, sizeof(dir), ifindex, main_id);
	return !access(dir, F_OK);
}

/*
 * Of a dispatcher that was taken off by force: nobody else will, and they hold all its
 * programs. Only ever one that we were in ourselves: an index is another interface's in
 * another network namespace, and both may use one file system.
 */
static void drop_pins(unsigned ifindex, uint32_t main_id)
{
	char dir[PATH_MAX], path[PATH_MAX + 8 + NAME_MAX];
	struct dirent *e;
	DIR *d;

	pin_dir(dir, sizeof(dir), ifindex, main_id);
	d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type != DT_DIR)
			unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

int dispatcher_ready(unsigned ifindex, uint32_t main_id, struct weir_err *err)
{
	if (!has_bpffs())
		return err_unsuited(err, -ENOENT,
				    "libxdp's dispatcher needs a BPF file system, and none is at "
				    "%s (`ip netns exec` hides it): `mount -t bpf bpf DIR` and "
				    "LIBXDP_BPFFS=DIR",
				    dispatcher_bpffs());
	if (main_id && !has_pins(ifindex, main_id))
		return err_unsuited(err, -ENOENT,
				    "libxdp's dispatcher %u is on the interface, but its programs "
				    "are not pinned in %s: see LIBXDP_BPFFS, or `xdp-loader unload "
				    "-a`",
				    main_id, dispatcher_bpffs());
	return 0;
}

/* ---- who is in it --------------------------------------------------------------- */

/* NULL: no dispatcher. */
static struct xdp_multiprog *get(unsigned ifindex)
{
	struct xdp_multiprog *mp;
	unsigned i;

	for (i = 0; i < LOOKS; i++) {
		mp = xdp_multiprog__get_from_ifindex((int)ifindex);
		if (libxdp_get_error(mp))
			return NULL;
		if (!xdp_multiprog__is_legacy(mp))
			return mp;
		xdp_multiprog__close(mp);
		usleep(LOOK_WAIT);
	}
	return NULL;
}

static bool is_weir(const struct xdp_program *p)
{
	return hook_is_weir(xdp_program__name(p));
}

int dispatcher_weirs(unsigned ifindex, struct holder *h)
{
	struct xdp_program *p = NULL;
	struct xdp_multiprog *mp;
	int n = 0;

	listen_to_libxdp(NULL);
	memset(h, 0, sizeof(*h));
	mp = get(ifindex);
	while (mp && (p = xdp_multiprog__next_prog(p, mp))) {
		if (!is_weir(p))
			continue;
		n++;
		if (!h->pid)
			holder_of_prog(h, xdp_program__id(p));
	}
	xdp_multiprog__close(mp);
	return n;
}

/* All weirs but the program of this id. */
static int sweep(unsigned ifindex, uint32_t but)
{
	struct xdp_program *dead[SEATS], *p = NULL;
	struct xdp_multiprog *mp;
	size_t n = 0;
	int rc = 0;

	listen_to_libxdp(NULL);
	mp = get(ifindex);
	while (mp && (p = xdp_multiprog__next_prog(p, mp))) {
		if (is_weir(p) && xdp_program__id(p) != but && n < SEATS)
			dead[n++] = p;
	}
	if (n)
		rc = xdp_program__detach_multi(dead, n, (int)ifindex,
					       xdp_multiprog__attach_mode(mp), 0);
	xdp_multiprog__close(mp);
	return rc ? rc : (int)n;
}

int dispatcher_sweep(unsigned ifindex)
{
	return sweep(ifindex, 0);
}

/* ---- our seat ------------------------------------------------------------------- */

static enum xdp_attach_mode mode_of(const struct dispatcher *d)
{
	return d->seat.generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
}

static bool has_us(const struct dispatcher *d, const struct xdp_multiprog *mp)
{
	struct xdp_program *p = NULL;

	while ((p = xdp_multiprog__next_prog(p, mp))) {
		if (xdp_program__id(p) == xdp_program__id(d->prog))
			return true;
	}
	return false;
}

/* Whether we are in the one on the hook, and which that is. */
static bool find_seat(struct dispatcher *d)
{
	struct xdp_multiprog *mp = get(d->seat.ifindex);
	bool found = mp && has_us(d, mp);

	if (found)
		d->main_id = xdp_program__id(xdp_multiprog__main_prog(mp));
	xdp_multiprog__close(mp);
	return found;
}

/*
 * Where the kernel takes no programs into others, libxdp puts ours on a free hook alone, by
 * netlink, and calls that a success: it would stay there after us.
 */
static int sit_down(struct dispatcher *d, const char **why)
{
	int ifindex = (int)d->seat.ifindex, rc;

	listen_to_libxdp(d->seat.log);
	*why = complaint;
	rc = xdp_program__attach(d->prog, ifindex, mode_of(d), 0);
	/*
	 * The gate changes a packet's length, which an extension may only where what it
	 * replaces could, say newer kernels; the functions of older dispatchers do nothing.
	 */
	if (rc && !*complaint && xdp_program__fd(d->prog) < 0)
		snprintf(complaint, sizeof(complaint),
			 "this kernel does not take the gate as a part of it (%s); "
			 "from 6.13 on, and in late 6.12, that needs libxdp 1.5.5",
			 strerror(-rc));
	if (rc)
		return rc;
	if (find_seat(d))
		return 0;
	xdp_program__detach(d->prog, ifindex, mode_of(d), 0);
	snprintf(complaint, sizeof(complaint),
		 "the kernel takes no programs into a dispatcher (freplace)");
	return -EOPNOTSUPP;
}

int dispatcher_join(struct dispatcher **out, const struct dispatcher_seat *seat, const char **why)
{
	struct xdp_program_opts opts = {
		.sz = sizeof(opts), .obj = seat->obj, .prog_name = "weir_gate"};
	struct dispatcher *d = calloc(1, sizeof(*d));
	int rc;

	*why = "";
	if (!d)
		return -ENOMEM;
	listen_to_libxdp(seat->log);
	d->seat = *seat;
	d->prog = xdp_program__create(&opts);
	rc = (int)libxdp_get_error(d->prog);
	if (rc) {
		free(d);
		return rc;
	}
	rc = xdp_program__set_run_prio(d->prog, seat->prio);
	if (!rc)
		rc = xdp_program__set_chain_call_enabled(d->prog, XDP_PASS, true);
	if (!rc)
		rc = sit_down(d, why);
	if (rc) {
		xdp_program__close(d->prog);
		free(d);
		return rc;
	}
	*out = d;
	return 0;
}

int dispatcher_rejoin(struct dispatcher *d, const char **why)
{
	drop_pins(d->seat.ifindex, d->main_id);
	d->main_id = 0;
	return sit_down(d, why);
}

int dispatcher_look(struct dispatcher *d)
{
	struct rtnl_link l;
	int rc = rtnl_link_get(&l, NULL, d->seat.ifindex, RTNL_THIS_NETNS);

	if (rc == -ENODEV)
		return rc;
	if (rc || (l.xdp_prog == d->main_id && has_pins(d->seat.ifindex, d->main_id)))
		return 1; /* a question without an answer says nothing */
	listen_to_libxdp(d->seat.log);
	return find_seat(d);
}

int dispatcher_sweep_others(struct dispatcher *d)
{
	int rc = sweep(d->seat.ifindex, xdp_program__id(d->prog));

	find_seat(d);
	return rc;
}

void dispatcher_forget(struct dispatcher *d)
{
	if (!d)
		return;
	xdp_program__close(d->prog);
	free(d);
}

void dispatcher_leave(struct dispatcher *d)
{
	if (!d)
		return;
	if (dispatcher_look(d) == 1)
		xdp_program__detach(d->prog, (int)d->seat.ifindex, mode_of(d), 0);
	else
		drop_pins(d->seat.ifindex, d->main_id);
	dispatcher_forget(d);
}
