/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What weir may still do once it is set up: as little as its work needs.
 *
 *     workers	no capability, nothing written, from the first instruction on: they read what
 *		strangers send
 *     the main	the capabilities of sandbox_caps[], for what the interface may ask of it
 *     thread	while it runs: a socket for a new queue, the hook put back
 *     all	no new privileges, the user of `user`, the system calls of sandbox_calls[]
 *		and no other; by Landlock, where the kernel has it, files are there for reading
 *
 * Credentials and Landlock are a thread's own: hence sandbox_spawn(), on whose thread the
 * workers are made, instead of taking from them what they were born with. The filter is put
 * on all threads at once.
 *
 * A refused system call returns EPERM to who made it, is counted, and named in the log by
 * sandbox_step(): a gate that dies of a call which a library has come to make is worse than
 * one that goes on without it.
 *
 * Who needs a system call, a capability or a place to write adds it in sandbox.c, and
 * says why.
 */
#ifndef WEIR_CONTROL_SANDBOX_H
#define WEIR_CONTROL_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/err.h"

/* What some need and others do not: bits of sandbox.needs. */
#define SANDBOX_DISPATCHER 0x01 /* the gate has a seat in libxdp's dispatcher */
#define SANDBOX_MEMLOCK	   0x02 /* RLIMIT_MEMLOCK has a limit */
#define SANDBOX_FILES	   0x04 /* files are written while it runs, in sandbox_dir()s */
#define SANDBOX_PIN	   0x08 /* the gate is pinned, and again when it is put back */

#define SANDBOX_DIRS 8

enum sandbox_access {
	SANDBOX_REMOVE, /* files may be removed */
	SANDBOX_WRITE,	/* made, written and removed; wants SANDBOX_FILES */
};

struct sandbox {
	bool on;
	const char *user; /* NULL: whose we are */
	uid_t uid;
	gid_t gid;
	unsigned needs;
	struct sandbox_dir {
		char path[256];
		enum sandbox_access how;
	} dirs[SANDBOX_DIRS];
	unsigned ndirs;
	bool entered;
	weir_log_fn log;
};

/* Finds the user. Before anything is opened. */
int sandbox_init(struct sandbox *sb, bool on, const char *user, weir_log_fn log,
		 struct weir_err *err);

/* For instance_config.spawn: start(arg) on a thread that has no more than workers may have. */
int sandbox_spawn(void *sb, int (*start)(void *arg), void *arg);

/* What the main thread may do in a directory, besides reading. Before sandbox_enter(). */
void sandbox_dir(struct sandbox *sb, const char *path, enum sandbox_access how);
/* In the one that a file is in. */
void sandbox_dir_of(struct sandbox *sb, const char *file, enum sandbox_access how);

/*
 * From now on, for all threads. What was opened stays open. Nothing is to be done about it
 * when the kernel has no Landlock (logged). SIGSYS belongs to the sandbox from here.
 */
int sandbox_enter(struct sandbox *sb, struct weir_err *err);

/* Logs what was refused since the last call; the number of refusals so far. */
uint64_t sandbox_step(struct sandbox *sb);

#endif
