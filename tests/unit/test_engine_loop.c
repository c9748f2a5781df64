/* SPDX-License-Identifier: BSD-2-Clause */
/* An application's descriptors in the loop of its worker (include/weir/loop.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/loop.h>
#include <weir/packet.h>
#include "engine_fixture.h"

/* Sends a text to its connection for each event of a descriptor. */
struct bell {
	struct weir_loop loop;
	struct weir_conn *c;
	_Atomic unsigned turns, rung, ended;
};

static struct bell bell;

static unsigned bell_turn(struct weir_loop *l, uint64_t now_us)
{
	eventfd_t n;

	(void)now_us;
	bell.turns++;
	if (eventfd_read(l->fd, &n))
		return 0;
	bell.rung++;
	if (bell.c)
		weir_send(bell.c, "ding", 4);
	return 1;
}

static void bell_end(struct weir_loop *l)
{
	bell.ended++;
	close(l->fd);
}

static int bell_open(struct weir_conn *c, void *arg)
{
	(void)arg;
	bell.c = c;
	if (weir_loop_get(c))
		return 0;
	weir_loop_set(c, &bell.loop);
	return 0;
}

static void bell_close(struct weir_conn *c, int reason)
{
	(void)c;
	(void)reason;
	bell.c = NULL;
}

static const struct weir_app bell_app = {
	.name = "bell",
	.on_open = bell_open,
	.on_close = bell_close,
};

static struct rig *open_bell(void)
{
	struct rig_config cfg;

	memset(&bell, 0, sizeof(bell));
	bell.loop = (struct weir_loop){
		.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .turn = bell_turn, .end = bell_end};
	rig_config_default(&cfg);
	cfg.app = &bell_app;
	return rig_open(&cfg);
}

static void expect_ding(struct peer *p)
{
	struct got g;

	assert_true(peer_recv(p, &g));
	assert_int_equal(g.seg.len, 4);
	assert_memory_equal(g.payload, "ding", 4);
	p->ack += 4;
	peer_send(p, TCP_ACK, NULL, 0);
}

/* What a turn brings for a connection leaves in the same turn of the worker. */
static void a_turn_sends(void **state)
{
	struct rig *r = open_bell();
	struct peer p;

	(void)state;
	peer_init(&p, r, 4, 5000);
	peer_open(&p);
	assert_ptr_equal(weir_loop_get(bell.c), &bell.loop);
	rig_poll(r);
	assert_int_equal(bell.rung, 0);
	for (unsigned i = 1; i <= 3; i++) {
		eventfd_write(bell.loop.fd, 1);
		rig_poll(r);
		assert_int_equal(bell.rung, i);
		expect_ding(&p);
		rig_poll(r);
	}
	rig_close(r);
	assert_int_equal(bell.ended, 1);
}

static void without_a_connection(void **state)
{
	struct rig *r = open_bell();
	struct peer p;

	(void)state;
	peer_init(&p, r, 4, 5000);
	peer_open(&p);
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(r);
	assert_null(bell.c);
	eventfd_write(bell.loop.fd, 1);
	rig_poll(r);
	assert_int_equal(bell.rung, 1);
	rig_close(r);
	assert_int_equal(bell.ended, 1);
}

/* A worker that sleeps wakes for it; an idle one does not turn for nothing. */
static void a_sleeping_worker_wakes(void **state)
{
	struct rig *r = open_bell();
	struct peer p;
	unsigned before;

	(void)state;
	r->now_us = real_us();
	assert_int_equal(engine_start(r->e), 0);
	peer_init(&p, r, 4, 5000);
	peer_cookie(&p, true);
	peer_send(&p, TCP_ACK, NULL, 0);
	for (int i = 0; i < 3000 && !bell.turns; i++)
		nap();
	assert_true(bell.turns);
	for (unsigned i = 1; i <= 20; i++) {
		before = bell.rung;
		eventfd_write(bell.loop.fd, 1);
		for (int k = 0; k < 3000 && bell.rung == before; k++)
			nap();
		assert_int_equal(bell.rung, before + 1);
	}
	engine_stop(r->e);
	rig_close(r);
	assert_int_equal(bell.ended, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_sends),
		cmocka_unit_test(without_a_connection),
		cmocka_unit_test(a_sleeping_worker_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
