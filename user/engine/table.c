/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/table.h"

#include <errno.h>
#include <string.h>

#include <weir/cookie.h>
#include <weir/siphash.h>
#include "engine/mem.h"

size_t table_bytes_for(uint64_t max)
{
	uint64_t n = 16;

	while (n < 2 * max)
		n <<= 1;
	return n * sizeof(((struct table *)0)->slots[0]);
}

int table_init(struct table *t, uint32_t max, const __u64 key[2],
	       const weir_tuple *(*tuple_of)(const void *ctx, uint32_t ref), const void *ctx)
{
	size_t bytes = table_bytes_for(max);

	memset(t, 0, sizeof(*t));
	if (!max || max > REF_INDEX_MASK / 4)
		return -EINVAL;
	t->slots = mem_map(bytes);
	if (!t->slots)
		return -ENOMEM;
	mem_huge(t->slots, bytes);
	t->mask = (uint32_t)(bytes / sizeof(*t->slots) - 1);
	t->max = max;
	t->key[0] = key[0];
	t->key[1] = key[1];
	t->tuple_of = tuple_of;
	t->ctx = ctx;
	return 0;
}

void table_fini(struct table *t)
{
	mem_unmap(t->slots, ((size_t)t->mask + 1) * sizeof(*t->slots));
	t->slots = NULL;
}

/* SipHash-1-3: fewer rounds than the cookie's, the strength usual for hash tables. */
static inline void absorb(struct weir_sip *s, uint64_t m)
{
	s->v3 ^= m;
	weir_sip_round(s);
	s->v0 ^= m;
}

static inline uint32_t finish(struct weir_sip *s)
{
	uint64_t h;

	s->v2 ^= 0xff;
	weir_sip_round(s);
	weir_sip_round(s);
	weir_sip_round(s);
	h = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
	return (uint32_t)(h ^ h >> 32);
}

uint32_t table_hash4(const struct table *t, uint32_t raddr, uint32_t laddr, uint32_t ports)
{
	struct weir_sip s;

	weir_sip_init(&s, t->key);
	absorb(&s, raddr | (uint64_t)laddr << 32);
	absorb(&s, ports | 12ULL << 56);
	return finish(&s);
}

uint32_t table_hash(const struct table *t, const weir_tuple *key)
{
	uint64_t m[5] = {0};
	struct weir_sip s;

	_Static_assert(sizeof(*key) == 36, "the tuple has no padding");
	if (weir_tuple_is_v4(key)) {
		uint32_t ports;

		memcpy(&ports, &key->rport, sizeof(ports));
		return table_hash4(t, key->raddr[3], key->laddr[3], ports);
	}
	memcpy(m, key, sizeof(*key));
	m[4] |= (uint64_t)sizeof(*key) << 56;
	weir_sip_init(&s, t->key);
	for (int i = 0; i < 5; i++)
		absorb(&s, m[i]);
	return finish(&s);
}

/* Position of the entry, or of the empty slot that ends its run. */
static uint32_t probe(const struct table *t, uint32_t hash, const weir_tuple *key)
{
	uint32_t i = hash & t->mask;

	while (t->slots[i].ref1) {
		const struct table_slot *s = &t->slots[i];

		if (s->hash == hash && !memcmp(t->tuple_of(t->ctx, s->ref1 - 1), key, sizeof(*key)))
			break;
		i = (i + 1) & t->mask;
	}
	return i;
}

int table_find(const struct table *t, uint32_t hash, const weir_tuple *key, uint32_t *ref)
{
	uint32_t i = probe(t, hash, key);

	if (!t->slots[i].ref1)
		return -ENOENT;
	*ref = t->slots[i].ref1 - 1;
	return 0;
}

int table_insert(struct table *t, uint32_t hash, const weir_tuple *key, uint32_t ref)
{
	uint32_t i = probe(t, hash, key);

	if (t->slots[i].ref1)
		return -EEXIST;
	if (t->used >= t->max)
		return -ENOSPC;
	t->slots[i].hash = hash;
	t->slots[i].ref1 = ref + 1;
	t->used++;
	return 0;
}

static int probe_ref(const struct table *t, uint32_t hash, uint32_t ref, uint32_t *pos)
{
	uint32_t i = hash & t->mask;

	for (; t->slots[i].ref1; i = (i + 1) & t->mask) {
		if (t->slots[i].ref1 == ref + 1) {
			*pos = i;
			return 0;
		}
	}
	return -ENOENT;
}

int table_replace(struct table *t, uint32_t hash, uint32_t old, uint32_t ref)
{
	uint32_t i;

	if (probe_ref(t, hash, old, &i))
		return -ENOENT;
	t->slots[i].ref1 = ref + 1;
	return 0;
}

int table_remove(struct table *t, uint32_t hash, uint32_t ref)
{
	uint32_t hole, i;

	if (probe_ref(t, hash, ref, &hole))
		return -ENOENT;
	for (i = (hole + 1) & t->mask; t->slots[i].ref1; i = (i + 1) & t->mask) {
		uint32_t home = t->slots[i].hash & t->mask;

		/* An entry may fill the hole unless its home lies between the two. */
		if (((i - home) & t->mask) < ((i - hole) & t->mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole].ref1 = 0;
	t->used--;
	return 0;
}

size_t table_bytes(const struct table *t)
{
	return ((size_t)t->mask + 1) * sizeof(*t->slots);
}
