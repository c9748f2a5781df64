/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process may have, by the limits that were set for it, and whether that will do for
 * what is configured. Nothing else would tell before a client is sent away, a worker is
 * throttled, or the kernel kills for memory.
 */
#ifndef WEIR_CONTROL_HOST_LIMITS_H
#define WEIR_CONTROL_HOST_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_UNLIMITED UINT64_MAX
#define HOST_WARNINGS  5

struct host_limits {
	uint64_t memlock;   /* bytes, RLIMIT_MEMLOCK */
	bool ipc_lock;	    /* which does not bind us: CAP_IPC_LOCK */
	uint64_t nofile;    /* RLIMIT_NOFILE */
	uint64_t memory;    /* bytes, the least of our cgroups' memory.max */
	uint64_t cpu_milli; /* CPU time a second, in ms: the least of their cpu.max */
	unsigned cpus;	    /* on which we may run; 0: not known */
};

/* What is configured comes to, when all of it is in use. */
struct host_needs {
	uint64_t locked; /* bytes of AF_XDP's frames */
	uint64_t memory; /* bytes of all pools */
	uint64_t files;	 /* descriptors */
	unsigned workers;
};

/* What is too little, a line each, with what to do. */
struct host_warnings {
	unsigned n;
	char text[HOST_WARNINGS][320];
};

/* As they are now; `proc` is where proc is mounted. */
void host_limits_read(struct host_limits *l, const char *proc);

/* Pure. */
void host_limits_judge(const struct host_limits *l, const struct host_needs *n,
		       struct host_warnings *w);

#endif
