/* SPDX-License-Identifier: BSD-2-Clause */
/* The cgroups that this process is in, for the limits that they set. */
#ifndef WEIR_CONTROL_CGROUP_H
#define WEIR_CONTROL_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
	char dir[PATH_MAX];
	size_t top; /* the length of where they are mounted */
};

/*
 * Our group of version 1's hierarchy that has this controller, or of version 2's (NULL).
 * `proc` is where proc is mounted. False: there is none that can be looked into.
 */
bool cgroup_own(struct cgroup *g, const char *proc, const char *controller);
/* To the group above it, which limits it, too. False: it is the uppermost. */
bool cgroup_up(struct cgroup *g);

/*
 * The number behind `key` in a file of lines "key number", or of one number, key "".
 * UINT64_MAX: no such file or line, or no number ("max").
 */
uint64_t cgroup_number(const char *dir, const char *name, const char *key);
/* The first line of a file, without its end. False: there is none. */
bool cgroup_line(const char *dir, const char *name, char *buf, size_t len);

#endif
