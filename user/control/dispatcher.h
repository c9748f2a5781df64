/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A seat in libxdp's dispatcher: the one program on the hook that runs up to ten others in
 * the order of their priorities, the next one while they return what they chain on. The only
 * file that knows libxdp's dispatcher (pktio_xsk.c knows its AF_XDP half).
 *
 * Each change (somebody joins, somebody leaves) is a whole new dispatcher, into which all
 * programs are linked again and which is then swapped for the old one: no frame passes
 * without the others. Links and programs are pinned in a BPF file system, by which all users
 * of libxdp find them, and which therefore all must see; ours stays there when we are killed,
 * until dispatcher_sweep().
 *
 * The gate chains on XDP_PASS: what is not ours goes on to programs behind it.
 */
#ifndef WEIR_CONTROL_DISPATCHER_H
#define WEIR_CONTROL_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/err.h"
#include "control/holder.h"

struct bpf_object;
struct dispatcher;

/* The BPF file system that libxdp uses: its LIBXDP_BPFFS, or the usual place. */
const char *dispatcher_bpffs(void);

/* Behind whatever has libxdp's default (50), as what takes frames should be behind filters. */
#define DISPATCHER_PRIO 60

/*
 * Whether one can be joined (main_id: the dispatcher on the hook) or made (0): -errno with
 * *err filled when not.
 */
int dispatcher_ready(unsigned ifindex, uint32_t main_id, struct weir_err *err);

/*
 * Weirs that have a seat: the number of those, and in *h the process of one that lives
 * (pid 0: none does, as far as can be seen).
 */
int dispatcher_weirs(unsigned ifindex, struct holder *h);

/* Takes out what dead weirs have left. The number of those or -errno. */
int dispatcher_sweep(unsigned ifindex);

/* The same, but for our own seat: of a weir that has handed over to us. */
int dispatcher_sweep_others(struct dispatcher *d);

struct dispatcher_seat {
	unsigned ifindex;
	bool generic;
	unsigned prio;
	struct bpf_object *obj; /* opened, not loaded: the program weir_gate is loaded here */
	weir_log_fn log;
};

/* Joins, or makes one. On failure *why is libxdp's last complaint, maybe "". 0 or -errno. */
int dispatcher_join(struct dispatcher **out, const struct dispatcher_seat *seat, const char **why);
/* The same again after our seat was lost. */
int dispatcher_rejoin(struct dispatcher *d, const char **why);

/* 1: we are in the one that is on the hook; 0: no longer; -ENODEV: the interface has gone. */
int dispatcher_look(struct dispatcher *d);

/* Somebody else takes our seat out, or has. */
void dispatcher_forget(struct dispatcher *d);

/* Leaves the others in place; without others the hook is free. NULL is fine. */
void dispatcher_leave(struct dispatcher *d);

#endif
