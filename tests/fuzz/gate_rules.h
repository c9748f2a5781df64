/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies for both sides of fuzz_gate.c. */
#ifndef WEIR_GATE_RULES_H
#define WEIR_GATE_RULES_H

#include "fuzz.h"
#include "gate_host.h"

/* Neither side has one, nor remembers any. */
void rules_begin(const struct gate_host_view *host);
/* Both get the same: lists and limits that the input says. */
void rules_change(const struct gate_host_view *host, struct in *in);
/* What they remember of sources is the same. */
void rules_check(const struct gate_host_view *host);

#endif
