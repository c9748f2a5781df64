/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl_socket.h"

#define BACKLOG	      16
#define LOCK_TRIES    20
#define LOCK_PAUSE_NS 100000000L

int ctl_socket_dir(const char *dir, struct weir_err *err)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "cannot make %s: %s", dir, strerror(errno));
	if (lstat(dir, &st) < 0)
		return err_set(err, -errno, "cannot look at %s: %s", dir, strerror(errno));
	/* Root's weirs may have given it to the user as whom they run. */
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && geteuid()) || st.st_mode & 077)
		return err_set(err, -EPERM,
			       "%s must be a directory of this user with mode 0700: "
			       "remove it or correct it",
			       dir);
	return 0;
}

static int address(struct sockaddr_un *sa, const char *path)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	strcpy(sa->sun_path, path);
	return 0;
}

int ctl_socket_connect(const char *path)
{
	struct sockaddr_un sa;
	int fd, rc = address(&sa, path);

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Removes the socket of a dead process. 0 when the name is free. */
static int clear_stale(const char *path, struct weir_err *err)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s exists and is not a socket", path);
	fd = ctl_socket_connect(path);
	if (fd != -ECONNREFUSED) {
		if (fd >= 0)
			close(fd);
		return err_set(err, -EADDRINUSE, "another weir answers at %s", path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "cannot remove the old %s: %s", path, strerror(errno));
	return 0;
}

/* Two weirs that start at once must not remove each other's fresh socket. */
static int lock_parent(const char *path, struct weir_err *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "no directory for %s: %s", path, strerror(errno));
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return err_set(err, -EBUSY, "the directory of %s stays locked", path);
}

static int bind_listen(const struct sockaddr_un *sa, struct weir_err *err)
{
	int fd, rc;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* Before bind(): the file is born with this mode, there is no gap. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		rc = err_set(err, -errno, "cannot listen at %s: %s", sa->sun_path, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

int ctl_socket_listen(const char *path, struct weir_err *err)
{
	struct sockaddr_un sa;
	int lock, fd;

	if (address(&sa, path))
		return err_set(err, -ENAMETOOLONG, "%s is too long for a socket", path);
	lock = lock_parent(path, err);
	if (lock < 0)
		return lock;
	fd = clear_stale(path, err);
	if (!fd)
		fd = bind_listen(&sa, err);
	close(lock);
	return fd;
}

bool ctl_socket_peer_ok(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}
