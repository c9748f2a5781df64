/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate's trace and its clock: what was seen and sent, byte for byte, and no more. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <weir/clock.h>

#include "gate_bed.h"

#define MAX_RECS 8192

static struct ring_buffer *ring;
static struct weir_trace_rec recs[MAX_RECS];
static unsigned nrecs;

static int keep(void *ctx, void *data, size_t len)
{
	(void)ctx;
	assert_int_equal(len, sizeof(struct weir_trace_rec));
	if (nrecs < MAX_RECS)
		memcpy(&recs[nrecs++], data, len);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	bed_open(&bed, 64);
	ring = ring_buffer__new(bpf_map__fd(bed.skel->maps.trace), keep, NULL, NULL);
	assert_non_null(ring);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ring_buffer__free(ring);
	bed_close(&bed);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	ring_buffer__consume(ring);
	nrecs = 0;
	bed_reset(&bed);
	bed.cfg->trace = 1;
	return 0;
}

static unsigned collect(void)
{
	nrecs = 0;
	ring_buffer__consume(ring);
	return nrecs;
}

static void expect_rec(unsigned i, int dir, uint16_t outcome, int state, const uint8_t *frame,
		       size_t len)
{
	const struct weir_trace_rec *r = &recs[i];
	size_t cap = len < WEIR_TRACE_SNAP ? len : WEIR_TRACE_SNAP;

	assert_int_equal(r->where, WEIR_TRACE_GATE);
	assert_int_equal(r->dir, dir);
	assert_int_equal(r->outcome, outcome);
	assert_int_equal(r->state_before, state);
	assert_int_equal(r->state_after, state);
	assert_int_equal(r->len, len);
	assert_int_equal(r->caplen, cap);
	assert_memory_equal(r->data, frame, cap);
}

static void a_syn_and_its_answer(void **state)
{
	unsigned family, vlans;
	uint8_t buf[FRAME_MAX];
	struct timespec now;
	size_t i, len;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			/* longer than, as long as and shorter than the answer */
			for (i = 0; i < frame_nlayouts; i++) {
				struct frame f = frame_syn((int)family);

				f.vlans = vlans;
				frame_opts(&f, frame_layouts[i].opts, frame_layouts[i].opts_len);
				len = frame_build(&f, buf);
				assert_int_equal(bed_run(&bed, buf, len), XDP_TX);
				assert_int_equal(collect(), 2);
				expect_rec(0, WEIR_TRACE_IN, 0, WEIR_LISTEN, buf, len);
				expect_rec(1, WEIR_TRACE_OUT, 0, WEIR_LISTEN, bed.out, bed.out_len);
				assert_true(recs[0].mono_ns <= recs[1].mono_ns);
			}
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_in_range((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - recs[1].mono_ns,
			0, 10000000000ULL);
}

static void a_stray_and_its_reset(void **state)
{
	struct frame f = frame_syn(4);
	uint8_t buf[FRAME_MAX];
	size_t len;

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	f.flags = ACK;
	len = frame_build(&f, buf);
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	assert_int_equal(collect(), 1);
	bed_advance(&bed, 3000);
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_TX, rst_sent);
	assert_int_equal(collect(), 2);
	expect_rec(0, WEIR_TRACE_IN, WEIR_C_rst_sent, WEIR_CLOSED, buf, len);
	expect_rec(1, WEIR_TRACE_OUT, 0, WEIR_CLOSED, bed.out, bed.out_len);
}

static void a_drop_says_why(void **state)
{
	static const uint8_t data[600] = {42};
	struct frame f = frame_syn(6);
	uint8_t buf[FRAME_MAX];
	size_t len;

	(void)state;
	f.flags = RST;
	f.data = data;
	f.data_len = sizeof(data);
	len = frame_build(&f, buf);
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_rst);
	assert_int_equal(collect(), 1);
	expect_rec(0, WEIR_TRACE_IN, WEIR_C_drop_rst, WEIR_LISTEN, buf, len);

	f.exts = 7;
	f.ext[0] = f.ext[1] = f.ext[2] = f.ext[3] = (struct frame_ext){.type = 60};
	f.ext[4] = f.ext[5] = f.ext[6] = f.ext[0];
	len = frame_build(&f, buf);
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_ext_many);
	assert_int_equal(collect(), 1);
	expect_rec(0, WEIR_TRACE_IN, WEIR_C_drop_ip_ext_many, WEIR_LISTEN, buf, len);
}

/* The worker writes what it gets; what passes is none of our business. */
static void what_goes_on_is_not_recorded(void **state)
{
	const struct frame_layout *l = &frame_layouts[1];
	struct frame f = frame_syn(4), ack;
	struct weir_cookie c;

	(void)state;
	frame_opts(&f, l->opts, l->opts_len);
	c = bed_cookie(&bed, &f, l);
	ack = bed_ack(&f, l, &c);
	bed_send(&bed, &ack);
	bed_expect(&bed, XDP_REDIRECT, ack_accepted);
	bed_send(&bed, &ack);
	bed_expect(&bed, XDP_REDIRECT, flow_redirected);
	f.dport = 22;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_PASS, pass_not_ours);
	assert_int_equal(collect(), 0);
}

static void off_is_off(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	bed.cfg->trace = 0;
	bed_send(&bed, &f);
	assert_int_equal(bed.act, XDP_TX);
	assert_int_equal(collect(), 0);
}

static void the_filter_selects(void **state)
{
	static const struct {
		int seen; /* of the IPv4 SYN, of the IPv6 one: bits 0 and 1 */
		uint16_t family, port;
		const char *addr;
	} cases[] = {
		{3, 0, 0, NULL},	{3, 0, 80, NULL},	  {3, 0, 40000, NULL},
		{0, 0, 81, NULL},	{1, 4, 0, NULL},	  {2, 6, 0, NULL},
		{1, 4, 80, "10.0.0.1"}, {1, 4, 0, "10.0.0.2"},	  {0, 4, 0, "10.0.0.3"},
		{2, 6, 80, "fd00::1"},	{2, 6, 40000, "fd00::2"}, {0, 6, 0, "fd00::3"},
		{0, 4, 81, "10.0.0.1"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_trace_filter *t = &bed.cfg->trace_filter;
		struct frame f = frame_syn(4), g = frame_syn(6);
		uint8_t addr[16] = {0};

		if (cases[i].addr)
			frame_addr(addr, cases[i].addr);
		t->family = cases[i].family;
		t->port = htons(cases[i].port);
		memcpy(t->addr, addr, sizeof(addr));
		bed_send(&bed, &f);
		assert_int_equal(collect(), cases[i].seen & 1 ? 2 : 0);
		bed_send(&bed, &g);
		assert_int_equal(collect(), cases[i].seen & 2 ? 2 : 0);
	}
}

static void what_the_ring_cannot_hold_is_counted(void **state)
{
	struct frame f = frame_syn(4);
	uint64_t lost;
	unsigned i;

	(void)state;
	for (i = 0; i < MAX_RECS; i++)
		assert_int_equal(bed_send(&bed, &f), XDP_TX);
	lost = bed_count(&bed, WEIR_C_trace_lost);
	assert_true(lost > 0);
	collect();
	assert_int_equal(nrecs + lost, 2 * MAX_RECS);
}

static void the_clock_program_reads_both_clocks(void **state)
{
	struct weir_clock_sample s[2] = {{0}};
	struct timespec nap = {.tv_nsec = 60000000};
	uint64_t ms, ticks;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = &s[i], .ctx_size_in = sizeof(s[i]));

		assert_int_equal(
			bpf_prog_test_run_opts(bpf_program__fd(bed.skel->progs.weir_clock_now), &o),
			0);
		if (!i)
			nanosleep(&nap, NULL);
	}
	ms = (s[1].mono_ns - s[0].mono_ns) / 1000000;
	ticks = s[1].jiffies - s[0].jiffies;
	assert_true(ms >= 60);
	/* HZ is between 100 and 1000 on what we run on. */
	assert_true(ticks * 10 + 20 >= ms && ticks <= ms + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_syn_and_its_answer, fresh),
		cmocka_unit_test_setup(a_stray_and_its_reset, fresh),
		cmocka_unit_test_setup(a_drop_says_why, fresh),
		cmocka_unit_test_setup(what_goes_on_is_not_recorded, fresh),
		cmocka_unit_test_setup(off_is_off, fresh),
		cmocka_unit_test_setup(the_filter_selects, fresh),
		cmocka_unit_test_setup(what_the_ring_cannot_hold_is_counted, fresh),
		cmocka_unit_test_setup(the_clock_program_reads_both_clocks, fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
