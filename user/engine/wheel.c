/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/wheel.h"

#include <string.h>

#define BITS	 6
#define MASK	 (WHEEL_SLOTS - 1)
#define MAX_TICK ((1ULL << (BITS * WHEEL_LEVELS)) - 1)

void wheel_init(struct wheel *w, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	w->now = now_us / WHEEL_TICK_US;
}

static unsigned level_of(uint64_t tick, uint64_t now)
{
	uint64_t diff = tick ^ now;

	return diff ? (unsigned)(63 - __builtin_clzll(diff)) / BITS : 0;
}

static void insert(struct wheel *w, struct wheel_node *n)
{
	unsigned level = level_of(n->tick, w->now);
	unsigned idx = (n->tick >> (BITS * level)) & MASK;
	struct wheel_node **head = &w->slot[level][idx];

	n->next = *head;
	if (n->next)
		n->next->pprev = &n->next;
	n->pprev = head;
	*head = n;
	w->used[level] |= 1ULL << idx;
}

void wheel_cancel(struct wheel *w, struct wheel_node *n)
{
	if (!n->pprev)
		return;
	*n->pprev = n->next;
	if (n->next) {
		n->next->pprev = n->pprev;
	} else if (n->pprev >= &w->slot[0][0] &&
		   n->pprev <= &w->slot[WHEEL_LEVELS - 1][WHEEL_SLOTS - 1]) {
		/* last of its slot: pprev points into the slot array */
		unsigned pos = (unsigned)(n->pprev - &w->slot[0][0]);

		w->used[pos / WHEEL_SLOTS] &= ~(1ULL << (pos % WHEEL_SLOTS));
	}
	n->pprev = NULL;
	n->next = NULL;
}

void wheel_arm(struct wheel *w, struct wheel_node *n, uint64_t at_us)
{
	uint64_t tick;

	wheel_cancel(w, n);
	if (at_us == WHEEL_NEVER)
		return;
	tick = at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US != 0);
	if (tick <= w->now)
		tick = w->now + 1;
	if (tick > MAX_TICK)
		tick = MAX_TICK;
	n->tick = tick;
	insert(w, n);
}

/* The start of the first slot in use; every node is due there or later. */
static uint64_t next_tick(const struct wheel *w, unsigned *level)
{
	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		unsigned idx;
		uint64_t above;

		if (!w->used[l])
			continue;
		idx = (unsigned)__builtin_ctzll(w->used[l]);
		above = w->now >> (BITS * (l + 1)) << (BITS * (l + 1));
		*level = l;
		return above | (uint64_t)idx << (BITS * l);
	}
	return WHEEL_NEVER;
}

/* The nodes of an upper level's slot, whose time has come. */
static void cascade(struct wheel *w, unsigned level)
{
	unsigned idx = (w->now >> (BITS * level)) & MASK;
	struct wheel_node *n = w->slot[level][idx];

	w->slot[level][idx] = NULL;
	w->used[level] &= ~(1ULL << idx);
	w->moving = n;
	n->pprev = &w->moving;
}

/* Some of them to where they belong; whether that was all. */
static bool move(struct wheel *w)
{
	for (unsigned i = 0; w->moving && i < WHEEL_MOVES; i++) {
		struct wheel_node *n = w->moving;

		w->moving = n->next;
		if (w->moving) {
			w->moving->pprev = &w->moving;
			__builtin_prefetch(w->moving->next, 1);
		}
		insert(w, n);
	}
	return !w->moving;
}

struct wheel_node *wheel_pop(struct wheel *w, uint64_t now_us)
{
	uint64_t target = now_us / WHEEL_TICK_US;

	for (;;) {
		struct wheel_node *n;
		unsigned level = 0;
		uint64_t tick;

		if (w->moving && !move(w))
			return NULL;
		tick = next_tick(w, &level);
		if (tick > target) {
			if (target > w->now)
				w->now = target;
			return NULL;
		}
		w->now = tick;
		if (level) {
			cascade(w, level);
			continue;
		}
		n = w->slot[0][tick & MASK];
		wheel_cancel(w, n);
		return n;
	}
}

uint64_t wheel_next(const struct wheel *w)
{
	unsigned level;
	uint64_t tick;

	if (w->moving)
		return w->now * WHEEL_TICK_US;
	tick = next_tick(w, &level);
	return tick == WHEEL_NEVER ? WHEEL_NEVER : tick * WHEEL_TICK_US;
}
