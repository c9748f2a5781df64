/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists of sandbox.c, and how they are put in force. */
#ifndef WEIR_CONTROL_SANDBOX_PRIV_H
#define WEIR_CONTROL_SANDBOX_PRIV_H

#include "control/sandbox.h"

/* A condition on one argument: (arg & mask) == value. */
struct sandbox_when {
	unsigned arg;
	uint64_t mask, value;
};

struct sandbox_call {
	const char *name;
	unsigned needs; /* only with one of these; 0: always */
	unsigned nwhen; /* conditions, all of which must hold; several rows are alternatives */
	struct sandbox_when when[3];
};

struct sandbox_cap {
	int cap;	/* CAP_* */
	unsigned needs; /* as above */
};

extern const struct sandbox_call sandbox_calls[]; /* ends with name NULL */
extern const struct sandbox_cap sandbox_caps[];	  /* ends with cap < 0 */

/* Of the calling thread; caps NULL: none. What the kernel lacks is not an error. */
int sandbox_rights(const struct sandbox *sb, const struct sandbox_cap *caps, bool writable);

/*
 * The same for a thread of one that has its sandbox already: workers that begin again, as
 * nobody has taken over from them.
 */
int sandbox_rights_again(const struct sandbox *sb);

/* Landlock: reading everywhere, and if `writable` sb->dirs as they say. -EOPNOTSUPP: none here. */
int sandbox_landlock(const struct sandbox *sb, bool writable);

/* Of the process. */
int sandbox_filter(const struct sandbox *sb);

#endif
