/* SPDX-License-Identifier: BSD-2-Clause */
/* The two slots that the gate sees (keys.h, struct weir_keyring). */
#include <errno.h>
#include <string.h>

#include <weir/cookie.h>

#include "control/keys.h"

#define SWITCH_AHEAD 2 /* epochs: every CPU sees the new key long before it holds */
#define LONG_PAST    3 /* epochs: no cookie of before lives */

static void fill(struct weir_keyring *ring, uint32_t slot, const uint64_t secret[2])
{
	__atomic_store_n(&ring->key[slot][0], secret[0], __ATOMIC_RELAXED);
	__atomic_store_n(&ring->key[slot][1], secret[1], __ATOMIC_RELAXED);
}

/* Release: who sees the schedule sees the keys it names. */
static void schedule(struct weir_keyring *ring, uint32_t newer, uint32_t switch_epoch)
{
	__atomic_store_n(&ring->schedule, (uint64_t)newer << 32 | switch_epoch, __ATOMIC_RELEASE);
}

void keys_init(struct weir_keyring *ring, const uint64_t secret[2], uint32_t epoch)
{
	fill(ring, 0, secret);
	fill(ring, 1, secret);
	schedule(ring, 0, epoch - LONG_PAST);
}

int keys_rotate(struct weir_keyring *ring, const uint64_t secret[2], uint32_t epoch)
{
	uint32_t newer = ring->schedule >> 32 & 1, last = (uint32_t)ring->schedule;

	/* Cookies of epoch - 1 are alive: the slot to fill must not be theirs. */
	if ((int32_t)(epoch - 1 - last) < 0)
		return -EAGAIN;
	newer ^= 1;
	fill(ring, newer, secret);
	schedule(ring, newer, epoch + SWITCH_AHEAD);
	return 0;
}

static bool same(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

static bool holds(const struct weir_keyring *ring, uint32_t slot, const uint64_t secret[2])
{
	return same((const uint64_t *)ring->key[slot], secret);
}

static uint32_t slot_of(const struct weir_keyring *ring, uint32_t epoch)
{
	return weir_epoch_key(ring, epoch) == ring->key[1];
}

/*
 * Into a ring that has not what is wanted, so that no epoch meets a key half written: first
 * the present epoch's, for all epochs, then the other.
 */
static void replace(struct weir_keyring *ring, const struct key_plan *p)
{
	bool switched = (int32_t)(p->now - p->switch_epoch) >= 0;
	uint32_t unused = slot_of(ring, p->now) ^ 1;

	fill(ring, unused, switched ? p->newer : p->older);
	schedule(ring, unused, p->now - LONG_PAST);
	fill(ring, unused ^ 1, switched ? p->older : p->newer);
	schedule(ring, switched ? unused : unused ^ 1, p->switch_epoch);
}

/* One key for all epochs: the other slot is wiped by it. */
static void settle_one(struct weir_keyring *ring, const struct key_plan *p)
{
	uint32_t slot = slot_of(ring, p->now);

	if (!holds(ring, slot, p->newer))
		replace(ring, p);
	else if (!holds(ring, slot ^ 1, p->newer))
		fill(ring, slot ^ 1, p->newer);
}

static void settle(struct weir_keyring *ring, const struct key_plan *p)
{
	uint32_t newer = ring->schedule >> 32 & 1, last = (uint32_t)ring->schedule;

	if (holds(ring, newer, p->newer) && holds(ring, newer ^ 1, p->older)) {
		if (last != p->switch_epoch)
			schedule(ring, newer, p->switch_epoch);
	} else if (holds(ring, newer, p->older) && (int32_t)(p->oldest - last) >= 0) {
		fill(ring, newer ^ 1, p->newer); /* no epoch that counts has that slot */
		schedule(ring, newer ^ 1, p->switch_epoch);
	} else {
		replace(ring, p);
	}
}

bool keys_apply(struct weir_keyring *ring, const struct key_set *s, uint64_t wall_ms)
{
	struct key_plan p;
	bool broken = false;
	uint32_t e;

	keys_plan(s, wall_ms, &p);
	for (e = p.oldest; (int32_t)(e - p.now) <= 0; e++) {
		bool switched = (int32_t)(e - p.switch_epoch) >= 0;

		broken |= !holds(ring, slot_of(ring, e), switched ? p.newer : p.older);
	}
	if (same(p.older, p.newer))
		settle_one(ring, &p);
	else
		settle(ring, &p);
	return broken;
}
