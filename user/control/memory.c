/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/memory.h"

#define LINE_MAX_LEN 4096

/* What differs between the two kinds of memory cgroup. */
static const struct kind {
	bool v2;
	const char *limit, *usage, *cache;
} kinds[] = {
	{true, "memory.max", "memory.current", "inactive_file"},
	{false, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

static FILE *open_in(const char *dir, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "re");
}

/* The number behind `key` in a file of lines "key number", or of one number, key "". */
static uint64_t number_in(const char *dir, const char *name, const char *key)
{
	char line[256];
	uint64_t value = UINT64_MAX;
	size_t len = strlen(key);
	FILE *f = open_in(dir, name);

	if (!f)
		return UINT64_MAX;
	while (value == UINT64_MAX && fgets(line, sizeof(line), f)) {
		char *end;

		if (strncmp(line, key, len))
			continue;
		value = strtoull(line + len, &end, 10);
		if (end == line + len) /* "max" */
			value = UINT64_MAX;
	}
	fclose(f);
	return value;
}

static uint64_t left_in(const struct kind *k, const char *dir)
{
	uint64_t limit = number_in(dir, k->limit, ""), usage = number_in(dir, k->usage, "");
	uint64_t cache = number_in(dir, "memory.stat", k->cache);

	if (limit == UINT64_MAX || usage == UINT64_MAX)
		return UINT64_MAX;
	/* Files that nobody has read lately make room. */
	if (cache != UINT64_MAX)
		usage -= cache < usage ? cache : usage;
	return limit > usage ? limit - usage : 0;
}

/* The least that is left in the group and in those above it, up to the mount. */
static uint64_t left_below(const struct kind *k, char *dir, size_t top)
{
	uint64_t least = UINT64_MAX;

	for (;;) {
		uint64_t left = left_in(k, dir);
		char *slash = strrchr(dir, '/');

		least = left < least ? left : least;
		if (strlen(dir) <= top || !slash)
			return least;
		*slash = '\0';
	}
}

/* Whether `word` is in a list with commas. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len) {
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	}
	return false;
}

/* The group of this process, from a line "number:controllers:path". */
static bool own_group(const struct kind *k, const char *proc, char *group, size_t len)
{
	char line[LINE_MAX_LEN];
	bool found = false;
	FILE *f = open_in(proc, "self/cgroup");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *name = strchr(line, ':'), *where = name ? strchr(name + 1, ':') : NULL;

		if (!where)
			continue;
		*where++ = '\0';
		where[strcspn(where, "\n")] = '\0';
		found = k->v2 ? !name[1] : has_word(name + 1, "memory");
		if (found)
			snprintf(group, len, "%s", where);
	}
	if (f)
		fclose(f);
	return found;
}

/* Where the groups are mounted, from a line "... root point options ... - type source super". */
static bool mounted_at(const struct kind *k, const char *proc, char *root, char *point)
{
	char line[LINE_MAX_LEN], type[32], super[1024];
	bool found = false;
	FILE *f = open_in(proc, "self/mountinfo");

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(tail, " - %31s %*s %1023s", type, super) != 2 ||
		    sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2)
			continue;
		found = k->v2 ? !strcmp(type, "cgroup2")
			      : !strcmp(type, "cgroup") && has_word(super, "memory");
	}
	if (f)
		fclose(f);
	return found;
}

static uint64_t left_in_groups(const struct kind *k, const char *proc)
{
	char group[1024], root[1024], point[1024], dir[PATH_MAX];
	const char *below = group;
	size_t len;

	if (!own_group(k, proc, group, sizeof(group)) || !mounted_at(k, proc, root, point))
		return UINT64_MAX;
	/* In a container a part of the path lies above what is mounted. */
	len = strcmp(root, "/") ? strlen(root) : 0;
	if (!strncmp(group, root, len))
		below += len;
	snprintf(dir, sizeof(dir), "%s%s", point, strcmp(below, "/") ? below : "");
	return left_below(k, dir, strlen(point));
}

/* Of the address space that a limit of the process leaves. */
static uint64_t left_to_map(const char *proc)
{
	uint64_t pages = number_in(proc, "self/statm", "");
	struct rlimit r;
	uint64_t used;

	if (pages == UINT64_MAX || getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	used = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return r.rlim_cur > used ? r.rlim_cur - used : 0;
}

uint64_t memory_available(const char *proc)
{
	uint64_t least = number_in(proc, "meminfo", "MemAvailable:"), left;

	if (least != UINT64_MAX)
		least *= 1024;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		left = left_in_groups(&kinds[i], proc);
		least = left < least ? left : least;
	}
	left = left_to_map(proc);
	return left < least ? left : least;
}
