/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's verdicts on the machine. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/doctor.h"

#define MIB	      ((uint64_t)1 << 20)
#define NOFILE_ENOUGH 4096

void doctor_facts_init(struct doctor_facts *f, const char *iface)
{
	const struct doctor_offloads none = {DOCTOR_UNKNOWN, DOCTOR_UNKNOWN, DOCTOR_UNKNOWN,
					     DOCTOR_UNKNOWN, DOCTOR_UNKNOWN, DOCTOR_UNKNOWN,
					     DOCTOR_UNKNOWN};
	struct doctor_system *s = &f->sys;
	struct doctor_nic *n = &f->nic;

	memset(f, 0, sizeof(*f));
	s->btf = s->xdp_sockets = s->jit = s->jit_harden = s->bpf_stats = DOCTOR_UNKNOWN;
	s->admin = s->ipc_lock = s->irqbalance = s->conntrack = DOCTOR_UNKNOWN;
	s->clock_synced = s->huge_pages_off = DOCTOR_UNKNOWN;
	s->memlock = s->nofile = s->available = UINT64_MAX;
	n->xdp_features = n->hash4 = n->hash6 = DOCTOR_UNKNOWN;
	n->defer_hard_irqs = n->flush_timeout = n->rp_filter = DOCTOR_UNKNOWN;
	n->off = n->peer_off = none;
	snprintf(n->name, sizeof(n->name), "%s", iface);
}

void doctor_say(struct doctor_report *r, enum doctor_level level, const char *topic,
		const char *fmt, ...)
{
	struct doctor_finding *f;
	va_list ap;

	if (r->n == DOCTOR_FINDINGS)
		return;
	f = &r->v[r->n++];
	memset(f, 0, sizeof(*f));
	f->level = level;
	f->topic = topic;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

void doctor_mend(struct doctor_report *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->v[r->n - 1].command, sizeof(r->v[0].command), fmt, ap);
	va_end(ap);
}

enum doctor_level doctor_worst(const struct doctor_report *r)
{
	enum doctor_level worst = DOCTOR_OK;

	for (unsigned i = 0; i < r->n; i++)
		worst = r->v[i].level > worst ? r->v[i].level : worst;
	return worst;
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[DOCTOR_NLEVELS] = {"ok", "note", "warn", "bad"};

	return names[level];
}

/* ---- the kernel ------------------------------------------------------------------------- */

static void kernel(const struct doctor_system *s, struct doctor_report *r)
{
	if (s->major && (s->major < 6 || (s->major == 6 && s->minor < 1)))
		doctor_say(r, DOCTOR_BAD, "kernel", "Linux %s: weir needs 6.1 or newer",
			   s->release);
	else
		doctor_say(r, DOCTOR_OK, "kernel", "Linux %s", s->release);
	if (!s->xdp_sockets)
		doctor_say(r, DOCTOR_OK, "af_xdp", "AF_XDP sockets");
	else if (s->xdp_sockets == EAFNOSUPPORT)
		doctor_say(
			r, DOCTOR_BAD, "af_xdp",
			"this kernel was built without CONFIG_XDP_SOCKETS: another one is needed");
	else
		doctor_say(r, DOCTOR_NOTE, "af_xdp", "AF_XDP cannot be tried: %s",
			   s->xdp_sockets == DOCTOR_UNKNOWN ? "not asked"
							    : strerror(s->xdp_sockets));
	if (!s->btf)
		doctor_say(r, DOCTOR_NOTE, "btf",
			   "no /sys/kernel/btf/vmlinux: the XDP hook cannot be shared in libxdp's "
			   "dispatcher");
	else if (s->btf > 0)
		doctor_say(r, DOCTOR_OK, "btf", "the kernel describes its types (BTF)");
}

static void bpf(const struct doctor_system *s, struct doctor_report *r)
{
	if (!s->jit) {
		doctor_say(r, DOCTOR_WARN, "jit",
			   "BPF programs are interpreted: the gate is some ten times slower");
		doctor_mend(r, "sysctl -w net.core.bpf_jit_enable=1");
	} else if (s->jit == 2) {
		doctor_say(r, DOCTOR_WARN, "jit",
			   "every BPF program is written to the kernel's log");
		doctor_mend(r, "sysctl -w net.core.bpf_jit_enable=1");
	} else if (s->jit > 0) {
		doctor_say(r, DOCTOR_OK, "jit", "BPF programs are compiled");
	}
	if (s->jit_harden == 2) {
		doctor_say(
			r, DOCTOR_NOTE, "jit_harden",
			"constants in BPF programs are blinded, root's too: the gate is larger and "
			"slower; 1 blinds those of other users alone");
		doctor_mend(r, "sysctl -w net.core.bpf_jit_harden=1");
	}
	if (s->bpf_stats > 0) {
		doctor_say(
			r, DOCTOR_WARN, "bpf_stats",
			"each run of a BPF program is timed, which costs the gate a good part of "
			"its speed");
		doctor_mend(r, "sysctl -w kernel.bpf_stats_enabled=0");
	}
}

/* ---- what we may ------------------------------------------------------------------------- */

static void limits(const struct doctor_system *s, struct doctor_report *r)
{
	if (!s->admin)
		doctor_say(r, DOCTOR_NOTE, "privilege",
			   "not as root: not everything can be seen; weir run needs CAP_NET_ADMIN, "
			   "CAP_NET_RAW, CAP_BPF and CAP_PERFMON, or root");
	else if (s->admin > 0)
		doctor_say(r, DOCTOR_OK, "privilege", "the capabilities that weir run needs");
	if (!s->ipc_lock && s->memlock < s->frames) {
		doctor_say(r, DOCTOR_BAD, "memlock",
			   "%" PRIu64
			   " KiB may be locked (RLIMIT_MEMLOCK), the AF_XDP sockets' frames "
			   "are %" PRIu64 " MiB; in a systemd unit LimitMEMLOCK=infinity",
			   s->memlock / 1024, s->frames / MIB);
		doctor_mend(r, "ulimit -H -l unlimited && ulimit -l unlimited");
	} else {
		doctor_say(r, DOCTOR_OK, "memlock", "the sockets' frames may be locked in memory");
	}
	if (s->nofile < NOFILE_ENOUGH) {
		doctor_say(r, DOCTOR_NOTE, "nofile",
			   "%" PRIu64
			   " descriptors at most (RLIMIT_NOFILE): few for files that are "
			   "served and for backends; in a systemd unit LimitNOFILE=1048576",
			   s->nofile);
		doctor_mend(r, "ulimit -n 1048576");
	}
}

static void memory(const struct doctor_system *s, struct doctor_report *r)
{
	if (s->available != UINT64_MAX && s->needed > s->available - s->available / 8)
		doctor_say(
			r, DOCTOR_NOTE, "memory",
			"the default pools come to %" PRIu64 " MiB when full, %" PRIu64
			" MiB are available: weir run makes them smaller, and says what they are",
			s->needed / MIB, s->available / MIB);
	else if (s->available != UINT64_MAX)
		doctor_say(r, DOCTOR_OK, "memory",
			   "%" PRIu64 " MiB are available, the default pools come to %" PRIu64
			   " MiB when full",
			   s->available / MIB, s->needed / MIB);
	if (s->huge_pages_off > 0) {
		doctor_say(
			r, DOCTOR_NOTE, "hugepages",
			"transparent huge pages are off: with many connections the pools miss the "
			"TLB more often");
		doctor_mend(r, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
	}
}

/* ---- the machine -------------------------------------------------------------------------- */

static bool good_clock(const char *name)
{
	static const char *const good[] = {"tsc",
					   "kvm-clock",
					   "arch_sys_counter",
					   "hyperv_clocksource_tsc_page",
					   "timebase",
					   "riscv_clocksource",
					   "tod"};

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!strcmp(name, good[i]))
			return true;
	return false;
}

static void clocks(const struct doctor_system *s, struct doctor_report *r)
{
	if (*s->clock && !good_clock(s->clock)) {
		doctor_say(r, DOCTOR_WARN, "clock",
			   "the clock source is %s: reading the time is slow, and workers read it "
			   "often",
			   s->clock);
		if (strstr(s->clocks, "tsc"))
			doctor_mend(r, "echo tsc >/sys/devices/system/clocksource/clocksource0/"
				       "current_clocksource");
	} else if (*s->clock) {
		doctor_say(r, DOCTOR_OK, "clock", "the clock source is %s", s->clock);
	}
	if (!s->clock_synced) {
		doctor_say(
			r, DOCTOR_NOTE, "time",
			"nobody keeps the machine's time right: nodes that share a key file must "
			"agree on it within seconds");
		doctor_mend(r, "timedatectl set-ntp true");
	} else if (s->clock_synced > 0) {
		doctor_say(r, DOCTOR_OK, "time", "the machine's time is kept right");
	}
}

static void cpus(const struct doctor_system *s, struct doctor_report *r)
{
	if (*s->governor && strcmp(s->governor, "performance")) {
		doctor_say(
			r, DOCTOR_WARN, "governor",
			"the CPUs' frequency follows their load (%s): a flood begins on slow ones",
			s->governor);
		doctor_mend(r, "for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do "
			       "echo performance >$f; done");
	} else if (*s->governor) {
		doctor_say(r, DOCTOR_OK, "governor", "the CPUs run at full frequency");
	}
	if (s->irqbalance > 0) {
		doctor_say(r, DOCTOR_NOTE, "irqbalance",
			   "irqbalance runs, and may put queues' interrupts together on one CPU; "
			   "IRQBALANCE_BANNED_CPULIST keeps it off some");
		doctor_mend(r, "systemctl disable --now irqbalance");
	}
	if (s->conntrack > 0)
		doctor_say(
			r, DOCTOR_NOTE, "conntrack",
			"connection tracking is loaded: it never sees what weir serves, all else "
			"pays for it as before");
}

void doctor_judge_system(const struct doctor_facts *f, struct doctor_report *r)
{
	const struct doctor_system *s = &f->sys;

	kernel(s, r);
	bpf(s, r);
	limits(s, r);
	memory(s, r);
	clocks(s, r);
	cpus(s, r);
}

void doctor_judge(const struct doctor_facts *f, struct doctor_report *r)
{
	r->n = 0;
	doctor_judge_system(f, r);
	doctor_judge_nic(f, r);
}
