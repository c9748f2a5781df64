/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Predictable ISS, which RFC 6528 is about: neighbouring connections (ports and
 * client ISNs one apart, the same epoch, the same options) must tell nothing of each
 * other's initial numbers. The keys are fixed, so the figures are too: they are far
 * inside the bounds, which a counter, a clock or a weak mix would be far outside of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <weir/cookie.h>

#define N 65536u

static uint32_t iss(uint16_t port, uint32_t isn, bool ts, uint64_t key, uint64_t wall_ms)
{
	struct weir_gate_config cfg = {.keys.key = {{key, 2}, {3, 4}}};
	const struct weir_syn_opts o = {
		.mss = 1460,
		.wscale = 7,
		.flags = (uint8_t)(WEIR_OPT_SACK | (ts ? WEIR_OPT_TS : 0)),
		.tsval = 1,
	};
	const struct weir_flow_key4 k = {
		.raddr = weir_htonl(0x0a000001),
		.laddr = weir_htonl(0x0a000002),
		.rport = weir_htons(port),
		.lport = weir_htons(80),
	};
	struct weir_cookie c;

	weir_mss_classes(cfg.mss_class, 1500);
	weir_cookie_make4(&cfg, wall_ms, &k, isn, &o, &c);
	return c.iss;
}

/* Chi-squared of 256 equally likely buckets: 255 on average, over 400 in 1 of 10^8. */
static void even(const uint32_t *bucket)
{
	double chi = 0, want = N / 256.0;

	for (unsigned i = 0; i < 256; i++)
		chi += (bucket[i] - want) * (bucket[i] - want) / want;
	assert_true(chi < 400);
}

/* The upper bits, and how one number differs from the one before it. */
static void spread(bool ts, bool by_port)
{
	uint32_t high[256] = {0}, step[256] = {0}, ones[32] = {0}, last = 0;
	unsigned mac_from = ts ? 4 : 10;

	for (uint32_t i = 0; i < N; i++) {
		uint32_t v = by_port ? iss((uint16_t)i, 7, ts, 1, 1u << 20)
				     : iss(40000, 7 + i, ts, 1, 1u << 20);

		high[v >> 24]++;
		step[(v - last) >> 24]++;
		for (unsigned b = mac_from; b < 32; b++)
			ones[b] += v >> b & 1;
		last = v;
	}
	even(high);
	even(step);
	/* Each bit of the MAC is a fair coin: 6 standard deviations are 768. */
	for (unsigned b = mac_from; b < 32; b++)
		assert_in_range(ones[b], N / 2 - 768, N / 2 + 768);
}

static void neighbouring_connections_are_unrelated(void **state)
{
	(void)state;
	spread(false, false);
	spread(false, true);
	spread(true, false);
	spread(true, true);
}

static unsigned differing(uint32_t a, uint32_t b)
{
	return (unsigned)__builtin_popcount(a ^ b);
}

/* One bit of the key, the ISN or the epoch changes half of the MAC's 22 bits. */
static void each_input_bit_counts(void **state)
{
	const uint64_t wall = 1u << 20;
	uint64_t by_key = 0, by_isn = 0, by_epoch = 0;

	(void)state;
	for (uint32_t i = 0; i < 1024; i++) {
		uint32_t v = iss(1, i * 977, false, 1, wall) >> 10;

		by_key += differing(v, iss(1, i * 977, false, 1 ^ 1ull << (i & 63), wall) >> 10);
		by_isn += differing(v, iss(1, i * 977 ^ 1u << (i & 31), false, 1, wall) >> 10);
		by_epoch += differing(
			v, iss(1, i * 977, false, 1, wall + (1ull << WEIR_EPOCH_SHIFT)) >> 10);
	}
	/* 11 bits on average, times 1024; a standard deviation is 75. */
	assert_in_range(by_key, 11264 - 600, 11264 + 600);
	assert_in_range(by_isn, 11264 - 600, 11264 + 600);
	assert_in_range(by_epoch, 11264 - 600, 11264 + 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbouring_connections_are_unrelated),
		cmocka_unit_test(each_input_bit_counts),
	};

	return cmocka_run_group_tests_name("cookie_iss", tests, NULL, NULL);
}
