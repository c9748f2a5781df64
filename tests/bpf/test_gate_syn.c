/* SPDX-License-Identifier: BSD-2-Clause */
/* SYNs: the whole SYN-ACK, for every way to write the same SYN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "gate_bed.h"

/* Router alert, then padding: options that must neither stay nor be a bypass. */
static const uint8_t ip_options[] = {148, 4, 0, 0, 1, 1, 1, 0};

static void add_headers(struct frame *f)
{
	if (f->family == 4) {
		f->ip_opts = ip_options;
		f->ip_opts_len = sizeof(ip_options);
		return;
	}
	f->exts = 6;
	f->ext[0] = (struct frame_ext){.type = 0};
	f->ext[1] = (struct frame_ext){.type = 60, .len = 1};
	f->ext[2] = (struct frame_ext){.type = 43};
	f->ext[3] = (struct frame_ext){.type = 44}; /* atomic, RFC 6946 */
	f->ext[4] = (struct frame_ext){.type = 51, .len = 4};
	f->ext[5] = (struct frame_ext){.type = 60};
}

static void answered(const struct frame *syn, const struct frame_layout *l)
{
	struct frame want = bed_syn_ack(&bed, syn, l);

	bed_send(&bed, syn);
	bed_expect(&bed, XDP_TX, syn_answered);
	bed_expect_frame(&bed, &want, l->name);
}

static void every_layout_is_answered_in_full(void **state)
{
	unsigned family, vlans, headers, ecn, tpid;
	size_t i;

	(void)state;
	for (i = 0; i < frame_nlayouts; i++) {
		for (family = 4; family <= 6; family += 2) {
			for (vlans = 0; vlans <= 2; vlans++) {
				for (headers = 0; headers < 2; headers++) {
					for (ecn = 0; ecn < 2; ecn++) {
						struct frame f = frame_syn((int)family);

						f.vlans = vlans;
						if (headers)
							add_headers(&f);
						if (ecn)
							f.flags |= ECE | CWR;
						frame_opts(&f, frame_layouts[i].opts,
							   frame_layouts[i].opts_len);
						for (tpid = 0; tpid <= vlans; tpid++) {
							f.tpid[0] = tpid ? 0x88a8 : 0x8100;
							answered(&f, &frame_layouts[i]);
						}
					}
				}
			}
		}
	}
}

static void one_ecn_bit_alone_offers_nothing(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	f.flags = SYN | ECE;
	answered(&f, &frame_layouts[0]);
	f.flags = SYN | CWR;
	answered(&f, &frame_layouts[0]);
	f.flags = SYN | PSH | URG;
	answered(&f, &frame_layouts[0]);
}

static void the_frames_own_ttl_tos_and_padding_do_not_show(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = frame_syn((int)family);

		f.ttl = 3;
		f.tos = 0xb9;
		f.padding = 46;
		frame_opts(&f, frame_layouts[2].opts, frame_layouts[2].opts_len);
		answered(&f, &frame_layouts[2]);
	}
}

static void the_devices_settings_are_announced(void **state)
{
	struct frame f = frame_syn(4), g = frame_syn(6);

	(void)state;
	bed.cfg->mss4 = 2960;
	bed.cfg->mss6 = 2940;
	bed.cfg->wscale = 3;
	bed.cfg->ttl = 255;
	bed.cfg->window = 29200;
	weir_mss_classes(bed.cfg->mss_class, 3000);
	frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
	answered(&f, &frame_layouts[1]);
	frame_opts(&g, frame_layouts[2].opts, frame_layouts[2].opts_len);
	answered(&g, &frame_layouts[2]);
}

static void data_on_a_syn_is_summed_and_left_unacknowledged(void **state)
{
	uint8_t data[2000], buf[FRAME_MAX];
	unsigned family;
	size_t n, len;

	(void)state;
	for (n = 0; n < sizeof(data); n++)
		data[n] = (uint8_t)(n * 7 + 1);
	for (family = 4; family <= 6; family += 2) {
		for (n = 1; n <= 1500; n += n < 70 ? 1 : 143) {
			struct frame f = frame_syn((int)family);

			f.data = data;
			f.data_len = n;
			answered(&f, &frame_layouts[0]);
			len = frame_build(&f, buf);
			buf[len - 1] ^= 0x10;
			bed_run(&bed, buf, len);
			bed_expect(&bed, XDP_DROP, drop_tcp_csum);
		}
	}
}

static void data_beyond_a_frames_worth_is_refused(void **state)
{
	static const uint8_t data[2000];
	struct frame f = frame_syn(4);

	(void)state;
	f.data = data;
	f.data_len = 1540;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_TX, syn_answered);
	f.data_len = 1541;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_payload_long);
}

static void the_answer_changes_with_what_the_cookie_covers(void **state)
{
	struct frame f = frame_syn(4);
	uint8_t first[FRAME_MAX];

	(void)state;
	bed_send(&bed, &f);
	memcpy(first, bed.out, bed.out_len);
	bed_mark(&bed);
	f.seq++;
	answered(&f, &frame_layouts[0]);
	assert_memory_not_equal(first + 14 + 20 + 4, bed.out + 14 + 20 + 4, 4);
	f.seq--;
	bed_advance(&bed, BED_EPOCH);
	answered(&f, &frame_layouts[0]);
	assert_memory_not_equal(first + 14 + 20 + 4, bed.out + 14 + 20 + 4, 4);
}

/*
 * Where a byte may change and the frame still be answered, for no checksum covers
 * it: the Ethernet source, tags, and of IPv6 traffic class, flow label, hop limit.
 */
static int uncovered(const struct frame *f, size_t at, uint8_t flip)
{
	size_t l3 = frame_l3(f);

	if (at >= 6 && at < 12)
		return 1;
	if (at >= 14 && at < l3 && (at & 2) == 2)
		return 1;
	return f->family == 6 &&
	       ((at == l3 && flip < 0x10) || (at > l3 && at < l3 + 4) || at == l3 + 7);
}

static void a_corrupted_byte_is_never_answered(void **state)
{
	static const uint8_t flips[] = {0x01, 0x10, 0x80, 0xff};
	unsigned family, vlans, i;
	uint8_t buf[FRAME_MAX];
	size_t at, len;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			struct frame f = frame_syn((int)family);

			f.vlans = vlans;
			f.data = (const uint8_t *)"data";
			f.data_len = 4;
			frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
			len = frame_build(&f, buf);
			for (at = 0; at < len; at++) {
				for (i = 0; i < sizeof(flips); i++) {
					buf[at] ^= flips[i];
					bed_run(&bed, buf, len);
					buf[at] ^= flips[i];
					assert_int_not_equal(bed.act, XDP_REDIRECT);
					assert_int_not_equal(bed.act, XDP_ABORTED);
					if (bed.act == XDP_TX && !uncovered(&f, at, flips[i]))
						fail_msg("IPv%u, %u tags: answered with byte %zu "
							 "flipped by %02x",
							 family, vlans, at, flips[i]);
				}
			}
		}
	}
}

static void a_truncated_frame_is_never_answered(void **state)
{
	unsigned family, vlans, headers;
	uint8_t buf[FRAME_MAX];
	size_t cut, len;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			for (headers = 0; headers < 2; headers++) {
				struct frame f = frame_syn((int)family);

				f.vlans = vlans;
				if (headers)
					add_headers(&f);
				frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
				len = frame_build(&f, buf);
				for (cut = 14; cut < len; cut++) {
					bed_run(&bed, buf, cut);
					assert_true(bed.act == XDP_DROP || bed.act == XDP_PASS);
				}
				bed_run(&bed, buf, len);
				assert_int_equal(bed.act, XDP_TX);
			}
		}
	}
}

/* Each value of the length fields, the rest of the frame made to agree with it. */
static void a_lying_length_is_never_answered(void **state)
{
	uint8_t buf[FRAME_MAX], *ip, *th;
	struct frame f = frame_syn(4);
	size_t len, right;
	unsigned v;

	(void)state;
	f.padding = 20;
	frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
	len = frame_build(&f, buf);
	ip = buf + frame_l3(&f);
	th = buf + frame_l4(&f);
	right = len - 14 - f.padding;
	for (v = 0; v < 256; v++) {
		ip[2] = 0;
		ip[3] = (uint8_t)v;
		frame_fix_ip(&f, buf);
		bed_run(&bed, buf, len);
		assert_int_equal(bed.act, v == right ? XDP_TX : XDP_DROP);
	}
	ip[3] = (uint8_t)right;
	frame_fix_ip(&f, buf);
	for (v = 0; v < 16; v++) {
		th[12] = (uint8_t)(v << 4);
		frame_fix_tcp(&f, buf);
		bed_run(&bed, buf, len);
		/* A shorter header leaves options as data: a SYN like any other. */
		assert_int_equal(bed.act, v >= 5 && v <= 10 ? XDP_TX : XDP_DROP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_layout_is_answered_in_full, bed_fresh),
		cmocka_unit_test_setup(one_ecn_bit_alone_offers_nothing, bed_fresh),
		cmocka_unit_test_setup(the_frames_own_ttl_tos_and_padding_do_not_show, bed_fresh),
		cmocka_unit_test_setup(the_devices_settings_are_announced, bed_fresh),
		cmocka_unit_test_setup(data_on_a_syn_is_summed_and_left_unacknowledged, bed_fresh),
		cmocka_unit_test_setup(data_beyond_a_frames_worth_is_refused, bed_fresh),
		cmocka_unit_test_setup(the_answer_changes_with_what_the_cookie_covers, bed_fresh),
		cmocka_unit_test_setup(a_corrupted_byte_is_never_answered, bed_fresh),
		cmocka_unit_test_setup(a_truncated_frame_is_never_answered, bed_fresh),
		cmocka_unit_test_setup(a_lying_length_is_never_answered, bed_fresh),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
