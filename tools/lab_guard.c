// SPDX-License-Identifier: BSD-2-Clause
/* Is it a lab? By the records that tools/lab keeps, and the namespaces they name. */
#include "lab_guard.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>

#define LAB_STATE "/run/weir-lab"

static bool is_namespace(const char *lab, const char *end, const struct stat *mine)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/run/netns/%s-%s", lab, end);
	return !stat(path, &st) && st.st_ino == mine->st_ino && st.st_dev == mine->st_dev;
}

bool lab_guard_inside(void)
{
	struct stat mine;
	struct dirent *d;
	bool found = false;
	DIR *dir;

	if (stat("/proc/self/ns/net", &mine))
		return false;
	dir = opendir(LAB_STATE);
	if (!dir)
		return false;
	while (!found && (d = readdir(dir)))
		found = d->d_name[0] != '.' && (is_namespace(d->d_name, "c", &mine) ||
						is_namespace(d->d_name, "s", &mine));
	closedir(dir);
	return found;
}

bool lab_guard_loopback(const struct sockaddr *to)
{
	const void *p = to;

	if (to->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)p)->sin_addr.s_addr) >> 24 == 127;
	return to->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)p)->sin6_addr);
}
