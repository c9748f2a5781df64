/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/cgroup.h"
#include "control/memory.h"

/* What differs between the two kinds of memory cgroup. */
static const struct kind {
	const char *controller, *limit, *usage, *cache;
} kinds[] = {
	{NULL, "memory.max", "memory.current", "inactive_file"},
	{"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

static uint64_t left_in(const struct kind *k, const char *dir)
{
	uint64_t limit = cgroup_number(dir, k->limit, ""), usage = cgroup_number(dir, k->usage, "");
	uint64_t cache = cgroup_number(dir, "memory.stat", k->cache);

	if (limit == UINT64_MAX || usage == UINT64_MAX)
		return UINT64_MAX;
	/* Files that nobody has read lately make room. */
	if (cache != UINT64_MAX)
		usage -= cache < usage ? cache : usage;
	return limit > usage ? limit - usage : 0;
}

/* The least that is left in our group and in those above it. */
static uint64_t left_in_groups(const struct kind *k, const char *proc)
{
	uint64_t least = UINT64_MAX, left;
	struct cgroup g;

	if (!cgroup_own(&g, proc, k->controller))
		return UINT64_MAX;
	do {
		left = left_in(k, g.dir);
		least = left < least ? left : least;
	} while (cgroup_up(&g));
	return least;
}

/* Of the address space that a limit of the process leaves. */
static uint64_t left_to_map(const char *proc)
{
	uint64_t pages = cgroup_number(proc, "self/statm", "");
	struct rlimit r;
	uint64_t used;

	if (pages == UINT64_MAX || getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	used = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return r.rlim_cur > used ? r.rlim_cur - used : 0;
}

uint64_t memory_available(const char *proc)
{
	uint64_t least = cgroup_number(proc, "meminfo", "MemAvailable:"), left;

	if (least != UINT64_MAX)
		least *= 1024;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		left = left_in_groups(&kinds[i], proc);
		least = left < least ? left : least;
	}
	left = left_to_map(proc);
	return left < least ? left : least;
}
