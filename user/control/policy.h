/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policy: who may come, and how much of each. Plain data, put together from the command
 * line or a file. gate_policy_apply() puts it in force.
 *
 * Lists. A prefix is allowed or denied; of the prefixes of a list that hold a source the
 * longest decides. A source that none holds is let in, unless the list allows anything:
 * then it is kept out, in either family. List 0 is for every service; a service may have
 * one more of its own, and a source must be welcome to both. Only SYNs and ACKs of no flow
 * are asked about: what is open stays, or is reset (denied_flows) when the policy changes.
 *
 * Limits, each by the source's prefix of a given length (include/weir/policy.h):
 *
 *	synack		SYN-ACKs a second towards it: whoever forges its SYNs has us send
 *			that much to it, and no more
 *	flow		new flows a second from it; only what proved its address counts,
 *			but where a worker answers the SYN
 *	flow_limit	its flows at a time
 */
#ifndef WEIR_CONTROL_POLICY_H
#define WEIR_CONTROL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>
#include "control/err.h"

#define POLICY_PER_SEC_MAX  1000000 /* of rates and of their bursts */
#define POLICY_PREFIXES_MAX (1 << 20)
#define POLICY_RST_PER_SEC  100
#define POLICY_SYNACK_PREFIX                                                                       \
	{                                                                                          \
		.len4 = 24, .len6 = 56                                                             \
	}
#define POLICY_FLOW_PREFIX                                                                         \
	{                                                                                          \
		.len4 = 32, .len6 = 64                                                             \
	}

enum policy_verdict { POLICY_ALLOW, POLICY_DENY };

struct policy_prefix {
	uint8_t addr[16]; /* IPv4 in the first four bytes */
	uint8_t family;	  /* 4 or 6 */
	uint8_t len;
	uint8_t verdict; /* enum policy_verdict */
	uint16_t list;
	uint16_t file; /* index into files + 1; 0: none */
	uint32_t line;
};

struct policy_list {
	char name[96];	     /* "" is list 0's; the others' are the caller's */
	unsigned entries[2]; /* by verdict */
};

/* A service has a list of its own. */
struct policy_use {
	struct weir_addr service; /* as its listener has it */
	uint16_t list;
};

/* Lengths of the prefixes that count as one source. */
struct policy_source {
	uint8_t len4, len6;
};

struct policy_rate {
	uint32_t per_sec; /* 0: no limit */
	uint32_t burst;	  /* at once; 0: one second's worth */
	struct policy_source by;
};

/* What becomes of the open flows of a source that is denied from now on. */
enum policy_denied { POLICY_KEEP, POLICY_RESET };

struct policy {
	struct policy_prefix *prefixes;
	size_t nprefixes, room;
	struct policy_list *lists;
	unsigned nlists; /* at least 1 */
	struct policy_use *uses;
	unsigned nuses;
	char **files; /* that prefixes came from */
	unsigned nfiles;

	struct policy_rate synack, flow;
	uint32_t flow_limit;  /* 0: none; by flow.by */
	uint32_t max_flows;   /* of all sources; 0: what the flow table holds */
	uint32_t rst_per_sec; /* unknown ACKs answered by an RST, a CPU; 0: dropped */
	enum policy_denied denied_flows;
};

/* No lists, no limits. 0 or -ENOMEM. */
int policy_default(struct policy *p);
/* A copy of its own. 0 or -ENOMEM, with nothing to free. */
int policy_copy(struct policy *to, const struct policy *from);
void policy_free(struct policy *p);

/* The list of this name, made if there is none: its number, -EINVAL (too long), -ENOMEM. */
int policy_list(struct policy *p, const char *name);
/* The service at this address has this list. 0, -EEXIST (it has another), -ENOMEM. */
int policy_use(struct policy *p, const struct weir_addr *service, unsigned list);
/* Which one it has: 0, none of its own. */
unsigned policy_list_of(const struct policy *p, const struct weir_addr *service);

/*
 * Adds to a list: a prefix ("192.0.2.0/24", "2001:db8::/32", "192.0.2.7") or, as "@FILE", those
 * of a file, one a line; empty lines and what follows a # are skipped. Refused, with
 * FILE:LINE: what is no prefix, and bits set behind its length.
 */
int policy_add(struct policy *p, unsigned list, enum policy_verdict verdict, const char *text,
	       struct weir_err *err);
/*
 * The value of --acl-allow and --acl-deny: [ADDR:PORT=]PREFIX or [ADDR:PORT=]@FILE. With an
 * address and port it goes to a list of that service, by that name.
 */
int policy_add_arg(struct policy *p, enum policy_verdict verdict, const char *text,
		   struct weir_err *err);

/* "24,56" or "24": the lengths for IPv4 and IPv6. 0 or -EINVAL. */
int policy_parse_source(struct policy_source *s, const char *text);
/* "192.0.2.0/24" or an address. 0, -EINVAL, -ERANGE: bits behind its length. */
int policy_parse_prefix(struct policy_prefix *out, const char *text);
/* "192.0.2.0/24" */
void policy_format_prefix(const struct policy_prefix *x, char *buf, size_t len);

/*
 * What only the whole can tell: a prefix twice in a list, limits beyond their bounds. Sorts
 * the prefixes. gate_policy_apply() does it, too.
 */
int policy_check(struct policy *p, struct weir_err *err);

/* Whether it asks the gate for anything but what it does without. */
bool policy_is_empty(const struct policy *p);

/* What a list says of an address (its port is not looked at). */
struct policy_answer {
	bool welcome;
	const struct policy_prefix *by; /* NULL: none holds it */
};
struct policy_answer policy_ask(const struct policy *p, unsigned list, const struct weir_addr *a);

#endif
