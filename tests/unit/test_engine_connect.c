/* SPDX-License-Identifier: BSD-2-Clause */
/* Active opens: two engines, one of which connects to the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine/conn_api.h"
#include "engine_fixture.h"

/* ---- it works ----------------------------------------------------------------------- */

static void connect_talk_close(struct pair *p, int family)
{
	struct weir_conn *c = pair_up(p, family);

	assert_int_equal(rig_count(p->b, WEIR_C_syn_taken), 1);
	assert_int_equal(rig_state(p->a, WEIR_ESTABLISHED), 1);
	assert_int_equal(p->a->flows->n, 1);
	pair_talk(p, c, "hello");
	pair_talk(p, c, "again");
	weir_close(c);
	pair_settle(p);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_NORMAL);
	assert_int_equal(p->eb.closes, 1);
	/* The one that closed first waits, and keeps its port and its flow so long. */
	assert_int_equal(rig_state(p->a, WEIR_TIME_WAIT), 1);
	assert_int_equal(p->a->net->taken, 1);
	assert_int_equal(p->a->flows->n, 1);
	pair_pass(p, 11 * SECOND);
	rig_expect_clean(p->a);
	assert_int_equal(rig_count(p->a, WEIR_C_connect_established), 1);
	pair_expect_over(p);
}

static void connect_v4(void **state)
{
	connect_talk_close(*state, 4);
}

static void connect_v6(void **state)
{
	connect_talk_close(*state, 6);
}

static void the_listener_closes_first(void **state)
{
	struct pair *p = *state;

	pair_up(p, 4);
	weir_close(p->eb.conn);
	pair_settle(p);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(rig_state(p->a, WEIR_TIME_WAIT), 0);
	assert_int_equal(p->a->net->taken, 0);
	assert_int_equal(rig_state(p->b, WEIR_TIME_WAIT), 1);
	pair_expect_over(p);
}

/* What is written before the handshake is done goes out with its end. */
static void data_before_established(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	assert_int_equal(pair_connect(p, 4, &c), 0);
	assert_int_equal(weir_send(c, "early", 5), 5);
	pair_settle(p);
	assert_int_equal(p->ea.len, 5);
	assert_memory_equal(p->ea.in, "early", 5);
}

/* ---- it fails ------------------------------------------------------------------------ */

static void refused(void **state)
{
	struct pair *p = *state;
	struct weir_addr a = {.family = 0, .port = RIG_PORT};
	struct weir_conn *c;

	worker_unlisten(engine_worker(p->b->e, 0), &a);
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	assert_int_equal(p->ea.opens, 0);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_REFUSED);
	assert_int_equal(p->ea.error, ECONNREFUSED);
	assert_int_equal(rig_count(p->a, WEIR_C_connect_refused), 1);
	assert_int_equal(rig_count(p->b, WEIR_C_rst_unknown), 1);
	rig_expect_clean(p->a);
	rig_expect_clean(p->b);
}

static bool lose_syns(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	(void)to_b;
	if (!(v->flags & TCP_SYN) || !p->left)
		return true;
	p->left--;
	return false;
}

static void syn_lost(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->wire = lose_syns;
	p->left = 3; /* two SYNs and a SYN-ACK */
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_pass(p, 20 * SECOND);
	assert_int_equal(p->left, 0);
	assert_int_equal(p->ea.opens, 1);
	assert_int_equal(p->eb.opens, 1);
	pair_talk(p, c, "at last");
}

static void timed_out(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->cut = true;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_pass(p, 300 * SECOND);
	assert_int_equal(p->ea.opens, 0);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_TIMEOUT);
	assert_int_equal(p->ea.error, ETIMEDOUT);
	assert_int_equal(rig_count(p->a, WEIR_C_connect_timed_out), 1);
	rig_expect_clean(p->a);
}

static void given_up(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->cut = true;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	weir_abort(c);
	assert_true(worker_next_timeout(engine_worker(p->a->e, 0)) <= p->a->now_us);
	pair_settle(p);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(rig_count(p->a, WEIR_C_connect_given_up), 1);
	rig_expect_clean(p->a);
}

static void refused_by_its_own_application(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->ea.refuse = true;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	assert_int_equal(p->ea.opens, 1);
	assert_int_equal(p->ea.closes, 0);
	assert_int_equal(p->eb.closes, p->eb.opens);
	rig_expect_clean(p->a);
}

static void no_netops(void **state)
{
	struct rig_config cfg;
	struct pair p;
	struct weir_conn *c;

	(void)state;
	pair_config(&cfg, true);
	cfg.net_host = 0;
	pair_open(&p, &cfg, NULL);
	assert_int_equal(pair_connect(&p, 4, &c), -EOPNOTSUPP);
	pair_close(&p);
}

static void bad_arguments(void **state)
{
	static const struct weir_app large = {.name = "large", .conn_size = 4096};
	static const struct {
		struct weir_addr remote;
		int err;
	} bad[] = {
		{{.family = 0, .port = 1, .addr = {10, 0, 0, 2}}, -EINVAL},
		{{.family = 4, .port = 0, .addr = {10, 0, 0, 2}}, -EINVAL},
		{{.family = 4, .port = 1}, -ENETUNREACH},
		{{.family = 4, .port = 1, .addr = {224, 0, 0, 1}}, -ENETUNREACH},
		{{.family = 4, .port = 1, .addr = {255, 255, 255, 255}}, -ENETUNREACH},
		{{.family = 6, .port = 1}, -ENETUNREACH},
		{{.family = 6, .port = 1, .addr = {0xff, 2, [15] = 1}}, -ENETUNREACH},
		{{.family = 6, .port = 1, .addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}}, -EINVAL},
	};
	struct pair *p = *state;
	struct worker *w = engine_worker(p->a->e, 0);
	struct worker_connect o = {.app = &end_app, .arg = &p->ea};
	struct weir_conn *c;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.remote = bad[i].remote;
		assert_int_equal(worker_connect(w, &o, &c), bad[i].err);
	}
	o.remote = (struct weir_addr){.family = 4, .port = 80, .addr = {10, 0, 0, 2}};
	o.local.family = 6;
	assert_int_equal(worker_connect(w, &o, &c), -EINVAL);
	o.local.family = 0;
	o.app = &large;
	assert_int_equal(worker_connect(w, &o, &c), -EINVAL);
	rig_expect_clean(p->a);
}

/* ---- the way to the peer ---------------------------------------------------------------- */

static void neighbour_takes_its_time(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->agains = 20;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	assert_int_equal(p->moved, 0);
	assert_int_equal(rig_state(p->a, WEIR_SYN_SENT), 1);
	pair_pass(p, SECOND);
	assert_int_equal(p->a->net->paths, 21);
	assert_int_equal(p->ea.opens, 1);
	pair_talk(p, c, "found");
}

static void neighbour_never_answers(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->agains = 1000000;
	assert_int_equal(pair_connect(p, 6, &c), 0);
	pair_pass(p, 2900000);
	assert_int_equal(p->ea.closes, 0);
	pair_pass(p, 200000);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_UNREACHABLE);
	assert_int_equal(p->ea.error, EHOSTUNREACH);
	assert_int_equal(p->moved, 0);
	assert_int_equal(rig_count(p->a, WEIR_C_connect_unreachable), 1);
	rig_expect_clean(p->a);
}

static void neighbour_fails_meanwhile(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->agains = 3;
	p->a->net->path_err = -ENETUNREACH;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_pass(p, 100000);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_UNREACHABLE);
	assert_int_equal(p->ea.error, ENETUNREACH);
	rig_expect_clean(p->a);
}

static void given_up_while_resolving(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->agains = 1000000;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	weir_close(c);
	pair_pass(p, 100000);
	assert_int_equal(p->ea.closes, 1);
	rig_expect_clean(p->a);
}

static void stopped_while_resolving(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->agains = 1000000;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	pair_settle(p);
	engine_stop(p->a->e);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_SHUTDOWN);
	rig_expect_clean(p->a);
}

static void no_way_at_once(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->path_err = -ENETUNREACH;
	assert_int_equal(pair_connect(p, 4, &c), -ENETUNREACH);
	assert_int_equal(p->ea.closes, 0);
	rig_expect_clean(p->a);
}

/* ---- queues -----------------------------------------------------------------------------------
 */

static void answers_on_another_queue(void **state)
{
	struct rig_config cfg;
	struct weir_conn *c;
	struct pair p;

	(void)state;
	pair_config(&cfg, true);
	cfg.queues = cfg.engine.workers = 2;
	pair_open(&p, &cfg, NULL);
	p.to_queue = 1;
	c = pair_up(&p, 4);
	assert_true(rig_count(p.a, WEIR_C_handover_received) >= 1);
	pair_talk(&p, c, "astray");
	/* So are resets. */
	weir_abort(p.eb.conn);
	pair_settle(&p);
	assert_int_equal(p.ea.closes, 1);
	assert_int_equal(p.ea.reason, TCP_END_RESET);
	rig_expect_clean(p.a);
	pair_close(&p);
}

static void refusal_on_another_queue(void **state)
{
	struct weir_addr a = {.family = 0, .port = RIG_PORT};
	struct rig_config cfg;
	struct weir_conn *c;
	struct pair p;

	(void)state;
	pair_config(&cfg, true);
	cfg.queues = cfg.engine.workers = 2;
	pair_open(&p, &cfg, NULL);
	p.to_queue = 1;
	worker_unlisten(engine_worker(p.b->e, 0), &a);
	assert_int_equal(pair_connect(&p, 4, &c), 0);
	pair_settle(&p);
	assert_int_equal(p.ea.reason, TCP_END_REFUSED);
	rig_expect_clean(p.a);
	pair_close(&p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connect_v4),
		T(connect_v6),
		T(the_listener_closes_first),
		T(data_before_established),
		T(refused),
		T(syn_lost),
		T(timed_out),
		T(given_up),
		T(refused_by_its_own_application),
		cmocka_unit_test(no_netops),
		T(bad_arguments),
		T(neighbour_takes_its_time),
		T(neighbour_never_answers),
		T(neighbour_fails_meanwhile),
		T(given_up_while_resolving),
		T(stopped_while_resolving),
		T(no_way_at_once),
		cmocka_unit_test(answers_on_another_queue),
		cmocka_unit_test(refusal_on_another_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
