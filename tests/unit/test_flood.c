// SPDX-License-Identifier: BSD-2-Clause
/* weir-flood: what its command line takes, and the frames it sends, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/packet.h>

#include "../../tools/flood/flood.h"
#include "../../tools/flood/flood_fill.h"

#define WORDS_MAX 32
#define LINE_LEN  400

static const struct target target = {
	.ifindex = 7, .src_mac = {2, 0, 0, 0, 0, 1}, .dst_mac = {2, 0, 0, 0, 0, 2}};

/* Parses words with a space between each; the program's own lines go nowhere. */
static int parse(struct args *a, const char *line)
{
	static char text[LINE_LEN];
	static char name[] = "weir-flood";
	char *argv[WORDS_MAX] = {name}, *save = NULL, *word;
	int argc = 1, err, out = dup(STDERR_FILENO);

	snprintf(text, sizeof(text), "%s", line);
	for (word = strtok_r(text, " ", &save); word && argc < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	assert_non_null(freopen("/dev/null", "w", stderr));
	err = args_parse(a, argc, argv);
	fflush(stderr);
	dup2(out, STDERR_FILENO);
	close(out);
	return err;
}

static void parse4(struct args *a, const char *more)
{
	char line[LINE_LEN];

	snprintf(line, sizeof(line), "-i weir1 --dst 10.0.0.2:80 %s", more);
	assert_int_equal(parse(a, line), 0);
}

/* ---- the command line ------------------------------------------------------- */

static void defaults_are_bounded(void **state)
{
	struct args a;

	(void)state;
	parse4(&a, "");
	assert_int_equal(a.rate, 100000);
	assert_true(a.seconds == 10);
	assert_int_equal(a.kinds.share[KIND_SYN], 1);
	assert_int_equal(a.layouts.share[LAYOUT_LINUX], 1);
	assert_int_equal(a.backend, BACKEND_LIVE);
	assert_int_equal(a.src_len, 15);
	assert_int_equal(a.src_port.lo, 1024);
	assert_int_equal(a.src_port.hi, 65535);
	assert_false(a.outside_lab);
	assert_int_equal(parse(&a, "-i weir1 --dst [fd00::2]:80"), 0);
	assert_int_equal(a.src_len, 64);
}

static void values_are_taken(void **state)
{
	struct args a;

	(void)state;
	parse4(&a, "--rate 2.5M --kind syn=70,ack=20,rst=10 --layout windows=1,none=3 --vlan 9,10 "
		   "--dst-port 80-89 --src-port 5-6 --count 3k --backend xsk --queue 2 --cpu 1");
	assert_int_equal(a.rate, 2500000);
	assert_int_equal(a.kinds.share[KIND_SYN], 70);
	assert_int_equal(a.kinds.share[KIND_RST], 10);
	assert_int_equal(a.layouts.share[LAYOUT_LINUX], 0);
	assert_int_equal(a.layouts.share[LAYOUT_NONE], 3);
	assert_int_equal(a.vlans, 2);
	assert_int_equal(a.vlan[1], 10);
	assert_int_equal(a.dst_port.hi, 89);
	assert_int_equal(a.src_port.lo, 5);
	assert_int_equal(a.count, 3000);
	assert_int_equal(a.backend, BACKEND_XSK);
	assert_int_equal(a.queue, 2);
	parse4(&a, "--rate max --kind mixed --layout mixed");
	assert_int_equal(a.rate, 0);
	assert_true(a.kinds.share[KIND_FIN] && a.kinds.share[KIND_SYN_ACK]);
	assert_int_equal(a.kinds.share[KIND_INFLOW], 0);
	assert_int_equal(a.layouts.share[LAYOUT_NONE], 0);
}

static void nonsense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"--rate 0",
		"--rate -1",
		"--rate 1e99",
		"--rate 5x",
		"--rate maximum",
		"--seconds 0",
		"--seconds inf",
		"--seconds 3601",
		"--count 0",
		"--kind psh",
		"--kind syn=",
		"--kind syn=0",
		"--kind syn,",
		"--kind syn,syn",
		"--kind syn=1x",
		"--kind mixed,syn",
		"--kind syn=-1",
		"--kind inflow",
		"--kind inflow --flow [fd00::1]:80",
		"--kind inflow --flow 10.0.0.1:1-2",
		"--kind inflow --flow 10.0.0.1:1 --dst-port 1-2",
		"--flow 10.0.0.1:1",
		"--seq 5",
		"--layout beos",
		"--layout linux=9999999",
		"--vlan 4095",
		"--vlan 1,",
		"--vlan 1,2,3",
		"--vlan x",
		"--dst-port 0",
		"--dst-port 9-8",
		"--dst-port 65536",
		"--dst-port 1-2-3",
		"--src-port -5",
		"--src-net 10.0.0.0/7",
		"--src-net 10.0.0.0/33",
		"--src-net fd00::/31",
		"--src-net fd00::/64",
		"--src-net 10.0.0.0",
		"--dst-mac 1:2:3",
		"--backend raw",
		"--queue -1",
		"--cpu x",
		"--frob",
		"extra",
	};
	char line[LINE_LEN];
	struct args a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(line, sizeof(line), "-i weir1 --dst 10.0.0.2:80 %s", wrong[i]);
		if (parse(&a, line) != -EINVAL)
			fail_msg("%s is taken", wrong[i]);
	}
	assert_int_equal(parse(&a, "--dst 10.0.0.2:80"), -EINVAL);
	assert_int_equal(parse(&a, "-i weir1"), -EINVAL);
	assert_int_equal(parse(&a, "-i weir1 --dst fd00::2:80"), -EINVAL);
	assert_int_equal(parse(&a, "-i an-interface-name-too-long --dst 10.0.0.2:80"), -EINVAL);
}

/* ---- frames, byte for byte --------------------------------------------------- */

/* From 198.18.0.7:1000 to 10.0.0.2:80, or the same on IPv6; sequence numbers zero. */
static const struct {
	const char *args;
	bool ipv6;
	const char *frame;
} expected[] = {
	{"--kind syn --layout linux", false,
	 "02000000000202000000000108004500003c0000400040066aa1c61200070a00000203e800500000"
	 "000000000000a002faf0c4070000020405b40402080a5a5a5a5a0000000001030307"},
	{"--layout windows", false,
	 "0200000000020200000000010800450000340000400080062aa9c61200070a00000203e800500000"
	 "0000000000008002faf09fcc0000020405b40103030801010402"},
	{"--layout macos", false,
	 "0200000000020200000000010800450000400000400040066a9dc61200070a00000203e800500000"
	 "000000000000b002ffffadf40000020405b4010303060101080a5a5a5a5a0000000004020000"},
	{"--layout none", false,
	 "0200000000020200000000010800450000280000400040066ab5c61200070a00000203e800500000"
	 "0000000000005002faf0e09e0000"},
	{"--kind syn", true,
	 "02000000000202000000000186dd600000000028064020010002000000000000000000000007fd00"
	 "000000000000000000000000000203e800500000000000000000a002faf0772a0000020405a00402"
	 "080a5a5a5a5a0000000001030307"},
	{"--kind ack --vlan 5", false,
	 "020000000002020000000001810000050800450000340000400040066aa9c61200070a00000203e8"
	 "00500000000000000000801001f6370b00000101080a5a5a5a5a5a5a5a5a"},
	{"--kind rst --layout windows --vlan 100,5", true,
	 "02000000000202000000000188a800648100000586dd600000000014068020010002000000000000"
	 "000000000007fd00000000000000000000000000000203e800500000000000000000500400008e9c"
	 "0000"},
	{"--kind syn-ack", false,
	 "02000000000202000000000108004500003c0000400040066aa1c61200070a00000203e800500000"
	 "000000000000a012faf00f430000020405b40402080a5a5a5a5a5a5a5a5a01030307"},
	{"--kind fin --layout macos", false,
	 "0200000000020200000000010800450000340000400040066aa9c61200070a00000203e800500000"
	 "0000000000008011080a30f600000101080a5a5a5a5a5a5a5a5a"},
	{"--kind inflow --layout none --flow 10.0.0.1:40000 --seq 2147483648", false,
	 "02000000000202000000000108004500002800004000400626ce0a0000010a0000029c4000508000"
	 "0000000000005010faf084500000"},
};

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (; n; n--, p++, out += 2)
		snprintf(out, 3, "%02x", *p);
}

static void frames_are_as_expected(void **state)
{
	uint8_t frame[FLOOD_FRAME_MAX];
	char line[LINE_LEN], got[2 * FLOOD_FRAME_MAX + 1];
	struct flood_config cfg;
	struct args a;
	__u64 rng = 1;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		snprintf(line, sizeof(line), "-i x --dst %s --src-net %s --src-port 1000 %s",
			 expected[i].ipv6 ? "[fd00::2]:80" : "10.0.0.2:80",
			 expected[i].ipv6 ? "2001:2::7/128" : "198.18.0.7/32", expected[i].args);
		assert_int_equal(parse(&a, line), 0);
		flood_build(&a, &target, &cfg);
		cfg.tpl[0].seq_mask = cfg.tpl[0].ack_mask = 0;
		/* What a receiver left in the page does not show. */
		memset(frame, 0xee, sizeof(frame));
		assert_int_equal(flood_fill(&cfg, &cfg.tpl[0], &rng, frame, frame + cfg.len), 0);
		hex(frame, cfg.len, got);
		if (strcmp(got, expected[i].frame) != 0)
			fail_msg("%s\n got %s\nwant %s", expected[i].args, got, expected[i].frame);
		if (cfg.len < sizeof(frame))
			assert_int_equal(frame[cfg.len], 0xee);
	}
}

/* ---- frames, many ------------------------------------------------------------- */

/* By bytes and 32 bits, as RFC 1071 tells it: nothing in common with the sender's. */
static unsigned int plain_sum(const uint8_t *p, size_t n, unsigned int sum)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 ? p[i] : p[i] * 256U;
	while (sum > 0xffff)
		sum = sum % 65536 + sum / 65536;
	return sum;
}

static void check_sums(const uint8_t *frame, const struct weir_pkt *p)
{
	const uint8_t *ip = frame + p->l3_off;
	unsigned int sum = 6 + p->end - p->l4_off;

	if (p->family == 4) {
		assert_int_equal(plain_sum(ip, 20, 0), 0xffff);
		sum = plain_sum(ip + 12, 8, sum);
	} else {
		sum = plain_sum(ip + 8, 32, sum);
	}
	assert_int_equal(plain_sum(frame + p->l4_off, p->end - p->l4_off, sum), 0xffff);
}

static const uint8_t kind_flags[KINDS] = {
	[KIND_SYN] = WEIR_TH_SYN,
	[KIND_ACK] = WEIR_TH_ACK,
	[KIND_RST] = WEIR_TH_RST,
	[KIND_SYN_ACK] = WEIR_TH_SYN | WEIR_TH_ACK,
	[KIND_FIN] = WEIR_TH_FIN | WEIR_TH_ACK,
};

/* Are the first `len` bits the same? */
static bool same_prefix(const void *a, const void *b, unsigned int len)
{
	const uint8_t *x = a, *y = b;
	unsigned int i;

	for (i = 0; i < len; i++)
		if ((x[i / 8] ^ y[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static void check_frame(const struct args *a, const struct flood_template *t, const uint8_t *frame)
{
	bool v6 = a->family == AF_INET6;
	struct weir_pkt p;

	assert_int_equal(weir_pkt_parse(frame, t->len, &p), WEIR_PKT_OK);
	assert_int_equal(p.end, t->len);
	assert_int_equal(p.vlans, a->vlans);
	assert_int_equal(p.family, v6 ? 6 : 4);
	assert_int_equal(p.flags, kind_flags[t->kind]);
	assert_int_equal(p.payload_len, 0);
	assert_true(same_prefix(frame + p.l3_off + (v6 ? 8 : 12), &a->src_net, a->src_len));
	assert_in_range(weir_ntohs(weir_load16(frame + p.l4_off)), a->src_port.lo, a->src_port.hi);
	assert_in_range(weir_ntohs(weir_load16(frame + p.l4_off + 2)), a->dst_port.lo,
			a->dst_port.hi);
	assert_true(p.flags & WEIR_TH_ACK || p.ack == 0);
	check_sums(frame, &p);
}

static void every_frame_is_sound(void **state)
{
	static const char *const lines[] = {
		"-i x --dst 10.0.0.2:80 --src-net 198.18.0.0/15",
		"-i x --dst 10.0.0.2:80-83 --src-net 10.0.0.0/8 --src-port 1-65535 --vlan 7",
		"-i x --dst 10.0.0.2:1-65535 --src-net 198.18.5.0/31 --vlan 7,8",
		"-i x --dst [fd00::2]:80 --src-net 2001:db8::/32",
		"-i x --dst [fd00::2]:80 --src-net 2001:db8:ff00::/41 --vlan 4094",
		"-i x --dst [fd00::2]:80 --src-net 2001:db8:1:2:3::/90 --vlan 1,2",
	};
	uint8_t frame[FLOOD_FRAME_MAX];
	struct flood_config cfg;
	char line[LINE_LEN];
	struct args a;
	__u64 rng = 42;
	unsigned int k;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(line, sizeof(line), "%s --kind mixed --layout linux,windows,macos,none",
			 lines[i]);
		assert_int_equal(parse(&a, line), 0);
		flood_build(&a, &target, &cfg);
		for (n = 0; n < 20000; n++) {
			k = cfg.slot[n % FLOOD_SLOTS];
			assert_int_equal(
				flood_fill(&cfg, &cfg.tpl[k], &rng, frame, frame + cfg.tpl[k].len),
				0);
			check_frame(&a, &cfg.tpl[k], frame);
		}
	}
}

/* Each end of each range comes up: what is drawn is not narrower than what was asked for. */
static void whole_ranges_are_drawn(void **state)
{
	unsigned int ports[4] = {0}, hosts[8] = {0}, n, i;
	uint8_t frame[FLOOD_FRAME_MAX];
	struct flood_config cfg;
	struct args a;
	__u64 rng = 3;

	(void)state;
	assert_int_equal(parse(&a, "-i x --dst 10.0.0.2:80 --src-net 10.9.8.16/29 "
				   "--src-port 65532-65535"),
			 0);
	flood_build(&a, &target, &cfg);
	for (n = 0; n < 1000; n++) {
		assert_int_equal(flood_fill(&cfg, &cfg.tpl[0], &rng, frame, frame + cfg.len), 0);
		assert_in_range(frame[29], 16, 23);
		hosts[frame[29] - 16]++;
		ports[weir_ntohs(weir_load16(frame + 34)) - 65532]++;
	}
	for (i = 0; i < 8; i++)
		assert_in_range(hosts[i], 60, 250);
	for (i = 0; i < 4; i++)
		assert_in_range(ports[i], 150, 350);
}

static void shares_are_exact(void **state)
{
	unsigned int count[FLOOD_TEMPLATES] = {0}, i, half = 0;
	struct flood_config cfg;
	struct args a;

	(void)state;
	parse4(&a, "--kind syn=3,ack=1");
	flood_build(&a, &target, &cfg);
	for (i = 0; i < FLOOD_SLOTS; i++) {
		count[cfg.slot[i]]++;
		if (i < FLOOD_SLOTS / 2)
			half += cfg.tpl[cfg.slot[i]].kind == KIND_ACK;
	}
	assert_int_equal(count[0], 768);
	assert_int_equal(count[1], 256);
	assert_int_equal(half, 128); /* one after the other, not one kind after the other */
}

/* Out of the window of a connection that is far from --seq, by a fixed pair of ends. */
static void inflow_stays_where_it_was_told(void **state)
{
	uint8_t frame[FLOOD_FRAME_MAX];
	struct flood_config cfg;
	struct weir_pkt p;
	struct args a;
	__u64 rng = 9;
	int n;

	(void)state;
	parse4(&a, "--kind inflow --flow 10.0.0.1:40000 --seq 4294967000");
	flood_build(&a, &target, &cfg);
	for (n = 0; n < 1000; n++) {
		assert_int_equal(flood_fill(&cfg, &cfg.tpl[0], &rng, frame, frame + cfg.len), 0);
		assert_int_equal(weir_pkt_parse(frame, cfg.len, &p), WEIR_PKT_OK);
		assert_in_range(p.seq - 4294967000u, 0, 0xffff);
		assert_memory_equal(frame + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02\x9c\x40\x00\x50",
				    12);
		check_sums(frame, &p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_bounded),
		cmocka_unit_test(values_are_taken),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(frames_are_as_expected),
		cmocka_unit_test(every_frame_is_sound),
		cmocka_unit_test(whole_ranges_are_drawn),
		cmocka_unit_test(shares_are_exact),
		cmocka_unit_test(inflow_stays_where_it_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
