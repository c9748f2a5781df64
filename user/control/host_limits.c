/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/cgroup.h"
#include "control/host_limits.h"

#define MIB	  ((uint64_t)1 << 20)
#define NO_MEMORY ((uint64_t)1 << 62) /* version 1 has a large number for "no limit" */

/* ---- what they are ------------------------------------------------------------------------ */

static uint64_t rlimit_of(int what)
{
	struct rlimit r;

	return getrlimit(what, &r) || r.rlim_cur == RLIM_INFINITY ? HOST_UNLIMITED : r.rlim_cur;
}

static bool may_lock(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct c[2] = {{0}, {0}};

	return !syscall(SYS_capget, &h, c) &&
	       (c[CAP_IPC_LOCK / 32].effective & 1u << CAP_IPC_LOCK % 32);
}

static uint64_t least_memory(const char *proc, const char *controller, const char *name)
{
	uint64_t least = HOST_UNLIMITED, limit;
	struct cgroup g;

	if (!cgroup_own(&g, proc, controller))
		return least;
	do {
		limit = cgroup_number(g.dir, name, "");
		if (limit < least && limit < NO_MEMORY)
			least = limit;
	} while (cgroup_up(&g));
	return least;
}

/* A group's share, of "quota period" in one file (version 2) or in two. */
static uint64_t cpu_of(const char *dir, bool v2)
{
	uint64_t quota = HOST_UNLIMITED, period = 0;
	char text[64];

	if (v2) {
		if (!cgroup_line(dir, "cpu.max", text, sizeof(text)) ||
		    sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
			return HOST_UNLIMITED;
	} else {
		quota = cgroup_number(dir, "cpu.cfs_quota_us", "");
		period = cgroup_number(dir, "cpu.cfs_period_us", "");
	}
	if (!period || period > UINT32_MAX || quota > UINT32_MAX * (uint64_t)1000)
		return HOST_UNLIMITED; /* also the -1 of version 1 */
	return quota * 1000 / period;
}

static uint64_t least_cpu(const char *proc, const char *controller)
{
	uint64_t least = HOST_UNLIMITED, share;
	struct cgroup g;

	if (!cgroup_own(&g, proc, controller))
		return least;
	do {
		share = cpu_of(g.dir, !controller);
		least = share < least ? share : least;
	} while (cgroup_up(&g));
	return least;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void host_limits_read(struct host_limits *l, const char *proc)
{
	cpu_set_t set;

	l->memlock = rlimit_of(RLIMIT_MEMLOCK);
	l->nofile = rlimit_of(RLIMIT_NOFILE);
	l->ipc_lock = may_lock();
	l->memory = lesser(least_memory(proc, NULL, "memory.max"),
			   least_memory(proc, "memory", "memory.limit_in_bytes"));
	l->cpu_milli = lesser(least_cpu(proc, NULL), least_cpu(proc, "cpu"));
	l->cpus = sched_getaffinity(0, sizeof(set), &set) ? 0 : (unsigned)CPU_COUNT(&set);
}

/* ---- whether they will do ------------------------------------------------------------------- */

static void warn(struct host_warnings *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct host_warnings *w, const char *fmt, ...)
{
	va_list ap;

	if (w->n == HOST_WARNINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(w->text[w->n++], sizeof(w->text[0]), fmt, ap);
	va_end(ap);
}

static void judge_memory(const struct host_limits *l, const struct host_needs *n,
			 struct host_warnings *w)
{
	if (!l->ipc_lock && l->memlock < n->locked)
		warn(w,
		     "RLIMIT_MEMLOCK is %" PRIu64 " KiB, the AF_XDP sockets' frames are %" PRIu64
		     " KiB: LimitMEMLOCK=infinity in the unit, ulimit -l unlimited, or fewer "
		     "--rx-frames and --tx-frames",
		     l->memlock / 1024, n->locked / 1024);
	if (l->memory < n->memory)
		warn(w,
		     "the cgroup's memory.max is %" PRIu64 " MiB, the pools come to %" PRIu64
		     " MiB when full: a larger MemoryMax= in the unit, or less of --conns, "
		     "--buffers and --flows",
		     l->memory / MIB, n->memory / MIB);
}

static void judge_cpus(const struct host_limits *l, const struct host_needs *n,
		       struct host_warnings *w)
{
	if (l->cpus && l->cpus < n->workers)
		warn(w,
		     "%u workers have %u CPU%s (affinity): more in CPUAffinity= or of the cpuset, "
		     "or --workers %u",
		     n->workers, l->cpus, l->cpus == 1 ? "" : "s", l->cpus);
	if (l->cpu_milli / 1000 < n->workers)
		warn(w,
		     "the cgroup's cpu.max is %" PRIu64 ".%02" PRIu64
		     " CPUs for %u workers: in a flood they are stopped for parts of every "
		     "period: CPUQuota=%u%% in the unit",
		     l->cpu_milli / 1000, l->cpu_milli % 1000 / 10, n->workers, n->workers * 100);
}

void host_limits_judge(const struct host_limits *l, const struct host_needs *n,
		       struct host_warnings *w)
{
	w->n = 0;
	judge_memory(l, n, w);
	if (l->nofile < n->files)
		warn(w,
		     "RLIMIT_NOFILE is %" PRIu64 ", and %" PRIu64
		     " descriptors may be needed, one for each proxied connection or file "
		     "that is sent: LimitNOFILE=%" PRIu64
		     " in the unit, ulimit -n, or fewer --conns",
		     l->nofile, n->files, n->files);
	judge_cpus(l, n, w);
}
