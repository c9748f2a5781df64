/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet view: well-formed frames are found in full, lying ones found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>

#include "../bpf/frame.h"

static const uint8_t ip_options[40] = {148, 4, 0, 0, 1, 1, 1, 0};

/* In memory of exactly the frame's size, so that a sanitizer sees each byte too many. */
static enum weir_pkt_verdict parse(const uint8_t *frame, size_t len, struct weir_pkt *p)
{
	uint8_t *tight = malloc(len ? len : 1);
	enum weir_pkt_verdict v;

	assert_non_null(tight);
	memcpy(tight, frame, len);
	v = weir_pkt_parse(tight, len, p);
	if (v == WEIR_PKT_OK) {
		struct weir_tcp_opts o;
		uint32_t val, ecr;

		assert_true(p->end <= len && p->payload_off + p->payload_len == p->end);
		assert_true(p->l3_off + 40u <= p->l4_off + 20u);
		assert_true(p->tcp_hlen >= 20 && p->tcp_hlen <= 60);
		weir_pkt_opts(tight, p, &o);
		assert_int_equal(weir_pkt_ts(tight, p, &val, &ecr), !!(o.syn.flags & WEIR_OPT_TS));
		(void)weir_csum_tcp(tight, p);
		(void)weir_csum_ip_ok(tight, p);
	}
	free(tight);
	return v;
}

static enum weir_pkt_verdict parse_frame(const struct frame *f, struct weir_pkt *p)
{
	uint8_t buf[FRAME_MAX];

	return parse(buf, frame_build(f, buf), p);
}

/* ---- what is found --------------------------------------------------------------- */

static void expect_view(const struct frame *f, const struct weir_pkt *p)
{
	size_t n = f->family == 4 ? 4 : 16, skip = 16 - n;

	assert_int_equal(p->family, f->family);
	assert_int_equal(p->vlans, f->vlans);
	assert_int_equal(p->l3_off, frame_l3(f));
	assert_int_equal(p->l4_off, frame_l4(f));
	assert_int_equal(p->tcp_hlen, 20 + f->opts_len);
	assert_int_equal(p->payload_off, frame_l4(f) + 20 + f->opts_len);
	assert_int_equal(p->payload_len, f->data_len);
	assert_int_equal(p->end, p->payload_off + f->data_len);
	assert_memory_equal((uint8_t *)p->tuple.raddr + skip, f->src, n);
	assert_memory_equal((uint8_t *)p->tuple.laddr + skip, f->dst, n);
	assert_int_equal(weir_tuple_is_v4(&p->tuple), f->family == 4);
	assert_int_equal(weir_ntohs(p->tuple.rport), f->sport);
	assert_int_equal(weir_ntohs(p->tuple.lport), f->dport);
	assert_int_equal(p->have, WEIR_HAVE_ADDR | WEIR_HAVE_PORTS);
	assert_int_equal(p->seq, f->seq);
	assert_int_equal(p->ack, f->ack);
	assert_int_equal(p->wnd, f->window);
	assert_int_equal(p->urg, f->urg);
	assert_int_equal(p->flags, f->flags);
	assert_int_equal(p->ttl, f->ttl);
	assert_int_equal(p->ip_ecn, f->tos & 3);
	assert_int_equal(p->fragment, 0);
}

static struct frame busy_frame(unsigned family, unsigned vlans, unsigned headers)
{
	static const uint8_t data[] = "some data";
	struct frame f = frame_syn((int)family);
	unsigned i;

	f.vlans = vlans;
	f.tos = (uint8_t)(0xb8 | headers % 4);
	f.ack = 0x99887766;
	f.urg = 7;
	f.flags = ACK | PSH | URG | ECE;
	f.data = data;
	f.data_len = sizeof(data) - 1;
	if (family == 4) {
		f.ip_opts = ip_options;
		f.ip_opts_len = 4 * (size_t)(headers * 10 / 6);
	}
	for (i = 0; family == 6 && i < headers; i++) {
		static const uint8_t types[] = {0, 60, 43, 44, 51, 60};

		f.ext[i] = (struct frame_ext){.type = types[i], .len = (uint8_t)(i == 5 ? 9 : i)};
	}
	f.exts = family == 6 ? headers : 0;
	return f;
}

static void whole_frames_are_found_in_full(void **state)
{
	unsigned family, vlans, headers;
	size_t i;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			for (headers = 0; headers <= 6; headers++) {
				for (i = 0; i < frame_nlayouts; i++) {
					struct frame f = busy_frame(family, vlans, headers);
					struct weir_pkt p;

					f.tpid[0] = i & 1 ? 0x88a8 : 0x8100;
					f.padding = i;
					frame_opts(&f, frame_layouts[i].opts,
						   frame_layouts[i].opts_len);
					assert_int_equal(parse_frame(&f, &p), WEIR_PKT_OK);
					expect_view(&f, &p);
				}
			}
		}
	}
}

static void options_are_read_in_any_layout(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < frame_nlayouts; i++) {
		const struct frame_layout *l = &frame_layouts[i];
		struct frame f = frame_syn(4);
		struct weir_tcp_opts o;
		uint8_t buf[FRAME_MAX];
		struct weir_pkt p;

		frame_opts(&f, l->opts, l->opts_len);
		assert_int_equal(weir_pkt_parse(buf, frame_build(&f, buf), &p), WEIR_PKT_OK);
		weir_pkt_opts(buf, &p, &o);
		assert_int_equal(o.syn.mss, l->mss);
		if (l->wscale < 0)
			assert_int_equal(o.syn.wscale, WEIR_WSCALE_NONE);
		else
			assert_true(o.syn.wscale == l->wscale ||
				    (o.syn.wscale == 15 && l->wscale == 14));
		assert_int_equal(o.syn.flags,
				 (l->sack ? WEIR_OPT_SACK : 0) | (l->ts ? WEIR_OPT_TS : 0));
		assert_int_equal(o.syn.tsval, l->tsval);
	}
}

/* The same meaning byte by byte, written plainly. */
static void plain_walk(const uint8_t *o, size_t len, struct weir_tcp_opts *out)
{
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	out->syn.wscale = WEIR_WSCALE_NONE;
	while (at < len && o[at] != 0) {
		size_t n = o[at] == 1 ? 1 : at + 1 < len ? o[at + 1] : 0;

		if (o[at] != 1 && (n < 2 || n > len - at))
			return;
		if (o[at] == 2 && n == 4)
			out->syn.mss = (uint16_t)(o[at + 2] << 8 | o[at + 3]);
		if (o[at] == 3 && n == 3)
			out->syn.wscale = o[at + 2];
		if (o[at] == 4 && n == 2)
			out->syn.flags |= WEIR_OPT_SACK;
		if (o[at] == 8 && n == 10) {
			out->syn.flags |= WEIR_OPT_TS;
			out->syn.tsval = (uint32_t)o[at + 2] << 24 | (uint32_t)o[at + 3] << 16 |
					 (uint32_t)o[at + 4] << 8 | o[at + 5];
			out->tsecr = (uint32_t)o[at + 6] << 24 | (uint32_t)o[at + 7] << 16 |
				     (uint32_t)o[at + 8] << 8 | o[at + 9];
		}
		at += n;
	}
}

static void expect_options(const struct weir_tcp_opts *a, const struct weir_tcp_opts *b)
{
	assert_int_equal(a->syn.mss, b->syn.mss);
	assert_int_equal(a->syn.wscale, b->syn.wscale);
	assert_int_equal(a->syn.flags, b->syn.flags);
	assert_int_equal(a->syn.tsval, b->syn.tsval);
	assert_int_equal(a->tsecr, b->tsecr);
}

/* The walk, and the short cuts where they say that they apply. */
static void same_options(const uint8_t *bytes, size_t len)
{
	uint8_t *tight = malloc(len + 1);
	struct weir_tcp_opts a, b;
	uint32_t val, ecr;

	assert_non_null(tight);
	memcpy(tight + 1, bytes, len); /* at an odd address, too */
	plain_walk(bytes, len, &a);
	weir_tcp_opts_walk(tight + 1, (uint32_t)len, tight + 1 + len, &b);
	expect_options(&a, &b);
	if (weir_tcp_opts_linux(tight + 1, (uint32_t)len, tight + 1 + len, &b))
		expect_options(&a, &b);
	if (weir_tcp_ts_aligned(tight + 1, (uint32_t)len, tight + 1 + len, &val, &ecr)) {
		assert_int_equal(bytes[2], 8);
		assert_int_equal(val, weir_ntohl(weir_load32(bytes + 4)));
		assert_int_equal(ecr, weir_ntohl(weir_load32(bytes + 8)));
	}
	free(tight);
}

static void any_options_end_well(void **state)
{
	static const uint8_t likely[] = {0, 1, 1, 1, 2, 3, 4, 8, 10, 4, 3, 2, 5, 255, 7, 34};
	uint32_t x = 99;
	uint8_t o[40];
	size_t i, n, len;

	(void)state;
	for (i = 0; i < 500000; i++) {
		for (n = 0; n < sizeof(o); n++) {
			x = x * 1664525 + 1013904223;
			o[n] = x >> 31 ? likely[x >> 27 & 15] : (uint8_t)(x >> 20);
		}
		len = 4 * (size_t)(x >> 8 & 15);
		same_options(o, len > 40 ? 40 : len);
	}
	for (i = 0; i < frame_nlayouts; i++)
		for (len = 0; len <= frame_layouts[i].opts_len; len++)
			for (n = 0; n < frame_layouts[i].opts_len; n++) {
				memcpy(o, frame_layouts[i].opts, sizeof(o));
				o[n] = (uint8_t)len;
				same_options(o, frame_layouts[i].opts_len);
				same_options(o, len);
			}
}

static void bad_option_lengths_end_the_walk(void **state)
{
	static const struct {
		uint8_t o[12];
		size_t len;
		uint16_t mss;
		uint8_t wscale, flags;
	} cases[] = {
		{{2, 0, 5, 180, 4, 2, 1, 1}, 8, 0, WEIR_WSCALE_NONE, 0},
		{{2, 1, 5, 180, 4, 2, 1, 1}, 8, 0, WEIR_WSCALE_NONE, 0},
		{{4, 2, 3, 0, 2, 4, 5, 180}, 8, 0, WEIR_WSCALE_NONE, WEIR_OPT_SACK},
		{{2, 4, 5, 180, 3, 5, 7, 0}, 8, 1460, WEIR_WSCALE_NONE, 0}, /* past the end */
		{{2, 4, 5, 180, 3, 4, 7, 0}, 8, 1460, WEIR_WSCALE_NONE, 0}, /* another length */
		{{2, 4, 5, 180, 1, 1, 1, 3}, 8, 1460, WEIR_WSCALE_NONE, 0}, /* no room for one */
		{{2, 3, 5, 4, 2, 3, 3, 7}, 8, 0, 7, WEIR_OPT_SACK},
		{{1, 1, 8, 10, 0, 0, 0, 1}, 8, 0, WEIR_WSCALE_NONE, 0},
		{{4, 2, 8, 10, 0, 0, 0, 1}, 8, 0, WEIR_WSCALE_NONE, WEIR_OPT_SACK},
		{{0, 2, 4, 5, 180, 0, 0, 0}, 8, 0, WEIR_WSCALE_NONE, 0}, /* after the end */
		{{254, 255, 4, 2}, 4, 0, WEIR_WSCALE_NONE, 0},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_tcp_opts o;

		weir_tcp_opts_walk(cases[i].o, (uint32_t)cases[i].len, cases[i].o + cases[i].len,
				   &o);
		assert_int_equal(o.syn.mss, cases[i].mss);
		assert_int_equal(o.syn.wscale, cases[i].wscale);
		assert_int_equal(o.syn.flags, cases[i].flags);
	}
}

/* ---- what is found out -------------------------------------------------------------- */

static void truncated_anywhere_it_is_never_whole(void **state)
{
	unsigned family, vlans, headers;
	uint8_t buf[FRAME_MAX];
	struct weir_pkt p;
	size_t len, cut;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (vlans = 0; vlans <= 2; vlans++) {
			for (headers = 0; headers <= 6; headers++) {
				struct frame f = busy_frame(family, vlans, headers);
				size_t l3 = frame_l3(&f), l4 = frame_l4(&f);
				size_t fixed = family == 4 ? 20 : 40;

				frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
				len = frame_build(&f, buf);
				for (cut = 0; cut < len; cut++) {
					enum weir_pkt_verdict v = parse(buf, cut, &p);

					if (cut < l3)
						assert_int_equal(v, WEIR_PKT_NOT_IP);
					else if (cut < l3 + fixed)
						assert_int_equal(v, WEIR_PKT_BAD_IP);
					else if (cut < l4 && family == 6)
						assert_true(v == WEIR_PKT_BAD_EXT ||
							    v == WEIR_PKT_BAD_IP_LEN);
					else
						assert_int_equal(v, WEIR_PKT_BAD_IP_LEN);
					assert_int_equal(p.have, cut < l3 + fixed ? 0
								 : cut < l4 + 4
									 ? WEIR_HAVE_ADDR
									 : WEIR_HAVE_ADDR |
										   WEIR_HAVE_PORTS);
				}
			}
		}
	}
}

static void lengths_that_lie(void **state)
{
	struct frame f = frame_syn(4), g = frame_syn(6);
	uint8_t buf[FRAME_MAX];
	struct weir_pkt p;
	size_t len;
	unsigned v;

	(void)state;
	f.padding = 6;
	len = frame_build(&f, buf);
	for (v = 0; v < 65536; v++) {
		buf[16] = (uint8_t)(v >> 8);
		buf[17] = (uint8_t)v;
		assert_int_equal(parse(buf, len, &p), v < 20	? WEIR_PKT_BAD_IP_LEN
						      : v < 40	? WEIR_PKT_BAD_TCP
						      : v <= 46 ? WEIR_PKT_OK
								: WEIR_PKT_BAD_IP_LEN);
		if (v >= 40 && v <= 46)
			assert_int_equal(p.payload_len, v - 40);
	}
	len = frame_build(&g, buf);
	for (v = 0; v < 65536; v++) {
		buf[18] = (uint8_t)(v >> 8);
		buf[19] = (uint8_t)v;
		assert_int_equal(parse(buf, len, &p), v < 20	? WEIR_PKT_BAD_TCP
						      : v == 20 ? WEIR_PKT_OK
								: WEIR_PKT_BAD_IP_LEN);
	}
	len = frame_build(&f, buf);
	for (v = 0; v < 256; v++) {
		buf[14] = (uint8_t)v;
		assert_int_equal(parse(buf, len, &p) == WEIR_PKT_OK, v == 0x45);
	}
	buf[14] = 0x45;
	for (v = 0; v < 16; v++) {
		buf[34 + 12] = (uint8_t)(v << 4);
		assert_int_equal(parse(buf, len, &p), v == 5 ? WEIR_PKT_OK : WEIR_PKT_BAD_TCP);
	}
}

static void fragments_are_known(void **state)
{
	static const struct {
		uint16_t frag;
		int kind;
	} v4[] = {{0, 0},      {0x4000, 0}, {0x8000, 0}, {0x2000, 1},
		  {0x0001, 2}, {0x3fff, 2}, {0x1000, 2}},
	  v6[] = {{0, 0}, {6, 0}, {1, 1}, {8, 2}, {9, 2}, {0xfff8, 2}};
	struct weir_pkt p;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		struct frame f = frame_syn(4);

		f.frag = v4[i].frag;
		assert_int_equal(parse_frame(&f, &p), v4[i].kind ? WEIR_PKT_FRAGMENT : WEIR_PKT_OK);
		assert_int_equal(p.fragment, v4[i].kind);
		assert_int_equal(!!(p.have & WEIR_HAVE_PORTS), v4[i].kind < 2);
	}
	for (i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		struct frame f = frame_syn(6);

		f.exts = 2;
		f.ext[0] = (struct frame_ext){.type = 44, .frag = v6[i].frag};
		f.ext[1] = (struct frame_ext){.type = 60};
		if (v6[i].kind == 2)
			f.exts = 1; /* what follows a later one is no header */
		assert_int_equal(parse_frame(&f, &p), v6[i].kind ? WEIR_PKT_FRAGMENT : WEIR_PKT_OK);
		assert_int_equal(p.fragment, v6[i].kind);
		assert_int_equal(!!(p.have & WEIR_HAVE_PORTS), v6[i].kind < 2);
	}
}

static void extension_headers_end_somewhere(void **state)
{
	struct frame f = frame_syn(6);
	uint8_t buf[FRAME_MAX];
	struct weir_pkt p;
	size_t len;
	unsigned i;

	(void)state;
	f.exts = 7;
	for (i = 0; i < 7; i++)
		f.ext[i] = (struct frame_ext){.type = 60};
	assert_int_equal(parse_frame(&f, &p), WEIR_PKT_MANY_EXT);
	f.exts = 6;
	assert_int_equal(parse_frame(&f, &p), WEIR_PKT_OK);
	f.proto = 58;
	assert_int_equal(parse_frame(&f, &p), WEIR_PKT_NOT_TCP);
	f.proto = 6;
	f.exts = 1;
	f.ext[0] = (struct frame_ext){.type = 43, .len = 2};
	len = frame_build(&f, buf);
	assert_int_equal(parse(buf, len, &p), WEIR_PKT_OK);
	buf[14 + 40 + 3] = 1;
	assert_int_equal(parse(buf, len, &p), WEIR_PKT_ROUTED);
	for (i = 0; i < 256; i++) {
		f.ext[0] = (struct frame_ext){.type = 60};
		len = frame_build(&f, buf);
		buf[14 + 40 + 1] = (uint8_t)i; /* a header longer than the datagram */
		assert_int_equal(parse(buf, len, &p) == WEIR_PKT_OK, i == 0);
	}
}

static void noise_is_read_without_a_byte_too_many(void **state)
{
	uint8_t buf[FRAME_MAX];
	struct weir_pkt p;
	uint32_t x = 5;
	unsigned i, n;
	size_t len;

	(void)state;
	for (i = 0; i < 300000; i++) {
		struct frame f = busy_frame(i & 1 ? 4 : 6, i / 2 % 3, i / 6 % 7);

		len = frame_build(&f, buf);
		for (n = 0; n < 3; n++) {
			x = x * 1664525 + 1013904223;
			buf[12 + (x >> 8) % (len - 12)] = (uint8_t)(x >> 3);
		}
		x = x * 1664525 + 1013904223;
		parse(buf, x >> 31 ? len : (x >> 8) % (len + 1), &p);
	}
}

/* ---- checksums ------------------------------------------------------------------------ */

static void checksums_are_judged(void **state)
{
	uint8_t buf[FRAME_MAX], data[1600];
	unsigned family, bit;
	struct weir_pkt p;
	size_t n, len;

	(void)state;
	for (n = 0; n < sizeof(data); n++)
		data[n] = (uint8_t)(n * 31 + 7);
	for (family = 4; family <= 6; family += 2) {
		for (n = 0; n < 1460; n += n < 20 ? 1 : 97) {
			struct frame f = frame_syn((int)family);

			f.data = data;
			f.data_len = n;
			f.padding = 3;
			len = frame_build(&f, buf);
			memset(buf + len - 3, 0xaa, 3); /* which no checksum covers */
			assert_int_equal(weir_pkt_parse(buf, len, &p), WEIR_PKT_OK);
			assert_int_equal(weir_csum_tcp(buf, &p), WEIR_CSUM_GOOD);
			assert_true(weir_csum_ip_ok(buf, &p));
			for (bit = 0; bit < 8 * (p.end - p.l4_off); bit += 5) {
				buf[p.l4_off + bit / 8] ^= (uint8_t)(1u << bit % 8);
				assert_int_equal(weir_pkt_parse(buf, len, &p) == WEIR_PKT_OK
							 ? weir_csum_tcp(buf, &p)
							 : WEIR_CSUM_BAD,
						 WEIR_CSUM_BAD);
				buf[p.l4_off + bit / 8] ^= (uint8_t)(1u << bit % 8);
			}
			frame_partial(&f, buf);
			assert_int_equal(weir_pkt_parse(buf, len, &p), WEIR_PKT_OK);
			assert_int_equal(weir_csum_tcp(buf, &p), WEIR_CSUM_PARTIAL);
		}
	}
}

static void source_routes_and_lying_ip_options_are_found_out(void **state)
{
	static const struct {
		uint8_t opts[12];
		enum weir_pkt_verdict v;
	} cases[] = {
		{{1, 1, 1, 1}, WEIR_PKT_OK},
		{{0, 131, 137, 0}, WEIR_PKT_OK}, /* after the end: no option */
		{{148, 4, 131, 137, 1}, WEIR_PKT_OK},
		{{131, 3, 4, 0}, WEIR_PKT_ROUTED}, /* LSRR (RFC 7126 4.3) */
		{{137, 7, 4, 10, 0, 0, 2}, WEIR_PKT_ROUTED},
		{{1, 148, 4, 0, 0, 131, 7, 8, 10, 0, 0, 2}, WEIR_PKT_ROUTED},
		{{148, 1, 0, 0}, WEIR_PKT_BAD_IP},
		{{148, 0, 0, 0}, WEIR_PKT_BAD_IP},
		{{148, 13, 0, 0}, WEIR_PKT_BAD_IP},
		{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 148}, WEIR_PKT_BAD_IP},
	};
	struct frame f = frame_syn(4);
	struct weir_pkt p;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f.ip_opts = cases[i].opts;
		f.ip_opts_len = 12;
		assert_int_equal(parse_frame(&f, &p), cases[i].v);
		assert_int_equal(p.have, WEIR_HAVE_ADDR | WEIR_HAVE_PORTS);
	}
}

static void ip_checksums_cover_the_options(void **state)
{
	struct frame f = frame_syn(4);
	uint8_t buf[FRAME_MAX];
	struct weir_pkt p;
	unsigned at;
	size_t len;

	(void)state;
	f.ip_opts = ip_options;
	f.ip_opts_len = 40;
	len = frame_build(&f, buf);
	assert_int_equal(weir_pkt_parse(buf, len, &p), WEIR_PKT_OK);
	assert_true(weir_csum_ip_ok(buf, &p));
	for (at = 14; at < 14 + 60; at++) {
		buf[at] ^= 0x20;
		assert_false(weir_csum_ip_ok(buf, &p));
		buf[at] ^= 0x20;
	}
}

static void sequence_numbers_wrap(void **state)
{
	(void)state;
	assert_true(seq_lt(0xffffffff, 0) && !seq_lt(0, 0xffffffff) && !seq_lt(5, 5));
	assert_true(seq_leq(5, 5) && seq_leq(0xfffffff0, 0x10) && !seq_leq(0x10, 0xfffffff0));
	assert_true(seq_gt(0, 0xffffffff) && !seq_gt(0xffffffff, 0) && !seq_gt(5, 5));
	assert_true(seq_geq(5, 5) && seq_geq(0x7fffffff, 0) && !seq_geq(0, 0x7fffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_frames_are_found_in_full),
		cmocka_unit_test(options_are_read_in_any_layout),
		cmocka_unit_test(any_options_end_well),
		cmocka_unit_test(bad_option_lengths_end_the_walk),
		cmocka_unit_test(truncated_anywhere_it_is_never_whole),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(fragments_are_known),
		cmocka_unit_test(extension_headers_end_somewhere),
		cmocka_unit_test(noise_is_read_without_a_byte_too_many),
		cmocka_unit_test(checksums_are_judged),
		cmocka_unit_test(source_routes_and_lying_ip_options_are_found_out),
		cmocka_unit_test(ip_checksums_cover_the_options),
		cmocka_unit_test(sequence_numbers_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
