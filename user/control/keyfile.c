/* SPDX-License-Identifier: BSD-2-Clause */
/* Key files on disk: who may read them, and how they are replaced whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/file.h>
#include <unistd.h>

#include "control/keyfile.h"

/* ---- which one ---------------------------------------------------------------------------- */

static bool in_credentials(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t n = dir ? strlen(dir) : 0;

	return n && !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

int keyfile_path(char *buf, size_t cap, const char *name, struct weir_err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t skip = strlen(KEYFILE_CREDENTIAL);
	int n;

	if (name && strncmp(name, KEYFILE_CREDENTIAL, skip)) {
		n = snprintf(buf, cap, "%s", name);
	} else if (name && (!name[skip] || strchr(name + skip, '/'))) {
		return err_unsuited(err, -EINVAL, "key file %s: a credential has a plain name",
				    name);
	} else if (dir && *dir) {
		n = snprintf(buf, cap, "%s/%s", dir, name ? name + skip : KEYFILE_DEFAULT);
		if (!name && (size_t)n < cap && access(buf, F_OK))
			n = snprintf(buf, cap, "%s", "");
	} else if (!name) {
		n = snprintf(buf, cap, "%s", "");
	} else {
		return err_unsuited(err, -ENOENT,
				    "key file %s: no credentials here ($CREDENTIALS_DIRECTORY is "
				    "not set): LoadCredential= in the unit gives them",
				    name);
	}
	if (n < 0 || (size_t)n >= cap)
		return err_unsuited(err, -ENAMETOOLONG, "key file: its path is too long");
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* That nobody else can read or replace what is in it. */
static int check_owner(const struct stat *st, const char *path, uid_t also, struct weir_err *err)
{
	mode_t others = in_credentials(path) ? 037 : 077;
	bool owned = !st->st_uid || st->st_uid == geteuid() || st->st_uid == also ||
		     also == KEYFILE_ANYBODY;

	if (!S_ISREG(st->st_mode))
		return err_unsuited(err, -EINVAL, "key file %s: not a regular file", path);
	if ((st->st_mode & others) || !owned)
		return err_unsuited(
			err, -EPERM,
			"key file %s: others can read or own it; chmod 600 and chown it", path);
	return 0;
}

/*
 * As root, or where that may not read it (the unit leaves it no CAP_DAC_OVERRIDE) as the user who
 * will read it again.
 */
static int open_private(const char *path, uid_t also)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags), rc;

	if (fd >= 0 || errno != EACCES || geteuid() || also == KEYFILE_ANYBODY)
		return fd < 0 ? -errno : fd;
	setfsuid(also);
	fd = open(path, flags);
	rc = fd < 0 ? -errno : fd;
	setfsuid(0);
	return rc;
}

/* The file's text, 0-terminated, KEYFILE_MAX + 1 bytes for the caller to wipe and free. */
static int read_private(char **text, struct stat *st, const char *path, uid_t also,
			struct weir_err *err)
{
	size_t len = 0;
	ssize_t n = 1;
	char *buf;
	int fd, rc;

	fd = open_private(path, also);
	if (fd < 0)
		return err_unsuited(err, fd, "key file %s: %s", path, strerror(-fd));
	rc = fstat(fd, st) ? err_unsuited(err, -errno, "key file %s: %s", path, strerror(errno))
			   : check_owner(st, path, also, err);
	buf = rc ? NULL : calloc(1, KEYFILE_MAX + 2);
	if (rc)
		goto out;
	for (; buf && n > 0 && len <= KEYFILE_MAX; len += n > 0 ? (size_t)n : 0)
		n = read(fd, buf + len, KEYFILE_MAX + 1 - len);
	if (!buf || n < 0 || len > KEYFILE_MAX) {
		rc = err_unsuited(err, -EINVAL, "key file %s: %s", path,
				  len > KEYFILE_MAX ? "too long" : "cannot be read");
		if (buf)
			explicit_bzero(buf, KEYFILE_MAX + 1);
		free(buf);
		goto out;
	}
	*text = buf;
out:
	close(fd);
	return rc;
}

static int load(struct key_set *s, struct stat *st, const char *path, uid_t also,
		struct weir_err *err)
{
	const char *why;
	char *text = NULL;
	unsigned line;
	int rc;

	rc = read_private(&text, st, path, also, err);
	if (rc)
		return rc;
	rc = keyfile_parse(s, text, &line, &why);
	explicit_bzero(text, KEYFILE_MAX + 1);
	free(text);
	if (rc)
		return err_unsuited(err, rc, "key file %s:%u: %s", path, line, why);
	return 0;
}

int keyfile_load(struct key_set *s, const char *path, uid_t also, struct weir_err *err)
{
	struct stat st;

	return load(s, &st, path, also, err);
}

/* ---- writing ------------------------------------------------------------------------------ */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* To the disk, under a name of its own beside the file's. */
static int write_beside(const char *tmp, const struct key_set *s, const struct stat *owner)
{
	char text[KEYFILE_MAX];
	size_t len = keyfile_format(s, text, sizeof(text));
	int fd, rc;

	unlink(tmp); /* of one that was killed: the lock is ours */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = len ? write_all(fd, text, len) : -EFBIG;
	explicit_bzero(text, sizeof(text));
	if (!rc && owner && owner->st_uid != geteuid() && fchown(fd, owner->st_uid, owner->st_gid))
		rc = -errno;
	if (!rc && fsync(fd))
		rc = -errno;
	close(fd);
	if (rc)
		unlink(tmp);
	return rc;
}

struct place {
	char path[PATH_MAX - 8]; /* without symbolic links */
	char tmp[PATH_MAX];
	int dir; /* locked */
};

/* The directory's lock is what only one writer has; it goes with the process. */
static int open_place(struct place *p, struct weir_err *err)
{
	char dir[PATH_MAX];
	char *slash;

	snprintf(p->tmp, sizeof(p->tmp), "%s.new", p->path);
	snprintf(dir, sizeof(dir), "%s", p->path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	p->dir = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return err_set(err, -errno, "key file %s: its directory: %s", p->path,
			       strerror(errno));
	if (!flock(p->dir, LOCK_EX | LOCK_NB))
		return 0;
	close(p->dir);
	return err_set(err, -EBUSY, "key file %s: something else changes it just now", p->path);
}

static void close_place(struct place *p)
{
	fsync(p->dir);
	close(p->dir);
}

int keyfile_create(const char *path, const struct key_set *s, struct weir_err *err)
{
	struct place p = {.dir = -1};
	int rc;

	if ((size_t)snprintf(p.path, sizeof(p.path), "%s", path) >= sizeof(p.path))
		return err_set(err, -ENAMETOOLONG, "key file: its path is too long");
	rc = open_place(&p, err);
	if (rc)
		return rc;
	rc = write_beside(p.tmp, s, NULL);
	/* A link, unlike a rename, does not replace. */
	if (!rc && link(p.tmp, p.path))
		rc = -errno;
	unlink(p.tmp);
	close_place(&p);
	if (rc == -EEXIST)
		return err_set(err, rc,
			       "key file %s: it is there already; weir key rotate adds a "
			       "key",
			       path);
	return rc ? err_set(err, rc, "key file %s: cannot be written: %s", path, strerror(-rc)) : 0;
}

int keyfile_change(const char *path, keyfile_change_fn change, void *arg, struct weir_err *err)
{
	char *real = realpath(path, NULL);
	struct key_set s;
	struct place p = {.dir = -1};
	struct stat st;
	int rc;

	if (!real)
		return err_unsuited(err, -errno, "key file %s: %s", path, strerror(errno));
	rc = (size_t)snprintf(p.path, sizeof(p.path), "%s", real) < sizeof(p.path) ? 0 : -1;
	free(real);
	if (rc)
		return err_set(err, -ENAMETOOLONG, "key file: its path is too long");
	rc = open_place(&p, err);
	if (rc)
		return rc;
	rc = load(&s, &st, p.path, KEYFILE_ANYBODY, err);
	if (!rc)
		rc = change(&s, arg, err);
	if (rc)
		goto out;
	rc = write_beside(p.tmp, &s, &st);
	if (!rc && rename(p.tmp, p.path)) {
		rc = -errno;
		unlink(p.tmp);
	}
	if (rc)
		err_set(err, rc, "key file %s: cannot be written: %s", path, strerror(-rc));
out:
	explicit_bzero(&s, sizeof(s));
	close_place(&p);
	return rc;
}
