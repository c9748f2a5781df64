/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing wheel against a plain list of the same timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../random.h"
#include "engine/wheel.h"

#define N 512

struct timer {
	struct wheel_node node;
	uint64_t at; /* as asked for; 0: not armed */
	uint64_t armed_at;
};

static uint64_t rng = 88172645463325252ULL;

static uint64_t rnd(void)
{
	return xorshift64(&rng);
}

/* Mostly short, sometimes hours: every level sees use. */
static uint64_t span(void)
{
	return rnd() % (1ULL << (rnd() % 36 + 1));
}

static uint64_t tick_up(uint64_t us)
{
	return (us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
}

/* The tick at which a timer must fire, by the header's promise. */
static uint64_t due_tick(const struct timer *t)
{
	uint64_t tick = tick_up(t->at), soonest = t->armed_at / WHEEL_TICK_US + 1;

	return tick > soonest ? tick : soonest;
}

static void step(struct wheel *w, struct timer *t, uint64_t now)
{
	struct wheel_node *n;
	uint64_t last = 0;

	while ((n = wheel_pop(w, now))) {
		struct timer *x = (struct timer *)n;

		assert_true(x->at != 0);
		assert_true(x->at <= now);
		assert_true(due_tick(x) >= last);
		last = due_tick(x);
		x->at = 0;
		assert_false(wheel_armed(&x->node));
	}
	for (int i = 0; i < N; i++)
		assert_true(t[i].at == 0 || due_tick(&t[i]) > now / WHEEL_TICK_US);
}

static void check_next(struct wheel *w, struct timer *t)
{
	uint64_t first = WHEEL_NEVER, next = wheel_next(w);

	for (int i = 0; i < N; i++) {
		if (t[i].at && due_tick(&t[i]) * WHEEL_TICK_US < first)
			first = due_tick(&t[i]) * WHEEL_TICK_US;
	}
	assert_true(next <= first);
	if (first == WHEEL_NEVER)
		assert_true(next == WHEEL_NEVER);
	else if (first / WHEEL_TICK_US / 64 == w->now / 64)
		assert_int_equal(next, first);
}

static void wheel_equals_list(void **state)
{
	static struct timer t[N];
	struct wheel w;
	uint64_t now = 123456789;

	(void)state;
	wheel_init(&w, now);
	for (int round = 0; round < 20000; round++) {
		struct timer *x = &t[rnd() % N];

		switch (rnd() % 8) {
		case 0:
			wheel_cancel(&w, &x->node);
			x->at = 0;
			break;
		case 1:
			now += span();
			step(&w, t, now);
			break;
		case 2:
			now = wheel_next(&w) == WHEEL_NEVER ? now : wheel_next(&w);
			step(&w, t, now);
			break;
		default:
			x->at = now + span();
			x->armed_at = now;
			wheel_arm(&w, &x->node, x->at);
			assert_true(wheel_armed(&x->node));
			break;
		}
		step(&w, t, now);
		check_next(&w, t);
	}
}

static void past_fires_at_the_next_tick(void **state)
{
	struct wheel w;
	struct wheel_node n = {0};

	(void)state;
	wheel_init(&w, 10 * WHEEL_TICK_US);
	wheel_arm(&w, &n, 3);
	assert_null(wheel_pop(&w, 10 * WHEEL_TICK_US));
	assert_ptr_equal(wheel_pop(&w, 11 * WHEEL_TICK_US), &n);
}

/* As many as one slot of an upper level may hold: no call moves them all. */
static void a_full_slot_is_moved_piece_by_piece(void **state)
{
	enum { MANY = 5 * WHEEL_MOVES };
	static struct timer t[MANY];
	const uint64_t at = 300 * WHEEL_TICK_US;
	unsigned fired = 0, calls = 0;
	struct wheel_node *n;
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	for (unsigned i = 0; i < MANY; i++)
		wheel_arm(&w, &t[i].node, at + i % 7 * WHEEL_TICK_US);
	assert_null(wheel_pop(&w, at)); /* under way */
	assert_true(wheel_next(&w) <= at);
	/* One that waits to be moved is cancelled, one armed, as ever. */
	wheel_cancel(&w, &t[0].node);
	wheel_cancel(&w, &t[MANY - 1].node);
	wheel_arm(&w, &t[0].node, at);
	while (fired < MANY - 1 && calls++ < 2 * MANY) {
		n = wheel_pop(&w, at + 6 * WHEEL_TICK_US);
		fired += !!n;
		assert_true(n != &t[MANY - 1].node);
	}
	assert_int_equal(fired, MANY - 1);
	assert_in_range(calls - fired, 1, MANY / WHEEL_MOVES + 2);
	assert_int_equal(wheel_next(&w), WHEEL_NEVER);
}

static void never_cancels(void **state)
{
	struct wheel w;
	struct wheel_node n = {0};

	(void)state;
	wheel_init(&w, 0);
	wheel_arm(&w, &n, 5000);
	wheel_arm(&w, &n, WHEEL_NEVER);
	assert_false(wheel_armed(&n));
	assert_true(wheel_next(&w) == WHEEL_NEVER);
	assert_null(wheel_pop(&w, 1000000));
}

static void far_future_is_kept(void **state)
{
	struct wheel w;
	struct wheel_node n = {0};

	(void)state;
	wheel_init(&w, 0);
	wheel_arm(&w, &n, UINT64_MAX - 1);
	assert_true(wheel_armed(&n));
	assert_null(wheel_pop(&w, 1ULL << 51));
	wheel_cancel(&w, &n);
	assert_true(wheel_next(&w) == WHEEL_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wheel_equals_list),
		cmocka_unit_test(past_fires_at_the_next_tick),
		cmocka_unit_test(a_full_slot_is_moved_piece_by_piece),
		cmocka_unit_test(never_cancels),
		cmocka_unit_test(far_future_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
