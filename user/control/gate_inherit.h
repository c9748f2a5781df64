/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One gate after another on the same flow maps, without a moment in which neither runs.
 *
 * Flows are counted beside the maps, in cells of the gate's own (include/weir/presence.h),
 * and a cell must never be less than what the maps have. While the former gate still enters
 * flows, counting in its cells, ours are those and a bias more than it can enter meanwhile:
 *
 *     gate_inherit_begin()  ours = theirs + bias; the owners of the flows have stopped
 *     …			     from here on our worker deletes, our gate may enter
 *     gate_inherit_end()    the former gate has left the hook: what it has entered since is
 *                           added, and the bias taken back
 */
#ifndef WEIR_CONTROL_GATE_INHERIT_H
#define WEIR_CONTROL_GATE_INHERIT_H

#include <stddef.h>
#include <stdint.h>

#include "control/err.h"
#include "control/gate.h"

/* More than all entries of a cell; both gates' and a bias fit a cell of 32 bits. */
#define GATE_BIAS (1u << 28)

/* Another gate's cells, seen from here. */
struct gate_cells {
	const uint8_t *map; /* NULL: none */
	size_t len;
	const uint32_t *cells;
	uint32_t *seen; /* as they were at the beginning */
};

/*
 * What comes from another process is what it has to be: hash maps of flows with `flows`
 * entries each, an array whose value has the cells at `off`. 0 or -errno.
 */
int gate_inherit_check(const struct gate_maps *maps, uint32_t flows, struct weir_err *err);
int gate_cells_open(struct gate_cells *c, int bss_fd, uint64_t off, struct weir_err *err);
void gate_cells_close(struct gate_cells *c);

void gate_inherit_begin(struct gate *g, struct gate_cells *c);
/* Flows that the former gate has entered since the beginning. */
uint64_t gate_inherit_end(struct gate *g, const struct gate_cells *c);

/*
 * The former gate is to go on after another one has used its maps, and what that did is not
 * in its cells: from now on a cell says only that there may be a flow.
 */
void gate_presence_unsure(struct gate *g);

#endif
