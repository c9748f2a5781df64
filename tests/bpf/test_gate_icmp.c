/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What concerns flows without being a service's: ICMP errors that quote one, and
 * segments to the local port of an active open. All else is the host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>

#include <weir/icmp.h>

#include "gate_bed.h"

#define ALL    4096
#define ACTIVE 5000 /* the bed's port of active opens */

/* A segment of ours from `port`, whose flow is in the map when `live`. */
static struct frame sent(int family, uint16_t port, bool live)
{
	static const uint8_t data[] = "forty bytes of data that go to a client.";
	struct frame client = frame_syn(family), f;

	client.dport = port;
	if (live)
		bed_enter(&bed, &client);
	f = frame_answer(&client, ACK, 1000, 2000);
	f.data = data;
	f.data_len = sizeof(data) - 1;
	return f;
}

#define goes_to_the_worker(f)                                                                      \
	do {                                                                                       \
		bed_send(&bed, f);                                                                 \
		bed_expect(&bed, XDP_REDIRECT, icmp_redirected);                                   \
		bed_expect_frame(&bed, f, "ICMP error");                                           \
	} while (0)

#define passes(f)                                                                                  \
	do {                                                                                       \
		bed_send(&bed, f);                                                                 \
		bed_expect(&bed, XDP_PASS, pass_not_ours);                                         \
		bed_expect_frame(&bed, f, "what passes");                                          \
	} while (0)

/* ---- ICMP ------------------------------------------------------------------------ */

static const struct icmp_case {
	int family;
	uint8_t type, code;
	uint32_t rest;
} errors[] = {
	{4, 3, 0, 0},  {4, 3, 1, 0},  {4, 3, 2, 0},	   {4, 3, 3, 0}, {4, 3, 4, 1400},
	{4, 3, 13, 0}, {4, 11, 0, 0}, {4, 12, 0, 1 << 24}, {6, 1, 0, 0}, {6, 1, 3, 0},
	{6, 1, 4, 0},  {6, 2, 0, 0},  {6, 2, 0, 1280},	   {6, 3, 0, 0}, {6, 4, 1, 6},
};
#define NERRORS (sizeof(errors) / sizeof(errors[0]))

static void an_error_about_a_flow_goes_to_the_worker(void **state)
{
	static const uint16_t ports[] = {80, 443, ACTIVE, 60000};
	size_t i;

	(void)state;
	for (i = 0; i < NERRORS; i++) {
		const struct icmp_case *e = &errors[i];
		uint8_t raw[FRAME_MAX];
		struct frame s = sent(e->family, ports[i % 4], true), f;
		unsigned vlans;

		for (vlans = 0; vlans <= 2; vlans++) {
			f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
			f.vlans = vlans;
			f.tpid[0] = f.tpid[1] = 0x8100;
			f.padding = vlans;
			goes_to_the_worker(&f);
		}
		f = frame_icmp(&s, e->type, e->code, e->rest, e->family == 4 ? 28 : 48, raw);
		goes_to_the_worker(&f);
	}
}

static void an_error_about_anything_else_passes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NERRORS; i++) {
		const struct icmp_case *e = &errors[i];
		uint8_t raw[FRAME_MAX];
		struct frame s = sent(e->family, 80, false), f;

		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		/* Beside a flow: another port, another peer, another protocol. */
		s = sent(e->family, 80, true);
		s.sport = 81;
		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		s.sport = 80;
		s.dport++;
		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		s.dport--;
		s.dst[3] ^= 1;
		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		s.dst[3] ^= 1;
		s.proto = 17;
		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		/* Our own segment as it came in, not as it went out. */
		s = frame_syn(e->family);
		f = frame_icmp(&s, e->type, e->code, e->rest, ALL, raw);
		passes(&f);
		bed_reset(&bed);
	}
}

static void other_icmp_passes(void **state)
{
	unsigned family, type;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame s = sent((int)family, 80, true);

		for (type = 0; type < 256; type++) {
			uint8_t raw[FRAME_MAX];
			struct frame f = frame_icmp(&s, (uint8_t)type, 0, 0, ALL, raw);

			if (family == 4 ? type == 3 || type == 11 || type == 12
					: type >= 1 && type <= 4)
				continue;
			passes(&f);
		}
	}
}

/* Cut anywhere, with the lengths as they were. */
static void a_truncated_error_passes(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct frame s = sent((int)family, 80, true), f;
		size_t len, n;

		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		len = frame_build(&f, buf);
		for (n = 14; n < len; n++) {
			bed_run(&bed, buf, n);
			bed_expect(&bed, XDP_PASS, pass_not_ours);
		}
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_REDIRECT, icmp_redirected);
	}
}

/* Quoted short, with lengths that say so: 8 bytes of TCP are needed. */
static void a_short_quote_passes(void **state)
{
	unsigned family;
	size_t quote;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame s = sent((int)family, 80, true);
		size_t needs = family == 4 ? 28 : 48;

		for (quote = 0; quote <= needs; quote++) {
			uint8_t raw[FRAME_MAX];
			struct frame f;

			f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, quote, raw);
			f.padding = 64;
			if (quote == needs)
				goes_to_the_worker(&f);
			else
				passes(&f);
		}
	}
}

static void a_changed_byte_passes(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct frame s = sent((int)family, 80, true), f;
		size_t len, i, l3;

		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		len = frame_build(&f, buf);
		l3 = frame_l3(&f);
		for (i = l3; i < len; i++) {
			/* IPv6 has no sum over its class, flow label and hop limit. */
			if (family == 6 && ((i > l3 && i < l3 + 4) || i == l3 + 7))
				continue;
			buf[i] ^= 0x10;
			bed_run(&bed, buf, len);
			/* No IPv6 at all, at a service's own address: not the host's either. */
			assert_int_equal(bed.act, family == 6 && i == l3 ? XDP_DROP : XDP_PASS);
			buf[i] ^= 0x10;
		}
	}
}

/* What the same code says on the host, of a frame of the one flow there is. */
static bool host_takes(const uint8_t *buf, size_t len, const struct frame *client)
{
	struct weir_flow_key6 t = bed_tuple(client);
	struct weir_icmp m;
	struct weir_pkt p;

	if (weir_pkt_parse(buf, len, &p) != WEIR_PKT_NOT_TCP)
		return false;
	return weir_icmp_parse(buf, len, &p, &m) && !memcmp(&m.tuple, &t, sizeof(t));
}

/* Each byte of both headers and the quote with each value, the sums made right again. */
static void a_lying_error_is_judged_as_on_the_host(void **state)
{
	unsigned family, v, taken = 0;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t buf[FRAME_MAX], raw[FRAME_MAX];
		struct frame s = sent((int)family, 80, true), f, client = frame_syn((int)family);
		size_t len, i, end;

		s.exts = family == 6;
		s.ext[0] = (struct frame_ext){.type = 60};
		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		len = frame_build(&f, buf);
		end = frame_l4(&f) + 8 + (family == 4 ? 28 : 56);
		for (i = frame_l3(&f); i < end; i++) {
			uint8_t was = buf[i];

			for (v = 0; v < 256; v++) {
				buf[i] = (uint8_t)v;
				frame_fix_ip(&f, buf);
				frame_fix_tcp(&f, buf);
				bed_run(&bed, buf, len);
				assert_int_equal(bed.act == XDP_REDIRECT,
						 host_takes(buf, len, &client));
				assert_true(bed.act != XDP_TX && bed.act != XDP_ABORTED);
				taken += bed.act == XDP_REDIRECT;
			}
			buf[i] = was;
		}
	}
	assert_true(taken > 1000); /* TTLs, identifications, unused fields… */
}

static void the_quote_is_found_behind_options_and_extensions(void **state)
{
	static const uint8_t options[40] = {148, 4, 0, 0, 1, 1, 1, 0};
	static const uint8_t types[] = {0, 60, 43, 44, 51, 60};
	unsigned outer, inner, i;

	(void)state;
	for (outer = 0; outer <= 6; outer++) {
		for (inner = 0; inner <= 6; inner++) {
			uint8_t raw[FRAME_MAX];
			struct frame s = sent(4, 80, true), f;

			s.ip_opts = options;
			s.ip_opts_len = 4 * inner;
			f = frame_icmp(&s, 3, 1, 0, ALL, raw);
			f.ip_opts = options;
			f.ip_opts_len = 4 * outer;
			goes_to_the_worker(&f);

			s = sent(6, 80, true);
			s.exts = inner;
			for (i = 0; i < inner; i++)
				s.ext[i] = (struct frame_ext){.type = types[i]};
			f = frame_icmp(&s, 1, 0, 0, ALL, raw);
			f.exts = outer;
			for (i = 0; i < outer; i++)
				f.ext[i] = (struct frame_ext){.type = types[5 - i]};
			goes_to_the_worker(&f);
		}
	}
}

static void pieces_pass(void **state)
{
	uint8_t raw[FRAME_MAX];
	struct frame s, f;

	(void)state;
	s = sent(4, 80, true);
	f = frame_icmp(&s, 3, 1, 0, ALL, raw);
	f.frag = 0x2000;
	passes(&f);
	f.frag = 0x0001;
	passes(&f);
	s.frag = 0x0001; /* quotes a later one */
	f = frame_icmp(&s, 3, 1, 0, ALL, raw);
	passes(&f);
	s = sent(6, 80, true);
	f = frame_icmp(&s, 1, 0, 0, ALL, raw);
	f.exts = 1;
	f.ext[0] = (struct frame_ext){.type = 44, .frag = 1};
	passes(&f);
	f.ext[0].frag = 8;
	passes(&f);
	f.exts = 0;
	s.exts = 1;
	s.ext[0] = (struct frame_ext){.type = 44, .frag = 8};
	f = frame_icmp(&s, 1, 0, 0, ALL, raw);
	passes(&f);
}

/* As for TCP: another station's frame, unless a service names the address. */
static void an_error_to_another_station_passes(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t raw[FRAME_MAX];
		struct frame s = sent((int)family, 80, true), f;

		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		f.dmac[5] ^= 1;
		goes_to_the_worker(&f); /* 10.0.0.2 and fd00::2 are port 443's own */
		frame_addr(s.src, family == 4 ? "10.0.0.9" : "fd00::9");
		f = frame_syn((int)family);
		memcpy(f.dst, s.src, 16);
		bed_enter(&bed, &f);
		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		goes_to_the_worker(&f);
		f.dmac[5] ^= 1;
		passes(&f);
	}
}

static void an_error_to_another_address_passes(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		uint8_t raw[FRAME_MAX];
		struct frame s = sent((int)family, 80, true), f;

		f = frame_icmp(&s, family == 4 ? 11 : 3, 0, 0, ALL, raw);
		frame_addr(f.dst, family == 4 ? "10.0.0.3" : "fd00::3");
		passes(&f);
	}
}

static void without_a_socket_it_is_dropped(void **state)
{
	struct frame s = sent(4, 80, true), f;
	uint8_t raw[FRAME_MAX];

	(void)state;
	f = frame_icmp(&s, 3, 4, 1400, ALL, raw);
	bed_socket(&bed, false);
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_no_socket);
	bed_socket(&bed, true);
}

/* ---- active opens ---------------------------------------------------------------- */

/* From the peer of our connect: port 80 there, ours is the active one. */
static struct frame reply(int family, uint8_t flags)
{
	struct frame f = frame_syn(family);

	f.sport = 80;
	f.dport = ACTIVE;
	f.flags = flags;
	f.ack = 77;
	return f;
}

static void segments_of_our_connects_go_to_the_worker(void **state)
{
	static const uint8_t flags[] = {SYN | ACK, SYN, ACK, ACK | FIN, RST, RST | ACK, 0};
	unsigned family, i;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < sizeof(flags); i++) {
			struct frame f = reply((int)family, flags[i]);

			passes(&f); /* no connect of ours: the host's, which may answer */
			bed_enter(&bed, &f);
			bed_send(&bed, &f);
			bed_expect(&bed, XDP_REDIRECT, flow_redirected);
			bed_expect_frame(&bed, &f, "reply");
			f.sport = 81;
			passes(&f);
			bed_reset(&bed);
		}
	}
}

static void a_services_port_may_be_active_too(void **state)
{
	struct frame f = reply(4, SYN | ACK);

	(void)state;
	f.dport = 80;
	f.sport = 9;
	bed.skel->bss->weir_ports[80] |= WEIR_PORT_ACTIVE;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_syn_ack);
	bed_enter(&bed, &f);
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_REDIRECT, flow_redirected);
	f.sport = 10;
	f.flags = SYN;
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_TX, syn_answered);
	bed.skel->bss->weir_ports[80] &= (uint16_t)~WEIR_PORT_ACTIVE;
}

/* The host would make a segment of its pieces, and reset what it does not know. */
static void only_a_flows_malformed_frames_are_kept_from_the_host(void **state)
{
	struct frame f = reply(4, ACK);
	uint8_t buf[FRAME_MAX];
	size_t len = frame_build(&f, buf);

	(void)state;
	buf[frame_l4(&f) + 12] = 0x10; /* a data offset of 4 */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_PASS, pass_not_ours);
	f.frag = 0x2000;
	passes(&f);
	bed_enter(&bed, &f);
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_tcp_header);
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_DROP, drop_fragment);
	f.sport++;
	passes(&f);
	f.sport--;
	f.frag = 0x0010; /* a later one has no port: alone it comes to nothing */
	frame_addr(f.dst, "10.0.0.9");
	passes(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_error_about_a_flow_goes_to_the_worker, bed_fresh),
		cmocka_unit_test_setup(an_error_about_anything_else_passes, bed_fresh),
		cmocka_unit_test_setup(other_icmp_passes, bed_fresh),
		cmocka_unit_test_setup(a_truncated_error_passes, bed_fresh),
		cmocka_unit_test_setup(a_short_quote_passes, bed_fresh),
		cmocka_unit_test_setup(a_changed_byte_passes, bed_fresh),
		cmocka_unit_test_setup(a_lying_error_is_judged_as_on_the_host, bed_fresh),
		cmocka_unit_test_setup(the_quote_is_found_behind_options_and_extensions, bed_fresh),
		cmocka_unit_test_setup(pieces_pass, bed_fresh),
		cmocka_unit_test_setup(an_error_to_another_station_passes, bed_fresh),
		cmocka_unit_test_setup(an_error_to_another_address_passes, bed_fresh),
		cmocka_unit_test_setup(without_a_socket_it_is_dropped, bed_fresh),
		cmocka_unit_test_setup(segments_of_our_connects_go_to_the_worker, bed_fresh),
		cmocka_unit_test_setup(a_services_port_may_be_active_too, bed_fresh),
		cmocka_unit_test_setup(only_a_flows_malformed_frames_are_kept_from_the_host,
				       bed_fresh),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
