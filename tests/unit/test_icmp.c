/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors that quote our segments: what is read, and what is not believed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/icmp.h>

#include "../bpf/frame.h"

#define ALL 4096

/* In memory of exactly the frame's size, so that a sanitizer sees each byte too many. */
static int parse(const uint8_t *frame, size_t len, struct weir_icmp *m)
{
	uint8_t *tight = malloc(len ? len : 1);
	struct weir_pkt p;
	int rc = 0;

	assert_non_null(tight);
	memcpy(tight, frame, len);
	if (weir_pkt_parse(tight, len, &p) == WEIR_PKT_NOT_TCP)
		rc = weir_icmp_parse(tight, len, &p, m);
	free(tight);
	return rc;
}

static int parse_frame(const struct frame *f, struct weir_icmp *m)
{
	uint8_t buf[FRAME_MAX];

	return parse(buf, frame_build(f, buf), m);
}

/* A segment that our port 80 has sent to the client. */
static struct frame sent(int family)
{
	static const uint8_t data[] = "a segment that was too long for somebody";
	struct frame syn = frame_syn(family);
	struct frame f = frame_answer(&syn, ACK | PSH, 0x11223344, 0x55667788);

	f.data = data;
	f.data_len = sizeof(data) - 1;
	return f;
}

/* ---- what is read ------------------------------------------------------------- */

static void each_type_and_code_has_its_meaning(void **state)
{
	static const struct {
		int family;
		uint8_t type, code;
		uint32_t rest;
		enum weir_icmp_kind kind;
		int error;
		uint32_t mtu;
	} cases[] = {
		{4, 3, 0, 0, WEIR_ICMP_SOFT, ENETUNREACH, 0},
		{4, 3, 1, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{4, 3, 2, 0, WEIR_ICMP_HARD, ENOPROTOOPT, 0},
		{4, 3, 3, 0, WEIR_ICMP_HARD, ECONNREFUSED, 0},
		{4, 3, 4, 0x1234 << 16 | 1400, WEIR_ICMP_TOO_BIG, EMSGSIZE, 1400},
		{4, 3, 4, 0, WEIR_ICMP_TOO_BIG, EMSGSIZE, 0},
		{4, 3, 5, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{4, 3, 6, 0, WEIR_ICMP_SOFT, ENETUNREACH, 0},
		{4, 3, 9, 0, WEIR_ICMP_HARD, ENETUNREACH, 0},
		{4, 3, 10, 0, WEIR_ICMP_HARD, EHOSTUNREACH, 0},
		{4, 3, 13, 0, WEIR_ICMP_HARD, EHOSTUNREACH, 0},
		{4, 3, 200, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{4, 11, 0, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{4, 11, 1, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{4, 12, 0, 7u << 24, WEIR_ICMP_SOFT, EPROTO, 0},
		{6, 1, 0, 0, WEIR_ICMP_SOFT, ENETUNREACH, 0},
		{6, 1, 1, 0, WEIR_ICMP_HARD, EACCES, 0},
		{6, 1, 2, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{6, 1, 3, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{6, 1, 4, 0, WEIR_ICMP_HARD, ECONNREFUSED, 0},
		{6, 1, 5, 0, WEIR_ICMP_HARD, EACCES, 0},
		{6, 1, 6, 0, WEIR_ICMP_HARD, EACCES, 0},
		{6, 2, 0, 1280, WEIR_ICMP_TOO_BIG, EMSGSIZE, 1280},
		{6, 2, 7, 0xffffffff, WEIR_ICMP_TOO_BIG, EMSGSIZE, 0xffffffff},
		{6, 3, 0, 0, WEIR_ICMP_SOFT, EHOSTUNREACH, 0},
		{6, 4, 0, 40, WEIR_ICMP_SOFT, EPROTO, 0},
		{6, 4, 1, 6, WEIR_ICMP_HARD, ENOPROTOOPT, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame s = sent(cases[i].family), f;
		uint8_t raw[FRAME_MAX];
		struct weir_icmp m;

		f = frame_icmp(&s, cases[i].type, cases[i].code, cases[i].rest, ALL, raw);
		assert_true(parse_frame(&f, &m));
		assert_int_equal(m.family, cases[i].family);
		assert_int_equal(m.type, cases[i].type);
		assert_int_equal(m.code, cases[i].code);
		assert_int_equal(m.kind, cases[i].kind);
		assert_int_equal(m.mtu, cases[i].mtu);
		assert_int_equal(weir_icmp_errno(&m), cases[i].error);
	}
}

static void what_is_no_error_is_not_read(void **state)
{
	unsigned family, type;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (type = 0; type < 256; type++) {
			struct frame s = sent((int)family), f;
			uint8_t raw[FRAME_MAX];
			struct weir_icmp m;
			int error = family == 4 ? type == 3 || type == 11 || type == 12
						: type >= 1 && type <= 4;

			f = frame_icmp(&s, (uint8_t)type, 0, 0, ALL, raw);
			assert_int_equal(parse_frame(&f, &m), error);
		}
	}
}

static void expect_quote(const struct frame *s, const struct weir_icmp *m)
{
	size_t n = s->family == 4 ? 4 : 16, skip = 16 - n;

	assert_memory_equal((uint8_t *)m->tuple.laddr + skip, s->src, n);
	assert_memory_equal((uint8_t *)m->tuple.raddr + skip, s->dst, n);
	assert_int_equal(weir_tuple_is_v4(&m->tuple), s->family == 4);
	assert_int_equal(weir_ntohs(m->tuple.lport), s->sport);
	assert_int_equal(weir_ntohs(m->tuple.rport), s->dport);
	assert_int_equal(m->seq, s->seq);
	assert_int_equal(m->quoted_len, frame_l4(s) - frame_l3(s) + 20 + s->opts_len + s->data_len);
}

static void the_quoted_tuple_is_read_behind_options_and_tags(void **state)
{
	static const uint8_t options[40] = {148, 4, 0, 0, 1, 1, 1, 0};
	unsigned family, outer, inner, vlans;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (outer = 0; outer <= 6; outer++) {
			for (inner = 0; inner <= 6; inner++) {
				static const uint8_t types[] = {0, 60, 43, 44, 51, 60};
				struct frame s = sent((int)family), f;
				uint8_t raw[FRAME_MAX];
				struct weir_icmp m;
				unsigned i;

				vlans = (outer + inner) % 3;
				s.ip_opts = options;
				s.ip_opts_len = family == 4 ? 4 * inner : 0;
				s.exts = family == 6 ? inner : 0;
				for (i = 0; i < s.exts; i++)
					s.ext[i] = (struct frame_ext){.type = types[i],
								      .len = (uint8_t)(i & 1)};
				frame_timestamps(&s, 1, 2);
				f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
				f.vlans = vlans;
				f.tpid[0] = f.tpid[1] = 0x8100;
				f.ip_opts = options;
				f.ip_opts_len = family == 4 ? 4 * outer : 0;
				f.exts = family == 6 ? outer : 0;
				for (i = 0; i < f.exts; i++)
					f.ext[i] = (struct frame_ext){.type = types[5 - i]};
				f.padding = inner;
				assert_true(parse_frame(&f, &m));
				expect_quote(&s, &m);
			}
		}
	}
}

/* ---- what is not believed -------------------------------------------------------- */

static size_t build(int family, uint8_t *buf, struct frame *f, uint8_t *raw)
{
	struct frame s = sent(family);

	*f = frame_icmp(&s, family == 4 ? 3 : 1, family == 4 ? 3 : 4, 0, ALL, raw);
	return frame_build(f, buf);
}

static void a_quote_needs_eight_bytes_of_tcp(void **state)
{
	unsigned family;
	size_t quote;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		size_t needs = (family == 4 ? 20 : 40) + 8;

		for (quote = 0; quote <= needs + 4; quote++) {
			struct frame s = sent((int)family), f;
			uint8_t raw[FRAME_MAX];
			struct weir_icmp m;

			f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, quote, raw);
			assert_int_equal(parse_frame(&f, &m), quote >= needs);
			/* What follows the datagram on the wire is not of the quote. */
			f.padding = 60;
			assert_int_equal(parse_frame(&f, &m), quote >= needs);
		}
	}
}

static void a_truncated_frame_is_not_read(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct weir_icmp m;
		struct frame f;
		size_t len = build((int)family, buf, &f, raw), n;

		assert_true(parse(buf, len, &m));
		for (n = 0; n < len; n++)
			assert_false(parse(buf, n, &m));
	}
}

static void a_changed_byte_is_not_believed(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct weir_icmp m;
		struct frame f;
		size_t len = build((int)family, buf, &f, raw), l3 = frame_l3(&f), i;

		for (i = l3; i < len; i++) {
			/* IPv6 has no sum over its class, flow label and hop limit. */
			if (family == 6 && ((i > l3 && i < l3 + 4) || i == l3 + 7))
				continue;
			buf[i] ^= 0x10;
			assert_false(parse(buf, len, &m));
			buf[i] ^= 0x10;
		}
		assert_true(parse(buf, len, &m));
	}
}

/* Each byte of the quote with each value, the checksum made right again. */
static void a_lying_quote_reads_nothing_outside(void **state)
{
	unsigned family, v;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct weir_icmp m;
		struct frame f;
		size_t len = build((int)family, buf, &f, raw), at = frame_l4(&f) + 8, i;

		for (i = at; i < at + 48; i++) {
			uint8_t was = buf[i];

			for (v = 0; v < 256; v++) {
				buf[i] = (uint8_t)v;
				frame_fix_tcp(&f, buf);
				(void)parse(buf, len, &m);
			}
			buf[i] = was;
		}
	}
}

static void quote(struct frame *f, struct frame *s, uint8_t *raw)
{
	*f = frame_icmp(s, s->family == 4 ? 11 : 3, 0, 0, ALL, raw);
}

static void another_protocol_or_a_later_fragment_is_not_read(void **state)
{
	uint8_t raw[FRAME_MAX];
	struct weir_icmp m;
	struct frame s, f;

	(void)state;
	s = sent(4);
	s.proto = 17;
	quote(&f, &s, raw);
	assert_false(parse_frame(&f, &m));
	s = sent(4);
	s.frag = 0x2000; /* the first one has the ports */
	quote(&f, &s, raw);
	assert_true(parse_frame(&f, &m));
	s.frag = 0x2001;
	quote(&f, &s, raw);
	assert_false(parse_frame(&f, &m));
	s = sent(6);
	s.proto = 17;
	quote(&f, &s, raw);
	assert_false(parse_frame(&f, &m));
	s = sent(6);
	s.exts = 1;
	s.ext[0] = (struct frame_ext){.type = 44, .frag = 0x0001};
	quote(&f, &s, raw);
	assert_true(parse_frame(&f, &m));
	s.ext[0].frag = 0x0008;
	quote(&f, &s, raw);
	assert_false(parse_frame(&f, &m));
	/* The error itself in pieces. */
	s = sent(4);
	quote(&f, &s, raw);
	f.frag = 0x2000;
	assert_false(parse_frame(&f, &m));
	s = sent(6);
	quote(&f, &s, raw);
	f.exts = 1;
	f.ext[0] = (struct frame_ext){.type = 44, .frag = 0x0001};
	assert_false(parse_frame(&f, &m));
}

static void the_quoted_packet_must_have_room_for_tcp(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct weir_icmp m;
		struct frame f;
		size_t len = build((int)family, buf, &f, raw);
		uint8_t *length = buf + frame_l4(&f) + 8 + (family == 4 ? 2 : 4);
		unsigned least = family == 4 ? 40 : 20, v;

		for (v = 0; v < 2 * least; v++) {
			length[0] = 0;
			length[1] = (uint8_t)v;
			frame_fix_tcp(&f, buf);
			assert_int_equal(parse(buf, len, &m), v >= least);
		}
		/* Cut on its way, as large ones are: more than is here. */
		length[0] = 0xff;
		frame_fix_tcp(&f, buf);
		assert_true(parse(buf, len, &m));
	}
}

static void it_must_have_gone_to_the_source_of_the_quote(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame s = sent((int)family), f;
		uint8_t raw[FRAME_MAX];
		struct weir_icmp m;

		quote(&f, &s, raw);
		frame_addr(f.dst, family == 4 ? "10.0.0.3" : "fd00::3");
		assert_false(parse_frame(&f, &m));
		quote(&f, &s, raw);
		f.dst[0] ^= 0x80;
		assert_false(parse_frame(&f, &m));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_and_code_has_its_meaning),
		cmocka_unit_test(what_is_no_error_is_not_read),
		cmocka_unit_test(the_quoted_tuple_is_read_behind_options_and_tags),
		cmocka_unit_test(a_quote_needs_eight_bytes_of_tcp),
		cmocka_unit_test(a_truncated_frame_is_not_read),
		cmocka_unit_test(a_changed_byte_is_not_believed),
		cmocka_unit_test(a_lying_quote_reads_nothing_outside),
		cmocka_unit_test(another_protocol_or_a_later_fragment_is_not_read),
		cmocka_unit_test(the_quoted_packet_must_have_room_for_tcp),
		cmocka_unit_test(it_must_have_gone_to_the_source_of_the_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
