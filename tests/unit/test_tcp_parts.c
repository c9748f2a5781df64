/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pieces on their own: sequence numbers, checksums, the header parser, lists
 * of ranges, resets, names.
 */
#include <errno.h>

#include "../random.h"
#include "tcp_fixture.h"
#include "tcp/csum.h"

static uint64_t rng = 88172645463325252ull;

static uint64_t rnd(void)
{
	return xorshift64(&rng);
}

/* ---- sequence numbers ---------------------------------------------------------- */

static void comparison_wraps(void **state)
{
	static const uint32_t base[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
	static const uint32_t dist[] = {1, 2, 65535, 0x3fffffff, 0x7fffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		uint32_t a = base[i];

		assert_true(seq_leq(a, a) && seq_geq(a, a) && !seq_lt(a, a) && !seq_gt(a, a));
		for (size_t k = 0; k < sizeof(dist) / sizeof(dist[0]); k++) {
			uint32_t b = a + dist[k];

			assert_true(seq_lt(a, b) && seq_leq(a, b) && seq_gt(b, a) && seq_geq(b, a));
			assert_false(seq_lt(b, a) || seq_leq(b, a) || seq_gt(a, b) ||
				     seq_geq(a, b));
			assert_int_equal(seq_max(a, b), b);
			assert_int_equal(seq_min(b, a), a);
		}
	}
}

/* ---- checksums ------------------------------------------------------------------- */

static uint16_t slow_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return weir_htons((uint16_t)sum);
}

static void checksum_against_the_definition(void **state)
{
	uint8_t from[300], to[300];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t len = rnd() % 280, at = rnd() % 16, cut = len ? rnd() % len : 0;
		uint64_t sum;

		for (size_t i = 0; i < sizeof(from); i++)
			from[i] = round % 10 ? (uint8_t)(rnd() >> 20) : 0xff;
		assert_int_equal(csum_fold(csum_bytes(from + at, len)), slow_sum(from + at, len));
		memset(to, 0xaa, sizeof(to));
		sum = csum_copy(to + 3, from + at, len);
		assert_int_equal(csum_fold(sum), slow_sum(from + at, len));
		assert_memory_equal(to + 3, from + at, len);
		assert_int_equal(to[2], 0xaa);
		assert_int_equal(to[3 + len], 0xaa);
		/* In two pieces, split anywhere. */
		sum = csum_add64(csum_bytes(from + at, cut),
				 csum_at(csum_bytes(from + at + cut, len - cut), cut));
		assert_int_equal(csum_fold(sum), slow_sum(from + at, len));
	}
}

/*
 * By hand. Pseudo-header: 0a00 0001 0a00 0002 0006 0014; header: 0050 9c40 5002
 * 2000 and zeros. The sum is 120af, folded 20b0, its complement df4f.
 */
static void checksum_of_a_known_segment(void **state)
{
	static const uint8_t src[4] = {10, 0, 0, 1}, dst[4] = {10, 0, 0, 2};
	uint8_t tcp[20] = {0, 80, 0x9c, 0x40, [12] = 0x50, [13] = 2, [14] = 0x20};
	uint32_t pseudo = tcp_pseudo_sum(src, dst, 4);

	(void)state;
	assert_false(tcp_csum_ok(pseudo, tcp, 20));
	tcp[16] = 0xdf;
	tcp[17] = 0x4f;
	assert_true(tcp_csum_ok(pseudo, tcp, 20));
	assert_int_equal(tcp_pseudo_sum(dst, src, 4), pseudo);
	for (int bit = 0; bit < 160; bit++) {
		tcp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(tcp_csum_ok(pseudo, tcp, 20));
		tcp[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* ---- the parser -------------------------------------------------------------------- */

static const uint8_t full_syn[] = {
	0x9c, 0x40, 0,	  80, 1, 2, 3,	4, 5, 6, 7, 8, 0xa0, TCP_SYN, 0x12, 0x34, 0, 0, 0, 9,	2,
	4,    5,    0xb4, 4,  2, 8, 10, 1, 2, 3, 4, 5, 6,    7,	      8,    1,	  3, 3, 7, 'x', 'y',
};

static void a_whole_syn(void **state)
{
	struct tcp_seg s;

	(void)state;
	assert_int_equal(tcp_seg_parse(&s, full_syn, sizeof(full_syn)), 0);
	assert_int_equal(s.sport, 40000);
	assert_int_equal(s.dport, 80);
	assert_int_equal(s.seq, 0x01020304);
	assert_int_equal(s.ack, 0x05060708);
	assert_int_equal(s.flags, TCP_SYN);
	assert_int_equal(s.wnd, 0x1234);
	assert_int_equal(s.urg, 9);
	assert_int_equal(s.mss, 1460);
	assert_true(s.sack_permitted && s.has_ts);
	assert_int_equal(s.tsval, 0x01020304);
	assert_int_equal(s.tsecr, 0x05060708);
	assert_int_equal(s.wscale, 7);
	assert_int_equal(s.len, 2);
	assert_memory_equal(s.payload, "xy", 2);
}

/* Each length in an allocation of its own, so that a sanitizer sees any over-read. */
static void truncated_at_every_byte(void **state)
{
	struct tcp_seg s;

	(void)state;
	for (size_t len = 0; len < sizeof(full_syn); len++) {
		uint8_t *p = malloc(len ? len : 1);

		assert_non_null(p);
		memcpy(p, full_syn, len);
		assert_int_equal(tcp_seg_parse(&s, p, len), len < 40 ? -EINVAL : 0);
		free(p);
	}
}

static struct tcp_seg with_options(const uint8_t *opt, size_t n)
{
	uint8_t *p = calloc(1, 20 + n);
	struct tcp_seg s;

	assert_non_null(p);
	p[12] = (uint8_t)((20 + n) / 4 << 4);
	memcpy(p + 20, opt, n);
	assert_int_equal(tcp_seg_parse(&s, p, 20 + n), 0);
	free(p);
	return s;
}

static void malformed_options(void **state)
{
	struct tcp_seg s;

	(void)state;
	s = with_options((const uint8_t[]){2, 4, 1, 0, 99, 0, 3, 3}, 8); /* length 0 */
	assert_int_equal(s.mss, 256);
	assert_int_equal(s.wscale, WEIR_WSCALE_NONE);
	s = with_options((const uint8_t[]){99, 1, 2, 4, 1, 0, 0, 0}, 8); /* length 1 */
	assert_int_equal(s.mss, 0);
	s = with_options((const uint8_t[]){1, 1, 1, 2}, 4); /* no length at all */
	assert_int_equal(s.mss, 0);
	s = with_options((const uint8_t[]){1, 2, 4, 5}, 4); /* reaches beyond the header */
	assert_int_equal(s.mss, 0);
	s = with_options((const uint8_t[]){0, 2, 4, 1, 0, 0, 0, 0}, 8); /* after the end */
	assert_int_equal(s.mss, 0);
	s = with_options((const uint8_t[]){2, 3, 5, 3, 2, 8, 3, 1, 2, 4, 5, 0xb4}, 12);
	/* wrong lengths: 3 for MSS, 2 for scale, 3 for TS; the walk goes on behind them */
	assert_int_equal(s.mss, 1460);
	assert_true(s.wscale == WEIR_WSCALE_NONE && !s.has_ts);
	s = with_options((const uint8_t[]){3, 3, 200, 0}, 4);
	assert_int_equal(s.wscale, 14);
	s = with_options((const uint8_t[]){5, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 12);
	assert_int_equal(s.nsack, 0);
}

static void random_headers_never_overread(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len = rnd() % 80;
		uint8_t *p = malloc(len ? len : 1);
		struct tcp_seg s;

		assert_non_null(p);
		for (size_t k = 0; k < len; k++)
			p[k] = (uint8_t)(rnd() % 3 ? rnd() % 12 : rnd());
		if (len > 12)
			p[12] = (uint8_t)(rnd() % 16 << 4);
		if (tcp_seg_parse(&s, p, len) == 0) {
			assert_true(s.payload + s.len == p + len);
			assert_true(s.nsack <= TCP_MAX_SACK);
		}
		free(p);
	}
}

/* ---- ranges --------------------------------------------------------------------------- */

#define SPAN 2000

static void check(const struct tcp_ranges *rs, const uint8_t *map, uint32_t base)
{
	uint32_t n = 0, total = 0;

	for (uint32_t i = 0; i < SPAN; i++) {
		total += map[i];
		n += map[i] && (i == 0 || !map[i - 1]);
	}
	assert_int_equal(rs ? rs->n : 0, n);
	assert_int_equal(ranges_bytes(rs, base, base + SPAN), total);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(seq_lt(rs->r[i].start, rs->r[i].end));
		assert_true(i == 0 || seq_lt(rs->r[i - 1].end, rs->r[i].start));
		for (uint32_t s = rs->r[i].start; s != rs->r[i].end; s++)
			assert_true(map[s - base]);
	}
}

static void ranges_against_a_map(void **state)
{
	static uint8_t mem[2 * TCP_BLOCK_SIZE] __attribute__((aligned(64)));
	static const uint32_t bases[] = {0, 0xfffffc00, 0x7ffffc00};

	(void)state;
	for (int round = 0; round < 600; round++) {
		uint32_t base = bases[round % 3];
		struct tcp_ranges *rs = NULL;
		uint8_t map[SPAN] = {0};
		struct tcp_pool pool;

		tcp_pool_init(&pool, mem, 2);
		for (int i = 0; i < 300; i++) {
			uint32_t a = (uint32_t)(rnd() % SPAN), len = 1 + (uint32_t)(rnd() % 12);
			uint8_t trial[SPAN];
			uint32_t n = 0;
			bool fits;

			if (a + len > SPAN)
				len = SPAN - a;
			memcpy(trial, map, SPAN);
			memset(trial + a, 1, len);
			for (uint32_t k = 0; k < SPAN; k++)
				n += trial[k] && (k == 0 || !trial[k - 1]);
			fits = ranges_fits(&rs, &pool, base + a, base + a + len);
			assert_int_equal(fits,
					 n <= TCP_MAX_RANGES || (rs && rs->n < TCP_MAX_RANGES));
			if (ranges_add(&rs, &pool, base + a, base + a + len)) {
				assert_int_equal(n, TCP_MAX_RANGES + 1);
			} else {
				memcpy(map, trial, SPAN);
			}
			if (i % 50 == 49) {
				uint32_t cut = (uint32_t)(rnd() % SPAN / 2);

				memset(map, 0, cut);
				ranges_trim(&rs, &pool, base + cut);
			}
			check(rs, map, base);
		}
		ranges_clear(&rs, &pool);
		assert_int_equal(pool.in_use, 0);
	}
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void reset_for_a_stranger(void **state)
{
	struct tcp_seg s = {.sport = 1, .dport = 2, .seq = 100, .ack = 700, .flags = TCP_ACK};
	struct tcp_seg r;
	uint8_t out[20];

	(void)state;
	assert_int_equal(tcp_reset_for(&s, 77, out), 20);
	assert_true(tcp_csum_ok(77, out, 20));
	tcp_seg_parse(&r, out, 20);
	assert_true(r.flags == TCP_RST && r.seq == 700 && r.sport == 2 && r.dport == 1);
	s.flags = TCP_SYN | TCP_FIN;
	s.len = 10;
	assert_int_equal(tcp_reset_for(&s, 77, out), 20);
	tcp_seg_parse(&r, out, 20);
	assert_true(r.flags == (TCP_RST | TCP_ACK) && r.seq == 0 && r.ack == 112);
	s.flags = TCP_RST | TCP_ACK;
	assert_int_equal(tcp_reset_for(&s, 77, out), 0);
}

static void names_are_complete(void **state)
{
	(void)state;
	for (int i = 0; i < WEIR_TCP_NSTATES; i++)
		assert_string_not_equal(tcp_state_name((enum weir_tcp_state)i), "?");
	for (int i = 0; i <= TCP_END_UNREACHABLE; i++)
		assert_string_not_equal(tcp_reason_name((enum tcp_reason)i), "?");
	for (int i = 0; i <= TCP_TIMER_TIME_WAIT; i++)
		assert_string_not_equal(tcp_timer_name((enum tcp_timer_kind)i), "?");
	assert_string_equal(tcp_state_name(WEIR_FIN_WAIT_1), "FIN_WAIT_1");
}

static void sizes_stay_small(void **state)
{
	(void)state;
	assert_true(tcp_conn_size() <= 640);
	assert_true(sizeof(struct tcp_timewait) <= 48);
	assert_int_equal(sizeof(struct tcp_block), TCP_BLOCK_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparison_wraps),
		cmocka_unit_test(checksum_against_the_definition),
		cmocka_unit_test(checksum_of_a_known_segment),
		cmocka_unit_test(a_whole_syn),
		cmocka_unit_test(truncated_at_every_byte),
		cmocka_unit_test(malformed_options),
		cmocka_unit_test(random_headers_never_overread),
		cmocka_unit_test(ranges_against_a_map),
		cmocka_unit_test(reset_for_a_stranger),
		cmocka_unit_test(names_are_complete),
		cmocka_unit_test(sizes_stay_small),
	};

	return cmocka_run_group_tests_name("tcp_parts", tests, NULL, NULL);
}
