/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool_fixture.h"

#include <stdio.h>
#include <string.h>

struct pool pool;

static void changed(void *arg, const struct backend_change *c)
{
	(void)arg;
	assert_in_range(pool.nchanges, 0, POOL_CHANGES - 1);
	snprintf(pool.change[pool.nchanges++].text, sizeof(pool.change->text), "%s %s>%s %u/%u %s",
		 c->name, backend_state_name(c->from), backend_state_name(c->to), c->up, c->total,
		 c->why);
}

void pool_configure(const char *spec)
{
	char err[256] = "";

	if (proxy_config_parse(&pool.cfg, spec, err, sizeof(err)))
		fail_msg("%s: %s", spec, err);
}

void pool_open(const char *spec)
{
	char err[256];

	pool_configure(spec);
	pool.now = 1000000;
	pool.nchanges = 0;
	assert_int_equal(backends_open(&pool.b, &pool.cfg, err, sizeof(err)), 0);
	backends_on_change(pool.b, changed, NULL);
	backends_step(pool.b, pool.now);
}

void pool_update(const char *spec)
{
	char err[256];

	pool_configure(spec);
	assert_int_equal(backends_update(pool.b, &pool.cfg, err, sizeof(err)), 0);
}

void pool_pass(uint64_t ms)
{
	for (; ms > 200; ms -= 200)
		backends_step(pool.b, pool.now += 200000);
	backends_step(pool.b, pool.now += ms * 1000);
}

struct weir_addr pool_client_of(unsigned n)
{
	struct weir_addr a = {4, 40000, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

	return a;
}

int pool_pick(uint64_t tried)
{
	struct weir_addr a = pool_client_of(1);

	return backends_pick(pool.b, &a, tried);
}

void pool_expect_change(const char *text)
{
	if (strcmp(pool.nchanges ? pool.change[0].text : "", text))
		fail_msg("'%s' instead of '%s'", pool.nchanges ? pool.change[0].text : "", text);
	if (pool.nchanges)
		memmove(pool.change, pool.change + 1, --pool.nchanges * sizeof(pool.change[0]));
}

uint64_t pool_counter(enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX] = {0};

	backends_counters(v);
	return v[c];
}

const struct backend_status *pool_row(const char *name)
{
	unsigned n = backends_status(pool.b, pool.rows, BACKENDS_MAX);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(pool.rows[i].name, name))
			return &pool.rows[i];
	fail_msg("no backend %s", name);
	return NULL;
}

void pool_close(void)
{
	backends_close(pool.b);
	pool.b = NULL;
}

void pool_expect_turns(const char *want)
{
	for (const char *p = want; *p; p++) {
		int i = pool_pick(0);
		const char *name;

		assert_true(i >= 0);
		name = backends_name(pool.b, (unsigned)i);
		if (name[strlen(name) - 1] != *p)
			fail_msg("%s instead of ...%s", name, p);
		backends_done(pool.b, (unsigned)i);
	}
}

void pool_expect_share(unsigned n, char digit, unsigned want)
{
	unsigned got = 0;

	while (n--) {
		int i = pool_pick(0);
		const char *name;

		assert_true(i >= 0);
		name = backends_name(pool.b, (unsigned)i);
		got += name[strlen(name) - 1] == digit;
		backends_done(pool.b, (unsigned)i);
	}
	assert_int_equal(got, want);
}

void pool_fail_at(unsigned i, unsigned times, enum backend_failure why)
{
	while (times--) {
		assert_int_equal(pool_pick(~(1ull << i)), i);
		backends_failed(pool.b, i, why);
		backends_done(pool.b, i);
	}
}
