/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cookie: what goes in comes out, for its time and for nobody else; and how
 * often a guess does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <weir/cookie.h>
#include "../random.h"

#define EPOCH 16384ULL
#define WALL  (1800000000000ULL & ~(EPOCH - 1)) /* an epoch's first millisecond */

static struct weir_gate_config config(unsigned mtu)
{
	struct weir_gate_config c = {
		.keys = {.key = {{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL},
				 {0x1122334455667788ULL, 0x99aabbccddeeff00ULL}}},
	};

	weir_mss_classes(c.mss_class, mtu);
	return c;
}

static struct weir_flow_key6 tuple(int family)
{
	struct weir_flow_key6 t = {.rport = weir_htons(40000), .lport = weir_htons(80)};

	if (family == 4) {
		t.raddr[2] = t.laddr[2] = weir_htonl(0xffff);
		t.raddr[3] = weir_htonl(0x0a000001);
		t.laddr[3] = weir_htonl(0x0a000002);
	} else {
		t.raddr[0] = t.laddr[0] = weir_htonl(0xfd000000);
		t.raddr[3] = weir_htonl(1);
		t.laddr[3] = weir_htonl(2);
	}
	return t;
}

static int check(const struct weir_gate_config *cfg, uint64_t wall, const struct weir_flow_key6 *t,
		 uint32_t isn, const struct weir_syn_opts *o, const struct weir_cookie *c,
		 struct weir_flow *f)
{
	return weir_cookie_check_tuple(cfg, wall, t, isn + 1, c->iss + 1, o->flags & WEIR_OPT_TS,
				       o->tsval + 3, c->tsval, f);
}

/* ---- round trip ------------------------------------------------------------------ */

static unsigned best_class(const struct weir_gate_config *cfg, unsigned mss)
{
	unsigned i, best = cfg->mss_class[0];

	for (i = 0; i < 8; i++)
		if (cfg->mss_class[i] <= mss)
			best = cfg->mss_class[i];
	return best;
}

static void one_round_trip(const struct weir_gate_config *cfg, int family,
			   const struct weir_syn_opts *o, uint64_t wall, uint32_t isn)
{
	struct weir_flow_key6 t = tuple(family);
	unsigned mss = o->mss ? o->mss : family == 4 ? 536 : 1220;
	struct weir_cookie c;
	struct weir_flow f;

	weir_cookie_make_tuple(cfg, wall, &t, isn, o, &c);
	assert_int_equal(check(cfg, wall, &t, isn, o, &c, &f), 1);
	assert_int_equal(f.iss, c.iss);
	assert_int_equal(f.irs, isn);
	assert_int_equal(f.flags, o->flags);
	assert_int_equal(f.mss, best_class(cfg, mss));
	assert_true(f.mss <= mss || f.mss == 64);
	assert_int_equal(f.wscale, o->wscale == WEIR_WSCALE_NONE ? WEIR_WSCALE_NONE
				   : o->wscale > 14		 ? 14
								 : o->wscale);
	assert_int_equal(f.ts_ours, o->flags & WEIR_OPT_TS ? c.tsval : 0);
	assert_int_equal(f.ts_peer, o->flags & WEIR_OPT_TS ? o->tsval + 3 : 0);
	if (!(o->flags & WEIR_OPT_TS))
		assert_int_equal(c.tsval, 0);
}

static void every_combination_of_options_returns(void **state)
{
	static const uint8_t scales[] = {0, 1,	2,  3,	4,  5,	6,  7,	 8,
					 9, 10, 11, 12, 13, 14, 15, 200, WEIR_WSCALE_NONE};
	static const uint16_t sizes[] = {0,    1,    63,   64,	 65,   535,  536,  537,
					 1219, 1220, 1300, 1360, 1399, 1400, 1440, 1451,
					 1452, 1459, 1460, 1461, 8960, 9000, 65535};
	struct weir_gate_config cfg = config(1500);
	unsigned i, j, flags, family, at = 0;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (flags = 0; flags < 8; flags++) {
			for (i = 0; i < sizeof(scales); i++) {
				for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
					struct weir_syn_opts o = {sizes[j], scales[i],
								  (uint8_t)flags, 77 * at};

					one_round_trip(&cfg, (int)family, &o, WALL + 13 * at,
						       0xfffffff0u + at);
					at++;
				}
			}
		}
	}
}

static void an_mss_is_never_rounded_up(void **state)
{
	static const unsigned mtus[] = {576,  1280, 1500, 1501,	 1520,
					1521, 3000, 9000, 65535, 100000};
	unsigned i, j, mss;

	(void)state;
	for (i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		struct weir_gate_config cfg = config(mtus[i]);

		for (j = 1; j < 8; j++)
			assert_true(cfg.mss_class[j] > cfg.mss_class[j - 1]);
		for (mss = 64; mss < 65536; mss++) {
			unsigned c = cfg.mss_class[weir_mss_class(&cfg, mss)];

			if (c != best_class(&cfg, mss))
				fail_msg("MTU %u: an MSS of %u became %u", mtus[i], mss, c);
		}
	}
}

static void the_classes_are_those_of_the_fleet(void **state)
{
	static const uint16_t ethernet[] = {64, 536, 1220, 1360, 1400, 1440, 1452, 1460};
	static const uint16_t jumbo[] = {64, 536, 1220, 1360, 1440, 1460, 8940, 8960};
	uint16_t out[8];

	(void)state;
	weir_mss_classes(out, 1500);
	assert_memory_equal(out, ethernet, sizeof(ethernet));
	weir_mss_classes(out, 1280);
	assert_memory_equal(out, ethernet, sizeof(ethernet));
	weir_mss_classes(out, 9000);
	assert_memory_equal(out, jumbo, sizeof(jumbo));
}

/* ---- the layout, from its description alone ------------------------------------------ */

static size_t put_le(uint8_t *p, size_t at, uint32_t v, size_t n)
{
	for (; n; n--, v >>= 8)
		p[at++] = (uint8_t)v;
	return at;
}

static uint64_t described_mac(const struct weir_gate_config *cfg, const struct weir_flow_key6 *t,
			      int family, uint32_t isn, uint32_t epoch, unsigned opts, int layout)
{
	size_t n = family == 4 ? 4 : 16, skip = 16 - n, at = 0;
	uint8_t msg[47];

	memcpy(msg, (const uint8_t *)t->raddr + skip, n);
	memcpy(msg + n, (const uint8_t *)t->laddr + skip, n);
	memcpy(msg + 2 * n, &t->rport, 2);
	memcpy(msg + 2 * n + 2, &t->lport, 2);
	at = put_le(msg, 2 * n + 4, isn, 4);
	at = put_le(msg, at, epoch, 4);
	at = put_le(msg, at, opts, 2);
	at = put_le(msg, at, (uint32_t)layout, 1);
	assert_int_equal(at, family == 4 ? 23 : 47);
	return weir_siphash24(cfg->keys.key[0], msg, at);
}

static void the_layout_is_the_one_described(void **state)
{
	struct weir_gate_config cfg = config(1500);
	const uint32_t epoch = (uint32_t)(WALL / EPOCH) + 1;
	const uint64_t wall = WALL + EPOCH + 1234;
	unsigned family, sack, ecn;

	(void)state;
	cfg.keys.schedule = (uint64_t)1 << 32 | (epoch + 1); /* key 0 until then */
	for (family = 4; family <= 6; family += 2) {
		struct weir_flow_key6 t = tuple((int)family);

		for (sack = 0; sack < 2; sack++) {
			for (ecn = 0; ecn < 2; ecn++) {
				unsigned flags =
					(sack ? WEIR_OPT_SACK : 0) | (ecn ? WEIR_OPT_ECN : 0);
				unsigned low = 9u << 2 | sack << 1 | ecn, opts = 5u << 6 | low;
				struct weir_syn_opts o = {1440, 9, (uint8_t)flags, 0};
				uint64_t mac;
				uint32_t now;
				struct weir_cookie c;

				weir_cookie_make_tuple(&cfg, wall, &t, 99, &o, &c);
				mac = described_mac(&cfg, &t, (int)family, 99, epoch, opts, 0);
				assert_int_equal(c.iss >> 10, mac & 0x3fffff);
				assert_int_equal(c.iss & 0x3ff, opts << 1 | (epoch & 1));

				o.flags |= WEIR_OPT_TS;
				weir_cookie_make_tuple(&cfg, wall, &t, 99, &o, &c);
				mac = described_mac(&cfg, &t, (int)family, 99, epoch, opts, 1);
				assert_int_equal(c.iss >> 4, mac & 0xfffffff);
				assert_int_equal(c.iss & 0xf, 5u << 1 | (epoch & 1));
				assert_int_equal(c.tsval & 0x3f, low);
				now = (uint32_t)wall + (uint32_t)(mac >> 32);
				assert_in_range(now - c.tsval, 0, 63);
			}
		}
	}
}

/* Once a timestamp is ahead of its clock, PAWS drops what is sent next (RFC 7323 5). */
static void a_timestamp_is_never_ahead_and_never_falls(void **state)
{
	struct weir_gate_config cfg = config(1500);
	struct weir_flow_key6 t = tuple(4);
	struct weir_syn_opts o = {1460, 7, WEIR_OPT_TS | WEIR_OPT_SACK, 1};
	uint32_t last = 0, ahead = 0;
	struct weir_cookie c;
	uint64_t ms;

	(void)state;
	for (ms = 0; ms < EPOCH; ms++) {
		weir_cookie_make_tuple(&cfg, WALL + ms, &t, 5, &o, &c);
		if (ms)
			assert_in_range(c.tsval - last, 0, 64);
		last = c.tsval;
		if (ms == 0)
			ahead = c.tsval;
	}
	assert_in_range(last - ahead, EPOCH - 1 - 64, EPOCH - 1 + 64);
}

/* ---- lifetime and keys ------------------------------------------------------------------ */

static void a_cookie_lives_for_its_epoch_and_the_next(void **state)
{
	struct weir_gate_config cfg = config(1500);
	unsigned ts, family, late;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (ts = 0; ts < 2; ts++) {
			for (late = 0; late < 2; late++) {
				struct weir_syn_opts o = {1460, 7, ts ? WEIR_OPT_TS : 0, 9};
				uint64_t made = WALL + (late ? EPOCH - 1 : 0), w;
				struct weir_flow_key6 t = tuple((int)family);
				struct weir_cookie c;
				struct weir_flow f;

				weir_cookie_make_tuple(&cfg, made, &t, 1, &o, &c);
				for (w = WALL - 3 * EPOCH; w < WALL + 20 * EPOCH; w += 97) {
					int alive = w >= WALL && w < WALL + 2 * EPOCH;

					assert_int_equal(check(&cfg, w, &t, 1, &o, &c, &f), alive);
				}
				assert_true(WALL + 2 * EPOCH - made <= WEIR_COOKIE_LIFE_MS);
			}
		}
	}
}

static void a_rotation_refuses_nobody(void **state)
{
	struct weir_gate_config cfg = config(1500);
	uint32_t epoch = (uint32_t)(WALL / EPOCH);
	struct weir_flow_key6 t = tuple(4);
	struct weir_syn_opts o = {1460, 7, 0, 0};
	struct weir_cookie c;
	struct weir_flow f;
	unsigned made, seen, rotation;

	(void)state;
	for (rotation = 0; rotation < 4; rotation++) {
		/* Announced an epoch ahead: the key not in use is replaced, then named. */
		unsigned newer = rotation & 1;

		cfg.keys.key[newer][0] += 0x1111;
		cfg.keys.schedule = (uint64_t)newer << 32 | (epoch + 1);
		for (made = 0; made < 4; made++) {
			uint64_t w = (uint64_t)(epoch + made) * EPOCH + 5;

			weir_cookie_make_tuple(&cfg, w, &t, made, &o, &c);
			for (seen = 0; seen < 2; seen++)
				assert_int_equal(
					check(&cfg, w + seen * EPOCH, &t, made, &o, &c, &f), 1);
			assert_int_equal(check(&cfg, w + 2 * EPOCH, &t, made, &o, &c, &f), 0);
		}
		epoch += 4;
	}
}

static void a_key_that_is_gone_is_worth_nothing(void **state)
{
	struct weir_gate_config cfg = config(1500);
	struct weir_flow_key6 t = tuple(6);
	struct weir_syn_opts o = {1460, 7, 0, 0};
	struct weir_cookie c;
	struct weir_flow f;

	(void)state;
	cfg.keys.schedule = (uint32_t)(WALL / EPOCH) - 10; /* key 0 rules */
	weir_cookie_make_tuple(&cfg, WALL, &t, 1, &o, &c);
	assert_int_equal(check(&cfg, WALL, &t, 1, &o, &c, &f), 1);
	cfg.keys.key[0][1] ^= 1;
	assert_int_equal(check(&cfg, WALL, &t, 1, &o, &c, &f), 0);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static void every_bit_of_it_counts(void **state)
{
	struct weir_gate_config cfg = config(1500);
	unsigned family, ts, bit;

	(void)state;
	for (family = 4; family <= 6; family += 2) {
		for (ts = 0; ts < 2; ts++) {
			struct weir_syn_opts o = {1460, 7, ts ? WEIR_OPT_TS : 0, 9};
			struct weir_flow_key6 t = tuple((int)family), u;
			struct weir_cookie c, d;
			struct weir_flow f;

			weir_cookie_make_tuple(&cfg, WALL, &t, 42, &o, &c);
			for (bit = 0; bit < 8 * sizeof(t); bit++) {
				u = t;
				((uint8_t *)&u)[bit / 8] ^= (uint8_t)(1u << bit % 8);
				if (family == 4 && bit / 8 < 32 && bit / 8 % 16 < 12)
					continue; /* the ::ffff: of a mapped address */
				assert_int_equal(check(&cfg, WALL, &u, 42, &o, &c, &f), 0);
			}
			for (bit = 0; bit < 32; bit++) {
				d = c;
				d.iss ^= 1u << bit;
				assert_int_equal(check(&cfg, WALL, &t, 42, &o, &d, &f), 0);
				assert_int_equal(check(&cfg, WALL, &t, 42 ^ 1u << bit, &o, &c, &f),
						 0);
			}
			for (bit = 0; ts && bit < 6; bit++) {
				d = c;
				d.tsval ^= 1u << bit;
				assert_int_equal(check(&cfg, WALL, &t, 42, &o, &d, &f), 0);
			}
			o.flags ^= WEIR_OPT_TS;
			assert_int_equal(check(&cfg, WALL, &t, 42, &o, &c, &f), 0);
		}
	}
}

/* How many of 2^24 random ACKs get in. */
static unsigned guess(int family, int has_ts)
{
	struct weir_gate_config cfg = config(1500);
	struct weir_flow_key6 t = tuple(family);
	unsigned i, in = 0;
	uint64_t s = (uint64_t)family << 8 | (unsigned)has_ts;
	struct weir_flow f;

	for (i = 0; i < 1u << 24; i++) {
		uint64_t r = splitmix64(&s);

		t.raddr[3] = (uint32_t)splitmix64(&s);
		in += (unsigned)weir_cookie_check_tuple(&cfg, WALL + i, &t, (uint32_t)r,
							(uint32_t)(r >> 32), has_ts, i, i * 3, &f);
	}
	return in;
}

/*
 * 2^24 guesses at 2^-22 make 4 on the average. Poisson: none has a chance of
 * 1.8%, more than 16 one of 1 in 10^6. The guesses are the same in each run, so
 * that this either holds or does not.
 */
static void random_acks_get_in_as_often_as_promised(void **state)
{
	unsigned plain4 = guess(4, 0), plain6 = guess(6, 0), ts4 = guess(4, 1), ts6 = guess(6, 1);

	(void)state;
	print_message("of 2^24 random ACKs: %u and %u without, %u and %u with timestamps\n", plain4,
		      plain6, ts4, ts6);
	assert_in_range(plain4 + plain6, 1, 20);
	assert_in_range(plain4, 0, 16);
	assert_in_range(plain6, 0, 16);
	/* 2^-28 each: one in 16 tries of this size */
	assert_in_range(ts4 + ts6, 0, 2);
}

/* TSval is up to 64 ms late and never ahead: so the age is that much too long, never too short. */
static void an_age_within_64_ms(void **state)
{
	const struct weir_syn_opts with = {1460, 7, WEIR_OPT_TS | WEIR_OPT_SACK, 1};
	const struct weir_syn_opts without = {1460, 7, WEIR_OPT_SACK, 0};
	struct weir_gate_config cfg = config(1500);
	struct weir_cookie c;
	struct weir_flow f;

	(void)state;
	for (unsigned i = 0; i < 4096; i++) {
		struct weir_flow_key6 t = tuple(i % 2 ? 4 : 6);
		uint64_t wall = WALL + 7 * i, took = i * 4;
		int64_t age;

		weir_cookie_make_tuple(&cfg, wall, &t, i, &with, &c);
		assert_int_equal(check(&cfg, wall + took, &t, i, &with, &c, &f), 1);
		age = weir_cookie_age_ms(&cfg, wall + took, &t, &f);
		assert_true(age >= (int64_t)took && age < (int64_t)took + 64);
		/* Under another key nothing is known. */
		f.iss ^= 0x10;
		assert_int_equal(weir_cookie_age_ms(&cfg, wall + took, &t, &f), -1);
		weir_cookie_make_tuple(&cfg, wall, &t, i, &without, &c);
		assert_int_equal(check(&cfg, wall + took, &t, i, &without, &c, &f), 1);
		assert_int_equal(weir_cookie_age_ms(&cfg, wall + took, &t, &f), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_age_within_64_ms),
		cmocka_unit_test(every_combination_of_options_returns),
		cmocka_unit_test(an_mss_is_never_rounded_up),
		cmocka_unit_test(the_classes_are_those_of_the_fleet),
		cmocka_unit_test(the_layout_is_the_one_described),
		cmocka_unit_test(a_timestamp_is_never_ahead_and_never_falls),
		cmocka_unit_test(a_cookie_lives_for_its_epoch_and_the_next),
		cmocka_unit_test(a_rotation_refuses_nobody),
		cmocka_unit_test(a_key_that_is_gone_is_worth_nothing),
		cmocka_unit_test(every_bit_of_it_counts),
		cmocka_unit_test(random_acks_get_in_as_often_as_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
