/* SPDX-License-Identifier: BSD-2-Clause */
/* Emptying a weir: the states, and how it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "control/ctl_request.h"
#include "control/drain.h"

#define S 1000000ull

static const struct drain_wish wish = {.limit_ms = DRAIN_UNLIMITED};

static void without_limit(void **state)
{
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &wish, 5 * S);
	assert_int_equal(d.state, DRAIN_WAITING);
	assert_false(drain_turn(&d, UINT64_MAX - 1));
	assert_true(drain_left_ms(&d, 6 * S) == DRAIN_UNLIMITED);
	assert_false(drain_over(&d, 0, 100 * S)); /* it was not asked to end */
}

static void with_limit(void **state)
{
	const struct drain_wish w = {.limit_ms = 2000};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &w, 5 * S);
	assert_int_equal(drain_left_ms(&d, 6 * S), 1000);
	assert_false(drain_turn(&d, 7 * S - 1));
	assert_true(drain_turn(&d, 7 * S));
	assert_int_equal(d.state, DRAIN_CLOSING);
	assert_false(drain_turn(&d, 8 * S)); /* once */
	assert_int_equal(drain_left_ms(&d, 8 * S), 0);
}

static void at_once(void **state)
{
	const struct drain_wish w = {.limit_ms = 0};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &w, 5 * S);
	assert_true(drain_turn(&d, 5 * S));
}

/* A second wish is the one that counts; what is being closed is not waited for again. */
static void anew(void **state)
{
	const struct drain_wish soon = {.limit_ms = 1};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &wish, S);
	drain_wish(&d, &soon, 2 * S);
	assert_true(drain_turn(&d, 3 * S));
	drain_wish(&d, &wish, 4 * S);
	assert_int_equal(d.state, DRAIN_CLOSING);
}

static void undone(void **state)
{
	const struct drain_wish undo = {.undo = true}, soon = {.limit_ms = 1, .exit = true};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &soon, S);
	drain_wish(&d, &undo, S);
	assert_int_equal(d.state, DRAIN_NONE);
	assert_false(drain_turn(&d, 10 * S));
	assert_false(drain_over(&d, 0, 10 * S));
}

static void ends_when_empty(void **state)
{
	const struct drain_wish w = {.limit_ms = DRAIN_UNLIMITED, .exit = true};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &w, 10 * S);
	assert_false(drain_over(&d, 0, 10 * S)); /* an ACK to our SYN-ACK may be under way */
	assert_false(drain_over(&d, 1, 20 * S));
	assert_true(drain_over(&d, 0, 20 * S));
}

/* A limit so large that it does not fit is none. */
static void huge_limit(void **state)
{
	const struct drain_wish w = {.limit_ms = UINT64_MAX - 1};
	struct drain d = {0};

	(void)state;
	drain_wish(&d, &w, S);
	assert_true(drain_left_ms(&d, S) == DRAIN_UNLIMITED);
}

static int parse(struct ctl_request *req, const char *line)
{
	char why[128];

	return ctl_request_parse(req, line, strlen(line), why, sizeof(why));
}

static void requests(void **state)
{
	struct ctl_request req;

	(void)state;
	assert_int_equal(parse(&req, "{\"cmd\":\"drain\"}"), 0);
	assert_int_equal(req.cmd, CTL_DRAIN);
	assert_true(req.drain.limit_ms == DRAIN_UNLIMITED && !req.drain.exit && !req.drain.undo);
	assert_int_equal(parse(&req, "{\"cmd\":\"drain\",\"limit_ms\":0,\"exit\":true}"), 0);
	assert_true(!req.drain.limit_ms && req.drain.exit);
	assert_int_equal(parse(&req, "{\"cmd\":\"drain\",\"undo\":true}"), 0);
	assert_true(req.drain.undo);
	assert_int_not_equal(parse(&req, "{\"cmd\":\"drain\",\"limit_ms\":-1}"), 0);
	assert_int_not_equal(parse(&req, "{\"cmd\":\"drain\",\"limit_ms\":\"1\"}"), 0);
	assert_int_not_equal(parse(&req, "{\"cmd\":\"drain\",\"exit\":1}"), 0);
	assert_int_not_equal(parse(&req, "{\"cmd\":\"drain\",\"port\":1}"), 0);
	assert_int_not_equal(parse(&req, "{\"cmd\":\"status\",\"undo\":true}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limit), cmocka_unit_test(with_limit),
		cmocka_unit_test(at_once),	 cmocka_unit_test(anew),
		cmocka_unit_test(undone),	 cmocka_unit_test(ends_when_empty),
		cmocka_unit_test(huge_limit),	 cmocka_unit_test(requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
