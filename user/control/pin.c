/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "control/hook.h"
#include "control/pin.h"

/*
 * The next weir begins as root, and not always with the right to go anywhere
 * (CAP_DAC_OVERRIDE): by root's group it comes to what it finds, which inherits that.
 */
#define GIVEN (S_ISGID | 0770)

static bool is_bpffs(const char *dir)
{
	struct statfs st;

	return !statfs(dir, &st) && (unsigned long)st.f_type == BPF_FS_MAGIC;
}

/* Its parent has to be in one: nothing is made elsewhere. */
static int make_dir(const char *dir)
{
	char copy[PATH_MAX];

	if (is_bpffs(dir))
		return 0;
	snprintf(copy, sizeof(copy), "%s", dir);
	if (!access(dir, F_OK) || !is_bpffs(dirname(copy)))
		return -EMEDIUMTYPE;
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

static int explain(const char *dir, int rc, struct weir_err *err)
{
	if (rc == -EMEDIUMTYPE)
		return err_unsuited(err, rc,
				    "--on-crash drop keeps the gate in %s, and there is no BPF "
				    "file system (`ip netns exec` hides it): `mount -t bpf bpf "
				    "/sys/fs/bpf`, or --pin-dir with a directory of another one",
				    dir);
	return err_set(err, rc, "--on-crash drop: %s: %s", dir, strerror(-rc));
}

int pin_open(struct pin *p, const char *dir, unsigned ifindex, bool make, struct weir_err *err)
{
	struct stat st;
	int rc = 0;

	*p = (struct pin)PIN_NONE;
	p->ifindex = ifindex;
	if (make)
		rc = make_dir(dir);
	else if (!is_bpffs(dir))
		return 0;
	if (!rc && stat("/proc/self/ns/net", &st))
		rc = -errno;
	if (!rc) {
		snprintf(p->name, sizeof(p->name), "%llu-%u", (unsigned long long)st.st_ino,
			 ifindex);
		p->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (p->dir_fd < 0)
			rc = -errno;
	}
	if (rc && !make) /* one that we may not look into is another's */
		return 0;
	return rc ? explain(dir, rc, err) : 0;
}

void pin_close(struct pin *p)
{
	if (p->dir_fd >= 0)
		close(p->dir_fd);
	p->dir_fd = -1;
}

/* By the descriptor: what is above the directory may be closed to us by then. */
static void path_of(const struct pin *p, char *buf, size_t len)
{
	snprintf(buf, len, "/proc/self/fd/%d/%s", p->dir_fd, p->name);
}

static bool is_on(int fd, const struct pin *p, const struct hook *h)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_LINK_TYPE_XDP &&
	       info.xdp.ifindex == p->ifindex && info.prog_id == h->prog_id &&
	       (!h->link_id || info.id == h->link_id);
}

int pin_find(const struct pin *p, const struct hook *h, bool *stale)
{
	char path[80];
	int fd;

	*stale = false;
	if (p->dir_fd < 0 || faccessat(p->dir_fd, p->name, F_OK, 0))
		return -ENOENT;
	path_of(p, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd >= 0 && is_on(fd, p, h))
		return fd;
	if (fd >= 0)
		close(fd);
	else if (fd == -EPERM || fd == -EACCES)
		return fd;
	*stale = !pin_remove(p);
	return -ENOENT;
}

int pin_make(const struct pin *p, int link_fd)
{
	char path[80];
	int rc;

	path_of(p, path, sizeof(path));
	rc = bpf_obj_pin(link_fd, path);
	if (rc || !fchmodat(p->dir_fd, p->name, 0660, 0))
		return rc;
	rc = -errno;
	pin_remove(p);
	return rc;
}

int pin_remove(const struct pin *p)
{
	if (p->dir_fd < 0 || !unlinkat(p->dir_fd, p->name, 0) || errno == ENOENT)
		return 0;
	return -errno;
}

int pin_detach(const struct pin *p, const struct hook *h, bool *stale)
{
	int fd = pin_find(p, h, stale), rc;

	if (fd < 0)
		return fd;
	rc = bpf_link_detach(fd); /* done when it returns */
	close(fd);
	return rc ? rc : pin_remove(p);
}

int pin_give(const struct pin *p, uid_t uid)
{
	struct stat st;

	if (fstat(p->dir_fd, &st))
		return -errno;
	if ((st.st_mode & 07777) != GIVEN && fchmod(p->dir_fd, GIVEN))
		return -errno;
	return st.st_uid != uid && fchown(p->dir_fd, uid, (gid_t)-1) ? -errno : 0;
}
