/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's facts about the machine. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "control/doctor.h"
#include "control/instance.h"
#include "control/memory.h"

#define CLOCKS "/sys/devices/system/clocksource/clocksource0/"
#define CPUS   "/sys/devices/system/cpu/"
#define PAGES  "/sys/kernel/mm/transparent_hugepage/enabled"

/* A file's first line without its end; "" when there is none. */
static void line(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");

	*buf = '\0';
	if (!f)
		return;
	if (fgets(buf, (int)len, f))
		buf[strcspn(buf, "\n")] = '\0';
	fclose(f);
}

static int number(const char *path)
{
	char text[32];

	line(path, text, sizeof(text));
	return isdigit((unsigned char)*text) ? atoi(text) : DOCTOR_UNKNOWN;
}

static int there(const char *path)
{
	return access(path, F_OK) ? 0 : 1;
}

/* ---- the kernel -------------------------------------------------------------------------- */

static void kernel(struct doctor_system *s)
{
	struct utsname u;
	int fd;

	if (!uname(&u)) {
		snprintf(s->release, sizeof(s->release), "%.63s", u.release);
		if (sscanf(u.release, "%u.%u", &s->major, &s->minor) != 2)
			s->major = s->minor = 0;
	}
	s->btf = there("/sys/kernel/btf/vmlinux");
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	s->xdp_sockets = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	s->jit = number("/proc/sys/net/core/bpf_jit_enable");
	s->jit_harden = number("/proc/sys/net/core/bpf_jit_harden");
	s->bpf_stats = number("/proc/sys/kernel/bpf_stats_enabled");
}

/* ---- what we may --------------------------------------------------------------------------- */

static bool capable(const struct __user_cap_data_struct *c, unsigned cap)
{
	return c[cap / 32].effective & 1u << cap % 32;
}

static uint64_t limit(int what, bool hard)
{
	struct rlimit r;

	if (getrlimit(what, &r))
		return UINT64_MAX;
	return hard ? r.rlim_max : r.rlim_cur;
}

static void rights(struct doctor_system *s)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct c[2] = {{0}, {0}};

	s->nofile = limit(RLIMIT_NOFILE, true);
	s->memlock = limit(RLIMIT_MEMLOCK, false);
	if (syscall(SYS_capget, &h, c))
		return;
	s->admin = capable(c, CAP_NET_ADMIN) && capable(c, CAP_NET_RAW) &&
		   ((capable(c, CAP_BPF) && capable(c, CAP_PERFMON)) || capable(c, CAP_SYS_ADMIN));
	s->ipc_lock = capable(c, CAP_IPC_LOCK);
	if (capable(c, CAP_SYS_RESOURCE)) /* weir run raises them */
		s->memlock = s->nofile = UINT64_MAX;
}

/* ---- the machine --------------------------------------------------------------------------- */

static void governor(struct doctor_system *s)
{
	char path[128], text[24];

	for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
		snprintf(path, sizeof(path), CPUS "cpu%u/cpufreq/scaling_governor", cpu);
		line(path, text, sizeof(text));
		if (*text && (!*s->governor || strcmp(text, "performance")))
			memcpy(s->governor, text, sizeof(text));
	}
}

static int runs(const char *comm)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int found = 0;

	while (!found && d && (e = readdir(d))) {
		char path[288], text[32];

		if (!isdigit((unsigned char)*e->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		line(path, text, sizeof(text));
		found = !strcmp(text, comm);
	}
	if (d)
		closedir(d);
	return found;
}

static void machine(struct doctor_system *s)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct timex tx = {.modes = 0};
	char pages[64];

	s->cpus = cpus > 0 ? (unsigned)cpus : 1;
	governor(s);
	s->irqbalance = runs("irqbalance");
	s->conntrack = there("/proc/sys/net/netfilter/nf_conntrack_max");
	line(CLOCKS "current_clocksource", s->clock, sizeof(s->clock));
	line(CLOCKS "available_clocksource", s->clocks, sizeof(s->clocks));
	if (adjtimex(&tx) >= 0)
		s->clock_synced = !(tx.status & STA_UNSYNC);
	line(PAGES, pages, sizeof(pages));
	if (*pages)
		s->huge_pages_off = !!strstr(pages, "[never]");
	s->available = memory_available("/proc");
}

void doctor_gather_system(struct doctor_system *s)
{
	kernel(s);
	rights(s);
	machine(s);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void pools(struct doctor_facts *f)
{
	unsigned queues = f->nic.is.rx_queues;
	struct instance_config cfg;

	instance_config_default(&cfg);
	cfg.engine.workers = queues < f->sys.cpus ? queues : f->sys.cpus;
	f->sys.needed = instance_needs(&cfg, f->nic.is.mtu, queues, &f->sys.frames);
}

int doctor_gather(struct doctor_facts *f, const char *iface, struct weir_err *err)
{
	int rc;

	doctor_facts_init(f, iface);
	rc = netif_query(&f->nic.is, iface, err);
	if (rc && !f->nic.is.ifindex)
		return rc;
	if (rc)
		snprintf(f->nic.refusal, sizeof(f->nic.refusal), "%s", err->msg);
	doctor_gather_nic(&f->nic);
	doctor_gather_system(&f->sys);
	pools(f);
	return 0;
}
