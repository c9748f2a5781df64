/* SPDX-License-Identifier: BSD-2-Clause */
/* Which local ports active opens get, and when one may serve again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine/worker.h"
#include "engine_fixture.h"

#define MSL 10 /* s */

static void open_pair(struct pair *p, bool reuse, unsigned ports)
{
	struct rig_config cfg;

	pair_config(&cfg, true);
	cfg.engine.reuse_timewait = reuse;
	cfg.engine.tcp.msl_us = MSL * SECOND;
	pair_open(p, &cfg, NULL);
	p->a->net->last = (uint16_t)(p->a->net->first + ports - 1);
}

static int connect_from(struct pair *p, uint8_t host, uint16_t port, struct weir_conn **c)
{
	struct worker_connect o = {
		.app = &end_app,
		.arg = &p->ea,
		.local = {.family = 4, .port = port, .addr = {10, 0, 0, host}},
		.remote = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}},
	};

	return worker_connect(engine_worker(p->a->e, 0), &o, c);
}

/* One port serves as many connections as there are addresses, and no two of one address. */
static void one_port_for_many_addresses(void **state)
{
	struct weir_conn *c[8], *d;
	struct weir_addr local;
	struct pair p;

	(void)state;
	open_pair(&p, false, 1);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(connect_from(&p, (uint8_t)(10 + i), 0, &c[i]), 0);
		weir_conn_local(c[i], &local);
		assert_int_equal(local.port, p.a->net->first);
	}
	pair_settle(&p);
	assert_int_equal(p.ea.opens, 8);
	assert_int_equal(p.a->net->taken, 1);
	assert_int_equal(p.a->flows->n, 8);
	assert_int_equal(connect_from(&p, 10, 0, &d), -EADDRNOTAVAIL);
	assert_int_equal(rig_conns(p.a), 8);
	pair_talk(&p, c[3], "mine");
	weir_abort(c[3]);
	pair_settle(&p);
	assert_int_equal(connect_from(&p, 13, 0, &d), 0);
	assert_int_equal(p.a->net->refs[p.a->net->first], 8);
	for (unsigned i = 0; i < 8; i++)
		weir_abort(i == 3 ? d : c[i]);
	pair_settle(&p);
	rig_expect_clean(p.a);
	pair_close(&p);
}

/* A flow that another worker entered: the map says so, and another port is tried. */
static void the_map_knows_better(void **state)
{
	struct flowmap *m;
	struct weir_conn *c;
	struct weir_addr local;
	struct weir_flow f = {0};
	weir_tuple t;
	struct pair p;

	(void)state;
	open_pair(&p, false, 2);
	m = (struct flowmap *)p.a->flows;
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	t = c->tuple;
	weir_abort(c);
	pair_settle(&p);
	assert_int_equal(m->ops->insert(m, &t, &f), 0);
	p.a->net->next = p.a->net->first;
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	weir_conn_local(c, &local);
	assert_int_equal(local.port, p.a->net->first + 1);
	assert_int_equal(p.a->net->refs[p.a->net->first], 0);
	pair_close(&p);
}

static void close_ours(struct pair *p, struct weir_conn *c)
{
	weir_close(c);
	pair_settle(p);
	assert_int_equal(rig_state(p->a, WEIR_TIME_WAIT), 1);
}

static void timewait_holds_its_port(void **state)
{
	struct weir_conn *c;
	struct pair p;

	(void)state;
	open_pair(&p, false, 1);
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	pair_settle(&p);
	close_ours(&p, c);
	pair_pass(&p, 5 * SECOND);
	assert_int_equal(connect_from(&p, 1, 0, &c), -EADDRNOTAVAIL);
	pair_pass(&p, 2 * MSL * SECOND);
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	pair_close(&p);
}

/* After a second, above all that was sent before, on the flow that is there already. */
static void timewait_reused(void **state)
{
	unsigned inserts;
	struct weir_conn *c;
	struct tcp_info info;
	struct pair p;

	(void)state;
	open_pair(&p, true, 1);
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	pair_settle(&p);
	inserts = p.a->flows->inserts;
	for (int i = 0; i < 5; i++) {
		uint32_t end;

		pair_talk(&p, c, "again");
		tcp_get_info(conn_tcp(c), &info);
		end = info.snd_nxt + 1; /* and the FIN */
		close_ours(&p, c);
		pair_pass(&p, SECOND - 100000);
		assert_int_equal(connect_from(&p, 1, 0, &c), -EADDRNOTAVAIL);
		pair_pass(&p, 100000);
		p.ea.len = 0;
		assert_int_equal(connect_from(&p, 1, 0, &c), 0);
		tcp_get_info(conn_tcp(c), &info);
		assert_true((int32_t)(info.snd_una - end) > 0);
		assert_int_equal(rig_state(p.a, WEIR_TIME_WAIT), 0);
		assert_int_equal(p.a->net->refs[p.a->net->first], 1);
		pair_settle(&p);
	}
	assert_int_equal(p.ea.opens, 6);
	assert_int_equal(rig_count(p.a, WEIR_C_timewait_reused), 5);
	assert_int_equal(p.a->flows->inserts, inserts);
	weir_abort(c);
	pair_settle(&p);
	rig_expect_clean(p.a);
	pair_close(&p);
}

/* By number, as by choice. */
static void timewait_reused_by_number(void **state)
{
	struct weir_conn *c;
	struct pair p;

	(void)state;
	open_pair(&p, true, 10);
	assert_int_equal(connect_from(&p, 1, 4000, &c), 0);
	pair_settle(&p);
	close_ours(&p, c);
	assert_int_equal(connect_from(&p, 1, 4000, &c), -EADDRINUSE);
	pair_pass(&p, SECOND);
	assert_int_equal(connect_from(&p, 1, 4000, &c), -EADDRINUSE); /* its own alone, held */
	pair_pass(&p, 2 * MSL * SECOND);
	assert_int_equal(connect_from(&p, 1, 4000, &c), 0);
	pair_close(&p);
}

/* Without timestamps nothing tells an old segment from a new one. */
static void not_without_timestamps(void **state)
{
	struct timewait *t;
	struct weir_conn *c;
	struct pair p;

	(void)state;
	open_pair(&p, true, 1);
	assert_int_equal(connect_from(&p, 1, 0, &c), 0);
	pair_settle(&p);
	close_ours(&p, c);
	t = slab_at(&engine_worker(p.a->e, 0)->timewaits.slab, 0);
	t->tw.has_ts = false; /* as when the peer's SYN-ACK had none */
	pair_pass(&p, 5 * SECOND);
	assert_int_equal(connect_from(&p, 1, 0, &c), -EADDRNOTAVAIL);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_port_for_many_addresses),
		cmocka_unit_test(the_map_knows_better),
		cmocka_unit_test(timewait_holds_its_port),
		cmocka_unit_test(timewait_reused),
		cmocka_unit_test(timewait_reused_by_number),
		cmocka_unit_test(not_without_timestamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
