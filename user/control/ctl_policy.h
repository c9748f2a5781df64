/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's answer about the policy in force, and what it makes of an address:
 *
 *   {"version":1,"lists":[{"name":S,"allow":N,"deny":N,"services":[S,…]},…],
 *    "limits":{"synack":{"per_sec":N,"burst":N,"prefix":S},"flow":{…},"flow_limit":N,
 *              "max_flows":N,"rst_per_sec":N,"denied_flows":S},
 *    "hits":{COUNTER:N,…},
 *    "test":{"source":S,"lists":[{"name":S,"welcome":B,"prefix":S,"from":S},…],
 *            "synack_tokens":N,"flow_tokens":N,"flows":N}}
 *
 * List "" is for all services. A limit of 0 is none; "test" is there when an address was
 * asked about, tokens and flows where they are limited.
 */
#ifndef WEIR_CONTROL_CTL_POLICY_H
#define WEIR_CONTROL_CTL_POLICY_H

#include <jansson.h>
#include <stdint.h>

#include "control/policy.h"

/* What a source has left now, of each limit that there is. */
struct policy_source_now {
	uint32_t synack_tokens, flow_tokens;
	uint32_t flows; /* open; its prefix's, and never less than those */
};

struct ctl_policy {
	const struct policy *policy; /* valid until the next call */
	struct policy_source_now now;
};

/* A new reference; `source` NULL: no address was asked about. v: all counters. */
json_t *ctl_json_policy(const struct ctl_policy *c, const struct weir_addr *source,
			const uint64_t *v);

#endif
