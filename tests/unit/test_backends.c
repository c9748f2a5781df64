/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool: balancing, ejection, another configuration, and picks while all that happens. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/abi.h>
#include "proxy/backends.h"

#define MAX_CHANGES 32

static struct backends *b;
static struct proxy_config cfg;
static uint64_t now;
static struct backend_status rows[BACKENDS_MAX];
static struct {
	char text[160];
} change[MAX_CHANGES];
static unsigned nchanges;

static void changed(void *arg, const struct backend_change *c)
{
	(void)arg;
	assert_in_range(nchanges, 0, MAX_CHANGES - 1);
	snprintf(change[nchanges++].text, sizeof(change->text), "%s %s>%s %u/%u %s", c->name,
		 backend_state_name(c->from), backend_state_name(c->to), c->up, c->total, c->why);
}

static void configure(const char *spec)
{
	char err[256] = "";

	if (proxy_config_parse(&cfg, spec, err, sizeof(err)))
		fail_msg("%s: %s", spec, err);
}

static void open_pool(const char *spec)
{
	char err[256];

	configure(spec);
	now = 1000000;
	nchanges = 0;
	assert_int_equal(backends_open(&b, &cfg, err, sizeof(err)), 0);
	backends_on_change(b, changed, NULL);
	backends_step(b, now);
}

static void update_pool(const char *spec)
{
	char err[256];

	configure(spec);
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
}

static void pass(uint64_t ms)
{
	for (; ms > 200; ms -= 200)
		backends_step(b, now += 200000);
	backends_step(b, now += ms * 1000);
}

static struct weir_addr client_of(unsigned n)
{
	struct weir_addr a = {4, 40000, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

	return a;
}

static int pick(uint64_t tried)
{
	struct weir_addr a = client_of(1);

	return backends_pick(b, &a, tried);
}

/* The next changes that were told of, in their order, and no more. */
static void expect_change(const char *text)
{
	if (strcmp(nchanges ? change[0].text : "", text))
		fail_msg("'%s' instead of '%s'", nchanges ? change[0].text : "", text);
	if (nchanges)
		memmove(change, change + 1, --nchanges * sizeof(change[0]));
}

static uint64_t counter(enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX] = {0};

	backends_counters(v);
	return v[c];
}

static const struct backend_status *row(const char *name)
{
	unsigned n = backends_status(b, rows, BACKENDS_MAX);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	fail_msg("no backend %s", name);
	return NULL;
}

static void close_pool(void)
{
	backends_close(b);
	b = NULL;
}

/* The order of the next picks by their port's last digit; each ends at once. */
static void expect_turns(const char *want)
{
	for (const char *p = want; *p; p++) {
		int i = pick(0);
		const char *name;

		assert_true(i >= 0);
		name = backends_name(b, (unsigned)i);
		if (name[strlen(name) - 1] != *p)
			fail_msg("%s instead of ...%s", name, p);
		backends_done(b, (unsigned)i);
	}
}

/* Of the next n picks, so many are of the backend with this last digit. */
static void expect_share(unsigned n, char digit, unsigned want)
{
	unsigned got = 0;

	while (n--) {
		int i = pick(0);
		const char *name;

		assert_true(i >= 0);
		name = backends_name(b, (unsigned)i);
		got += name[strlen(name) - 1] == digit;
		backends_done(b, (unsigned)i);
	}
	assert_int_equal(got, want);
}

static void in_turn(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	expect_turns("1231231");
	close_pool();
}

static void in_turn_by_weight_and_spread_out(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1*4,127.0.0.1:2*2,127.0.0.1:3*2");
	expect_turns("1231"
		     "1231");
	close_pool();
}

static void to_the_least_used(void **state)
{
	unsigned held[3] = {0};

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3,balance=least");
	for (int n = 0; n < 50; n++)
		held[pick(0)]++;
	assert_int_equal(held[0], 10);
	assert_int_equal(held[1], 30);
	assert_int_equal(held[2], 10);
	for (int n = 0; n < 5; n++)
		backends_done(b, 2);
	for (int n = 0; n < 5; n++)
		assert_int_equal(pick(0), 2);
	assert_int_equal(row("127.0.0.1:3")->in_use, 10);
	assert_int_equal(row("127.0.0.1:3")->total, 15);
	close_pool();
}

#define CLIENTS 20000

static char where[CLIENTS][PROXY_NAME_LEN];

static void pick_all(unsigned *count)
{
	memset(count, 0, BACKENDS_MAX * sizeof(*count));
	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = client_of(n);
		int i = backends_pick(b, &a, 0);

		assert_true(i >= 0);
		count[i]++;
		snprintf(where[n], sizeof(where[n]), "%s", backends_name(b, (unsigned)i));
		backends_done(b, (unsigned)i);
	}
}

/* How many clients go elsewhere than pick_all() had them: from `gone`, or to `come`. */
static unsigned moved(const char *gone, const char *come)
{
	unsigned m = 0;

	for (unsigned n = 0; n < CLIENTS; n++) {
		struct weir_addr a = client_of(n);
		int i = backends_pick(b, &a, 0);
		const char *name = backends_name(b, (unsigned)i);

		if (strcmp(name, where[n])) {
			m++;
			assert_true((gone && !strcmp(where[n], gone)) ||
				    (come && !strcmp(name, come)));
		}
		backends_done(b, (unsigned)i);
	}
	return m;
}

/* Only the clients of the one that goes or comes move, and they are its share. */
static void by_client_and_few_move(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	pick_all(count);
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], CLIENTS / 4 * 95 / 100, CLIENTS / 4 * 105 / 100);
	assert_int_equal(moved(NULL, NULL), 0);
	update_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:4,balance=hash");
	assert_int_equal(moved("127.0.0.1:3", NULL), count[2]);
	/* Back, in another slot or place, with a newcomer that takes its fifth. */
	update_pool("127.0.0.1:9,127.0.0.1:4,127.0.0.1:3,127.0.0.1:1,127.0.0.1:2,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:9"), CLIENTS / 5 * 95 / 100,
			CLIENTS / 5 * 105 / 100);
	close_pool();
}

static void by_client_with_weights(void **state)
{
	unsigned count[BACKENDS_MAX];

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*6,balance=hash");
	pick_all(count);
	for (unsigned i = 0; i < 3; i++) {
		unsigned want = CLIENTS / 10 * cfg.backend[i].weight;

		assert_in_range(count[i], want * 92 / 100, want * 108 / 100);
	}
	/* More weight draws clients in and moves nobody between the others. */
	update_pool("127.0.0.1:1,127.0.0.1:2*3,127.0.0.1:3*9,balance=hash");
	assert_in_range(moved(NULL, "127.0.0.1:3"), 1, CLIENTS / 6);
	close_pool();
}

/* A client's second choice is the same each time as well: what it gets when the first is out. */
static void by_client_when_tried(void **state)
{
	struct weir_addr a6 = {6, 1, {0x20, 1, 13}};

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,balance=hash");
	for (unsigned n = 0; n < 50; n++) {
		struct weir_addr a = client_of(n);
		int first = backends_pick(b, &a, 0);
		int second = backends_pick(b, &a, 1ull << first);

		assert_int_not_equal(first, second);
		a.port++;
		assert_int_equal(backends_pick(b, &a, 0), first);
		assert_int_equal(backends_pick(b, &a, 1ull << first), second);
	}
	assert_int_equal(backends_pick(b, &a6, 0), backends_pick(b, &a6, 0));
	close_pool();
}

static void none_twice_for_a_connection(void **state)
{
	static const char *const how[] = {"rr", "least", "hash"};
	char spec[100];

	(void)state;
	for (int k = 0; k < 3; k++) {
		uint64_t tried = 0;

		sprintf(spec, "127.0.0.1:1*7,127.0.0.1:2,127.0.0.1:3,balance=%s", how[k]);
		open_pool(spec);
		for (int n = 0; n < 3; n++) {
			int i = pick(tried);

			assert_in_range(i, 0, 2);
			assert_int_equal(tried & 1ull << i, 0);
			tried |= 1ull << i;
		}
		assert_int_equal(pick(tried), -EHOSTUNREACH);
		close_pool();
	}
}

/* ---- passive ejection ------------------------------------------------------------------ */

/* Picks slot i, whatever the balance says, by ruling the others out. */
static void fail_at(unsigned i, unsigned times, enum backend_failure why)
{
	while (times--) {
		assert_int_equal(pick(~(1ull << i)), i);
		backends_failed(b, i, why);
		backends_done(b, i);
	}
}

static void failures_in_a_row_eject(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	fail_at(1, 2, BACKEND_REFUSED);
	assert_int_equal(pick(5), 1);
	backends_connected(b, 1, 300);
	backends_done(b, 1);
	fail_at(1, 2, BACKEND_TIMEOUT);
	pass(200);
	expect_change("");
	fail_at(1, 1, BACKEND_UNREACHABLE);
	/* At once, not with the next step. */
	expect_share(10, '2', 0);
	pass(200);
	expect_change("127.0.0.1:2 up>ejected 2/3 unreachable");
	expect_share(10, '1', 5);
	expect_share(10, '3', 5);
	assert_int_equal(row("127.0.0.1:2")->state, BACKEND_EJECTED);
	assert_in_range(row("127.0.0.1:2")->back_ms, 4000, 5000);
	assert_int_equal(row("127.0.0.1:2")->failures, 5);
	assert_int_equal(row("127.0.0.1:2")->ejections, 1);
	assert_string_equal(row("127.0.0.1:2")->last_error, "unreachable");
	close_pool();
}

static void what_is_not_its_fault_ejects_nobody(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2");
	fail_at(1, 50, BACKEND_LOCAL);
	fail_at(1, 50, BACKEND_RESET);
	pass(200);
	expect_change("");
	assert_int_equal(row("127.0.0.1:2")->failures, 100);
	close_pool();
	open_pool("127.0.0.1:1,127.0.0.1:2,eject-failures=0");
	fail_at(1, 50, BACKEND_REFUSED);
	pass(200);
	expect_change("");
	close_pool();
}

static void longer_each_time_then_forgotten(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,eject-failures=2,eject-time=1s,eject-max=3s");
	fail_at(1, 2, BACKEND_REFUSED);
	pass(200);
	expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	pass(600);
	expect_change("");
	pass(200);
	expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	/* On probation: once is enough, and it is out for twice as long, but no longer than the
	 * longest. */
	fail_at(1, 1, BACKEND_REFUSED);
	pass(1800);
	expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	expect_change("");
	pass(200);
	expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	fail_at(1, 1, BACKEND_REFUSED);
	pass(2800);
	expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	expect_change("");
	pass(200);
	expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	/* A success ends the probation; the doublings go when it has stayed for long enough. */
	assert_int_equal(pick(1), 1);
	backends_connected(b, 1, 100);
	backends_done(b, 1);
	pass(3200);
	fail_at(1, 1, BACKEND_REFUSED);
	pass(200);
	expect_change("");
	fail_at(1, 1, BACKEND_REFUSED);
	pass(1000);
	expect_change("127.0.0.1:2 up>ejected 1/2 connection refused");
	expect_change("127.0.0.1:2 ejected>up 2/2 its time is over");
	close_pool();
}

static void the_last_one_stays(void **state)
{
	uint64_t kept = counter(WEIR_C_backend_kept);

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,eject-failures=1");
	fail_at(0, 1, BACKEND_REFUSED);
	fail_at(1, 5, BACKEND_REFUSED);
	pass(200);
	expect_change("127.0.0.1:1 up>ejected 1/2 connection refused");
	expect_change("");
	assert_int_equal(counter(WEIR_C_backend_kept), kept + 5);
	expect_turns("222");
	/* One whose first choice failed gets the one that is out rather than none. */
	assert_int_equal(pick(2), 0);
	/* When a reload takes the last one away, the ejected one is back. */
	update_pool("127.0.0.1:1,eject-failures=1");
	pass(200);
	expect_change("127.0.0.1:1 ejected>up 1/1 its time is over");
	close_pool();
	open_pool("127.0.0.1:1");
	fail_at(0, 100, BACKEND_TIMEOUT);
	pass(200);
	expect_change("");
	assert_int_equal(pick(0), 0);
	close_pool();
}

/* ---- another configuration ----------------------------------------------------------------- */

static void removed_ones_drain(void **state)
{
	socklen_t len;
	int held;

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
	held = pick(5);
	assert_int_equal(held, 1);
	update_pool("127.0.0.1:1,127.0.0.1:3");
	expect_share(10, '1', 5);
	expect_share(10, '3', 5);
	assert_int_equal(row("127.0.0.1:2")->state, BACKEND_DRAINING);
	assert_int_equal(row("127.0.0.1:2")->in_use, 1);
	assert_string_equal(backends_name(b, (unsigned)held), "127.0.0.1:2");
	/* Its slot is nobody else's until its connection has ended. */
	update_pool("127.0.0.1:1,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5*2");
	assert_string_equal(backends_name(b, (unsigned)held), "127.0.0.1:2");
	assert_non_null(backends_addr(b, (unsigned)held, &len));
	assert_int_equal(backends_status(b, rows, BACKENDS_MAX), 5);
	/* Configured again: the same, with what it holds. */
	update_pool("127.0.0.1:2,127.0.0.1:1");
	assert_int_equal(row("127.0.0.1:2")->in_use, 1);
	assert_int_equal(row("127.0.0.1:2")->state, BACKEND_UP);
	backends_done(b, (unsigned)held);
	assert_int_equal(row("127.0.0.1:2")->in_use, 0);
	update_pool("127.0.0.1:1");
	assert_int_equal(backends_status(b, rows, BACKENDS_MAX), 1);
	expect_change("");
	close_pool();
}

static char *many(char *text, unsigned from)
{
	char *p = text;

	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		p += sprintf(p, "%s127.0.0.1:%u", i ? "," : "", from + i);
	return text;
}

static void all_replaced_while_all_are_in_use(void **state)
{
	char text[PROXY_MAX_BACKENDS * 24], err[256];

	(void)state;
	open_pool(many(text, 1000));
	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		assert_int_equal(pick(~(1ull << i)), i);
	update_pool(many(text, 2000));
	assert_int_equal(backends_status(b, rows, BACKENDS_MAX), BACKENDS_MAX);
	configure(many(text, 3000));
	/* Those of the second are idle, but they are what is there. */
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), -EAGAIN);
	assert_non_null(strstr(err, "still have connections"));
	assert_memory_equal(backends_name(b, (unsigned)pick(0)), "127.0.0.1:2", 11);
	for (unsigned i = 0; i < PROXY_MAX_BACKENDS; i++)
		backends_done(b, i);
	assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
	assert_memory_equal(backends_name(b, (unsigned)pick(0)), "127.0.0.1:3", 11);
	close_pool();
}

static void settings_change_live(void **state)
{
	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2");
	update_pool("127.0.0.1:1,127.0.0.1:2*3,eject-failures=1");
	expect_share(8, '1', 2);
	expect_share(8, '2', 6);
	fail_at(0, 1, BACKEND_REFUSED);
	pass(200);
	expect_change("127.0.0.1:1 up>ejected 1/2 connection refused");
	/* What stays keeps its state. */
	update_pool("127.0.0.1:2,127.0.0.1:1,balance=least");
	assert_int_equal(row("127.0.0.1:1")->state, BACKEND_EJECTED);
	for (int n = 0; n < 9; n++)
		assert_string_equal(backends_name(b, (unsigned)pick(0)), "127.0.0.1:2");
	close_pool();
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static bool stop;

/* Picks, and what it got stays what it is for as long as it is held. */
static void *worker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct weir_addr a = client_of(rand_r(&seed) % 5000);
		int i = backends_pick(b, &a, 0);
		char name[PROXY_NAME_LEN];

		if (i < 0)
			abort();
		snprintf(name, sizeof(name), "%s", backends_name(b, (unsigned)i));
		if (rand_r(&seed) % 4)
			backends_connected(b, (unsigned)i, 100);
		else
			backends_failed(b, (unsigned)i, BACKEND_REFUSED);
		for (int k = rand_r(&seed) % 16; k; k--)
			sched_yield();
		if (strcmp(name, backends_name(b, (unsigned)i)))
			abort();
		backends_done(b, (unsigned)i);
		n++;
	}
	return (void *)(uintptr_t)n;
}

static void picks_while_all_changes(void **state)
{
	static const char *const how[] = {"rr", "least", "hash"};
	pthread_t t[3];
	char spec[200], err[256];

	(void)state;
	open_pool("127.0.0.1:1,127.0.0.1:2");
	backends_on_change(b, NULL, NULL);
	stop = false;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned k = 0; k < 3000; k++) {
		snprintf(spec, sizeof(spec),
			 "127.0.0.1:%u*%u,127.0.0.1:%u,127.0.0.1:%u,balance=%s,eject-failures=1,"
			 "eject-time=200ms",
			 1 + k % 7, 1 + k % 5, 10 + k % 11, 30 + k % 3, how[k / 8 % 3]);
		configure(spec);
		assert_int_equal(backends_update(b, &cfg, err, sizeof(err)), 0);
		backends_step(b, now += 100000);
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++) {
		void *n;

		pthread_join(t[i], &n);
		assert_true((uintptr_t)n > 0);
	}
	/* Every pick was counted out again. */
	for (unsigned i = 0, n = backends_status(b, rows, BACKENDS_MAX); i < n; i++) {
		assert_int_equal(rows[i].in_use, 0);
		assert_int_not_equal(rows[i].state, BACKEND_DRAINING);
	}
	close_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn),
		cmocka_unit_test(in_turn_by_weight_and_spread_out),
		cmocka_unit_test(to_the_least_used),
		cmocka_unit_test(by_client_and_few_move),
		cmocka_unit_test(by_client_with_weights),
		cmocka_unit_test(by_client_when_tried),
		cmocka_unit_test(none_twice_for_a_connection),
		cmocka_unit_test(failures_in_a_row_eject),
		cmocka_unit_test(what_is_not_its_fault_ejects_nobody),
		cmocka_unit_test(longer_each_time_then_forgotten),
		cmocka_unit_test(the_last_one_stays),
		cmocka_unit_test(removed_ones_drain),
		cmocka_unit_test(all_replaced_while_all_are_in_use),
		cmocka_unit_test(settings_change_live),
		cmocka_unit_test(picks_while_all_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
