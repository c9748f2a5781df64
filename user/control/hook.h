/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An interface has one XDP hook. Who is on it, and how it is freed:
 *
 *     by a bpf_link	the process that has the link open, or a pin, holds it
 *     by netlink	it stays until somebody takes it off (`ip link set ... xdp off`)
 *     a dispatcher	libxdp's program that runs up to ten others in turn
 */
#ifndef WEIR_CONTROL_HOOK_H
#define WEIR_CONTROL_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/holder.h"

enum hook_kind {
	HOOK_FREE,
	HOOK_LINK,
	HOOK_NETLINK,
	HOOK_DISPATCHER,
	HOOK_HIDDEN, /* held, and we may not see by what: that takes CAP_SYS_ADMIN */
};

struct hook {
	enum hook_kind kind;
	bool generic;
	uint32_t prog_id, link_id;
	char prog[16];	  /* the program's name */
	struct holder by; /* of link or program */
};

/* 0 or -errno (-ENODEV: no such interface). */
int hook_query(struct hook *h, unsigned ifindex);

#define HOOK_TEXT_MAX 256
/* "program 12 (xdp_pass), native, ...: `...` takes it off". For a hook that is not free. */
void hook_text(const struct hook *h, const char *ifname, char *buf, size_t len);

static inline bool hook_is_weir(const char *prog_name)
{
	return !strcmp(prog_name, "weir_gate");
}

#endif
