/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may come: lists of prefixes, of all services and of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../random.h"
#include "netns.h"
#include "policy_bed.h"

static void a_denied_source_gets_nothing(void **state)
{
	unsigned way;

	(void)state;
	pb_list(POLICY_DENY, "192.0.2.0/24");
	pb_list(POLICY_DENY, "2001:db8:7::/48");
	pb.p.rst_per_sec = 100;
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame bad = pb_syn_from(way, "192.0.2.9", "2001:db8:7::9");
		struct frame good = pb_syn_from(way, "192.0.3.9", "2001:db8:8::9"), ack;

		expect_dropped(&bad, drop_acl_denied);
		ack = pb_ack_to(&bad); /* though its cookie is right */
		expect_dropped(&ack, drop_acl_denied);
		ack.ack ^= 0x55555555; /* or wrong: no RST */
		expect_dropped(&ack, drop_acl_denied);
		bed_advance(&bed, 4000);
		expect_dropped(&ack, drop_acl_denied);
		good.sport = (uint16_t)(50000 + way);
		expect_cookie(&good);
		expect_flow(&good);
	}
}

/* Lists are asked about what is to begin: what is open is its owner's. */
static void open_flows_stay(void **state)
{
	unsigned way;

	(void)state;
	for (way = 0; way < WAYS; way++) {
		struct frame f;

		pb_start_over();
		f = pb_syn_from(way, "192.0.2.9", "2001:db8:7::9");
		expect_cookie(&f);
		expect_flow(&f);
		pb_list(POLICY_DENY, "0.0.0.0/0");
		pb_list(POLICY_DENY, "::/0");
		pb_in_force();
		bed_send(&bed, &f);
		bed_expect(&bed, XDP_REDIRECT, flow_redirected);
		f.sport++;
		expect_dropped(&f, drop_acl_denied);
	}
}

static void whom_an_allow_list_does_not_name_stays_out(void **state)
{
	unsigned way;

	(void)state;
	pb_list(POLICY_ALLOW, "192.0.2.0/24");
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame in = pb_syn_from(way, "192.0.2.255", "2001:db8::1");
		struct frame out = pb_syn_from(way, "192.0.3.0", "2001:db8::1"), ack;

		if (in.family == 4)
			expect_cookie(&in); /* of IPv6 it names nobody */
		expect_dropped(&out, drop_acl_unlisted);
		ack = pb_ack_to(&out);
		expect_dropped(&ack, drop_acl_unlisted);
	}
	pb_list(POLICY_ALLOW, "::/0");
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame f = pb_syn_from(way, "192.0.3.0", "2001:db8::1");

		if (f.family == 6)
			expect_cookie(&f);
		else
			expect_dropped(&f, drop_acl_unlisted);
	}
}

static void a_service_has_a_list_of_its_own(void **state)
{
	unsigned way;

	(void)state;
	pb_list(POLICY_DENY, "192.0.2.66");
	pb_list(POLICY_DENY, "2001:db8::66");
	pb_list(POLICY_ALLOW, "10.0.0.2:443=192.0.2.0/24");
	pb_list(POLICY_ALLOW, "10.0.0.2:443=2001:db8::/64");
	pb_in_force();
	for (way = 0; way < WAYS; way++) {
		struct frame denied = pb_syn_from(way, "192.0.2.66", "2001:db8::66");
		struct frame in = pb_syn_from(way, "192.0.2.1", "2001:db8::1");
		struct frame out = pb_syn_from(way, "192.0.3.1", "2001:db9::1");

		expect_dropped(&denied, drop_acl_denied);
		expect_cookie(&in);
		expect_cookie(&out);
		denied.dport = in.dport = out.dport = 443;
		expect_dropped(&denied, drop_acl_denied); /* must be welcome to both */
		expect_cookie(&in);
		expect_dropped(&out, drop_acl_unlisted);
	}
}

/* A service that is listened on later has it from its first frame. */
static void a_service_may_come_later(void **state)
{
	struct frame f = pb_syn_from(0, "192.0.2.1", "");

	(void)state;
	pb_list(POLICY_DENY, "*:80=192.0.2.0/24");
	pb_service(PORT_80)->in_use = 0;
	pb_in_force();
	pb_service(PORT_80)->in_use = 1;
	expect_cookie(&f);
	gate_policy_listen(&pb.gate, PORT_80);
	expect_dropped(&f, drop_acl_denied);
}

static void a_new_policy_takes_the_whole_place_of_the_old(void **state)
{
	struct frame a = pb_syn_from(0, "192.0.2.1", ""), b = pb_syn_from(0, "198.51.100.1", "");
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++) {
		policy_free(&pb.p);
		assert_int_equal(policy_default(&pb.p), 0);
		pb_list(POLICY_DENY, i & 1 ? "192.0.2.0/24" : "198.51.100.0/24");
		pb_in_force();
		expect_dropped(i & 1 ? &a : &b, drop_acl_denied);
		expect_cookie(i & 1 ? &b : &a);
	}
	policy_free(&pb.p);
	assert_int_equal(policy_default(&pb.p), 0);
	pb_in_force();
	assert_int_equal(bed.cfg->flags & WEIR_CFG_POLICY, 0);
	expect_cookie(&a);
	expect_cookie(&b);
}

static void a_bad_policy_changes_nothing(void **state)
{
	struct frame f = pb_syn_from(0, "192.0.2.1", "");
	struct weir_err err;

	(void)state;
	pb_list(POLICY_DENY, "192.0.2.0/24");
	pb_in_force();
	pb_list(POLICY_ALLOW, "192.0.2.0/24");
	assert_int_equal(gate_policy_apply(&pb.gate, &pb.p, &err), -EEXIST);
	assert_string_equal(err.msg, "192.0.2.0/24 is both allowed and denied");
	expect_dropped(&f, drop_acl_denied);
}

/* Any lists, against what they say by themselves. */
static void random_address(uint64_t *r, int family, uint8_t a[16])
{
	unsigned i;

	memset(a, 0, 16);
	a[0] = family == 4 ? 11 : 0x20;
	for (i = 1; i < (family == 4 ? 4u : 16u); i++)
		a[i] = (uint8_t)(xorshift64(r) % 3 ? 0 : 0x80);
}

static void random_prefix(uint64_t *r, char *text, size_t len)
{
	struct policy_prefix x = {.family = xorshift64(r) % (2) ? 4 : 6};
	unsigned bit;

	random_address(r, x.family, x.addr);
	x.len = (uint8_t)xorshift64(r) % (x.family == 4 ? 33 : 129);
	for (bit = x.len; bit < 128; bit++)
		x.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	policy_format_prefix(&x, text, len);
}

static void what_the_lists_say_is_done(void **state)
{
	uint64_t r = 7;
	unsigned round, i;

	(void)state;
	for (round = 0; round < scaled(20); round++) {
		pb_start_over();
		for (i = 0; i < 40; i++) {
			char text[80];
			struct weir_err err;
			struct policy_prefix x;
			size_t k;

			random_prefix(&r, text, sizeof(text));
			assert_int_equal(policy_parse_prefix(&x, text), 0);
			for (k = 0; k < pb.p.nprefixes; k++)
				if (pb.p.prefixes[k].family == x.family &&
				    pb.p.prefixes[k].len == x.len &&
				    !memcmp(pb.p.prefixes[k].addr, x.addr, 16))
					break;
			if (k == pb.p.nprefixes)
				assert_int_equal(policy_add(&pb.p, 0,
							    xorshift64(&r) % (4) == 0 ? POLICY_ALLOW
										      : POLICY_DENY,
							    text, &err),
						 0);
		}
		pb_in_force();
		for (i = 0; i < 200; i++) {
			struct frame f = pb_syn_from((unsigned)(xorshift64(&r) % WAYS), "11.0.0.0",
						     "2000::");
			struct weir_addr a = {.family = (uint8_t)f.family};
			struct policy_answer want;

			random_address(&r, f.family, f.src);
			memcpy(a.addr, f.src, 16);
			want = policy_ask(&pb.gate.policy, 0, &a);
			if (want.welcome)
				expect_cookie(&f);
			else if (want.by)
				expect_dropped(&f, drop_acl_denied);
			else
				expect_dropped(&f, drop_acl_unlisted);
		}
	}
}

static void thousands_of_prefixes(void **state)
{
	struct frame f = pb_syn_from(0, "11.0.0.0", "");
	const unsigned many = scaled(20000);
	char text[64];
	unsigned i;

	(void)state;
	for (i = 0; i < many; i++) {
		snprintf(text, sizeof(text), "11.%u.%u.0/24", i >> 8, i & 255);
		pb_list(POLICY_DENY, text);
		if (i % 10)
			continue;
		snprintf(text, sizeof(text), "2001:db8:%x::/48", i);
		pb_list(POLICY_DENY, text);
	}
	pb_in_force();
	for (i = 0; i < many + 50; i += 7) {
		f.src[1] = (uint8_t)(i >> 8);
		f.src[2] = (uint8_t)i;
		f.src[3] = (uint8_t)(i * 7);
		if (i < many)
			expect_dropped(&f, drop_acl_denied);
		else
			expect_cookie(&f);
	}
}

/* Automatic mode is not told of SYNs that its workers will not see. */
static void refused_syns_are_no_flood(void **state)
{
	struct frame bad = pb_syn_from(0, "192.0.2.1", ""), good = pb_syn_from(0, "192.0.3.1", "");
	unsigned i;

	(void)state;
	pb_list(POLICY_DENY, "192.0.2.0/24");
	pb_in_force();
	pb_service(PORT_80)->mode = WEIR_MODE_AUTO;
	pb_service(PORT_80)->syn_per_sec = 8;
	for (i = 0; i < 100; i++)
		expect_dropped(&bad, drop_acl_denied);
	bed_send(&bed, &good);
	bed_expect(&bed, XDP_REDIRECT, syn_to_worker);
	assert_int_equal(pb_service(PORT_80)->cookies_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_denied_source_gets_nothing, pb_fresh),
		cmocka_unit_test_setup(open_flows_stay, pb_fresh),
		cmocka_unit_test_setup(whom_an_allow_list_does_not_name_stays_out, pb_fresh),
		cmocka_unit_test_setup(a_service_has_a_list_of_its_own, pb_fresh),
		cmocka_unit_test_setup(a_service_may_come_later, pb_fresh),
		cmocka_unit_test_setup(a_new_policy_takes_the_whole_place_of_the_old, pb_fresh),
		cmocka_unit_test_setup(a_bad_policy_changes_nothing, pb_fresh),
		cmocka_unit_test_setup(what_the_lists_say_is_done, pb_fresh),
		cmocka_unit_test_setup(thousands_of_prefixes, pb_fresh),
		cmocka_unit_test_setup(refused_syns_are_no_flood, pb_fresh),
	};

	return cmocka_run_group_tests(tests, pb_setup, bed_teardown);
}
