/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy (policy.h) in force, and what it makes of a source. */
#ifndef WEIR_CONTROL_GATE_POLICY_H
#define WEIR_CONTROL_GATE_POLICY_H

#include "control/gate.h"
#include "control/policy.h"

/*
 * Puts it into force, at any time, whole: a frame is judged by the one before or by this one.
 * On failure, that of -EEXIST, -ERANGE (policy_check()), -ENOMEM, -errno, nothing is changed,
 * unless flows could not be counted. What it says of services holds for those listened on
 * later, too. Waits for frames under way: some ten milliseconds.
 */
int gate_policy_apply(struct gate *g, const struct policy *p, struct weir_err *err);

/* For gate_listen(), under the lock: the service has an id, and its list from its first frame. */
void gate_policy_listen(struct gate *g, unsigned id);

#endif
