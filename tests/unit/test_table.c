/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection table: against a plain array, under collisions, at a million. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/slab.h"
#include "engine/table.h"

static weir_tuple *tuples;

static const weir_tuple *tuple_of(const void *ctx, uint32_t ref)
{
	(void)ctx;
	return &tuples[REF_INDEX(ref)];
}

static void fill(weir_tuple *t, uint32_t i)
{
	memset(t, 0, sizeof(*t));
	t->raddr[2] = 0xffff0000;
	t->raddr[3] = i;
	t->rport = (uint16_t)(i * 7);
	t->lport = 80;
}

static const __u64 key[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

static void random_against_array(void **state)
{
	enum { N = 1000 };
	static bool in[N];
	struct table t;
	uint32_t used = 0;

	(void)state;
	tuples = calloc(N, sizeof(*tuples));
	for (uint32_t i = 0; i < N; i++)
		fill(&tuples[i], i);
	assert_int_equal(table_init(&t, N, key, tuple_of, NULL), 0);
	srand(7);
	for (int round = 0; round < 200000; round++) {
		uint32_t i = (uint32_t)rand() % N, ref = 0;
		/* 16 homes only: long runs, so that deletion has to move entries */
		uint32_t h = table_hash(&t, &tuples[i]) & 0xf00000ff;

		if (in[i]) {
			assert_int_equal(table_find(&t, h, &tuples[i], &ref), 0);
			assert_int_equal(REF_INDEX(ref), i);
			assert_int_equal(table_insert(&t, h, &tuples[i], REF(REF_CONN, i)),
					 -EEXIST);
			assert_int_equal(table_remove(&t, h, ref), 0);
			used--;
		} else {
			assert_int_equal(table_find(&t, h, &tuples[i], &ref), -ENOENT);
			assert_int_equal(table_remove(&t, h, REF(REF_CONN, i)), -ENOENT);
			assert_int_equal(table_insert(&t, h, &tuples[i], REF(REF_CONN, i)), 0);
			used++;
		}
		in[i] = !in[i];
		assert_int_equal(t.used, used);
	}
	table_fini(&t);
	free(tuples);
}

static void types_and_replacing(void **state)
{
	struct table t;
	uint32_t h, ref = 0;

	(void)state;
	tuples = calloc(8, sizeof(*tuples));
	for (uint32_t i = 0; i < 8; i++)
		fill(&tuples[i], 1); /* the same tuple in every slot */
	assert_int_equal(table_init(&t, 2, key, tuple_of, NULL), 0);
	h = table_hash(&t, &tuples[0]);
	assert_int_equal(table_insert(&t, h, &tuples[0], REF(REF_CONN, 3)), 0);
	assert_int_equal(table_replace(&t, h, REF(REF_CONN, 3), REF(REF_TOMBSTONE, 5)), 0);
	assert_int_equal(table_find(&t, h, &tuples[0], &ref), 0);
	assert_int_equal(REF_TYPE(ref), REF_TOMBSTONE);
	assert_int_equal(REF_INDEX(ref), 5);
	assert_int_equal(table_replace(&t, h, REF(REF_CONN, 3), REF(REF_CLOSING, 5)), -ENOENT);
	table_fini(&t);
	free(tuples);
}

static void full(void **state)
{
	struct table t;

	(void)state;
	tuples = calloc(101, sizeof(*tuples));
	for (uint32_t i = 0; i < 101; i++)
		fill(&tuples[i], i);
	assert_int_equal(table_init(&t, 100, key, tuple_of, NULL), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(table_insert(&t, table_hash(&t, &tuples[i]), &tuples[i], i), 0);
	assert_int_equal(table_insert(&t, table_hash(&t, &tuples[100]), &tuples[100], 100),
			 -ENOSPC);
	table_fini(&t);
	free(tuples);
}

static void a_million(void **state)
{
	enum { N = 1000000 };
	struct table t;
	uint32_t ref = 0;

	(void)state;
	tuples = calloc(N, sizeof(*tuples));
	for (uint32_t i = 0; i < N; i++)
		fill(&tuples[i], i);
	assert_int_equal(table_init(&t, N, key, tuple_of, NULL), 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(table_insert(&t, table_hash(&t, &tuples[i]), &tuples[i], i), 0);
	for (uint32_t i = 0; i < N; i += 2)
		assert_int_equal(table_remove(&t, table_hash(&t, &tuples[i]), i), 0);
	for (uint32_t i = 0; i < N; i++) {
		int err = table_find(&t, table_hash(&t, &tuples[i]), &tuples[i], &ref);

		assert_int_equal(err, i % 2 ? 0 : -ENOENT);
	}
	table_fini(&t);
	free(tuples);
}

/* Another key puts the same tuples elsewhere. */
static void hash_depends_on_the_key(void **state)
{
	const __u64 other[2] = {1, 2};
	struct table a, b;
	weir_tuple t;
	int same = 0;

	(void)state;
	assert_int_equal(table_init(&a, 8, key, tuple_of, NULL), 0);
	assert_int_equal(table_init(&b, 8, other, tuple_of, NULL), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		fill(&t, i);
		same += table_hash(&a, &t) % 64 == table_hash(&b, &t) % 64;
	}
	assert_in_range(same, 0, 60);
	table_fini(&a);
	table_fini(&b);
}

struct obj {
	struct slab_hdr hdr;
	uint64_t v[4];
};

static void slab_bounds_and_generations(void **state)
{
	struct slab s;
	struct obj *o[4], *again;
	uint32_t gen;

	(void)state;
	assert_int_equal(slab_init(&s, sizeof(struct obj), 4), 0);
	for (int i = 0; i < 4; i++) {
		o[i] = slab_get(&s);
		assert_non_null(o[i]);
		o[i]->v[3] = 9;
		assert_true(slab_in_use(&s, slab_index(&s, o[i])));
	}
	assert_null(slab_get(&s));
	gen = o[2]->hdr.gen;
	slab_put(&s, o[2]);
	assert_false(slab_in_use(&s, 2));
	again = slab_get(&s);
	assert_ptr_equal(again, o[2]);
	assert_int_equal(again->hdr.gen, gen + 1);
	assert_int_equal(again->v[3], 0);
	slab_fini(&s);
	assert_int_equal(slab_init(&s, sizeof(struct obj), 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_against_array),
		cmocka_unit_test(types_and_replacing),
		cmocka_unit_test(full),
		cmocka_unit_test(a_million),
		cmocka_unit_test(hash_depends_on_the_key),
		cmocka_unit_test(slab_bounds_and_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
