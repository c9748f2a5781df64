/* SPDX-License-Identifier: BSD-2-Clause */
/* How many: flows that a source has open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy_bed.h"

static void a_source_has_so_many_flows(void **state)
{
	unsigned way, i;

	(void)state;
	pb.p.flow_limit = 3;
	pb.p.flow.by = (struct policy_source){24, 64};
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), first = f, ack;
		struct frame other = pb_syn_from(way, "192.0.3.1", "2001:db8:0:2::1"), late = f;
		struct weir_flow flow;

		late.sport += 77;
		expect_cookie(&late);
		ack = pb_ack_to(&late);
		for (i = 0; i < 3; i++) {
			f.sport = (uint16_t)(first.sport + i);
			expect_cookie(&f);
			expect_flow(&f);
			assert_true(bed_flow(&bed, &f, &flow));
			assert_int_equal(flow.flags & WEIR_FLOW_COUNTED,
					 pb.gate.counts == 1 ? WEIR_FLOW_COUNTED_0
							     : WEIR_FLOW_COUNTED_1);
		}
		assert_int_equal(pb_counted(), 3);
		f.sport++;
		expect_dropped(&f, drop_flow_limit);
		expect_dropped(&ack, drop_flow_limit);
		expect_cookie(&other);

		pb_remove_flow(&first); /* its owner has deleted it */
		assert_int_equal(pb_counted(), 2);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		expect_dropped(&f, drop_flow_limit);
		for (i = 1; i < 3; i++) {
			f.sport = (uint16_t)(first.sport + i);
			pb_remove_flow(&f);
		}
		pb_remove_flow(&late);
		assert_int_equal(pb_counted(), 0);
		pb_remove_flow(&late); /* what is not there counts nothing */
		assert_int_equal(pb_counted(), 0);
	}
}

/* An entry that is kept as a tombstone is no open flow; one that was opened again is. */
static void what_is_over_does_not_count(void **state)
{
	unsigned way;

	(void)state;
	pb.p.flow_limit = 1;
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), g = f;

		g.sport++;
		expect_cookie(&f);
		expect_flow(&f);
		expect_dropped(&g, drop_flow_limit);
		pb_set_alive(&f, false);
		pb_set_alive(&f, false);
		assert_int_equal(pb_counted(), 0);
		expect_cookie(&g);
		pb_set_alive(&f, true);
		pb_set_alive(&f, true);
		assert_int_equal(pb_counted(), 1);
		expect_dropped(&g, drop_flow_limit);
		pb_set_alive(&f, false);
		pb_remove_flow(&f);
		assert_int_equal(pb_counted(), 0);
	}
}

static void flows_that_workers_enter_count(void **state)
{
	struct frame f = pb_syn_from(1, "", "2001:db8:0:1::1");
	const struct weir_flow flow = {.mss = 1440};
	weir_tuple t = bed_tuple(&f);

	(void)state;
	pb.p.flow_limit = 1;
	pb_in_force();
	pb_service(PORT_80)->mode = WEIR_MODE_NEVER;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_REDIRECT, syn_to_worker);
	assert_int_equal(pb.flows.map.ops->insert(&pb.flows.map, &t, &flow), 0);
	assert_int_equal(pb.flows.map.ops->insert(&pb.flows.map, &t, &flow), -EEXIST);
	assert_int_equal(pb_counted(), 1);
	f.sport++;
	expect_dropped(&f, drop_flow_limit);
	f.sport--;
	pb_remove_flow(&f);
	assert_int_equal(pb_counted(), 0);
}

/* Where the map is full, or the flow there, nothing was opened. */
static void what_could_not_be_entered_does_not_count(void **state)
{
	struct frame f = pb_syn_from(0, "192.0.2.1", "");
	unsigned i, full = 0;

	(void)state;
	pb.p.flow_limit = 5000;
	pb_in_force();
	for (i = 0; i < 2000; i++) {
		struct frame ack;

		f.sport = (uint16_t)(2000 + i);
		ack = pb_ack_to(&f);
		full += bed_send(&bed, &ack) == XDP_DROP;
	}
	assert_int_equal(bed_count(&bed, WEIR_C_drop_flow_map_full), full);
	assert_int_not_equal(full, 0);
	assert_int_equal(pb_counted(), 2000 - full);
	bed_mark(&bed);
}

/* A limit that comes later, or counts by other prefixes, knows the flows that are there. */
static void a_new_limit_knows_what_is_open(void **state)
{
	static const struct policy_source by[] = {{24, 64}, {16, 48}, {32, 128}, {24, 64}};
	struct frame f[4], g;
	unsigned way, i;

	(void)state;
	for (way = 0; way < WAYS; way++) {
		pb_start_over();
		for (i = 0; i < 4; i++) {
			f[i] = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1");
			f[i].sport = (uint16_t)(1000 + i);
			f[i].src[f[i].family == 4 ? 2 : 7] = (uint8_t)(i & 1);
			expect_flow(&f[i]);
		}
		for (i = 0; i < 4; i++) {
			pb.p.flow.by = by[i];
			pb.p.flow_limit = 2;
			pb_in_force();
			assert_int_equal(pb_counted(), 4 - i);
			g = f[0];
			g.sport = 2000;
			if (i < 2)
				expect_dropped(&g, drop_flow_limit);
			else
				expect_cookie(&g);
			pb_remove_flow(&f[i]);
			assert_int_equal(pb_counted(), 3 - i);
		}
	}
}

static void a_limit_may_go_and_come(void **state)
{
	struct frame f = pb_syn_from(0, "192.0.2.1", ""), g = f;
	unsigned i;

	(void)state;
	g.sport++;
	for (i = 0; i < 4; i++) {
		pb.p.flow_limit = 1;
		pb_in_force();
		expect_flow(&f);
		expect_dropped(&g, drop_flow_limit);
		pb.p.flow_limit = 0;
		pb_in_force();
		expect_flow(&g); /* not counted */
		pb.p.flow_limit = 2;
		pb_in_force();
		assert_int_equal(pb_counted(), 2);
		pb.p.flow_limit = 3; /* the same counts go on */
		pb_in_force();
		assert_int_equal(pb_counted(), 2);
		pb_remove_flow(&f);
		pb_remove_flow(&g);
		assert_int_equal(pb_counted(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_has_so_many_flows, pb_fresh),
		cmocka_unit_test_setup(what_is_over_does_not_count, pb_fresh),
		cmocka_unit_test_setup(flows_that_workers_enter_count, pb_fresh),
		cmocka_unit_test_setup(what_could_not_be_entered_does_not_count, pb_fresh),
		cmocka_unit_test_setup(a_new_limit_knows_what_is_open, pb_fresh),
		cmocka_unit_test_setup(a_limit_may_go_and_come, pb_fresh),
	};

	return cmocka_run_group_tests(tests, pb_setup, bed_teardown);
}
