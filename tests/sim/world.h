/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows between ends, over paths of nodes:
 *
 *     A0 ── own nodes ──┐                          ┌── B0
 *     A1 ── own nodes ──┴── shared nodes ── fork ──┴── B1       and the same back
 *
 * A path is built from its start: sim_path_add() appends a node. Memory of nodes
 * and ends belongs to the world.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "end.h"
#include "nodes.h"

#define SIM_FLOWS 4
#define SIM_NODES 32

struct sim_world {
	struct sim sim;
	struct sim_end *end[SIM_FLOWS][2];
	unsigned flows;
	struct sim_node *nodes[SIM_NODES]; /* each from malloc() */
	unsigned n;
	struct sim_node *fork[2];	     /* the ends' own: by direction, 0 from A to B */
	struct sim_node *first[2], *last[2]; /* of the shared path */
};

void sim_world_init(struct sim_world *w, uint64_t seed);
/* A flow; its ends send into the shared path, which has to be complete. */
void sim_world_flow(struct sim_world *w, const struct sim_end_opt *a, const struct sim_end_opt *b,
		    uint64_t start);
/* The application of each side of a flow; fills in what either expects. */
void sim_world_apps(struct sim_world *w, unsigned flow, const struct sim_app *a,
		    const struct sim_app *b);
/* Every flow has been opened, served and closed on both sides; else the run failed. */
void sim_world_finished(struct sim_world *w);
void sim_world_free(struct sim_world *w);

/* Nodes at the end of the shared path of a direction. */
struct sim_delay *sim_add_delay(struct sim_world *w, int dir, uint64_t ns);
struct sim_bottleneck *sim_add_bottleneck(struct sim_world *w, int dir, uint64_t rate,
					  uint32_t limit, uint32_t mark);
struct sim_loss *sim_add_loss(struct sim_world *w, int dir, uint32_t ppm);
struct sim_loss *sim_add_burst(struct sim_world *w, int dir, uint32_t to_bad, uint32_t to_good,
			       uint32_t bad);
struct sim_reorder *sim_add_reorder(struct sim_world *w, int dir, uint32_t chance, uint64_t extra);
struct sim_duplicate *sim_add_duplicate(struct sim_world *w, int dir, uint32_t chance,
					uint64_t extra);
struct sim_corrupt *sim_add_corrupt(struct sim_world *w, int dir, uint32_t chance);
struct sim_dropper *sim_add_dropper(struct sim_world *w, int dir, uint64_t from, uint64_t to);
/* `back` ns: ICMP tells the sender so late; SIM_NEVER: not at all. */
struct sim_hole *sim_add_hole(struct sim_world *w, int dir, uint32_t mtu, uint64_t back);

/* Settings that outlast what a bad path does, with buffers for `bytes` in flight. */
void sim_end_defaults(struct sim_end_opt *o, enum sim_open how, uint32_t bytes);

#endif
