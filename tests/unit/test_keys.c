/* SPDX-License-Identifier: BSD-2-Clause */
/* The cookie's keys: rotation while cookies are out, and the schedule that a fleet shares. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <weir/cookie.h>

#include "control/keys.h"

#define EPOCH_MS (1u << WEIR_EPOCH_SHIFT)

static const struct weir_flow_key4 client = {
	.raddr = 0x0100000a, .laddr = 0x0200000a, .rport = 0x1234, .lport = 0x5000};

static void issue(const struct weir_gate_config *cfg, uint64_t wall_ms, struct weir_cookie *c)
{
	const struct weir_syn_opts o = {.mss = 1460, .wscale = 7, .flags = WEIR_OPT_SACK};

	weir_cookie_make4(cfg, wall_ms, &client, 1000, &o, c);
}

static int accepted(const struct weir_gate_config *cfg, uint64_t wall_ms,
		    const struct weir_cookie *c)
{
	const struct weir_cookie_ack a = {.seq = 1001, .ack = c->iss + 1};
	struct weir_flow f;

	return weir_cookie_check4(cfg, wall_ms, &client, &a, &f);
}

/*
 * Two hundred epochs with a rotation wherever one is possible; every cookie is
 * good for an epoch at least, whatever was rotated since it was made.
 */
static void rotation_refuses_nobody(void **state)
{
	struct weir_gate_config cfg = {.mss_class = {64, 536, 1220, 1360, 1400, 1440, 1452, 1460}};
	struct weir_cookie out[64];
	uint64_t made[64], wall = 0x123456789aull, last_key = 0;
	unsigned i, step, rotations = 0, keys_used = 0;
	uint64_t k[2];

	(void)state;
	assert_int_equal(keys_random(k), 0);
	keys_init(&cfg.keys, k, weir_epoch(wall));
	for (step = 0; step < 200 * 16; step++, wall += EPOCH_MS / 16 + 1) {
		const __u64 *key = weir_epoch_key(&cfg.keys, weir_epoch(wall));

		keys_used += *key != last_key;
		last_key = *key;
		issue(&cfg, wall, &out[step % 64]);
		made[step % 64] = wall;
		assert_int_equal(keys_random(k), 0);
		rotations += !keys_rotate(&cfg.keys, k, weir_epoch(wall));
		for (i = 0; i < 64 && i <= step; i++) {
			if (wall - made[i] <= EPOCH_MS)
				assert_true(accepted(&cfg, wall, &out[i]));
			else if (wall - made[i] >= 2 * EPOCH_MS)
				assert_false(accepted(&cfg, wall, &out[i]));
		}
	}
	assert_in_range(rotations, 200 / 5, 200 / 2);
	assert_in_range(keys_used, rotations - 1, rotations + 1);
}

/* A rotation straight after another would overwrite a key that cookies still need. */
static void a_hasty_rotation_waits(void **state)
{
	struct weir_keyring ring;
	uint64_t k[2] = {1, 2};
	uint32_t e = 0xfffffffe; /* across the wrap */

	(void)state;
	keys_init(&ring, k, e);
	k[0] = 3;
	assert_int_equal(keys_rotate(&ring, k, e), 0);
	assert_int_equal(weir_epoch_key(&ring, e + 1)[0], 1);
	assert_int_equal(weir_epoch_key(&ring, e + 2)[0], 3);
	k[0] = 4;
	assert_int_equal(keys_rotate(&ring, k, e), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, k, e + 1), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, k, e + 2), -EAGAIN);
	assert_int_equal(keys_rotate(&ring, k, e + 3), 0);
	assert_int_equal(weir_epoch_key(&ring, e + 4)[0], 3);
	assert_int_equal(weir_epoch_key(&ring, e + 5)[0], 4);
}

/* ---- a schedule --------------------------------------------------------------- */

#define EPOCHS(n) ((uint64_t)(n) << WEIR_EPOCH_SHIFT) /* ms */

/* `n` keys that issue every `every` seconds, from `from` on. */
static struct key_set schedule_of(unsigned n, int64_t from, int64_t every)
{
	struct key_set s = {.n = n, .mtu = 1500, .wscale = 7};

	for (unsigned i = 0; i < n; i++) {
		struct key *k = &s.key[i];

		k->id = i + 1;
		k->secret[0] = 0x1111111111111111ull * (i + 1);
		k->secret[1] = ~k->secret[0];
		k->issue_from = from + (int64_t)i * every;
		k->accept_from = k->issue_from - (i ? KEYS_LEAD_S : 0);
		k->retire_at = i + 1 < n ? k->issue_from + every + KEYS_GRACE_S : KEYS_NEVER;
	}
	return s;
}

static void an_epoch_has_the_key_that_the_file_says(void **state)
{
	struct key_set s = schedule_of(3, 1000000000, 40);
	uint64_t e;

	(void)state;
	/* issue_from within an epoch: the next one is the first. On its edge: that one. */
	e = keys_first_epoch(&s.key[1]);
	assert_true(EPOCHS(e) >= (uint64_t)s.key[1].issue_from * 1000);
	assert_true(EPOCHS(e - 1) < (uint64_t)s.key[1].issue_from * 1000);
	s.key[1].issue_from = (int64_t)(EPOCHS(125) / 1000); /* 125 epochs are 2048 s */
	assert_int_equal(keys_first_epoch(&s.key[1]), 125);
	s.key[1].issue_from++;
	assert_int_equal(keys_first_epoch(&s.key[1]), 126);

	s = schedule_of(3, 1000000000, 40);
	assert_int_equal(keys_of_epoch(&s, 0), 0);
	assert_int_equal(keys_of_epoch(&s, e - 1), 0);
	assert_int_equal(keys_of_epoch(&s, e), 1);
	assert_int_equal(keys_of_epoch(&s, keys_first_epoch(&s.key[2]) - 1), 1);
	assert_int_equal(keys_of_epoch(&s, UINT64_MAX >> 14), 2);
}

static void a_keys_life(void **state)
{
	struct key_set s = schedule_of(2, 1000000000, 400);
	const struct key *k = &s.key[1];
	uint64_t first = EPOCHS(keys_first_epoch(k));

	(void)state;
	assert_int_equal(keys_state(&s, 1, (uint64_t)k->accept_from * 1000 - 1), KEY_WAITING);
	assert_int_equal(keys_state(&s, 1, (uint64_t)k->accept_from * 1000), KEY_ACCEPTED);
	assert_int_equal(keys_state(&s, 0, first - 1), KEY_ISSUING);
	assert_int_equal(keys_state(&s, 1, first - 1), KEY_ACCEPTED);
	assert_int_equal(keys_state(&s, 1, first), KEY_ISSUING);
	assert_int_equal(keys_state(&s, 0, first), KEY_ACCEPTED);
	assert_int_equal(keys_state(&s, 0, first + EPOCHS(1) - 1), KEY_ACCEPTED);
	assert_int_equal(keys_state(&s, 0, first + EPOCHS(1) + 200), KEY_DONE);
	assert_int_equal(keys_state(&s, 0, (uint64_t)s.key[0].retire_at * 1000), KEY_RETIRED);
	assert_int_equal(keys_retire(&s, (uint64_t)s.key[0].retire_at * 1000 - 1), 0);
	assert_int_equal(keys_retire(&s, (uint64_t)s.key[0].retire_at * 1000), 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.key[0].id, 2);
	assert_int_equal(s.key[1].secret[0], 0); /* wiped */
	assert_int_equal(keys_retire(&s, UINT64_MAX >> 14), 0);
	assert_int_equal(keys_state(&s, 0, UINT64_MAX >> 14), KEY_ISSUING);
}

static void times_that_do_not_fit_are_named(void **state)
{
	static const struct {
		unsigned key;
		int64_t accept, issue, retire; /* moved by */
		int id;
		const char *part;
	} bad[] = {
		{1, 0, 0, 0, -1, "id"},
		{1, -2000, 0, 0, 0, "accept_from is before"},
		{1, 1, 0, 0, 0, "accepted 3 s before"},
		{2, 0, -361, 0, 0, "before it is accepted"},
		{2, -361, -361, 0, 0, "40 s after"},
		{0, 1, 0, 0, 0, "before it is accepted"},
		{0, 0, 0, -1, 0, "retires less than 60 s"},
		{2, 0, 0, -1, 0, "newest key cannot retire"},
	};
	struct key_set good = schedule_of(3, 1000000000, 400), s;
	unsigned i, at;

	(void)state;
	assert_null(keys_check(&good, &at));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct key *k = &s.key[bad[i].key];
		const char *why;

		s = good;
		k->id += (uint32_t)bad[i].id;
		k->accept_from += bad[i].accept;
		k->issue_from += bad[i].issue;
		k->retire_at += bad[i].retire;
		why = keys_check(&s, &at);
		assert_non_null(why);
		assert_non_null(strstr(why, bad[i].part));
		assert_int_equal(at, bad[i].key);
	}
	s.n = 0;
	assert_non_null(keys_check(&s, &at));
}

static void fingerprints(void **state)
{
	struct key_set a = schedule_of(3, 1000000000, 400), b = a;

	(void)state;
	assert_true(keys_fingerprint(&a.key[0]) != keys_fingerprint(&a.key[1]));
	assert_true(keys_fingerprint(&a.key[0]) >> 48 == 0);
	assert_true(keys_set_fingerprint(&a) == keys_set_fingerprint(&b));
	b.key[1].retire_at++; /* that of a key is its secret's, that of a set all it says */
	assert_true(keys_fingerprint(&a.key[1]) == keys_fingerprint(&b.key[1]));
	assert_true(keys_set_fingerprint(&a) != keys_set_fingerprint(&b));
	b = a;
	b.key[2].secret[1] ^= 1;
	assert_true(keys_fingerprint(&a.key[2]) != keys_fingerprint(&b.key[2]));
	assert_true(keys_set_fingerprint(&a) != keys_set_fingerprint(&b));
	b = a;
	b.wscale++;
	assert_true(keys_set_fingerprint(&a) != keys_set_fingerprint(&b));
}

/* ---- a fleet -------------------------------------------------------------------- */

#define NODES	2
#define STEP_MS 50u
#define OUT	400 /* cookies that are remembered: 20 s */

struct node {
	struct weir_gate_config cfg;
	int64_t ahead_ms;
	uint64_t file_at_ms; /* when it gets the file; before, it has the first key alone */
	unsigned late;	     /* times that epochs in use changed their key */
	bool has_file;
};

struct fleet {
	struct key_set file, first;
	struct node node[NODES];
	struct weir_cookie out[NODES][OUT];
	uint64_t made[OUT];
	unsigned crossed, refused;
};

static void look_at_keys(struct fleet *f, struct node *n, uint64_t ms, bool begin)
{
	uint64_t wall = ms + (uint64_t)n->ahead_ms;
	bool has = ms >= n->file_at_ms;

	if (begin)
		keys_init(&n->cfg.keys, f->file.key[0].secret, weir_epoch(wall));
	n->late += keys_apply(&n->cfg.keys, has ? &f->file : &f->first, wall);
}

/* Every cookie of the last 14 s, at each node: all must be good. */
static void cross(struct fleet *f, uint64_t ms, unsigned step)
{
	static const unsigned ago_ms[] = {0, 50, 200, 1000, 5000, 14000};
	unsigned i, a, b;

	for (i = 0; i < sizeof(ago_ms) / sizeof(ago_ms[0]); i++) {
		unsigned was = step - ago_ms[i] / STEP_MS;

		if (ago_ms[i] / STEP_MS > step)
			break;
		for (a = 0; a < NODES; a++)
			for (b = 0; b < NODES; b++) {
				struct node *n = &f->node[b];

				f->crossed++;
				f->refused += !accepted(&n->cfg, ms + (uint64_t)n->ahead_ms,
							&f->out[a][was % OUT]);
			}
	}
}

static void run_fleet(struct fleet *f, uint64_t from_ms, unsigned seconds)
{
	static const __u16 classes[8] = {64, 536, 1220, 1360, 1400, 1440, 1452, 1460};
	unsigned step, a;

	f->first = f->file;
	f->first.n = 1;
	for (a = 0; a < NODES; a++) {
		memcpy(f->node[a].cfg.mss_class, classes, sizeof(classes));
		f->node[a].cfg.clock.skew_ms = KEYS_SKEW_MS;
		look_at_keys(f, &f->node[a], from_ms, true);
	}
	for (step = 0; step < seconds * (1000 / STEP_MS); step++) {
		uint64_t ms = from_ms + step * STEP_MS;

		for (a = 0; a < NODES; a++) {
			struct node *n = &f->node[a];

			/* Once a second, each at its own moment. */
			if (step % 20 == a * 7)
				look_at_keys(f, n, ms, false);
			issue(&n->cfg, ms + (uint64_t)n->ahead_ms, &f->out[a][step % OUT]);
		}
		cross(f, ms, step);
	}
}

/* The closest keys that a file may have, clocks as far apart as they may be, six keys. */
static void a_fleet_refuses_nobody(void **state)
{
	static const int64_t apart[] = {0, 900, -KEYS_SKEW_MS, KEYS_SKEW_MS};
	static const int64_t from[] = {
		1000000000, 1000000016,			    /* anywhere, */
		(int64_t)(EPOCHS(61035156) / 1000),	    /* about an edge, */
		(int64_t)(EPOCHS(1ull << 32) / 1000) - 100, /* where 32 bits of it wrap */
	};
	struct fleet f;
	unsigned i, j;

	(void)state;
	for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
		for (j = 0; j < sizeof(from) / sizeof(from[0]); j++) {
			unsigned at;

			memset(&f, 0, sizeof(f));
			f.file = schedule_of(6, from[j], KEYS_SPACING_S);
			assert_null(keys_check(&f.file, &at));
			f.node[1].ahead_ms = apart[i];
			run_fleet(&f, (uint64_t)from[j] * 1000, 6 * KEYS_SPACING_S + 60);
			assert_int_equal(f.node[0].late + f.node[1].late, 0);
			assert_true(f.crossed > 100000);
			assert_int_equal(f.refused, 0);
			/* The last key is in both slots: the others are wiped. */
			assert_memory_equal(f.node[0].cfg.keys.key[0], f.file.key[5].secret, 16);
			assert_memory_equal(f.node[0].cfg.keys.key[1], f.file.key[5].secret, 16);
		}
}

/* Further apart: what is made ahead of an edge here is not understood there. */
static void clocks_too_far_apart_refuse_some(void **state)
{
	struct fleet f = {.file = schedule_of(2, 1000000000, 400)};

	(void)state;
	f.node[1].ahead_ms = 3 * KEYS_SKEW_MS;
	run_fleet(&f, 1000000000000, 120);
	assert_true(f.refused > 0);
	assert_in_range(f.refused, 1, f.crossed / 8);
}

/*
 * A node that gets the file while there is time is like any other. Too late, cookies of its
 * own and of others do not meet until it has it; then they do.
 */
static void a_file_that_comes_late(void **state)
{
	struct key_set file = schedule_of(2, 1000000000, 60);
	uint64_t first = EPOCHS(keys_first_epoch(&file.key[1]));
	struct fleet f = {.file = file};
	unsigned before;

	(void)state;
	f.node[1].file_at_ms = first - 2 * KEYS_SKEW_MS;
	run_fleet(&f, 1000000000000, 120);
	assert_int_equal(f.refused + f.node[1].late, 0);

	memset(&f, 0, sizeof(f));
	f.file = file;
	f.node[1].file_at_ms = first + 5000;
	run_fleet(&f, 1000000000000, 120);
	assert_int_equal(f.node[1].late, 1);
	assert_int_equal(f.node[0].late, 0);
	assert_true(f.refused > 0);

	/* From then on nobody is refused: what the node had made before has died by then. */
	before = f.refused;
	run_fleet(&f, first + 40000, 60);
	assert_int_equal(f.refused, before);
}

/* A next key that is exchanged for another before it issues, as by two hasty operators. */
static void the_next_key_may_be_exchanged(void **state)
{
	struct key_set s = schedule_of(2, 1000000000, 400);
	uint64_t ms = (uint64_t)s.key[1].accept_from * 1000;
	struct weir_keyring ring;
	uint32_t first = (uint32_t)keys_first_epoch(&s.key[1]);

	(void)state;
	keys_init(&ring, s.key[0].secret, weir_epoch(ms));
	assert_false(keys_apply(&ring, &s, ms - 1)); /* not accepted yet */
	assert_memory_equal(weir_epoch_key(&ring, first), s.key[0].secret, 16);
	assert_false(keys_apply(&ring, &s, ms));
	assert_memory_equal(weir_epoch_key(&ring, first - 1), s.key[0].secret, 16);
	assert_memory_equal(weir_epoch_key(&ring, first), s.key[1].secret, 16);
	s.key[1].secret[0] = 77;
	s.key[1].issue_from += 100;
	assert_false(keys_apply(&ring, &s, ms));
	assert_memory_equal(weir_epoch_key(&ring, first), s.key[0].secret, 16);
	first = (uint32_t)keys_first_epoch(&s.key[1]);
	assert_memory_equal(weir_epoch_key(&ring, first - 1), s.key[0].secret, 16);
	assert_memory_equal(weir_epoch_key(&ring, first), s.key[1].secret, 16);
	/* Another fleet's file: all is new, at once, and it is told. */
	s.key[0].secret[0] = 78;
	s.n = 1;
	assert_true(keys_apply(&ring, &s, ms));
	assert_memory_equal(weir_epoch_key(&ring, weir_epoch(ms) - 1), s.key[0].secret, 16);
	assert_memory_equal(weir_epoch_key(&ring, first), s.key[0].secret, 16);
	assert_false(keys_apply(&ring, &s, ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotation_refuses_nobody),
		cmocka_unit_test(a_hasty_rotation_waits),
		cmocka_unit_test(an_epoch_has_the_key_that_the_file_says),
		cmocka_unit_test(a_keys_life),
		cmocka_unit_test(times_that_do_not_fit_are_named),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(a_fleet_refuses_nobody),
		cmocka_unit_test(clocks_too_far_apart_refuse_some),
		cmocka_unit_test(a_file_that_comes_late),
		cmocka_unit_test(the_next_key_may_be_exchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
