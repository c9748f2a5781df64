/* SPDX-License-Identifier: BSD-2-Clause */
/* Who serves an address: the closest, however many there are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/listener.h"

#define MANY 20000

static const struct weir_app app = {.name = "none"};

static struct weir_addr at(uint8_t family, uint32_t host, uint16_t port)
{
	struct weir_addr a = {.family = family, .port = port};

	if (host)
		memcpy(a.addr,
		       (uint8_t[]){10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host},
		       4);
	return a;
}

static int add(struct listeners *ls, struct weir_addr a)
{
	const struct worker_listen l = {.addr = a, .app = &app};

	return listeners_add(ls, &l, NULL);
}

static const struct weir_addr *find(const struct listeners *ls, struct weir_addr local)
{
	const struct weir_addr remote = {.family = local.family, .port = 1};
	struct listener *l;
	weir_tuple t;

	tuple_make(&t, &local, &remote);
	l = listeners_find(ls, &t);
	return l ? &l->l.addr : NULL;
}

static void the_closest_is_found(void **state)
{
	struct listeners ls = {0};
	const struct weir_addr *a;

	(void)state;
	assert_null(find(&ls, at(4, 1, 80)));
	assert_int_equal(add(&ls, at(0, 0, 80)), 0);
	assert_int_equal(find(&ls, at(4, 1, 80))->family, 0);
	assert_int_equal(add(&ls, at(4, 0, 80)), 0);
	assert_int_equal(find(&ls, at(4, 1, 80))->family, 4);
	assert_int_equal(find(&ls, at(6, 1, 80))->family, 0);
	assert_int_equal(add(&ls, at(4, 1, 80)), 0);
	a = find(&ls, at(4, 1, 80));
	assert_int_equal(a->addr[3], 1);
	assert_int_equal(find(&ls, at(4, 2, 80))->addr[0], 0);
	assert_int_equal(add(&ls, at(4, 1, 80)), -EADDRINUSE);
	assert_null(find(&ls, at(4, 1, 81)));
	listeners_free(&ls);
}

/* By port on one host, and by host on one port. */
static void each_of_many_is_found(void **state)
{
	struct listeners ls = {0};

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(add(&ls, at(4, 1, (uint16_t)(i + 1))), 0);
		assert_int_equal(add(&ls, at(4, i + 2, 7)), 0);
	}
	assert_in_range(ls.mask + 1, 2 * MANY, 8 * MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct weir_addr one = at(4, 1, (uint16_t)(i + 1)), other = at(4, i + 2, 7);

		assert_memory_equal(find(&ls, one), &one, sizeof(one));
		assert_memory_equal(find(&ls, other), &other, sizeof(other));
		listeners_remove(&ls, &one);
		assert_null(find(&ls, one));
	}
	assert_int_equal(ls.n, MANY);
	listeners_free(&ls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_is_found),
		cmocka_unit_test(each_of_many_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
