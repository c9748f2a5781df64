/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may come and how much of each: policies put into force as `weir run` does, over the
 * gate on its bench, and then frame by frame, in both families, by both of the gate's ways.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "../random.h"
#include "control/flowmap_bpf.h"
#include "control/gate_policy.h"
#include "gate_bed.h"

#define PORT_80	 0 /* ids of the bed's services */
#define PORT_443 1

static const struct frame_layout *const layout = &frame_layouts[0];
static struct gate gate; /* over the bed's */
static struct flowmap_bpf flows;
static struct policy p; /* of the test, to be put into force */

/* ---- the bench ----------------------------------------------------------------- */

static struct weir_service *service(unsigned id)
{
	return &bed.skel->bss->weir_services[id];
}

static int setup(void **state)
{
	(void)state;
	bed_one_cpu();
	bed_open(&bed, 1024);
	pthread_mutex_init(&gate.lock, NULL);
	gate.cfg = bed.cfg;
	gate.services = service(0);
	gate.listens[PORT_80].addr.port = 80;
	gate.listens[PORT_443].addr = (struct weir_addr){4, 443, {10, 0, 0, 2}};
	gate.acl[0].v4 = bpf_map__fd(bed.skel->maps.acl4_0);
	gate.acl[0].v6 = bpf_map__fd(bed.skel->maps.acl6_0);
	gate.acl[1].v4 = bpf_map__fd(bed.skel->maps.acl4_1);
	gate.acl[1].v6 = bpf_map__fd(bed.skel->maps.acl6_1);
	gate.acl_outer = bpf_map__fd(bed.skel->maps.acl4);
	gate.policies = bed.skel->bss->weir_policies;
	gate.sources = bed.skel->bss->weir_sources;
	gate.buckets = &bed.skel->bss->weir_buckets[0][0];
	gate.source_key = (uint64_t *)bed.skel->bss->weir_source_key;
	gate.flows = &flows;
	return policy_default(&gate.policy);
}

static void start_over(void)
{
	struct weir_err err;

	policy_free(&p);
	assert_int_equal(policy_default(&p), 0);
	assert_int_equal(gate_policy_apply(&gate, &p, &err), 0);
	bed_reset(&bed);
	memset(bed.skel->bss->weir_buckets, 0, sizeof(bed.skel->bss->weir_buckets));
	flowmap_bpf_init(&flows, bpf_map__fd(bed.skel->maps.flows4),
			 bpf_map__fd(bed.skel->maps.flows6), bed.skel->bss->weir_presence);
	flow_counts_init(&flows.counts, gate.sources, gate.source_key);
	p.rst_per_sec = 0;
}

static int fresh(void **state)
{
	(void)state;
	start_over();
	return 0;
}

static void apply(void)
{
	struct weir_err err;
	int rc = gate_policy_apply(&gate, &p, &err);

	if (rc)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
}

static void add(enum policy_verdict v, const char *text)
{
	struct weir_err err;

	assert_int_equal(policy_add_arg(&p, v, text, &err), 0);
}

/* ---- frames --------------------------------------------------------------------- */

/* The four ways that a frame may go: IPv4 and IPv6, as usual and with two tags. */
#define WAYS 4

static struct frame syn_from(unsigned way, const char *v4, const char *v6)
{
	struct frame f = frame_syn(way & 1 ? 6 : 4);

	f.vlans = way & 2 ? 2 : 0;
	f.tpid[0] = f.tpid[1] = 0x8100;
	frame_addr(f.src, way & 1 ? v6 : v4);
	frame_opts(&f, layout->opts, layout->opts_len);
	return f;
}

static struct frame ack_to(const struct frame *syn)
{
	struct weir_cookie c = bed_cookie(&bed, syn, layout);

	return bed_ack(syn, layout, &c);
}

static void expect_dropped_(const struct frame *f, enum weir_counter c, const char *name, int line)
{
	bed_send(&bed, f);
	bed_expect_(&bed, XDP_DROP, c, name, __FILE__, line);
	bed_expect_frame(&bed, f, name);
}
#define expect_dropped(f, c) expect_dropped_(f, WEIR_C_##c, #c, __LINE__)

static void expect_cookie_(const struct frame *f, int line)
{
	struct frame answer = bed_syn_ack(&bed, f, layout);

	bed_send(&bed, f);
	bed_expect_(&bed, XDP_TX, WEIR_C_syn_answered, "syn_answered", __FILE__, line);
	bed_expect_frame(&bed, &answer, "SYN-ACK");
}
#define expect_cookie(f) expect_cookie_(f, __LINE__)

static void expect_to_worker_(const struct frame *f, int line)
{
	bed_send(&bed, f);
	bed_expect_(&bed, XDP_REDIRECT, WEIR_C_syn_to_worker, "syn_to_worker", __FILE__, line);
}
#define expect_to_worker(f) expect_to_worker_(f, __LINE__)

static void expect_flow_(const struct frame *syn, int line)
{
	struct frame ack = ack_to(syn);
	struct weir_flow flow;

	bed_send(&bed, &ack);
	bed_expect_(&bed, XDP_REDIRECT, WEIR_C_ack_accepted, "ack_accepted", __FILE__, line);
	bed_expect_frame(&bed, &ack, "final ACK");
	assert_true(bed_flow(&bed, syn, &flow));
}
#define expect_flow(syn) expect_flow_(syn, __LINE__)

static void remove_flow(const struct frame *syn)
{
	weir_tuple t = bed_tuple(syn);

	assert_int_equal(flows.map.ops->remove(&flows.map, &t, 1), 0);
}

static void set_alive(const struct frame *syn, bool alive)
{
	weir_tuple t = bed_tuple(syn);

	flows.map.ops->alive(&flows.map, &t, alive);
}

static unsigned counted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WEIR_SOURCE_CELLS; i++)
		n += gate.sources[gate.counts - 1].row[2][i];
	return n;
}

/* ---- lists -------------------------------------------------------------------------- */

static void a_denied_source_gets_nothing(void **state)
{
	unsigned way;

	(void)state;
	add(POLICY_DENY, "192.0.2.0/24");
	add(POLICY_DENY, "2001:db8:7::/48");
	p.rst_per_sec = 100;
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame bad = syn_from(way, "192.0.2.9", "2001:db8:7::9");
		struct frame good = syn_from(way, "192.0.3.9", "2001:db8:8::9"), ack;

		expect_dropped(&bad, drop_acl_denied);
		ack = ack_to(&bad); /* though its cookie is right */
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

		start_over();
		f = syn_from(way, "192.0.2.9", "2001:db8:7::9");
		expect_cookie(&f);
		expect_flow(&f);
		add(POLICY_DENY, "0.0.0.0/0");
		add(POLICY_DENY, "::/0");
		apply();
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
	add(POLICY_ALLOW, "192.0.2.0/24");
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame in = syn_from(way, "192.0.2.255", "2001:db8::1");
		struct frame out = syn_from(way, "192.0.3.0", "2001:db8::1"), ack;

		if (in.family == 4)
			expect_cookie(&in); /* of IPv6 it names nobody */
		expect_dropped(&out, drop_acl_unlisted);
		ack = ack_to(&out);
		expect_dropped(&ack, drop_acl_unlisted);
	}
	add(POLICY_ALLOW, "::/0");
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.3.0", "2001:db8::1");

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
	add(POLICY_DENY, "192.0.2.66");
	add(POLICY_DENY, "2001:db8::66");
	add(POLICY_ALLOW, "10.0.0.2:443=192.0.2.0/24");
	add(POLICY_ALLOW, "10.0.0.2:443=2001:db8::/64");
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame denied = syn_from(way, "192.0.2.66", "2001:db8::66");
		struct frame in = syn_from(way, "192.0.2.1", "2001:db8::1");
		struct frame out = syn_from(way, "192.0.3.1", "2001:db9::1");

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
	struct frame f = syn_from(0, "192.0.2.1", "");

	(void)state;
	add(POLICY_DENY, "*:80=192.0.2.0/24");
	service(PORT_80)->in_use = 0;
	apply();
	service(PORT_80)->in_use = 1;
	expect_cookie(&f);
	gate_policy_listen(&gate, PORT_80);
	expect_dropped(&f, drop_acl_denied);
}

static void a_new_policy_takes_the_whole_place_of_the_old(void **state)
{
	struct frame a = syn_from(0, "192.0.2.1", ""), b = syn_from(0, "198.51.100.1", "");
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++) {
		policy_free(&p);
		assert_int_equal(policy_default(&p), 0);
		add(POLICY_DENY, i & 1 ? "192.0.2.0/24" : "198.51.100.0/24");
		apply();
		expect_dropped(i & 1 ? &a : &b, drop_acl_denied);
		expect_cookie(i & 1 ? &b : &a);
	}
	policy_free(&p);
	assert_int_equal(policy_default(&p), 0);
	apply();
	assert_int_equal(bed.cfg->flags & WEIR_CFG_POLICY, 0);
	expect_cookie(&a);
	expect_cookie(&b);
}

static void a_bad_policy_changes_nothing(void **state)
{
	struct frame f = syn_from(0, "192.0.2.1", "");
	struct weir_err err;

	(void)state;
	add(POLICY_DENY, "192.0.2.0/24");
	apply();
	add(POLICY_ALLOW, "192.0.2.0/24");
	assert_int_equal(gate_policy_apply(&gate, &p, &err), -EEXIST);
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
	for (round = 0; round < 20; round++) {
		start_over();
		for (i = 0; i < 40; i++) {
			char text[80];
			struct weir_err err;
			struct policy_prefix x;
			size_t k;

			random_prefix(&r, text, sizeof(text));
			assert_int_equal(policy_parse_prefix(&x, text), 0);
			for (k = 0; k < p.nprefixes; k++)
				if (p.prefixes[k].family == x.family &&
				    p.prefixes[k].len == x.len &&
				    !memcmp(p.prefixes[k].addr, x.addr, 16))
					break;
			if (k == p.nprefixes)
				assert_int_equal(policy_add(&p, 0,
							    xorshift64(&r) % (4) == 0 ? POLICY_ALLOW
										      : POLICY_DENY,
							    text, &err),
						 0);
		}
		apply();
		for (i = 0; i < 200; i++) {
			struct frame f =
				syn_from((unsigned)(xorshift64(&r) % WAYS), "11.0.0.0", "2000::");
			struct weir_addr a = {.family = (uint8_t)f.family};
			struct policy_answer want;

			random_address(&r, f.family, f.src);
			memcpy(a.addr, f.src, 16);
			want = policy_ask(&gate.policy, 0, &a);
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
	struct frame f = syn_from(0, "11.0.0.0", "");
	char text[64];
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "11.%u.%u.0/24", i >> 8, i & 255);
		add(POLICY_DENY, text);
		if (i % 10)
			continue;
		snprintf(text, sizeof(text), "2001:db8:%x::/48", i);
		add(POLICY_DENY, text);
	}
	apply();
	for (i = 0; i < 20050; i += 7) {
		f.src[1] = (uint8_t)(i >> 8);
		f.src[2] = (uint8_t)i;
		f.src[3] = (uint8_t)(i * 7);
		if (i < 20000)
			expect_dropped(&f, drop_acl_denied);
		else
			expect_cookie(&f);
	}
}

/* ---- SYN-ACKs by source ----------------------------------------------------------------- */

static void a_source_gets_so_many_syn_acks(void **state)
{
	unsigned way, i;

	(void)state;
	p.synack = (struct policy_rate){.per_sec = 10, .burst = 20, .by = {24, 56}};
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1");
		struct frame other = syn_from(way, "192.0.3.1", "2001:db8:0:100::1");

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
	struct frame f = syn_from(0, "192.0.2.1", "");
	uint8_t buf[FRAME_MAX];
	size_t len = frame_build(&f, buf);
	unsigned i;

	(void)state;
	p.synack = (struct policy_rate){.per_sec = 1, .by = {24, 56}};
	apply();
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
	p.synack = (struct policy_rate){.per_sec = 2, .by = {32, 128}};
	apply();
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1");

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
	struct frame victim = syn_from(0, "192.0.2.1", ""), f = victim;
	unsigned i;

	(void)state;
	p.synack = (struct policy_rate){.per_sec = 5, .by = {24, 56}};
	apply();
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
	p.flow = (struct policy_rate){.per_sec = 4, .by = {24, 64}};
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), late, ack;
		struct frame other = syn_from(way, "192.0.3.1", "2001:db8:0:2::1");

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
		ack = ack_to(&late);
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
	p.flow = (struct policy_rate){.per_sec = 1, .burst = 2, .by = {32, 64}};
	apply();
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1");

		bed_advance(&bed, 5000);
		for (unsigned i = 0; i < 2; i++) {
			f.sport++;
			expect_to_worker(&f);
		}
		expect_dropped(&f, drop_flow_rate);
	}
}

/* ---- flows by source ------------------------------------------------------------------------ */

static void a_source_has_so_many_flows(void **state)
{
	unsigned way, i;

	(void)state;
	p.flow_limit = 3;
	p.flow.by = (struct policy_source){24, 64};
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), first = f, ack;
		struct frame other = syn_from(way, "192.0.3.1", "2001:db8:0:2::1"), late = f;
		struct weir_flow flow;

		late.sport += 77;
		expect_cookie(&late);
		ack = ack_to(&late);
		for (i = 0; i < 3; i++) {
			f.sport = (uint16_t)(first.sport + i);
			expect_cookie(&f);
			expect_flow(&f);
			assert_true(bed_flow(&bed, &f, &flow));
			assert_int_equal(flow.flags & WEIR_FLOW_COUNTED,
					 gate.counts == 1 ? WEIR_FLOW_COUNTED_0
							  : WEIR_FLOW_COUNTED_1);
		}
		assert_int_equal(counted(), 3);
		f.sport++;
		expect_dropped(&f, drop_flow_limit);
		expect_dropped(&ack, drop_flow_limit);
		expect_cookie(&other);

		remove_flow(&first); /* its owner has deleted it */
		assert_int_equal(counted(), 2);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		expect_dropped(&f, drop_flow_limit);
		for (i = 1; i < 3; i++) {
			f.sport = (uint16_t)(first.sport + i);
			remove_flow(&f);
		}
		remove_flow(&late);
		assert_int_equal(counted(), 0);
		remove_flow(&late); /* what is not there counts nothing */
		assert_int_equal(counted(), 0);
	}
}

/* An entry that is kept as a tombstone is no open flow; one that was opened again is. */
static void what_is_over_does_not_count(void **state)
{
	unsigned way;

	(void)state;
	p.flow_limit = 1;
	apply();
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), g = f;

		g.sport++;
		expect_cookie(&f);
		expect_flow(&f);
		expect_dropped(&g, drop_flow_limit);
		set_alive(&f, false);
		set_alive(&f, false);
		assert_int_equal(counted(), 0);
		expect_cookie(&g);
		set_alive(&f, true);
		set_alive(&f, true);
		assert_int_equal(counted(), 1);
		expect_dropped(&g, drop_flow_limit);
		set_alive(&f, false);
		remove_flow(&f);
		assert_int_equal(counted(), 0);
	}
}

static void flows_that_workers_enter_count(void **state)
{
	struct frame f = syn_from(1, "", "2001:db8:0:1::1");
	const struct weir_flow flow = {.mss = 1440};
	weir_tuple t = bed_tuple(&f);

	(void)state;
	p.flow_limit = 1;
	apply();
	service(PORT_80)->mode = WEIR_MODE_NEVER;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_REDIRECT, syn_to_worker);
	assert_int_equal(flows.map.ops->insert(&flows.map, &t, &flow), 0);
	assert_int_equal(flows.map.ops->insert(&flows.map, &t, &flow), -EEXIST);
	assert_int_equal(counted(), 1);
	f.sport++;
	expect_dropped(&f, drop_flow_limit);
	f.sport--;
	remove_flow(&f);
	assert_int_equal(counted(), 0);
}

/* Where the map is full, or the flow there, nothing was opened. */
static void what_could_not_be_entered_does_not_count(void **state)
{
	struct frame f = syn_from(0, "192.0.2.1", "");
	unsigned i, full = 0;

	(void)state;
	p.flow_limit = 5000;
	apply();
	for (i = 0; i < 2000; i++) {
		struct frame ack;

		f.sport = (uint16_t)(2000 + i);
		ack = ack_to(&f);
		full += bed_send(&bed, &ack) == XDP_DROP;
	}
	assert_int_equal(bed_count(&bed, WEIR_C_drop_flow_map_full), full);
	assert_int_not_equal(full, 0);
	assert_int_equal(counted(), 2000 - full);
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
		start_over();
		for (i = 0; i < 4; i++) {
			f[i] = syn_from(way, "192.0.2.1", "2001:db8:0:1::1");
			f[i].sport = (uint16_t)(1000 + i);
			f[i].src[f[i].family == 4 ? 2 : 7] = (uint8_t)(i & 1);
			expect_flow(&f[i]);
		}
		for (i = 0; i < 4; i++) {
			p.flow.by = by[i];
			p.flow_limit = 2;
			apply();
			assert_int_equal(counted(), 4 - i);
			g = f[0];
			g.sport = 2000;
			if (i < 2)
				expect_dropped(&g, drop_flow_limit);
			else
				expect_cookie(&g);
			remove_flow(&f[i]);
			assert_int_equal(counted(), 3 - i);
		}
	}
}

static void a_limit_may_go_and_come(void **state)
{
	struct frame f = syn_from(0, "192.0.2.1", ""), g = f;
	unsigned i;

	(void)state;
	g.sport++;
	for (i = 0; i < 4; i++) {
		p.flow_limit = 1;
		apply();
		expect_flow(&f);
		expect_dropped(&g, drop_flow_limit);
		p.flow_limit = 0;
		apply();
		expect_flow(&g); /* not counted */
		p.flow_limit = 2;
		apply();
		assert_int_equal(counted(), 2);
		p.flow_limit = 3; /* the same counts go on */
		apply();
		assert_int_equal(counted(), 2);
		remove_flow(&f);
		remove_flow(&g);
		assert_int_equal(counted(), 0);
	}
}

/* ---- unknown ACKs ------------------------------------------------------------------------------
 */

static void an_unknown_ack_is_dropped_or_reset(void **state)
{
	unsigned way;

	(void)state;
	for (way = 0; way < WAYS; way++) {
		struct frame f = syn_from(way, "192.0.2.1", "2001:db8:0:1::1"), ack;

		start_over();
		apply();
		ack = ack_to(&f);
		ack.ack ^= 0x55555555;
		expect_dropped(&ack, drop_ack_cookie);
		bed_advance(&bed, 4000);
		expect_dropped(&ack, drop_ack_cookie);
		p.rst_per_sec = 100;
		apply();
		bed_advance(&bed, 1000);
		expect_dropped(&ack, drop_ack_cookie);
		bed_advance(&bed, 4000);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_TX, rst_sent);
	}
}

/* ---- together
 * -------------------------------------------------------------------------------------- */

/* Automatic mode is not told of SYNs that its workers will not see. */
static void refused_syns_are_no_flood(void **state)
{
	struct frame bad = syn_from(0, "192.0.2.1", ""), good = syn_from(0, "192.0.3.1", "");
	unsigned i;

	(void)state;
	add(POLICY_DENY, "192.0.2.0/24");
	apply();
	service(PORT_80)->mode = WEIR_MODE_AUTO;
	service(PORT_80)->syn_per_sec = 8;
	for (i = 0; i < 100; i++)
		expect_dropped(&bad, drop_acl_denied);
	bed_send(&bed, &good);
	bed_expect(&bed, XDP_REDIRECT, syn_to_worker);
	assert_int_equal(service(PORT_80)->cookies_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_denied_source_gets_nothing, fresh),
		cmocka_unit_test_setup(open_flows_stay, fresh),
		cmocka_unit_test_setup(whom_an_allow_list_does_not_name_stays_out, fresh),
		cmocka_unit_test_setup(a_service_has_a_list_of_its_own, fresh),
		cmocka_unit_test_setup(a_service_may_come_later, fresh),
		cmocka_unit_test_setup(a_new_policy_takes_the_whole_place_of_the_old, fresh),
		cmocka_unit_test_setup(a_bad_policy_changes_nothing, fresh),
		cmocka_unit_test_setup(what_the_lists_say_is_done, fresh),
		cmocka_unit_test_setup(thousands_of_prefixes, fresh),
		cmocka_unit_test_setup(a_source_gets_so_many_syn_acks, fresh),
		cmocka_unit_test_setup(only_answers_are_paid_for, fresh),
		cmocka_unit_test_setup(workers_answers_are_limited_too, fresh),
		cmocka_unit_test_setup(a_flood_of_sources_frees_nobody, fresh),
		cmocka_unit_test_setup(a_source_opens_so_many_flows, fresh),
		cmocka_unit_test_setup(a_worker_s_syn_opens_one, fresh),
		cmocka_unit_test_setup(a_source_has_so_many_flows, fresh),
		cmocka_unit_test_setup(what_is_over_does_not_count, fresh),
		cmocka_unit_test_setup(flows_that_workers_enter_count, fresh),
		cmocka_unit_test_setup(what_could_not_be_entered_does_not_count, fresh),
		cmocka_unit_test_setup(a_new_limit_knows_what_is_open, fresh),
		cmocka_unit_test_setup(a_limit_may_go_and_come, fresh),
		cmocka_unit_test_setup(an_unknown_ack_is_dropped_or_reset, fresh),
		cmocka_unit_test_setup(refused_syns_are_no_flood, fresh),
	};

	return cmocka_run_group_tests(tests, setup, bed_teardown);
}
