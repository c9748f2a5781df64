/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the backends that may be picked. With at most BACKENDS_MAX of them and one pick a
 * connection, going over all costs less than a microsecond, so nothing is kept between picks
 * that a change of the backends could make wrong.
 *
 * PROXY_HASH is rendezvous hashing with weights (Thaler and Ravishankar 1998): a backend's
 * score is -weight / ln(u), u in (0,1) from the client and the backend; the highest has it.
 * A backend that goes gives away its own clients and no other's, evenly; one that comes takes
 * its share and moves nobody else. Tables (Maglev) and rings move some clients needlessly,
 * and would have to be made anew and handed to the workers; they pay off with hundreds of
 * backends or a pick a packet. The score depends on addresses alone: all nodes agree.
 */
#include <math.h>
#include <string.h>

#include <weir/siphash.h>
#include "proxy/backends_priv.h"

/* Where the clients of a backend go is no secret, and has to be the same on every node. */
static const __u64 hash_key[2] = {0x7765697220707278ull, 0x7920636c69656e74ull};

uint64_t balance_seed(const char *name)
{
	return weir_siphash24(hash_key, name, strlen(name));
}

static uint64_t client_hash(const struct weir_addr *a)
{
	return weir_siphash24(hash_key, a->addr, a->family == 4 ? 4 : 16);
}

/* Every bit of the result hangs on every bit of x (the finaliser of MurmurHash3). */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static double score(const struct slot *s, uint64_t client)
{
	double u = ((double)(mix(client ^ s->seed) >> 11) + 0.5) * 0x1p-53;

	return -(double)__atomic_load_n(&s->weight, __ATOMIC_RELAXED) / log(u);
}

static unsigned by_hash(const struct backends *b, uint64_t cand, const struct weir_addr *client)
{
	unsigned best = (unsigned)__builtin_ctzll(cand);
	uint64_t h = client_hash(client);
	double top = -1;

	for (; cand; cand &= cand - 1) {
		unsigned i = (unsigned)__builtin_ctzll(cand);
		double v = score(&b->slot[i], h);

		if (v > top) {
			top = v;
			best = i;
		}
	}
	return best;
}

/* Whose turn the n-th is among `cand`, counted round and round. */
static unsigned nth(uint64_t cand, uint64_t n)
{
	for (n %= (unsigned)__builtin_popcountll(cand); n; n--)
		cand &= cand - 1;
	return (unsigned)__builtin_ctzll(cand);
}

/* Of the equally used the first from `first` on, whose turn it is. */
static unsigned by_least(struct backends *b, uint64_t cand)
{
	unsigned first = nth(cand, __atomic_fetch_add(&b->turn, 1, __ATOMIC_RELAXED));
	uint64_t rest = first ? cand >> first | cand << (64 - first) : cand;
	uint64_t best_use = 0, best_weight = 0;
	unsigned best = 0;

	for (; rest; rest &= rest - 1) {
		unsigned i = ((unsigned)__builtin_ctzll(rest) + first) % 64;
		uint64_t use = __atomic_load_n(&b->slot[i].in_use, __ATOMIC_RELAXED) + 1;
		uint64_t weight = __atomic_load_n(&b->slot[i].weight, __ATOMIC_RELAXED);

		if (!best_weight || use * best_weight < best_use * weight) {
			best = i;
			best_use = use;
			best_weight = weight;
		}
	}
	return best;
}

static unsigned by_turn(struct backends *b, uint64_t cand)
{
	uint32_t len = __atomic_load_n(&b->nsequence, __ATOMIC_ACQUIRE);
	uint64_t n = __atomic_fetch_add(&b->turn, 1, __ATOMIC_RELAXED);

	for (uint32_t k = 0; k < len; k++) {
		unsigned i = __atomic_load_n(&b->sequence[(n + k) % len], __ATOMIC_RELAXED);

		if (cand & backend_bit(i))
			return i;
	}
	/* None of them is in the order: it was made without them. */
	return nth(cand, n);
}

unsigned balance_choose(struct backends *b, uint64_t cand, const struct weir_addr *client)
{
	switch (__atomic_load_n(&b->balance, __ATOMIC_RELAXED)) {
	case PROXY_HASH:
		return by_hash(b, cand, client);
	case PROXY_LEAST:
		return by_least(b, cand);
	default:
		return by_turn(b, cand);
	}
}

static unsigned gcd(unsigned a, unsigned b)
{
	while (b) {
		unsigned t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/*
 * Each step all of them earn their weight and the richest pays the sum: a backend's turns lie
 * as far apart as they can.
 */
void balance_sequence(struct backends *b, uint64_t set)
{
	long money[BACKENDS_MAX] = {0};
	unsigned divisor = 0, sum = 0, best;
	uint64_t rest;

	for (rest = set; rest; rest &= rest - 1)
		divisor = gcd(b->slot[__builtin_ctzll(rest)].weight, divisor);
	for (rest = set; rest; rest &= rest - 1)
		sum += b->slot[__builtin_ctzll(rest)].weight / divisor;
	for (unsigned k = 0; k < sum; k++) {
		best = (unsigned)__builtin_ctzll(set);
		for (rest = set; rest; rest &= rest - 1) {
			unsigned i = (unsigned)__builtin_ctzll(rest);

			money[i] += b->slot[i].weight / divisor;
			if (money[i] > money[best])
				best = i;
		}
		money[best] -= sum;
		__atomic_store_n(&b->sequence[k], (uint8_t)best, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&b->nsequence, sum, __ATOMIC_RELEASE);
	b->sequence_of = set;
}
