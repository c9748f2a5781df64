/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy (policy.h) in force, and what it makes of a source. */
#ifndef WEIR_CONTROL_GATE_POLICY_H
#define WEIR_CONTROL_GATE_POLICY_H

#include "control/ctl_policy.h"
#include "control/gate.h"
#include "control/policy.h"

/*
 * Puts it into force, at any time, whole: a frame is judged by the one before or by this one.
 * On failure, that of -EEXIST, -ERANGE (policy_check()), -ENOMEM, -errno, nothing is changed,
 * unless flows could not be counted. What it says of services holds for those listened on
 * later, too. Waits for frames under way: some ten milliseconds. One thread at a time. Needs
 * no right but to write the maps that gate_open() made.
 */
int gate_policy_apply(struct gate *g, const struct policy *p, struct weir_err *err);

/* What this source has left of each limit at the gate's time `now_ms`. */
void gate_policy_now(const struct gate *g, const struct weir_addr *source, uint64_t now_ms,
		     struct policy_source_now *now);

/*
 * Whether connections of this source to this service would be let in by the lists in force;
 * any thread.
 */
bool gate_policy_welcome(struct gate *g, const struct weir_addr *local,
			 const struct weir_addr *source);

/* For gate_listen(), under the lock: the service has an id, and its list from its first frame. */
void gate_policy_listen(struct gate *g, unsigned id);

#endif
