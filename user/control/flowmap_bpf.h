/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct flowmap over the kernel's two flow maps: flows4 (struct weir_flow_key4)
 * and flows6 (struct weir_flow_key6), hash maps with struct weir_flow values.
 * Any number of threads.
 */
#ifndef WEIR_CONTROL_FLOWMAP_BPF_H
#define WEIR_CONTROL_FLOWMAP_BPF_H

#include <stdatomic.h>
#include <stdint.h>

#include "control/flow_counts.h"

#include "engine/engine.h"

struct flowmap_bpf {
	struct flowmap map; /* first */
	int fd4, fd6;
	uint32_t *presence; /* WEIR_PRESENCE_CELLS */
	/* What went through here: the gate counts what it creates itself. */
	_Atomic uint64_t inserted, removed;
	struct flow_counts counts;
};

/* The descriptors and the cells (include/weir/presence.h) stay the caller's. */
void flowmap_bpf_init(struct flowmap_bpf *m, int fd4, int fd6, uint32_t *presence);

/* From now on new flows are counted in this one of the counts, 1 or 2; 0: not at all. */
void flowmap_bpf_count(struct flowmap_bpf *m, uint32_t in);
/*
 * Counts all flows that are open there, and in no other. Once the gate, too, counts new ones
 * there alone. 0 or -errno.
 */
int flowmap_bpf_recount(struct flowmap_bpf *m);

#endif
