/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passive ejection: connects that fail say that a backend is down, sooner than a check does
 * and without one. What comes back is on probation: one more failure sends it out again, for
 * twice as long; a success ends it. The doublings are forgotten when the backend has then
 * stayed for as long as it was last out.
 *
 * The last one that is up is never ejected, and when checks or a reload leave nobody up, those
 * that are merely ejected come back at once.
 */
#include "proxy/backends_priv.h"

static uint64_t time_out(const struct backends *b, uint32_t level)
{
	uint64_t base = __atomic_load_n(&b->eject_us, __ATOMIC_RELAXED);
	uint64_t max = __atomic_load_n(&b->eject_max_us, __ATOMIC_RELAXED);

	if (level > EJECT_DOUBLINGS || base > max >> level)
		return max;
	return base << level;
}

bool eject_leave(struct backends *b, unsigned i)
{
	uint64_t bit = backend_bit(i), up = __atomic_load_n(&b->up, __ATOMIC_RELAXED);

	do {
		if (!(up & ~bit))
			return false;
	} while (!__atomic_compare_exchange_n(&b->up, &up, up & ~bit, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return true;
}

void eject_maybe(struct backends *b, unsigned i)
{
	uint32_t limit = __atomic_load_n(&b->eject_failures, __ATOMIC_RELAXED);
	struct slot *s = &b->slot[i];
	uint32_t level = __atomic_load_n(&s->level, __ATOMIC_RELAXED);
	uint64_t none = 0, until = backends_now(b) + time_out(b, level);

	if (!limit || __atomic_load_n(&s->in_a_row, __ATOMIC_RELAXED) < limit)
		return;
	if (!(__atomic_load_n(&b->up, __ATOMIC_RELAXED) & backend_bit(i)))
		return;
	/* The one thread that sets the time takes the bit: the main thread, which puts it back,
	 * goes by the time. */
	if (!__atomic_compare_exchange_n(&s->ejected_until_us, &none, until, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	if (!eject_leave(b, i)) {
		backends_count(WEIR_C_backend_kept);
		__atomic_store_n(&s->ejected_until_us, 0, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_fetch_add(&s->ejections, 1, __ATOMIC_RELAXED);
	if (level < EJECT_DOUBLINGS)
		__atomic_store_n(&s->level, level + 1, __ATOMIC_RELAXED);
}

static void come_back(struct backends *b, struct slot *s)
{
	uint32_t limit = __atomic_load_n(&b->eject_failures, __ATOMIC_RELAXED);

	__atomic_store_n(&s->in_a_row, limit ? limit - 1 : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->ejected_until_us, 0, __ATOMIC_SEQ_CST);
}

void eject_step(struct backends *b)
{
	bool none = !(__atomic_load_n(&b->up, __ATOMIC_SEQ_CST) & b->present);
	uint64_t now = backends_now(b), rest = b->present;

	for (; rest; rest &= rest - 1) {
		struct slot *s = &b->slot[__builtin_ctzll(rest)];
		uint64_t until = __atomic_load_n(&s->ejected_until_us, __ATOMIC_SEQ_CST);
		uint32_t level = __atomic_load_n(&s->level, __ATOMIC_RELAXED);

		if (until && (none || now >= until))
			come_back(b, s);
		else if (!until && level && s->state == BACKEND_UP &&
			 now - s->since_us >= time_out(b, level - 1))
			__atomic_store_n(&s->level, 0, __ATOMIC_RELAXED);
	}
}
