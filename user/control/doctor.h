/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a machine and an interface offer to weir, and what of them will hurt it.
 *
 *     doctor_gather()   asks the kernel: facts          (doctor_gather*.c; changes nothing)
 *     doctor_judge()    facts in, findings out, pure    (doctor_judge*.c)
 *
 * A finding that something can be done about has the command that does it, for a shell.
 */
#ifndef WEIR_CONTROL_DOCTOR_H
#define WEIR_CONTROL_DOCTOR_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/err.h"
#include "control/hook.h"
#include "control/netif.h"

/* ---- facts ---------------------------------------------------------------------------- */

#define DOCTOR_UNKNOWN (-1) /* of any int below */

/* 1 on, 0 off. */
struct doctor_offloads {
	int rxvlan, txvlan, lro, gro, tx_csum, tso, gso;
};

struct doctor_system {
	char release[64];
	unsigned major, minor;		/* of the kernel; 0: not understood */
	int btf;			/* the kernel describes its types */
	int xdp_sockets;		/* 0: there are; else the error */
	int jit, jit_harden, bpf_stats; /* the sysctls' values */
	int admin;			/* the capabilities that weir run needs are there */
	int ipc_lock;			/* CAP_IPC_LOCK: locked memory is not limited */
	uint64_t memlock, nofile;	/* limits, the hard ones; UINT64_MAX: none */
	unsigned cpus;
	char governor[24];  /* of a CPU that is not "performance", else that; "": none */
	int irqbalance;	    /* runs */
	int conntrack;	    /* loaded, in this namespace */
	char clock[32];	    /* the clock source in use; "": not known */
	char clocks[128];   /* and those there are */
	int clock_synced;   /* the kernel says that somebody keeps its time right */
	int huge_pages_off; /* transparent ones: "never" */
	uint64_t available; /* memory; UINT64_MAX: not known */
	uint64_t needed;    /* by the defaults, on this interface */
	uint64_t frames;    /* of that what is locked */
};

struct doctor_nic {
	char name[IFNAMSIZ];
	struct netif is;
	char refusal[400];	       /* why weir run would not have it at all; "": it would */
	int xdp_features;	       /* DOCTOR_XDP_*, as the kernel says; Linux 6.3 and newer */
	unsigned max_combined, max_rx; /* channels; 0: not known */
	unsigned rss_rings;	       /* queues that the indirection table names; 0: not known */
	int hash4, hash6;	       /* ethtool's RXH_* of TCP */
	unsigned rx_ring, rx_ring_max; /* descriptors; 0: not known */
	struct doctor_offloads off;
	unsigned irqs, irq_cpus; /* its interrupts, and on how many CPUs; 0: not known */
	int defer_hard_irqs, flush_timeout;
	int rp_filter;
	struct hook hook;
	bool hook_known, weir_runs; /* which: by hook.by */
	char hook_text[HOOK_TEXT_MAX];
	/* a veth's other end */
	enum veth_peer peer;
	bool peer_seen;
	char peer_name[IFNAMSIZ], peer_run[64]; /* what a command for it begins with */
	struct doctor_offloads peer_off;
};

/* As NETDEV_XDP_ACT_*. */
#define DOCTOR_XDP_NATIVE   0x1
#define DOCTOR_XDP_ZEROCOPY 0x8
#define DOCTOR_XDP_FRAGS    0x20

struct doctor_facts {
	struct doctor_system sys;
	struct doctor_nic nic;
};

/* 0, or -errno with *err: there is no such interface. */
int doctor_gather(struct doctor_facts *f, const char *iface, struct weir_err *err);
void doctor_gather_nic(struct doctor_nic *n);
void doctor_gather_system(struct doctor_system *s);
/* All not known. */
void doctor_facts_init(struct doctor_facts *f, const char *iface);

/* ---- findings -------------------------------------------------------------------------- */

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE, /* good to know */
	DOCTOR_WARN, /* costs speed, or hurts some */
	DOCTOR_BAD,  /* weir run would fail, or frames would be lost */
	DOCTOR_NLEVELS,
};

struct doctor_finding {
	enum doctor_level level;
	const char *topic; /* one word, the same in every version */
	char text[480];
	char command[256]; /* "": nothing to be done here */
};

#define DOCTOR_FINDINGS 48

struct doctor_report {
	struct doctor_finding v[DOCTOR_FINDINGS];
	unsigned n;
};

void doctor_judge(const struct doctor_facts *f, struct doctor_report *r);
void doctor_judge_system(const struct doctor_facts *f, struct doctor_report *r);
void doctor_judge_nic(const struct doctor_facts *f, struct doctor_report *r);

/* For the judges: appends a finding; the command to the last one. */
void doctor_say(struct doctor_report *r, enum doctor_level level, const char *topic,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void doctor_mend(struct doctor_report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

enum doctor_level doctor_worst(const struct doctor_report *r);
const char *doctor_level_name(enum doctor_level level); /* "ok", "note", "warn", "bad" */

/* Whether only generic XDP is to be had. */
bool doctor_generic(const struct doctor_nic *n);
/* By what is known of it, where the kernel does not say: 1, 0 or DOCTOR_UNKNOWN. */
int doctor_driver_native(const char *driver);
int doctor_driver_zerocopy(const char *driver);

#endif
