/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of a running weir: from where they are, in the gate, watched and rotated.
 * All for the one controlling thread.
 */
#ifndef WEIR_CONTROL_INSTANCE_KEYS_H
#define WEIR_CONTROL_INSTANCE_KEYS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/err.h"
#include "control/keys_report.h"
#include "control/keywatch.h"

struct weir_instance;

struct instance_keys {
	struct key_set set;
	struct keywatch watch; /* path "": random keys */
	char name[PATH_MAX];   /* cfg.key_file, of which the caller's may go */
	uint64_t fingerprint;  /* of the file, as it was loaded */
	int64_t loaded_at;     /* s since 1970 */
	struct weir_err error; /* of the last try to load; msg "": none */
	uint64_t rotate_at_us; /* random keys */
};

/* Makes or loads them (cfg.key_file), and settles the window scale by them. */
int instance_keys_open(struct weir_instance *inst, struct weir_err *err);
/* Into the gate, whose clock is set: before it is attached. */
void instance_keys_start(struct weir_instance *inst);
/* In place of what that has put there: those of a weir whose place this one takes. */
struct takeover_stopped;
void instance_keys_continue(struct weir_instance *inst, const struct takeover_stopped *s);
void instance_keys_close(struct weir_instance *inst);

/* Every INSTANCE_STEP_MS: whether the file has changed. */
void instance_keys_look(struct weir_instance *inst);
/* Every second: what changes by time alone. */
void instance_keys_step(struct weir_instance *inst, uint64_t now_us);

void instance_keys_status(const struct weir_instance *inst, struct keys_status *s);

/* Whether others have them too. */
bool instance_keys_shared(const struct weir_instance *inst);

/*
 * For a new configuration: whether `key_file` (as cfg.key_file) can be taken while weir runs,
 * and taking it, which reads the file also where its name is the same. What was agreed on
 * in handshakes, MTU classes and window scale, cannot change, nor can shared keys become
 * random ones. On failure nothing has changed.
 */
int instance_keys_check(const struct weir_instance *inst, const char *key_file,
			struct weir_err *err);
int instance_keys_reload(struct weir_instance *inst, const char *key_file, struct weir_err *err);

#endif
