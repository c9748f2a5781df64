/* SPDX-License-Identifier: BSD-2-Clause */
/* The flows map of the engine's tests, in memory. */
#include "engine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/siphash.h>

static unsigned slot_of(const struct flowmap_mem *m, const weir_tuple *t)
{
	static const __u64 key[2] = {1, 2};

	return (unsigned)(weir_siphash24(key, t, sizeof(*t)) % m->cap);
}

static int find(const struct flowmap_mem *m, const weir_tuple *t, unsigned *pos)
{
	unsigned i = slot_of(m, t);

	for (unsigned n = 0; n < m->cap && m->e[i].used; n++, i = (i + 1) % m->cap) {
		if (!memcmp(&m->e[i].t, t, sizeof(*t))) {
			*pos = i;
			return 0;
		}
	}
	*pos = i;
	return -ENOENT;
}

static int mem_lookup(struct flowmap *map, const weir_tuple *t, struct weir_flow *f)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned i;
	int err;

	pthread_mutex_lock(&m->lock);
	m->lookups++;
	err = m->lookup_err ? m->lookup_err : find(m, t, &i);
	if (m->lookup_misses) {
		m->lookup_misses--;
		err = -ENOENT;
	}
	if (!err)
		*f = m->e[i].f;
	pthread_mutex_unlock(&m->lock);
	return err;
}

static int mem_insert(struct flowmap *map, const weir_tuple *t, const struct weir_flow *f)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned i;
	int err = 0;

	pthread_mutex_lock(&m->lock);
	m->inserts++;
	if (m->insert_err) {
		err = m->insert_err;
	} else if (!find(m, t, &i)) {
		err = -EEXIST;
	} else if (m->n >= m->cap / 2) {
		err = -E2BIG;
	} else {
		m->e[i].t = *t;
		m->e[i].f = *f;
		m->e[i].used = true;
		m->n++;
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

static void remove_one(struct flowmap_mem *m, const weir_tuple *t)
{
	unsigned hole, i;

	if (find(m, t, &hole))
		return;
	for (i = (hole + 1) % m->cap; m->e[i].used; i = (i + 1) % m->cap) {
		unsigned home = slot_of(m, &m->e[i].t);

		if ((i + m->cap - home) % m->cap < (i + m->cap - hole) % m->cap)
			continue;
		m->e[hole] = m->e[i];
		hole = i;
	}
	m->e[hole].used = false;
	m->n--;
}

static int mem_remove(struct flowmap *map, const weir_tuple *t, unsigned n)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	int err;

	pthread_mutex_lock(&m->lock);
	m->removes++;
	err = m->remove_err;
	for (unsigned i = 0; !err && i < n; i++)
		remove_one(m, &t[i]);
	pthread_mutex_unlock(&m->lock);
	return err;
}

static int mem_walk(struct flowmap *map, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
		    unsigned max)
{
	struct flowmap_mem *m = (struct flowmap_mem *)map;
	unsigned n = 0;

	pthread_mutex_lock(&m->lock);
	for (; *cursor < m->cap && n < max; (*cursor)++) {
		if (!m->e[*cursor].used)
			continue;
		t[n] = m->e[*cursor].t;
		f[n++] = m->e[*cursor].f;
	}
	if (*cursor >= m->cap)
		*cursor = 0;
	pthread_mutex_unlock(&m->lock);
	return (int)n;
}

static const struct flowmap_ops mem_ops = {
	.lookup = mem_lookup,
	.insert = mem_insert,
	.remove = mem_remove,
	.walk = mem_walk,
};

struct flowmap_mem *flowmap_mem_new(unsigned cap)
{
	struct flowmap_mem *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->m.ops = &mem_ops;
	m->cap = cap * 2;
	m->e = calloc(m->cap, sizeof(*m->e));
	assert_non_null(m->e);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void flowmap_mem_free(struct flowmap_mem *m)
{
	pthread_mutex_destroy(&m->lock);
	free(m->e);
	free(m);
}
