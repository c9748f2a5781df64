/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel keeps user, groups and capabilities per thread. The C library's functions make
 * all threads change together, and end the process where one of them may not, as workers
 * that have nothing left: hence the bare system calls.
 */
#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/sandbox_priv.h"

/* No way back to them by uid 0 or by a file's capabilities. */
#define SECUREBITS                                                                                 \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |   \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int become(const struct sandbox *sb)
{
	if (!sb->user)
		return 0;
	if (syscall(SYS_setgroups, 1, &sb->gid) ||
	    syscall(SYS_setresgid, sb->gid, sb->gid, sb->gid) ||
	    syscall(SYS_setresuid, sb->uid, sb->uid, sb->uid))
		return -errno;
	return 0;
}

/* Of those in the list the ones that we have: which they are, as bits. */
static uint64_t wanted_caps(const struct sandbox *sb, const struct sandbox_cap *caps)
{
	uint64_t wanted = 0;

	for (; caps && caps->cap >= 0; caps++) {
		if ((!caps->needs || (caps->needs & sb->needs)) &&
		    capng_have_capability(CAPNG_PERMITTED, (unsigned)caps->cap))
			wanted |= 1ull << caps->cap;
	}
	return wanted;
}

static int limit_caps(const struct sandbox *sb, const struct sandbox_cap *caps)
{
	uint64_t wanted;

	if (capng_get_caps_process())
		return -EIO;
	wanted = wanted_caps(sb, caps);
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned cap = 0; cap < 64; cap++) {
		if (wanted >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int sandbox_rights_again(const struct sandbox *sb)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	int rc = sandbox_landlock(sb, false);

	if (rc && rc != -EOPNOTSUPP)
		return rc;
	return syscall(SYS_capset, &h, none) ? -errno : 0;
}

int sandbox_rights(const struct sandbox *sb, const struct sandbox_cap *caps, bool writable)
{
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* Both want CAP_SETPCAP, and both are moot with no_new_privs where nobody may exec. */
	if (!prctl(PR_SET_SECUREBITS, SECUREBITS)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		capng_apply(CAPNG_SELECT_BOUNDS);
	} else if (prctl(PR_SET_KEEPCAPS, 1)) {
		return -errno;
	}
	rc = sandbox_landlock(sb, writable);
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	rc = become(sb);
	return rc ? rc : limit_caps(sb, caps);
}
