/* SPDX-License-Identifier: BSD-2-Clause */
/* struct flowmap over real BPF hash maps: batches with holes, both families, a full map. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>

#include <weir/presence.h>

#include "control/flowmap_bpf.h"

#define CAPACITY 1000

static struct flowmap_bpf fm;
static uint32_t presence[WEIR_PRESENCE_CELLS];

static weir_tuple tuple(int family, unsigned i)
{
	weir_tuple t = {.rport = htons((uint16_t)(1024 + i)), .lport = htons(80)};

	if (family == 6) {
		inet_pton(AF_INET6, "fd00::1", t.raddr);
		inet_pton(AF_INET6, "fd00::2", t.laddr);
	} else {
		inet_pton(AF_INET6, "::ffff:10.0.0.1", t.raddr);
		inet_pton(AF_INET6, "::ffff:10.0.0.2", t.laddr);
	}
	return t;
}

static int setup(void **state)
{
	int fd4, fd6;

	(void)state;
	fd4 = bpf_map_create(BPF_MAP_TYPE_HASH, "t_flows4", sizeof(struct weir_flow_key4),
			     sizeof(struct weir_flow), CAPACITY, NULL);
	fd6 = bpf_map_create(BPF_MAP_TYPE_HASH, "t_flows6", sizeof(struct weir_flow_key6),
			     sizeof(struct weir_flow), CAPACITY, NULL);
	assert_true(fd4 >= 0 && fd6 >= 0);
	memset(presence, 0, sizeof(presence));
	flowmap_bpf_init(&fm, fd4, fd6, presence);
	return 0;
}

/* After whatever a test did, each cell counts the entries that are there. */
static int teardown(void **state)
{
	struct weir_flow_key4 k4;
	weir_tuple k6;
	void *at;

	(void)state;
	for (at = NULL; !bpf_map_get_next_key(fm.fd4, at, &k4); at = &k4)
		presence[weir_presence_cell(weir_tuple_hash4(&k4))]--;
	for (at = NULL; !bpf_map_get_next_key(fm.fd6, at, &k6); at = &k6)
		presence[weir_presence_cell(weir_tuple_hash6(&k6))]--;
	for (unsigned i = 0; i < WEIR_PRESENCE_CELLS; i++)
		assert_int_equal(presence[i], 0);
	close(fm.fd4);
	close(fm.fd6);
	return 0;
}

static void put(int family, unsigned i)
{
	struct weir_flow f = {.iss = i, .owner = (uint32_t)family};
	weir_tuple t = tuple(family, i);

	assert_int_equal(fm.map.ops->insert(&fm.map, &t, &f), 0);
}

static int get(int family, unsigned i, struct weir_flow *f)
{
	weir_tuple t = tuple(family, i);

	return fm.map.ops->lookup(&fm.map, &t, f);
}

static void a_flow_is_found_in_its_family_alone(void **state)
{
	struct weir_flow f;

	(void)state;
	put(4, 1);
	put(6, 2);
	assert_int_equal(get(4, 1, &f), 0);
	assert_int_equal(f.iss, 1);
	assert_int_equal(get(6, 2, &f), 0);
	assert_int_equal(f.owner, 6);
	assert_int_equal(get(6, 1, &f), -ENOENT);
	assert_int_equal(get(4, 2, &f), -ENOENT);
}

/* The key the gate would write: the map is shared with it. */
static void an_ipv4_tuple_is_the_gates_key(void **state)
{
	struct weir_flow_key4 k = {.rport = htons(1024 + 9), .lport = htons(80)};
	struct weir_flow f = {.iss = 77};

	(void)state;
	inet_pton(AF_INET, "10.0.0.1", &k.raddr);
	inet_pton(AF_INET, "10.0.0.2", &k.laddr);
	presence[weir_presence_cell(weir_tuple_hash4(&k))]++;
	assert_int_equal(bpf_map_update_elem(fm.fd4, &k, &f, BPF_NOEXIST), 0);
	assert_int_equal(get(4, 9, &f), 0);
	assert_int_equal(f.iss, 77);
}

static void insert_never_overwrites(void **state)
{
	struct weir_flow f = {.iss = 99};
	weir_tuple t = tuple(4, 1);

	(void)state;
	put(4, 1);
	assert_int_equal(fm.map.ops->insert(&fm.map, &t, &f), -EEXIST);
	assert_int_equal(get(4, 1, &f), 0);
	assert_int_equal(f.iss, 1);
}

static void a_full_map_says_so(void **state)
{
	struct weir_flow f = {0};
	weir_tuple t;
	unsigned i;
	int rc = 0;

	(void)state;
	for (i = 0; i < 2 * CAPACITY && !rc; i++) {
		t = tuple(4, i);
		rc = fm.map.ops->insert(&fm.map, &t, &f);
	}
	assert_int_equal(rc, -E2BIG);
	assert_in_range(i, CAPACITY, CAPACITY + 128);
}

/* Keys that are missing at the start, in the middle, at the end, and all of them. */
static void remove_goes_past_missing_keys(void **state)
{
	weir_tuple t[600];
	struct weir_flow f;
	unsigned i;

	(void)state;
	for (i = 0; i < 600; i++)
		t[i] = tuple(i % 3 ? 4 : 6, i);
	for (i = 0; i < 600; i++) {
		if (i > 2 && i % 7 && i < 597)
			put(i % 3 ? 4 : 6, i);
	}
	put(4, 900);
	assert_int_equal(fm.map.ops->remove(&fm.map, t, 600), 0);
	for (i = 0; i < 600; i++)
		assert_int_equal(get(i % 3 ? 4 : 6, i, &f), -ENOENT);
	assert_int_equal(get(4, 900, &f), 0);
	assert_int_equal(fm.inserted - fm.removed, 1);

	assert_int_equal(fm.map.ops->remove(&fm.map, t, 600), 0);
	assert_int_equal(fm.inserted - fm.removed, 1);
}

static void walk_sees_every_flow(void **state)
{
	static const unsigned sizes[] = {16, 100, 1000};
	struct weir_flow f[1000];
	weir_tuple t[1000];
	unsigned i, s;

	(void)state;
	for (i = 0; i < 300; i++) {
		put(4, i);
		put(6, i);
	}
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint8_t seen[2][300] = {{0}};
		unsigned calls = 0, total = 0;
		uint64_t cursor = 0;

		do {
			int k, n = fm.map.ops->walk(&fm.map, &cursor, t, f, sizes[s]);

			assert_in_range(n, 0, sizes[s]);
			for (k = 0; k < n; k++) {
				weir_tuple want = tuple((int)f[k].owner, f[k].iss);

				assert_memory_equal(&t[k], &want, sizeof(want));
				total += !seen[f[k].owner == 6][f[k].iss]++;
			}
		} while (cursor && ++calls < 10000);
		assert_int_equal(cursor, 0);
		assert_int_equal(total, 600);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flow_is_found_in_its_family_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_ipv4_tuple_is_the_gates_key, setup, teardown),
		cmocka_unit_test_setup_teardown(insert_never_overwrites, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_map_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(remove_goes_past_missing_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_sees_every_flow, setup, teardown),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: BPF maps need root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
