/* SPDX-License-Identifier: BSD-2-Clause */
/* What the gate passes and what it drops, each under its own name. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>

#include "gate_bed.h"

#define passes(f)                                                                                  \
	do {                                                                                       \
		bed_send(&bed, f);                                                                 \
		bed_expect(&bed, XDP_PASS, pass_not_ours);                                         \
	} while (0)

#define drops(f, counter)                                                                          \
	do {                                                                                       \
		bed_send(&bed, f);                                                                 \
		bed_expect(&bed, XDP_DROP, counter);                                               \
	} while (0)

#define answers(f)                                                                                 \
	do {                                                                                       \
		bed_send(&bed, f);                                                                 \
		bed_expect(&bed, XDP_TX, syn_answered);                                            \
	} while (0)

/* ---- whose frame ----------------------------------------------------------------- */

static void what_is_not_tcp_passes(void **state)
{
	static const uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
					0,    0,    0,	  0,	1,    0x08, 0x06};
	static const uint8_t llc[60] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, 46, 0x42, 0x42};
	static const uint8_t bare[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00};
	struct frame f;

	(void)state;
	bed_run(&bed, arp, sizeof(arp));
	bed_expect(&bed, XDP_PASS, pass_not_ours);
	bed_run(&bed, llc, sizeof(llc));
	bed_expect(&bed, XDP_PASS, pass_not_ours);
	bed_run(&bed, bare, sizeof(bare));
	bed_expect(&bed, XDP_PASS, pass_not_ours);
	f = frame_syn(4);
	f.proto = 17;
	passes(&f);
	f = frame_syn(6);
	f.proto = 58;
	passes(&f);
	f.exts = 2;
	f.ext[0] = (struct frame_ext){.type = 0};
	f.ext[1] = (struct frame_ext){.type = 60};
	passes(&f);
	f = frame_syn(4);
	f.vlans = 3; /* deeper than we look */
	passes(&f);
}

static void other_ports_and_other_hosts_pass(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = frame_syn((int)family);

		f.dport = 81;
		passes(&f);
		f.dport = 22;
		f.flags = ACK;
		passes(&f);
		f.dport = 5000; /* an active open's port: only flows are ours */
		passes(&f);
		f = frame_syn((int)family);
		f.dmac[5] ^= 1; /* a bridge's, or a promiscuous device's */
		passes(&f);
		f.dmac[5] ^= 1;
		f.dmac[0] = 0xff;
		passes(&f);
	}
}

static void an_addressed_service_has_its_address(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = frame_syn((int)family);

		f.dport = 443;
		answers(&f);
		f.dmac[5] ^= 4; /* an address behind another MAC, VRRP's for one */
		answers(&f);
		frame_addr(f.dst, family == 4 ? "10.0.0.3" : "fd00::3");
		passes(&f);
	}
}

static void the_address_comes_before_the_port(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	bed.skel->bss->weir_ports[443] = WEIR_PORT_ADDRESSED | 1;
	f.dport = 443;
	f.dmac[5] ^= 4;
	answers(&f); /* by its address */
	frame_addr(f.dst, "10.0.0.3");
	passes(&f);
	f.dmac[5] ^= 4;
	answers(&f); /* by the port, with our MAC */
	bed.skel->bss->weir_ports[443] = WEIR_PORT_ADDRESSED;
	passes(&f);
}

static void a_closed_service_is_none(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	bed.skel->bss->weir_services[0].in_use = 0;
	passes(&f);
	bed.skel->bss->weir_services[0].in_use = 1;
	answers(&f);
}

/* ---- malformed --------------------------------------------------------------------- */

static void a_port_that_is_not_ours_may_be_malformed(void **state)
{
	struct frame f = frame_syn(4);
	uint8_t buf[FRAME_MAX];
	size_t len;

	(void)state;
	f.dport = 81;
	len = frame_build(&f, buf);
	buf[14 + 3] += 1;
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_PASS, pass_not_ours);
}

static void broken_headers_have_their_names(void **state)
{
	struct frame f = frame_syn(4);
	uint8_t buf[FRAME_MAX];
	size_t len = frame_build(&f, buf);

	(void)state;
	buf[14 + 3] += 1; /* one byte more than there is */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_length);
	buf[14 + 3] = 19; /* shorter than its own header */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_length);
	buf[14 + 3] = 39; /* no room for TCP */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_tcp_header);
	buf[14 + 3] = 40;
	buf[34 + 12] = 4 << 4;
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_tcp_header);
	buf[34 + 12] = 6 << 4;
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_tcp_header);
	buf[34 + 12] = 5 << 4;
	buf[14] = 0x44; /* a header of 16 bytes, to a service's own address */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_header);
	buf[14] = 0x55; /* IP version 5 */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_header);
}

static void extension_headers_have_their_limits(void **state)
{
	struct frame f = frame_syn(6);
	uint8_t buf[FRAME_MAX];
	size_t len;
	unsigned i;

	(void)state;
	for (i = 0; i < 7; i++)
		f.ext[i] = (struct frame_ext){.type = 60};
	f.exts = 6;
	answers(&f);
	f.exts = 7;
	drops(&f, drop_ip_ext_many);
	f.exts = 1;
	f.ext[0].len = 255;
	answers(&f);
	len = frame_build(&f, buf);
	bed_run(&bed, buf, 14 + 40 + 7); /* not even the header's start */
	bed_expect(&bed, XDP_DROP, drop_ip_ext);
	f.ext[0] = (struct frame_ext){.type = 43};
	len = frame_build(&f, buf);
	buf[14 + 40 + 3] = 1; /* a segment left */
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_ip_routed);
}

static void fragments_are_dropped(void **state)
{
	struct frame f = frame_syn(4), g = frame_syn(6);

	(void)state;
	f.frag = 0x2000; /* the first */
	drops(&f, drop_fragment);
	f.frag = 0x0001; /* a later one: to an address with a service */
	drops(&f, drop_fragment);
	f.frag = 0x2005;
	drops(&f, drop_fragment);
	frame_addr(f.dst, "10.0.0.3");
	passes(&f);
	f.frag = 0x2000;
	drops(&f, drop_fragment);
	f.dport = 81;
	passes(&f);

	g.exts = 1;
	g.ext[0] = (struct frame_ext){.type = 44, .frag = 1};
	drops(&g, drop_fragment);
	g.ext[0].frag = 8;
	drops(&g, drop_fragment);
	frame_addr(g.dst, "fd00::3");
	passes(&g);
}

/* ---- admission ----------------------------------------------------------------------- */

static void addresses_that_may_not_speak(void **state)
{
	static const struct {
		int family;
		const char *addr;
	} bad[] = {
		{4, "0.0.0.0"},
		{4, "0.1.2.3"},
		{4, "127.0.0.1"},
		{4, "127.255.0.9"},
		{4, "224.0.0.1"},
		{4, "239.255.255.250"},
		{4, "255.255.255.255"},
		{6, "::"},
		{6, "::1"},
		{6, "::10.0.0.9"},
		{6, "::ffff:10.0.0.9"},
		{6, "ff02::1"},
		{6, "ff0e::5"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame f = frame_syn(bad[i].family);

		frame_addr(f.src, bad[i].addr);
		drops(&f, drop_src_addr);
		f.flags = ACK;
		bed.cfg->rst_per_sec = 1000;
		drops(&f, drop_src_addr);
		f = frame_syn(bad[i].family);
		frame_addr(f.dst, bad[i].addr);
		drops(&f, drop_dst_addr);
	}
}

static void addresses_that_may(void **state)
{
	static const struct {
		int family;
		const char *addr;
	} good[] = {
		{4, "1.0.0.1"},	  {4, "126.0.0.1"}, {4, "128.0.0.1"},  {4, "223.255.255.255"},
		{4, "240.0.0.1"}, {6, "fe80::1"},   {6, "2001:db8::"}, {6, "64:ff9b::a00:9"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct frame f = frame_syn(good[i].family);

		frame_addr(f.src, good[i].addr);
		answers(&f);
	}
}

static void our_own_address_is_no_source(void **state)
{
	unsigned family;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = frame_syn((int)family);

		memcpy(f.src, f.dst, 16);
		drops(&f, drop_land);
		f.sport = f.dport;
		drops(&f, drop_land);
	}
}

static void group_macs_and_port_zero(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	f.smac[0] |= 1;
	drops(&f, drop_src_mac);
	f = frame_syn(4);
	f.dport = 443;
	f.dmac[0] |= 1;
	drops(&f, drop_dst_mac);
	f = frame_syn(4);
	f.sport = 0;
	drops(&f, drop_port_zero);
}

static void flags_that_open_nothing(void **state)
{
	unsigned family;

	(void)state;
	bed.cfg->rst_per_sec = 1000;
	for (family = 4; family <= 6; family += 2) {
		struct frame f = frame_syn((int)family);

		f.flags = SYN | FIN;
		drops(&f, drop_syn_fin);
		f.flags = SYN | FIN | ACK;
		drops(&f, drop_syn_fin);
		f.flags = SYN | RST;
		drops(&f, drop_syn_rst);
		f.flags = SYN | RST | FIN | ACK | PSH | URG; /* christmas tree */
		drops(&f, drop_syn_rst);
		f.flags = SYN | ACK;
		drops(&f, drop_syn_ack);
		f.flags = RST;
		drops(&f, drop_rst);
		f.flags = RST | ACK;
		drops(&f, drop_rst);
		f.flags = RST | FIN;
		drops(&f, drop_rst);
		f.flags = FIN;
		drops(&f, drop_fin);
		f.flags = FIN | PSH | URG;
		drops(&f, drop_fin);
		f.flags = 0;
		drops(&f, drop_null);
		f.flags = PSH;
		drops(&f, drop_null);
	}
}

/* ---- not now --------------------------------------------------------------------------- */

static void a_gate_that_is_full_or_leaving_or_between_two_times_is_silent(void **state)
{
	struct frame f = frame_syn(4);

	(void)state;
	bed.cfg->flags = WEIR_CFG_FLOWS_FULL;
	drops(&f, drop_flows_full);
	bed.cfg->flags = WEIR_CFG_DRAINING;
	drops(&f, drop_draining);
	bed.cfg->flags = WEIR_CFG_CLOCK_STEP;
	drops(&f, drop_clock_step);
	bed.cfg->flags = 0;
	answers(&f);
}

static void a_silent_worker_silences_the_gate(void **state)
{
	__u64 *heart = &bed.skel->bss->weir_heartbeat[0];
	struct frame f = frame_syn(6);

	(void)state;
	bed.cfg->heartbeat_max_ms = 2000;
	*heart = BED_MONO_MS;
	answers(&f);
	bed_advance(&bed, 2000);
	answers(&f);
	bed_advance(&bed, 1);
	drops(&f, drop_heartbeat);
	*heart = bed.cfg->clock.fixed_ms + 4; /* its clock a jiffy ahead of ours */
	answers(&f);
	*heart = 0;
	drops(&f, drop_heartbeat);
	bed.cfg->heartbeat_max_ms = 0;
	answers(&f);
}

/* RFC 7126 4.3, 4.4; what follows the end of the options is none of them. */
static void source_routes_are_dropped(void **state)
{
	static const uint8_t loose[] = {1, 131, 7, 4, 10, 0, 0, 2}, strict[] = {137, 3, 4, 0};
	static const uint8_t alert[] = {148, 4, 0, 0}, lies[] = {148, 9, 0, 0}, past[] = {0, 131};
	struct frame f = frame_syn(4);
	uint8_t all[40] = {0};

	(void)state;
	f.ip_opts = loose;
	f.ip_opts_len = sizeof(loose);
	drops(&f, drop_ip_routed);
	bed_enter(&bed, &f); /* a flow's is the worker's to drop */
	bed_send(&bed, &f);
	bed_expect(&bed, XDP_REDIRECT, flow_redirected);
	f.dport = 81;
	passes(&f);
	f.dport = 443;
	f.ip_opts = strict;
	f.ip_opts_len = sizeof(strict);
	drops(&f, drop_ip_routed);
	f.ip_opts = lies;
	drops(&f, drop_ip_header);
	f.ip_opts = alert;
	answers(&f);
	memset(all, 1, 39);
	f.ip_opts = all;
	f.ip_opts_len = 40;
	answers(&f);
	memset(all + 1, 0, 39);
	memcpy(all + 5, past, sizeof(past));
	answers(&f);
	all[39] = 131;
	memset(all, 1, 39);
	f.sport++;
	drops(&f, drop_ip_routed);
}

/* ---- checksums ---------------------------------------------------------------------------- */

static void wrong_checksums_have_their_names(void **state)
{
	static const uint8_t options[] = {1, 1, 1, 1};
	struct frame f = frame_syn(4);
	uint8_t buf[FRAME_MAX];
	unsigned with;
	size_t len;

	(void)state;
	for (with = 0; with < 2; with++) {
		f.ip_opts = options;
		f.ip_opts_len = with ? 4 : 0;
		len = frame_build(&f, buf);
		buf[14 + 8]--; /* TTL */
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_DROP, drop_ip_csum);
		len = frame_build(&f, buf);
		buf[frame_l4(&f) + 7]--; /* sequence number */
		bed_run(&bed, buf, len);
		bed_expect(&bed, XDP_DROP, drop_tcp_csum);
	}
	f.flags = ACK;
	len = frame_build(&f, buf);
	buf[frame_l4(&f) + 17]++;
	bed_run(&bed, buf, len);
	bed_expect(&bed, XDP_DROP, drop_tcp_csum);
}

static void partial_checksums_need_consent(void **state)
{
	static const uint8_t flags[] = {SYN, ACK};
	uint8_t buf[FRAME_MAX];
	unsigned family, i;
	size_t len;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < 2; i++) {
			struct frame f = frame_syn((int)family);

			f.flags = flags[i];
			len = frame_build(&f, buf);
			frame_partial(&f, buf);
			bed.cfg->flags = 0;
			bed_run(&bed, buf, len);
			bed_expect(&bed, XDP_DROP, drop_csum_partial);
			bed.cfg->flags = WEIR_CFG_ACCEPT_PARTIAL_CSUM;
			bed_run(&bed, buf, len);
			assert_int_equal(bed_count(&bed, WEIR_C_csum_partial_accepted), 1);
			if (i)
				bed_expect(&bed, XDP_DROP, drop_ack_cookie);
			else
				bed_expect(&bed, XDP_TX, syn_answered);
			buf[frame_l4(&f) + 17] ^= 1;
			bed_run(&bed, buf, len);
			bed_expect(&bed, XDP_DROP, drop_tcp_csum);
		}
	}
}

/* ---- anything at all --------------------------------------------------------------------------
 */

static void noise_is_neither_answered_nor_let_in(void **state)
{
	uint8_t buf[FRAME_MAX];
	uint32_t x = 0x12345678;
	unsigned i, n, changes;
	size_t len;

	(void)state;
	for (i = 0; i < 60000; i++) {
		struct frame f = frame_syn(i & 1 ? 4 : 6);

		f.vlans = i / 2 % 3;
		f.exts = f.family == 6 ? i / 6 % 4 : 0;
		f.flags = i & 8 ? SYN : ACK;
		for (n = 0; n < f.exts; n++)
			f.ext[n] = (struct frame_ext){.type = n & 1 ? 60 : 0};
		frame_opts(&f, frame_layouts[1].opts, frame_layouts[1].opts_len);
		len = frame_build(&f, buf);
		x = x * 1664525 + 1013904223;
		for (changes = 1 + (x >> 30); changes; changes--) {
			x = x * 1664525 + 1013904223;
			buf[12 + (x >> 16) % (len - 12)] ^= (uint8_t)(1u << (x >> 8 & 7));
		}
		bed_run(&bed, buf, len - (x & 0x30 ? 0 : x >> 12 & 15));
		assert_int_not_equal(bed.act, XDP_ABORTED);
		assert_int_not_equal(bed.act, XDP_REDIRECT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_not_tcp_passes, bed_fresh),
		cmocka_unit_test_setup(other_ports_and_other_hosts_pass, bed_fresh),
		cmocka_unit_test_setup(an_addressed_service_has_its_address, bed_fresh),
		cmocka_unit_test_setup(the_address_comes_before_the_port, bed_fresh),
		cmocka_unit_test_setup(a_closed_service_is_none, bed_fresh),
		cmocka_unit_test_setup(a_port_that_is_not_ours_may_be_malformed, bed_fresh),
		cmocka_unit_test_setup(broken_headers_have_their_names, bed_fresh),
		cmocka_unit_test_setup(extension_headers_have_their_limits, bed_fresh),
		cmocka_unit_test_setup(fragments_are_dropped, bed_fresh),
		cmocka_unit_test_setup(addresses_that_may_not_speak, bed_fresh),
		cmocka_unit_test_setup(addresses_that_may, bed_fresh),
		cmocka_unit_test_setup(our_own_address_is_no_source, bed_fresh),
		cmocka_unit_test_setup(group_macs_and_port_zero, bed_fresh),
		cmocka_unit_test_setup(flags_that_open_nothing, bed_fresh),
		cmocka_unit_test_setup(
			a_gate_that_is_full_or_leaving_or_between_two_times_is_silent, bed_fresh),
		cmocka_unit_test_setup(a_silent_worker_silences_the_gate, bed_fresh),
		cmocka_unit_test_setup(source_routes_are_dropped, bed_fresh),
		cmocka_unit_test_setup(wrong_checksums_have_their_names, bed_fresh),
		cmocka_unit_test_setup(partial_checksums_need_consent, bed_fresh),
		cmocka_unit_test_setup(noise_is_neither_answered_nor_let_in, bed_fresh),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
