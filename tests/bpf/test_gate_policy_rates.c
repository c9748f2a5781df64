/* SPDX-License-Identifier: BSD-2-Clause */
/* How often: SYN-ACKs and new flows by source, and resets of unknown ACKs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy_bed.h"

/* ---- SYN-ACKs by source ----------------------------------------------------------------- */

static void a_source_gets_so_many_syn_acks(void **state)
{
	unsigned way, i;

	(void)state;
	pb.p.synack = (struct policy_rate){.per_sec = 10, .burst = 20, .by = {24, 56}};
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1");
		struct frame other = pb_syn_from(way, "192.0.3.1", "2001:db8:0:100::1");

		bed_advance(&bed, 60000);
		for (i = 0; i < 20; i++) {
			f.src[f.family == 4 ? 3 : 15] =
				(uint8_t)(1 + i); /* its addresses are one source */
			f.sport++;
			expect_cookie(&f);
		}
		expect_dropped(&f, drop_synack_rate);
		bed_advance(&bed, 99);
		expect_dropped(&f, drop_synack_rate);
		bed_advance(&bed, 1);
		expect_cookie(&f);
		expect_dropped(&f, drop_synack_rate);
		bed_advance(&bed, 1000);
		for (i = 0; i < 10; i++)
			expect_cookie(&f);
		expect_dropped(&f, drop_synack_rate);
		for (i = 0; i < 20; i++)
			expect_cookie(&other);
	}
}

/* What would not be answered takes nothing. */
static void only_answers_are_paid_for(void **state)
{
	struct frame f = pb_syn_from(0, "192.0.2.1", "");
	uint8_t buf[FRAME_MAX];
	size_t len = frame_build(&f, buf);
	unsigned i;

	(void)state;
	pb.p.synack = (struct policy_rate){.per_sec = 1, .by = {24, 56}};
	pb_in_force();
	buf[frame_l4(&f) + 4] ^= 1;
	for (i = 0; i < 3; i++) {
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_DROP, drop_tcp_csum);
	}
	bed.cfg->flags |= WEIR_CFG_FLOWS_FULL;
	expect_dropped(&f, drop_flows_full);
	bed.cfg->flags &= ~(uint32_t)WEIR_CFG_FLOWS_FULL;
	expect_cookie(&f);
	expect_dropped(&f, drop_synack_rate);
}

/* SYNs that workers answer bring SYN-ACKs, too. */
static void workers_answers_are_limited_too(void **state)
{
	unsigned way;

	(void)state;
	pb.p.synack = (struct policy_rate){.per_sec = 2, .by = {32, 128}};
	pb_in_force();
	pb_service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1");

		bed_advance(&bed, 5000);
		for (unsigned i = 0; i < 2; i++)
			expect_to_worker(&f);
		expect_dropped(&f, drop_synack_rate);
	}
}

/*
 * A flood of sources that each come once, more than there are buckets, neither pushes out
 * who is being limited nor is held to anything itself.
 */
static void a_flood_of_sources_frees_nobody(void **state)
{
	struct frame victim = pb_syn_from(0, "192.0.2.1", ""), f = victim;
	unsigned i;

	(void)state;
	pb.p.synack = (struct policy_rate){.per_sec = 5, .by = {24, 56}};
	pb_in_force();
	for (i = 0; i < 5; i++)
		expect_cookie(&victim);
	for (i = 0; i < 100000; i++) {
		f.src[0] = (uint8_t)(20 + (i >> 16));
		f.src[1] = (uint8_t)(i >> 8);
		f.src[2] = (uint8_t)i;
		bed_send(&bed, &f);
		assert_int_equal(bed.act, XDP_TX);
	}
	bed_mark(&bed);
	expect_dropped(&victim, drop_synack_rate);
}

/* ---- new flows by source ---------------------------------------------------------------- */

static void a_source_opens_so_many_flows(void **state)
{
	unsigned way, i;

	(void)state;
	pb.p.flow = (struct policy_rate){.per_sec = 4, .by = {24, 64}};
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), late, ack;
		struct frame other = pb_syn_from(way, "192.0.3.1", "2001:db8:0:2::1");

		bed_advance(&bed, 60000);
		f.sport = (uint16_t)(1000 + 100 * way);
		for (i = 0; i < 50; i++) /* SYNs may be forged: they cost it nothing */
			expect_cookie(&f);
		late = f;
		late.sport += 50;
		expect_cookie(&late);
		for (i = 0; i < 4; i++) {
			expect_flow(&f);
			f.sport++;
		}
		/* Who was answered before comes too late, and again. */
		ack = pb_ack_to(&late);
		expect_dropped(&ack, drop_flow_rate);
		expect_dropped(&f, drop_flow_rate);
		expect_cookie(&other);
		bed_advance(&bed, 250);
		expect_cookie(&f);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		expect_dropped(&f, drop_flow_rate);
	}
}

static void a_worker_s_syn_opens_one(void **state)
{
	unsigned way;

	(void)state;
	pb.p.flow = (struct policy_rate){.per_sec = 1, .burst = 2, .by = {32, 64}};
	pb_in_force();
	pb_service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1");

		bed_advance(&bed, 5000);
		for (unsigned i = 0; i < 2; i++) {
			f.sport++;
			expect_to_worker(&f);
		}
		expect_dropped(&f, drop_flow_rate);
	}
}

/* ---- unknown ACKs ---- */

static void an_unknown_ack_is_dropped_or_reset(void **state)
{
	unsigned way;

	(void)state;
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), ack;

		pb_start_over();
		pb_in_force();
		ack = pb_ack_to(&f);
		ack.ack ^= 0x55555555;
		expect_dropped(&ack, drop_ack_cookie);
		bed_advance(&bed, 4000);
		expect_dropped(&ack, drop_ack_cookie);
		pb.p.rst_per_sec = 100;
		pb_in_force();
		bed_advance(&bed, 1000);
		expect_dropped(&ack, drop_ack_cookie);
		bed_advance(&bed, 4000);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_TX, rst_sent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_gets_so_many_syn_acks, pb_fresh),
		cmocka_unit_test_setup(only_answers_are_paid_for, pb_fresh),
		cmocka_unit_test_setup(workers_answers_are_limited_too, pb_fresh),
		cmocka_unit_test_setup(a_flood_of_sources_frees_nobody, pb_fresh),
		cmocka_unit_test_setup(a_source_opens_so_many_flows, pb_fresh),
		cmocka_unit_test_setup(a_worker_s_syn_opens_one, pb_fresh),
		cmocka_unit_test_setup(an_unknown_ack_is_dropped_or_reset, pb_fresh),
	};

	return cmocka_run_group_tests(tests, pb_setup, bed_teardown);
}
