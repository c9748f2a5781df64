/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What another thread does between a pick's choice and its being counted: here it happens
 * each time, since the choice is interposed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define balance_choose choose_and_change
#include "proxy/backends.c"
#undef balance_choose

unsigned balance_choose(struct backends *b, uint64_t cand, const struct weir_addr *client);

static const char *to[4]; /* what it is changed to, one after the other; NULL: no more */
static unsigned changes;
static bool at_once; /* all of them within one choice */

static void change(struct backends *b, const char *spec)
{
	struct proxy_config cfg;
	char err[256];

	assert_int_equal(proxy_config_parse(&cfg, spec, err, sizeof(err)), 0);
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
}

unsigned choose_and_change(struct backends *b, uint64_t cand, const struct weir_addr *client)
{
	unsigned i = balance_choose(b, cand, client);

	while (changes < 4 && to[changes]) {
		change(b, to[changes++]);
		if (!at_once)
			break;
	}
	return i;
}

static struct backends *pool(const char *spec, const char *first, const char *second)
{
	struct proxy_config cfg;
	struct backends *b;
	char err[256];

	assert_int_equal(proxy_config_parse(&cfg, spec, err, sizeof(err)), 0);
	assert_int_equal(backends_open(&b, &cfg, err, sizeof(err)), 0);
	to[0] = first;
	to[1] = second;
	changes = 0;
	return b;
}

/* Whom a pick gives must be configured, and counted as in use once. */
static void expect_pick(struct backends *b, const char *name)
{
	static const struct weir_addr client = {4, 1, {10, 0, 0, 1}};
	struct backend_status rows[BACKENDS_MAX];
	uint64_t used = 0, here = 0;
	int i = backends_pick(b, &client, 0);
	unsigned n = backends_status(b, rows, BACKENDS_MAX);

	assert_true(i >= 0);
	assert_string_equal(backends_name(b, (unsigned)i), name);
	for (unsigned k = 0; k < n; k++) {
		used += rows[k].in_use;
		if (!strcmp(rows[k].name, name))
			here = rows[k].in_use;
		assert_int_not_equal(rows[k].state, BACKEND_DRAINING);
	}
	assert_int_equal(used, 1);
	assert_int_equal(here, 1);
	backends_done(b, (unsigned)i);
	for (unsigned k = 0; k < BACKENDS_MAX; k++)
		assert_int_equal(b->slot[k].in_use, 0);
	backends_close(b);
}

static void removed(void **state)
{
	(void)state;
	expect_pick(pool("127.0.0.1:1,127.0.0.1:2", "127.0.0.1:2", NULL), "127.0.0.1:2");
}

/* All of them. */
static void replaced(void **state)
{
	(void)state;
	expect_pick(pool("127.0.0.1:1", "127.0.0.1:2", NULL), "127.0.0.1:2");
}

/* The slot that was chosen has become another backend's: that is as good. */
static void another_in_its_place(void **state)
{
	struct backends *b = pool("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2,127.0.0.1:3");

	(void)state;
	at_once = true;
	expect_pick(b, "127.0.0.1:3");
	at_once = false;
}

/* Chosen, removed, chosen anew, removed again: it ends with one that is there. */
static void again_and_again(void **state)
{
	(void)state;
	expect_pick(pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "127.0.0.1:2,127.0.0.1:3",
			 "127.0.0.1:3"),
		    "127.0.0.1:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed),
		cmocka_unit_test(replaced),
		cmocka_unit_test(another_in_its_place),
		cmocka_unit_test(again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
