/* SPDX-License-Identifier: BSD-2-Clause */
/* Who answers a SYN: always the gate, never the gate, or by what it sees coming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>

#include "gate_bed.h"

#define PORT_80	 0 /* ids of the bed's services */
#define PORT_443 1
#define RATE	 8 /* SYNs a second that automatic mode lets through here */
#define HOLD_MS	 4000
#define STEP_MS	 125 /* by which the hold may be shorter */

static const struct frame_layout *const layout = &frame_layouts[0];

static int setup(void **state)
{
	(void)state;
	bed_one_cpu();
	bed_open(&bed, 64);
	return 0;
}

static struct weir_service *service(unsigned id)
{
	return &bed.skel->bss->weir_services[id];
}

static int fresh(void **state)
{
	(void)state;
	bed_reset(&bed);
	service(PORT_80)->syn_per_sec = RATE;
	service(PORT_80)->hold_ms = HOLD_MS;
	return 0;
}

static struct frame syn(int family)
{
	struct frame f = frame_syn(family);

	frame_opts(&f, layout->opts, layout->opts_len);
	return f;
}

/* The worker gets it as it came, and the gate remembers nothing. */
static void expect_to_worker_(const struct frame *f, const char *file, int line)
{
	struct weir_flow flow;

	bed_send(&bed, f);
	bed_expect_(&bed, XDP_REDIRECT, WEIR_C_syn_to_worker, "syn_to_worker", file, line);
	bed_expect_frame(&bed, f, "redirected SYN");
	assert_false(bed_flow(&bed, f, &flow));
}
#define expect_to_worker(f) expect_to_worker_(f, __FILE__, __LINE__)

static void expect_cookie_(const struct frame *f, const char *file, int line)
{
	struct frame answer = bed_syn_ack(&bed, f, layout);

	bed_send(&bed, f);
	bed_expect_(&bed, XDP_TX, WEIR_C_syn_answered, "syn_answered", file, line);
	bed_expect_frame(&bed, &answer, "SYN-ACK");
}
#define expect_cookie(f) expect_cookie_(f, __FILE__, __LINE__)

/* The SYN with which automatic mode goes over: answered, and the change counted. */
static void expect_change(const struct frame *f, enum weir_counter change)
{
	const int cookies = change == WEIR_C_auto_to_cookies;

	bed_send(&bed, f);
	assert_int_equal(bed_count(&bed, WEIR_C_auto_to_cookies), cookies);
	assert_int_equal(bed_count(&bed, WEIR_C_auto_to_worker), !cookies);
	assert_int_equal(bed_count(&bed, WEIR_C_syn_answered), cookies);
	assert_int_equal(bed_count(&bed, WEIR_C_syn_to_worker), !cookies);
	assert_int_equal(bed.act, cookies ? XDP_TX : XDP_REDIRECT);
	bed_mark(&bed);
}

/* ---- never -------------------------------------------------------------------- */

static void never_hands_each_syn_to_the_worker(void **state)
{
	unsigned family;
	size_t i;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < frame_nlayouts; i++) {
			struct frame f = frame_syn((int)family);

			frame_opts(&f, frame_layouts[i].opts, frame_layouts[i].opts_len);
			f.vlans = i % 3;
			f.tpid[0] = f.tpid[1] = 0x8100;
			f.flags |= i & 1 ? ECE | CWR : 0;
			expect_to_worker(&f);
		}
	}
}

static void each_service_has_a_mode_of_its_own(void **state)
{
	struct frame f = syn(4);

	(void)state;
	service(PORT_443)->mode = WEIR_MODE_NEVER;
	expect_cookie(&f);
	f.dport = 443;
	expect_to_worker(&f);
	service(PORT_443)->mode = WEIR_MODE_ALWAYS;
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	expect_cookie(&f);
	f.dport = 80;
	expect_to_worker(&f);
}

static void an_unknown_mode_is_always(void **state)
{
	struct frame f = syn(4);

	(void)state;
	service(PORT_80)->mode = 77;
	expect_cookie(&f);
}

/* What the gate would not answer does not reach the worker either. */
static void the_worker_gets_only_what_would_be_answered(void **state)
{
	unsigned family;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = syn((int)family);
		uint8_t buf[FRAME_MAX];
		size_t len = frame_build(&f, buf);

		buf[frame_l4(&f) + 4] ^= 1;
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_DROP, drop_tcp_csum);
		frame_partial(&f, buf);
		buf[frame_l4(&f) + 4] ^= 1;
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_DROP, drop_csum_partial);
		memcpy(f.src, f.dst, 16);
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_land);
		f = syn((int)family);
		f.flags |= FIN;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_syn_fin);
		f.flags = SYN | ACK;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_syn_ack);
		f.flags = RST;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_rst);
		f.flags = FIN;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_fin);
	}
}

static void nobody_is_let_in_when_nobody_serves(void **state)
{
	static const enum weir_mode modes[] = {WEIR_MODE_NEVER, WEIR_MODE_AUTO};
	struct frame f = syn(4);
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		service(PORT_80)->mode = modes[i];
		bed.cfg->flags = WEIR_CFG_DRAINING;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_draining);
		bed.cfg->flags = WEIR_CFG_FLOWS_FULL;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_flows_full);
		bed.cfg->flags = 0;
		bed.cfg->heartbeat_max_ms = 2000;
		bed.skel->bss->weir_heartbeat[0] = BED_MONO_MS - 2001;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_heartbeat);
		bed.skel->bss->weir_heartbeat[0] = BED_MONO_MS;
		expect_to_worker(&f);
		bed_socket(&bed, false);
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_DROP, drop_no_socket);
		bed_socket(&bed, true);
		bed.cfg->heartbeat_max_ms = 0;
	}
}

/* ---- from one mode to another, with a handshake under way ------------------------- */

static void a_cookies_ack_is_good_in_every_mode(void **state)
{
	static const enum weir_mode modes[] = {WEIR_MODE_ALWAYS, WEIR_MODE_AUTO, WEIR_MODE_NEVER};
	unsigned i, family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < 3; i++) {
			struct frame f = syn((int)family), ack;
			struct weir_cookie c;
			struct weir_flow flow;

			service(PORT_80)->mode = WEIR_MODE_ALWAYS;
			f.sport = (uint16_t)(40000 + i);
			c = bed_cookie(&bed, &f, layout);
			expect_cookie(&f);
			service(PORT_80)->mode = modes[i];
			ack = bed_ack(&f, layout, &c);
			bed_send(&bed, &ack);
			bed_expect(&bed, XDP_REDIRECT, ack_accepted);
			bed_expect_frame(&bed, &ack, "final ACK");
			assert_true(bed_flow(&bed, &f, &flow));
			assert_int_equal(flow.iss, c.iss);
		}
	}
}

/* The worker has made the entry: all that follows is its own, whoever answers SYNs now. */
static void a_workers_handshake_goes_on_in_every_mode(void **state)
{
	static const enum weir_mode modes[] = {WEIR_MODE_NEVER, WEIR_MODE_AUTO, WEIR_MODE_ALWAYS};
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct frame f = syn(4);

		service(PORT_80)->mode = WEIR_MODE_NEVER;
		f.sport = (uint16_t)(41000 + i);
		expect_to_worker(&f);
		bed_enter(&bed, &f);
		service(PORT_80)->mode = modes[i];
		bed_send(&bed, &f); /* its SYN again */
		bed_expect(&bed, XDP_REDIRECT, flow_redirected);
		f.flags = ACK;
		f.ack = 12345; /* no cookie: an ISS of the worker's own */
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_REDIRECT, flow_redirected);
		f.flags = RST;
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_REDIRECT, flow_redirected);
	}
}

/* ---- auto ------------------------------------------------------------------------- */

/* Takes what is free of the bucket. */
static void fill(struct frame *f, unsigned n)
{
	while (n--) {
		f->sport++;
		expect_to_worker(f);
	}
}

static void below_the_rate_the_worker_answers(void **state)
{
	struct frame f = syn(4);
	unsigned i;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	fill(&f, RATE); /* a second's worth at once */
	for (i = 0; i < 10 * RATE; i++) {
		bed_advance(&bed, 1000 / RATE);
		fill(&f, 1);
	}
	assert_int_equal(service(PORT_80)->cookies_ms, 0);
}

static void above_the_rate_the_gate_answers_until_it_is_over(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = syn((int)family);

		fresh(NULL);
		service(PORT_80)->mode = WEIR_MODE_AUTO;
		fill(&f, RATE);
		expect_change(&f, WEIR_C_auto_to_cookies);
		assert_int_equal(service(PORT_80)->cookies_ms, BED_MONO_MS + HOLD_MS);
		expect_cookie(&f);

		/* A single SYN would be the worker's, but for the hold. */
		bed_advance(&bed, HOLD_MS - 1);
		expect_cookie(&f);
		bed_advance(&bed, 1);
		expect_change(&f, WEIR_C_auto_to_worker);
		assert_int_equal(service(PORT_80)->cookies_ms, 0);
		expect_to_worker(&f);
	}
}

static void a_flood_that_goes_on_holds_on(void **state)
{
	struct frame f = syn(4);
	uint64_t last;
	unsigned i;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	fill(&f, RATE);
	expect_change(&f, WEIR_C_auto_to_cookies);
	for (i = 0; i < 3 * HOLD_MS / 20; i++) {
		bed_advance(&bed, 20); /* 50 a second */
		expect_cookie(&f);
	}
	last = bed.cfg->clock.fixed_ms;
	assert_in_range(service(PORT_80)->cookies_ms, last + HOLD_MS - 2 * STEP_MS, last + HOLD_MS);
	bed_advance(&bed, HOLD_MS - 2 * STEP_MS - 1);
	expect_cookie(&f);
	bed_advance(&bed, 2 * STEP_MS + 1);
	expect_change(&f, WEIR_C_auto_to_worker);
}

/* The cell that all CPUs read is not written with each SYN of a flood. */
static void the_hold_moves_in_steps(void **state)
{
	struct frame f = syn(4);
	uint64_t at = 0, writes = 0;
	unsigned ms;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	fill(&f, RATE);
	expect_change(&f, WEIR_C_auto_to_cookies);
	for (ms = 0; ms < 1000; ms++) {
		bed_advance(&bed, 1);
		expect_cookie(&f);
		writes += service(PORT_80)->cookies_ms != at;
		at = service(PORT_80)->cookies_ms;
	}
	assert_in_range(writes, 6, 9);
}

static void a_worker_without_room_brings_cookies(void **state)
{
	struct frame f = syn(4);

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	fill(&f, 1);
	service(PORT_80)->pressure_ms = BED_MONO_MS + 3; /* its clock is a little ahead */
	expect_change(&f, WEIR_C_auto_to_cookies);
	expect_cookie(&f);
	bed_advance(&bed, HOLD_MS + 2);
	expect_cookie(&f);
	bed_advance(&bed, 1);
	expect_change(&f, WEIR_C_auto_to_worker);

	/* And again. */
	bed_advance(&bed, 1000);
	service(PORT_80)->pressure_ms = bed.cfg->clock.fixed_ms;
	expect_change(&f, WEIR_C_auto_to_cookies);
}

static void pressure_means_nothing_but_in_auto(void **state)
{
	struct frame f = syn(4);

	(void)state;
	service(PORT_80)->pressure_ms = BED_MONO_MS;
	service(PORT_80)->cookies_ms = BED_MONO_MS + 1000;
	expect_cookie(&f);
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	expect_to_worker(&f);
}

static void floods_of_other_services_do_not_count(void **state)
{
	struct frame f = syn(4), other = syn(4);
	unsigned i;

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	service(PORT_443)->mode = WEIR_MODE_AUTO;
	other.dport = 443;
	fill(&f, RATE);
	expect_change(&f, WEIR_C_auto_to_cookies);
	for (i = 0; i < 4 * RATE; i++)
		expect_to_worker(&other);
}

/* The limits are live. */
static void the_rate_and_the_hold_can_be_changed(void **state)
{
	struct frame f = syn(4);

	(void)state;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	service(PORT_80)->syn_per_sec = 2;
	fill(&f, 2);
	expect_change(&f, WEIR_C_auto_to_cookies);
	service(PORT_80)->syn_per_sec = 100;
	service(PORT_80)->hold_ms = 1;
	bed_advance(&bed, HOLD_MS);
	expect_change(&f, WEIR_C_auto_to_worker);
	fill(&f, 99);
	expect_change(&f, WEIR_C_auto_to_cookies);
	/* A rate of 0: cookies, whenever a SYN comes. One that ends a hold may begin the next. */
	bed_advance(&bed, 60000);
	service(PORT_80)->syn_per_sec = 0;
	bed_send(&bed, &f);
	assert_int_equal(bed_count(&bed, WEIR_C_auto_to_worker), 1);
	assert_int_equal(bed_count(&bed, WEIR_C_auto_to_cookies), 1);
	assert_int_equal(bed_count(&bed, WEIR_C_syn_answered), 1);
}

/* Soon after the start, when the clock reads less than the hold. */
static void the_clock_may_be_young(void **state)
{
	struct frame f = syn(4);

	(void)state;
	bed.cfg->clock.fixed_ms = 2;
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	fill(&f, RATE);
	expect_change(&f, WEIR_C_auto_to_cookies);
	bed_advance(&bed, HOLD_MS);
	expect_change(&f, WEIR_C_auto_to_worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(never_hands_each_syn_to_the_worker, fresh),
		cmocka_unit_test_setup(each_service_has_a_mode_of_its_own, fresh),
		cmocka_unit_test_setup(an_unknown_mode_is_always, fresh),
		cmocka_unit_test_setup(the_worker_gets_only_what_would_be_answered, fresh),
		cmocka_unit_test_setup(nobody_is_let_in_when_nobody_serves, fresh),
		cmocka_unit_test_setup(a_cookies_ack_is_good_in_every_mode, fresh),
		cmocka_unit_test_setup(a_workers_handshake_goes_on_in_every_mode, fresh),
		cmocka_unit_test_setup(below_the_rate_the_worker_answers, fresh),
		cmocka_unit_test_setup(above_the_rate_the_gate_answers_until_it_is_over, fresh),
		cmocka_unit_test_setup(a_flood_that_goes_on_holds_on, fresh),
		cmocka_unit_test_setup(the_hold_moves_in_steps, fresh),
		cmocka_unit_test_setup(a_worker_without_room_brings_cookies, fresh),
		cmocka_unit_test_setup(pressure_means_nothing_but_in_auto, fresh),
		cmocka_unit_test_setup(floods_of_other_services_do_not_count, fresh),
		cmocka_unit_test_setup(the_rate_and_the_hold_can_be_changed, fresh),
		cmocka_unit_test_setup(the_clock_may_be_young, fresh),
	};

	return cmocka_run_group_tests(tests, setup, bed_teardown);
}
