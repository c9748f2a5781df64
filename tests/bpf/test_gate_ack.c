/* SPDX-License-Identifier: BSD-2-Clause */
/* What brings a cookie back: flows made, refused and found again. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>

#include "../random.h"
#include "gate_bed.h"

#define CAPACITY 8

static int setup(void **state)
{
	(void)state;
	bed_one_cpu();
	bed_open(&bed, CAPACITY);
	return 0;
}

static uint32_t read32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return ntohl(v);
}

/* Sends the SYN and reads the cookie from the answer, as a client does. */
static struct weir_cookie handshake(const struct frame *syn, const struct frame_layout *l)
{
	const uint8_t *th = bed.out + frame_l3(syn) + (syn->family == 4 ? 20 : 40);
	struct weir_cookie c;

	bed_send(&bed, syn);
	bed_expect(&bed, XDP_TX, syn_answered);
	c.iss = read32(th + 4);
	c.tsval = l->ts ? read32(th + 28) : 0;
	return c;
}

/* A client's ACK, ready to be sent. */
static struct frame client(struct frame *syn, const struct frame_layout *l)
{
	struct weir_cookie c;

	frame_opts(syn, l->opts, l->opts_len);
	c = handshake(syn, l);
	return bed_ack(syn, l, &c);
}

/* What the agreed options come back as: never above what was offered. */
static void check_flow(const struct frame *syn, const struct frame *ack,
		       const struct frame_layout *l, const struct weir_flow *f)
{
	unsigned offered = l->mss ? l->mss : syn->family == 4 ? 536 : 1220;

	assert_int_equal(f->owner, 0);
	assert_int_equal(f->iss, ack->ack - 1);
	assert_int_equal(f->irs, syn->seq);
	assert_int_equal(f->ts_ours, l->ts ? read32(ack->opts + 8) : 0);
	assert_int_equal(f->ts_peer, l->ts ? l->tsval + 5 : 0);
	assert_true(f->mss <= offered && f->mss + 100u > offered);
	assert_int_equal(f->wscale, l->wscale < 0 ? WEIR_WSCALE_NONE : l->wscale);
	assert_int_equal(f->flags, (l->sack ? WEIR_OPT_SACK : 0) | (l->ts ? WEIR_OPT_TS : 0) |
					   (syn->flags & ECE ? WEIR_OPT_ECN : 0));
	assert_int_equal(f->created_ms, bed.cfg->clock.fixed_ms);
}

static void every_layout_opens_its_flow(void **state)
{
	unsigned family, vlans, ecn;
	size_t i;

	(void)state;
	for (i = 0; i < frame_nlayouts; i++) {
		for (family = 4; family <= 6; family += 2) {
			for (vlans = 0; vlans <= 2; vlans++) {
				for (ecn = 0; ecn < 2; ecn++) {
					const struct frame_layout *l = &frame_layouts[i];
					struct frame syn = frame_syn((int)family), ack;
					struct weir_flow f;

					syn.vlans = vlans;
					syn.flags |= ecn ? ECE | CWR : 0;
					ack = client(&syn, l);
					bed_send(&bed, &ack);
					bed_expect(&bed, XDP_REDIRECT, ack_accepted);
					assert_true(bed_flow(&bed, &syn, &f));
					check_flow(&syn, &ack, l, &f);
					bed_reset(&bed);
				}
			}
		}
	}
}

static void all_frames_of_a_flow_go_to_its_socket(void **state)
{
	static const uint8_t flags[] = {ACK,	   ACK | PSH, SYN, RST,	     FIN,
					FIN | ACK, SYN | ACK, 0,   SYN | FIN};
	unsigned family, i;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame syn = frame_syn((int)family);
		struct frame ack = client(&syn, &frame_layouts[1]);

		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		for (i = 0; i < sizeof(flags); i++) {
			struct frame any = syn;

			any.flags = flags[i];
			any.seq += 1000000;
			bed_send(&bed, &any);
			bed_expect(&bed, XDP_REDIRECT, flow_redirected);
		}
		ack.sport++;
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	}
}

static void the_first_data_opens_a_flow_too(void **state)
{
	static const uint8_t flags[] = {ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN, ACK | URG};
	unsigned family, i;
	struct weir_flow f;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < sizeof(flags); i++) {
			struct frame syn = frame_syn((int)family);
			struct frame ack = client(&syn, &frame_layouts[i % 3]);

			ack.data = (const uint8_t *)"GET / HTTP/1.0\r\n\r\n";
			ack.data_len = 18;
			ack.flags = flags[i];
			bed_send(&bed, &ack);
			bed_expect(&bed, XDP_REDIRECT, ack_accepted);
			assert_true(bed_flow(&bed, &syn, &f));
			assert_int_equal(f.irs, syn.seq);
			bed_reset(&bed);
		}
	}
}

static void timestamps_may_stand_anywhere(void **state)
{
	static const uint8_t odd[] = {1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1};
	struct frame syn = frame_syn(6);
	struct frame ack = client(&syn, &frame_layouts[1]);
	struct weir_flow f;
	uint8_t echo[4];

	(void)state;
	memcpy(echo, ack.opts + 8, 4);
	frame_opts(&ack, odd, sizeof(odd));
	memcpy(ack.opts + 7, echo, 4);
	bed_send(&bed, &ack);
	bed_expect(&bed, XDP_REDIRECT, ack_accepted);
	assert_true(bed_flow(&bed, &syn, &f));
	assert_int_equal(f.ts_peer, 9);
	assert_int_equal(f.ts_ours, read32(echo));
}

static void a_cookie_is_worth_nothing_to_others(void **state)
{
	struct frame syn = frame_syn(4), good, bad;
	unsigned i;

	(void)state;
	good = client(&syn, &frame_layouts[1]);
	for (i = 0; i < 8; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.src[3] += 7;
			break;
		case 1:
			bad.dst[3]++;
			break;
		case 2:
			bad.sport++;
			break;
		case 3:
			bad.seq++;
			break;
		case 4:
			bad.ack++;
			break;
		case 5:
			bad.opts[11] ^= 0x04; /* another window scale in TSecr */
			break;
		case 6:
			bad.opts_len = 0; /* without its timestamps */
			break;
		case 7:
			bad.ack ^= 2; /* another MSS class */
			break;
		}
		bed_send(&bed, &bad);
		bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	}
	bed_send(&bed, &good);
	bed_expect(&bed, XDP_REDIRECT, ack_accepted);
}

static void a_cookie_lives_for_its_epoch_and_the_next(void **state)
{
	unsigned ts, late;

	(void)state;
	for (ts = 0; ts < 2; ts++) {
		for (late = 0; late < 2; late++) {
			struct frame syn = frame_syn(4), ack;

			bed_advance(&bed, late ? BED_EPOCH - 1 : 0);
			ack = client(&syn, &frame_layouts[ts]);
			bed_advance(&bed, late ? BED_EPOCH : 2 * BED_EPOCH - 1);
			bed_send(&bed, &ack);
			bed_expect(&bed, XDP_REDIRECT, ack_accepted);
			bed_reset(&bed);

			bed_advance(&bed, late ? BED_EPOCH - 1 : 0);
			ack = client(&syn, &frame_layouts[ts]);
			bed_advance(&bed, late ? BED_EPOCH + 1 : 2 * BED_EPOCH);
			bed_send(&bed, &ack);
			bed_expect(&bed, XDP_DROP, drop_ack_cookie);
			bed_reset(&bed);
		}
	}
}

static void keys_change_without_refusing_anyone(void **state)
{
	uint32_t epoch = weir_epoch(BED_WALL_MS);
	unsigned at;

	(void)state;
	/* The newer key rules from the next epoch on. */
	for (at = 0; at < 3; at++) {
		struct frame syn = frame_syn(4), ack;

		bed.cfg->keys.schedule = (uint64_t)1 << 32 | (epoch + 1);
		bed_advance(&bed, at * (uint64_t)BED_EPOCH);
		ack = client(&syn, &frame_layouts[at % 2]);
		bed_advance(&bed, BED_EPOCH);
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		bed_reset(&bed);
	}
}

static void a_corrupted_byte_opens_nothing(void **state)
{
	unsigned family, ts, kind;
	uint8_t buf[FRAME_MAX];
	size_t at, len;

	(void)state;
	bed.cfg->rst_per_sec = 1000000;
	for (family = 4; family <= 6; family += 2) {
		for (ts = 0; ts < 2; ts++) {
			for (kind = 0; kind < 2; kind++) {
				struct frame syn = frame_syn((int)family);
				struct frame ack = client(&syn, &frame_layouts[ts]);
				struct weir_flow f;

				if (kind)
					ack.ack +=
						4096; /* not a cookie: must not be reset either */
				len = frame_build(&ack, buf);
				if (kind) { /* an RST is due to it */
					bed_run(&bed, buf, len);
					bed_advance(&bed, 1000);
				}
				for (at = 12; at < len; at++) {
					if (family == 6 && at >= 14 && (at < 18 || at == 21))
						continue; /* what no checksum covers */
					buf[at] ^= 0x40;
					bed_run(&bed, buf, len);
					buf[at] ^= 0x40;
					if (bed.act != XDP_DROP && bed.act != XDP_PASS)
						fail_msg("IPv%u: action %d with byte %zu flipped",
							 family, bed.act, at);
					assert_false(bed_flow(&bed, &syn, &f));
				}
				bed_mark(&bed);
			}
		}
	}
}

static void a_truncated_frame_opens_nothing(void **state)
{
	unsigned family, data;
	uint8_t buf[FRAME_MAX];
	size_t cut, len;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (data = 0; data < 2; data++) {
			struct frame syn = frame_syn((int)family);
			struct frame ack = client(&syn, &frame_layouts[1]);

			ack.data = (const uint8_t *)"some data";
			ack.data_len = data ? 9 : 0;
			len = frame_build(&ack, buf);
			for (cut = 14; cut < len; cut++) {
				bed_run(&bed, buf, cut);
				assert_true(bed.act == XDP_DROP || bed.act == XDP_PASS);
			}
			bed_mark(&bed);
		}
	}
}

/* ---- capacity ------------------------------------------------------------------ */

static void a_full_map_turns_cookies_away(void **state)
{
	unsigned family, i, in = 0;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (in = 0, i = 0; i < 4 * CAPACITY; i++) {
			struct frame syn = frame_syn((int)family), ack;

			syn.sport = (uint16_t)(1024 + i);
			ack = client(&syn, &frame_layouts[1]);
			if (bed_send(&bed, &ack) == XDP_REDIRECT) {
				bed_expect(&bed, XDP_REDIRECT, ack_accepted);
				in++;
			} else {
				bed_expect(&bed, XDP_DROP, drop_flow_map_full);
			}
		}
		assert_true(in >= CAPACITY && in < 4 * CAPACITY);
		bed_reset(&bed);
	}
}

static void who_is_half_way_in_may_still_enter(void **state)
{
	static const uint32_t flags[] = {WEIR_CFG_FLOWS_FULL, WEIR_CFG_DRAINING, 0};
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct frame syn = frame_syn(4), ack;

		syn.sport = (uint16_t)(2000 + i);
		ack = client(&syn, &frame_layouts[1]);
		bed.cfg->flags = flags[i];
		bed.cfg->heartbeat_max_ms = 2000; /* and the worker has been silent for long */
		bed_send(&bed, &ack);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		bed_reset(&bed);
	}
}

static void without_a_socket_frames_are_dropped(void **state)
{
	struct frame syn = frame_syn(4);
	struct frame ack = client(&syn, &frame_layouts[1]);
	struct weir_flow f;

	(void)state;
	bed_socket(&bed, false);
	bed_send(&bed, &ack);
	assert_int_equal(bed_count(&bed, WEIR_C_ack_accepted), 1);
	assert_int_equal(bed_count(&bed, WEIR_C_drop_no_socket), 1);
	assert_int_equal(bed.act, XDP_DROP);
	assert_true(bed_flow(&bed, &syn, &f)); /* so that what comes next gets there */
	bed_mark(&bed);
	bed_send(&bed, &ack);
	bed_expect(&bed, XDP_DROP, drop_no_socket);
	bed_socket(&bed, true);
	bed_send(&bed, &ack);
	bed_expect(&bed, XDP_REDIRECT, flow_redirected);
}

/* ---- resets ---------------------------------------------------------------------- */

static struct frame stray(int family)
{
	struct frame f = frame_syn(family);

	f.flags = ACK;
	f.ack = 0xdeadbeef;
	return f;
}

static struct frame reset_for(const struct frame *f)
{
	struct frame r = frame_answer(f, RST, f->ack, 0);

	r.ttl = 64;
	return r;
}

/* It was refused before, three seconds ago: now it is told. */
static void refused_before(const struct frame *f)
{
	bed_send(&bed, f);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	bed_advance(&bed, 2999);
	bed_send(&bed, f);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	bed_advance(&bed, 1);
}

static void a_stray_ack_is_reset(void **state)
{
	static const uint8_t data[100] = {1, 2, 3};
	unsigned family, vlans;

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	bed_advance(&bed, 1000); /* whatever was spent before */
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			struct frame f = stray((int)family), want;

			f.vlans = vlans;
			f.sport = (uint16_t)(50000 + vlans);
			want = reset_for(&f);
			refused_before(&f);
			bed_send(&bed, &f);
			bed_expect(&bed, XDP_TX, rst_sent);
			bed_expect_frame(&bed, &want, "RST for an ACK");
			frame_timestamps(&f, 1, 2);
			f.flags = ACK | PSH | FIN;
			f.data = data;
			f.data_len = sizeof(data);
			bed_send(&bed, &f);
			bed_expect(&bed, XDP_TX, rst_sent);
			bed_expect_frame(&bed, &want, "RST for data");
		}
	}
}

static void resets_are_few(void **state)
{
	struct frame f = stray(4);
	unsigned i, sent = 0;

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	refused_before(&f);
	bed.cfg->rst_per_sec = 0; /* which empties the bucket */
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	bed.cfg->rst_per_sec = 10;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
	for (i = 0; i < 1000; i++) { /* a second */
		bed_advance(&bed, 1);
		sent += bed_send(&bed, &f) == XDP_TX;
	}
	assert_int_equal(sent, 10);
	bed_advance(&bed, 60 * 1000); /* a minute saves up for a second's burst */
	for (sent = 0, i = 0; i < 100; i++)
		sent += bed_send(&bed, &f) == XDP_TX;
	assert_int_equal(sent, 10);
}

/*
 * The final ACK and the first data are lost, the second segment comes in first:
 * no RST, and the first one, sent again, opens the flow.
 */
static void a_handshake_under_way_is_not_reset(void **state)
{
	static const uint8_t data[100] = {1, 2, 3};
	unsigned family;

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	for (family = 4; family <= 6; family += 2) {
		struct frame syn = frame_syn((int)family);
		struct frame first = client(&syn, &frame_layouts[0]), second;

		first.data = data;
		first.data_len = sizeof(data);
		second = first;
		second.seq += sizeof(data);
		bed_send(&bed, &second);
		bed_expect(&bed, XDP_DROP, drop_ack_cookie);
		/* A round trip of a second: a tail loss probe after two, the RTO after three. */
		bed_advance(&bed, 2000);
		bed_send(&bed, &second);
		bed_expect(&bed, XDP_DROP, drop_ack_cookie);
		bed_advance(&bed, 999);
		bed_send(&bed, &first);
		bed_expect(&bed, XDP_REDIRECT, ack_accepted);
		bed_send(&bed, &second);
		bed_expect(&bed, XDP_REDIRECT, flow_redirected);
	}
}

/* Two minutes later it is a new client. */
static void refusals_are_forgotten(void **state)
{
	struct frame f = stray(4);

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	refused_before(&f);
	bed_advance(&bed, 120000);
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_ack_cookie);
}

/* ---- guesses ------------------------------------------------------------------------- */

static void random_acks_are_refused(void **state)
{
	uint64_t seed = 0x243f6a8885a308d3ULL;
	unsigned i, accepted = 0;

	(void)state;
	for (i = 0; i < 1u << 17; i++) {
		struct frame f = frame_syn(i & 1 ? 6 : 4);
		uint64_t r = xorshift64(&seed);

		f.flags = ACK;
		f.seq = (uint32_t)r;
		f.ack = (uint32_t)(r >> 32);
		if (i & 2)
			frame_timestamps(&f, (uint32_t)i, (uint32_t)xorshift64(&seed));
		accepted += bed_send(&bed, &f) != XDP_DROP;
	}
	assert_int_equal(bed_count(&bed, WEIR_C_drop_ack_cookie) + accepted, 1u << 17);
	/* One in 64 is expected without timestamps; two would be odd, three a defect. */
	assert_in_range(accepted, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_layout_opens_its_flow, bed_fresh),
		cmocka_unit_test_setup(all_frames_of_a_flow_go_to_its_socket, bed_fresh),
		cmocka_unit_test_setup(the_first_data_opens_a_flow_too, bed_fresh),
		cmocka_unit_test_setup(timestamps_may_stand_anywhere, bed_fresh),
		cmocka_unit_test_setup(a_cookie_is_worth_nothing_to_others, bed_fresh),
		cmocka_unit_test_setup(a_cookie_lives_for_its_epoch_and_the_next, bed_fresh),
		cmocka_unit_test_setup(keys_change_without_refusing_anyone, bed_fresh),
		cmocka_unit_test_setup(a_corrupted_byte_opens_nothing, bed_fresh),
		cmocka_unit_test_setup(a_truncated_frame_opens_nothing, bed_fresh),
		cmocka_unit_test_setup(a_full_map_turns_cookies_away, bed_fresh),
		cmocka_unit_test_setup(who_is_half_way_in_may_still_enter, bed_fresh),
		cmocka_unit_test_setup(without_a_socket_frames_are_dropped, bed_fresh),
		cmocka_unit_test_setup(a_stray_ack_is_reset, bed_fresh),
		cmocka_unit_test_setup(resets_are_few, bed_fresh),
		cmocka_unit_test_setup(a_handshake_under_way_is_not_reset, bed_fresh),
		cmocka_unit_test_setup(refusals_are_forgotten, bed_fresh),
		cmocka_unit_test_setup(random_acks_are_refused, bed_fresh),
	};

	return cmocka_run_group_tests(tests, setup, bed_teardown);
}
