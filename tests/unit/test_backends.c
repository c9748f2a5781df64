/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool: balancing, ejection, another configuration, and picks while all that happens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/backends.h"

#define MAX_CHANGES 32

static struct backends *b;
static struct proxy_config cfg;
static uint64_t now;
static struct backend_status rows[BACKENDS_MAX];
static struct {
	char text[160];
} change[MAX_CHANGES];
static unsigned nchanges;

static void changed(void *arg, const struct backend_change *c)
{
	(void)arg;
	assert_in_range(nchanges, 0, MAX_CHANGES - 1);
	snprintf(change[nchanges++].text, sizeof(change->text), "%s %s>%s %u/%u %s", c->name,
		 backend_state_name(c->from), backend_state_name(c->to), c->up, c->total, c->why);
}

static void configure(const char *spec)
{
	char err[256] = "";

	if (proxy_config_parse(&cfg, spec, err, sizeof(err)))
		fail_msg("%s: %s", spec, err);
}

static void open_pool(const char *spec)
{
	char err[256];

	configure(spec);
	now = 1000000;
	nchanges = 0;
	assert_int_equal(backends_open(&b, &cfg, err, sizeof(err)), 0);
	backends_on_change(b, changed, NULL);
	backends_step(b, now);
}

static void update_pool(const char *spec)
{
	char err[256];

	configure(spec);
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
}

static struct weir_addr client_of(unsigned n)
{
	struct weir_addr a = {4, 40000, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

	return a;
}

static int pick(uint64_t tried)
{
	struct weir_addr a = client_of(1);

	return backends_pick(b, &a, tried);
}

static const struct backend_status *row(const char *name)
{
	unsigned n = backends_status(b, rows, BACKENDS_MAX);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	fail_msg("no backend %s", name);
	return NULL;
}

static void close_pool(void)
{
	backends_close(b);
	b = NULL;
}

/* The order of the next picks by their port's last digit; each ends at once. */
static void expect_turns(const char *want)
{
	for (const char *p = want; *p; p++) {
		int i = pick(0);
		const char *name;

		assert_true(i >= 0);
		name = backends_name(b, (unsigned)i);
		if (name[strlen(name) - 1] != *p)
			fail_msg("%s instead of ...%s", name, p);
		backends_done(b, (unsigned)i);
	}
}

static void in_turn(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	expect_turns("1231231");
	close_pool();
}

static void in_turn_by_weight_and_spread_out(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1*4,127.0.0.1:2*2,127.0.0.1:3*2");
	expect_turns("1231"
		     "1231");
	close_pool();
}

static void to_the_least_used(void **state)
{
	unsigned held[3] = {0};

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3,balance=least");
	for (int n = 0; n < 50; n++)
		held[pick(0)]++;
	assert_int_equal(held[0], 10);
	assert_int_equal(held[1], 30);
	assert_int_equal(held[2], 10);
	for (int n = 0; n < 5; n++)
		backends_done(b, 2);
	for (int n = 0; n < 5; n++)
		assert_int_equal(pick(0), 2);
	assert_int_equal(row("127.0.0.1:3")->in_use, 10);
	assert_int_equal(row("127.0.0.1:3")->total, 15);
	close_pool();
}

#define CLIENTS 20000

static char where[CLIENTS][PROXY_NAME_LEN];

static void pick_all(unsigned *count)
{
	memset(count, 0, BACKENDS_MAX * sizeof(*count));
	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = client_of(n);
		int i = backends_pick(b, &a, 0);

		assert_true(i >= 0);
		count[i]++;
		snprintf(where[n], sizeof(where[n]), "%s", backends_name(b, (unsigned)i));
		backends_done(b, (unsigned)i);
	}
}

/* How many clients go elsewhere than pick_all() had them: from `gone`, or to `come`. */
static unsigned moved(const char *gone, const char *come)
{
	unsigned m = 0;

	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = client_of(n);
		int i = backends_pick(b, &a, 0);
		const char *name = backends_name(b, (unsigned)i);

		if (strcmp(name, where[n])) {
			m++;
			assert_true((gone && !strcmp(where[n], gone)) ||
				    (come && !strcmp(name, come)));
		}
		backends_done(b, (unsigned)i);
	}
	return m;
}

/* Only the clients of the one that goes or comes move, and they are its share. */
static void by_client_and_few_move(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	pick_all(count);
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], CLIENTS / 4 * 95 / 100, CLIENTS / 4 * 105 / 100);
	assert_int_equal(moved(NULL, NULL), 0);
	update_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:4,balance=hash");
	assert_int_equal(moved("127.0.0.1:3", NULL), count[2]);
	/* Back, in another slot or place, with a newcomer that takes its fifth. */
	update_pool("127.0.0.1:9,127.0.0.1:4,127.0.0.1:3,127.0.0.1:1,127.0.0.1:2,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:9"), CLIENTS / 5 * 95 / 100,
			CLIENTS / 5 * 105 / 100);
	close_pool();
}

static void by_client_with_weights(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*6,balance=hash");
	pick_all(count);
	for (unsigned i = 0; i < 3; i++) {
		unsigned want = CLIENTS / 10 * cfg.backend[i].weight;

		assert_in_range(count[i], want * 92 / 100, want * 108 / 100);
	}
	/* More weight draws clients in and moves nobody between the others. */
	update_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*9,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:3"), 1, CLIENTS / 6);
	close_pool();
}

/* A client's second choice is the same each time as well: what it gets when the first is out. */
static void by_client_when_tried(void **state)
{
	struct weir_addr a6 = {6, 1, {0x20, 1, 13}};

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	for (unsigned n = 0; n < 50; n++) {
		struct weir_addr a = client_of(n);
		int first = backends_pick(b, &a, 0);
		int second = backends_pick(b, &a, 1ull << first);

		assert_int_not_equal(first, second);
		a.port++;
		assert_int_equal(backends_pick(b, &a, 0), first);
		assert_int_equal(backends_pick(b, &a, 1ull << first), second);
	}
	assert_int_equal(backends_pick(b, &a6, 0), backends_pick(b, &a6, 0));
	close_pool();
}

static void none_twice_for_a_connection(void **state)
{
	static const char *const how[] = {"rr", "least", "hash"};
	char spec[100];

	(void)state;
	for (int k = 0; k < 3; k++) {
		uint64_t tried = 0;

		sprintf(spec, "127.0.0.1:1*7,127.0.0.1:2,127.0.0.1:3,balance=%s", how[k]);
		open_pool(spec);
		for (int n = 0; n < 3; n++) {
			int i = pick(tried);

			assert_in_range(i, 0, 2);
			assert_int_equal(tried & 1ull << i, 0);
			tried |= 1ull << i;
		}
		assert_int_equal(pick(tried), -EHOSTUNREACH);
		close_pool();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn),
		cmocka_unit_test(in_turn_by_weight_and_spread_out),
		cmocka_unit_test(to_the_least_used),
		cmocka_unit_test(by_client_and_few_move),
		cmocka_unit_test(by_client_with_weights),
		cmocka_unit_test(by_client_when_tried),
		cmocka_unit_test(none_twice_for_a_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
