/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hierarchical timing wheel: O(1) arm and cancel, intrusive nodes, no malloc.
 *
 * Time is cut into ticks of 1024 us. A node sits in the level where its tick
 * first differs from the wheel's (6 bits a level, most significant first), in
 * the slot that those 6 bits name:
 *
 *     level(node) = highest differing bit of (tick ^ now) / 6
 *
 * so every node of a level is due before every node of the levels above it, and
 * a bitmap per level makes the next expiry a few instructions. When time reaches
 * the slot of an upper level, its nodes move down.
 *
 * A slot of an upper level may hold a million nodes: they wait in `moving`, time stands
 * still, and each call moves WHEEL_MOVES of them, so that no caller is held up.
 *
 * A timer never fires early and at most one tick late. One armed for the past
 * fires at the next tick, so that a handler that re-arms cannot spin.
 */
#ifndef WEIR_WHEEL_H
#define WEIR_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS  7
#define WHEEL_SLOTS   64
#define WHEEL_NEVER   UINT64_MAX
#define WHEEL_TICK_US 1024
#define WHEEL_MOVES   1024

struct wheel_node {
	struct wheel_node *next;
	struct wheel_node **pprev; /* NULL when not armed */
	uint64_t tick;
};

struct wheel {
	uint64_t now; /* in ticks */
	struct wheel_node *moving;
	uint64_t used[WHEEL_LEVELS];
	struct wheel_node *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_us);

/* Arms or re-arms a node; WHEEL_NEVER cancels it. A new node is all zeroes. */
void wheel_arm(struct wheel *w, struct wheel_node *n, uint64_t at_us);
void wheel_cancel(struct wheel *w, struct wheel_node *n);

static inline bool wheel_armed(const struct wheel_node *n)
{
	return n->pprev != NULL;
}

/* When an armed node will fire, in us: its time rounded up to a tick. */
static inline uint64_t wheel_expires(const struct wheel_node *n)
{
	return n->tick * WHEEL_TICK_US;
}

/*
 * Takes out one node that is due at now_us, earliest first; NULL: none left, or there are
 * nodes to be moved first. Then wheel_next() is in the past: come again.
 */
struct wheel_node *wheel_pop(struct wheel *w, uint64_t now_us);

/*
 * No node is due before this time (us); WHEEL_NEVER when empty. Exact within 64
 * ticks, a lower bound beyond.
 */
uint64_t wheel_next(const struct wheel *w);

#endif
