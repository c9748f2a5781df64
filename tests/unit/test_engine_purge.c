/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that are not wanted any more are reset by their owners, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine_fixture.h"

#define PEERS 3000 /* more than a worker looks at in one turn */

static struct peer peers[PEERS];
static unsigned asked;

static bool odd_port(void *arg, const struct weir_addr *local, const struct weir_addr *remote)
{
	assert_int_equal(local->port, RIG_PORT);
	asked++;
	return remote->port % 2 == *(const unsigned *)arg;
}

static struct rig *open_all(unsigned queues, struct echo_log *log)
{
	struct rig_config cfg;
	struct rig *r;
	unsigned i;

	rig_config_default(&cfg);
	cfg.queues = queues;
	cfg.engine.workers = queues;
	cfg.engine.conns = PEERS + 1;
	cfg.flows = 2 * PEERS;
	cfg.frames = 4096;
	cfg.arg = log;
	r = rig_open(&cfg);
	for (i = 0; i < PEERS; i++) {
		peer_init(&peers[i], r, i & 2 ? 6 : 4, (uint16_t)(2000 + i));
		peers[i].queue = i % queues;
		peer_open(&peers[i]);
	}
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), PEERS);
	return r;
}

static void those_that_are_named(unsigned queues)
{
	struct echo_log log = {0};
	struct rig *r = open_all(queues, &log);
	unsigned odd = 1;

	asked = 0;
	engine_reset_if(r->e, odd_port, &odd);
	rig_settle(r);
	assert_int_equal(asked, PEERS);
	assert_int_equal(rig_count(r, WEIR_C_conn_unwanted), PEERS / 2);
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), PEERS / 2);
	assert_int_equal(log.closes, PEERS / 2);
	assert_int_equal(rig_count(r, WEIR_C_rst_conn_sent), PEERS / 2);

	/* Once for each question. */
	rig_pass(r, SECOND);
	assert_int_equal(asked, PEERS);
	odd = 2;
	engine_reset_if(r->e, odd_port, &odd);
	rig_settle(r);
	assert_int_equal(asked, PEERS + PEERS / 2);
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), PEERS / 2);
	rig_close(r);
}

static void one_worker_resets_those_that_are_named(void **state)
{
	(void)state;
	those_that_are_named(1);
}

static void several_workers_reset_those_that_are_named(void **state)
{
	(void)state;
	those_that_are_named(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_resets_those_that_are_named),
		cmocka_unit_test(several_workers_reset_those_that_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
