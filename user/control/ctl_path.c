/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/ctl.h"
#include "control/ctl_socket.h"

#define SUFFIX ".sock"

static int netns_prefix(char *buf, size_t len)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	snprintf(buf, len, "%llu-", (unsigned long long)st.st_ino);
	return 0;
}

/* A socket somebody answers at; kill -9 leaves others behind. */
static bool alive(const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), CTL_DIR "/%s", name);
	fd = ctl_socket_connect(path);
	if (fd < 0)
		return fd != -ECONNREFUSED && fd != -ENOENT;
	close(fd);
	return true;
}

static bool candidate(const char *name, const char *prefix)
{
	size_t n = strlen(name), suffix = strlen(SUFFIX);

	return n > suffix && !strncmp(name, prefix, strlen(prefix)) &&
	       !strcmp(name + n - suffix, SUFFIX) && alive(name);
}

int ctl_each_path(ctl_path_fn fn, void *arg)
{
	char prefix[32], path[PATH_MAX];
	struct dirent **found;
	int n, i, rc = netns_prefix(prefix, sizeof(prefix));

	if (rc)
		return rc;
	n = scandir(CTL_DIR, &found, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		if (!rc && candidate(found[i]->d_name, prefix)) {
			snprintf(path, sizeof(path), CTL_DIR "/%s", found[i]->d_name);
			rc = fn(path, arg);
		}
		free(found[i]);
	}
	free(found);
	return rc;
}

struct only {
	char *buf;
	size_t len;
	bool found;
};

static int keep_only(const char *path, void *arg)
{
	struct only *o = arg;

	if (o->found)
		return -ENOTUNIQ;
	o->found = true;
	return (size_t)snprintf(o->buf, o->len, "%s", path) < o->len ? 0 : -ENAMETOOLONG;
}

int ctl_default_path(char *buf, size_t len, const char *iface)
{
	struct only only = {.buf = buf, .len = len};
	char prefix[32];
	int rc;

	if (!iface) {
		rc = ctl_each_path(keep_only, &only);
		return rc || only.found ? rc : -ENOENT;
	}
	rc = netns_prefix(prefix, sizeof(prefix));
	if (rc)
		return rc;
	if ((size_t)snprintf(buf, len, CTL_DIR "/%s%s" SUFFIX, prefix, iface) >= len)
		return -ENAMETOOLONG;
	return 0;
}
