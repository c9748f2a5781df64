/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
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

static int only_socket(char *buf, size_t len, const char *prefix)
{
	char found[256] = "";
	struct dirent *d;
	int rc = 0;
	DIR *dir;

	dir = opendir(CTL_DIR);
	if (!dir)
		return -errno;
	while ((d = readdir(dir)) && !rc) {
		if (!candidate(d->d_name, prefix))
			continue;
		if (found[0])
			rc = -ENOTUNIQ;
		snprintf(found, sizeof(found), "%s", d->d_name);
	}
	closedir(dir);
	if (rc)
		return rc;
	if (!found[0])
		return -ENOENT;
	return (size_t)snprintf(buf, len, CTL_DIR "/%s", found) < len ? 0 : -ENAMETOOLONG;
}

int ctl_default_path(char *buf, size_t len, const char *iface)
{
	char prefix[32];
	int rc = netns_prefix(prefix, sizeof(prefix));

	if (rc)
		return rc;
	if (!iface)
		return only_socket(buf, len, prefix);
	if ((size_t)snprintf(buf, len, CTL_DIR "/%s%s" SUFFIX, prefix, iface) >= len)
		return -ENAMETOOLONG;
	return 0;
}
