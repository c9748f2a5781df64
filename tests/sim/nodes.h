/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a path is made of. Each node does one thing to a frame and passes it on to
 * `to`; parameters may be changed while the simulation runs.
 *
 *     delay       a fixed time
 *     bottleneck  a link of `rate` bit/s behind a queue of `limit` bytes, drop-tail;
 *                 frames that meet more than `mark` queued bytes are marked instead
 *                 where ECN-capable (RFC 3168)
 *     loss        each frame with one probability; or Gilbert and Elliott's two states
 *     reorder     some frames take longer
 *     duplicate   some frames come twice
 *     corrupt     some frames have bits flipped, such that the checksum must show it
 *     dropper     the nth to mth segment with data, by count
 *     hole        frames larger than an MTU vanish, or are reported by ICMP
 *
 * Probabilities are in millionths.
 */
#ifndef TESTS_SIM_NODES_H
#define TESTS_SIM_NODES_H

#include "sim.h"

struct sim_delay {
	struct sim_node node;
	uint64_t ns;
};

struct sim_bottleneck {
	struct sim_node node;
	uint64_t rate;	/* bit/s */
	uint32_t limit; /* bytes, the frame that is being sent included */
	uint32_t mark;	/* 0: never */
	uint32_t queued, most;
	uint64_t free_at; /* when the last queued frame has left */
	uint64_t marked, passed;
};

struct sim_loss {
	struct sim_node node;
	uint32_t good, bad; /* probability of loss in either state */
	uint32_t to_bad, to_good;
	bool in_bad;
};

struct sim_reorder {
	struct sim_node node;
	uint32_t chance;
	uint64_t extra; /* at most */
};

struct sim_duplicate {
	struct sim_node node;
	uint32_t chance;
	uint64_t extra;
};

struct sim_corrupt {
	struct sim_node node;
	uint32_t chance;
};

struct sim_dropper {
	struct sim_node node;
	uint64_t from, to; /* segments with data, counted from 1 */
	uint64_t seen;
};

/* Called for a frame too big where the hole is not silent, when its ICMP has come back. */
typedef void (*sim_report)(void *ctx, const struct sim_frame *f, uint32_t mtu);

struct sim_hole {
	struct sim_node node;
	uint32_t mtu;	   /* of IP; 0: none */
	sim_report report; /* NULL: silent */
	void *ctx;
	uint64_t back; /* how long the ICMP takes, ns */
};

void sim_delay_init(struct sim_delay *n, struct sim *s, uint64_t ns);
void sim_bottleneck_init(struct sim_bottleneck *n, struct sim *s, uint64_t rate, uint32_t limit,
			 uint32_t mark);
void sim_loss_init(struct sim_loss *n, struct sim *s, uint32_t ppm);
void sim_burst_init(struct sim_loss *n, struct sim *s, uint32_t to_bad, uint32_t to_good,
		    uint32_t bad);
void sim_reorder_init(struct sim_reorder *n, struct sim *s, uint32_t chance, uint64_t extra);
void sim_duplicate_init(struct sim_duplicate *n, struct sim *s, uint32_t chance, uint64_t extra);
void sim_corrupt_init(struct sim_corrupt *n, struct sim *s, uint32_t chance);
void sim_dropper_init(struct sim_dropper *n, struct sim *s, uint64_t from, uint64_t to);
void sim_hole_init(struct sim_hole *n, struct sim *s, uint32_t mtu, sim_report report, void *ctx,
		   uint64_t back);

#endif
