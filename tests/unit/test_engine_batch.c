/* SPDX-License-Identifier: BSD-2-Clause */
/* What is listened on, changed while workers run: batches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine_fixture.h"

static struct worker_listen at_port(uint16_t port, struct end *e, _Atomic unsigned *users)
{
	return (struct worker_listen){
		.addr = {.port = port}, .app = &end_app, .arg = e, .users = users};
}

static void peer_to(struct peer *p, struct rig *r, uint16_t port, uint16_t lport)
{
	peer_init(p, r, 4, port);
	p->t.lport = weir_htons(lport);
}

/* Without threads the workers take it when they are turned. */
static void post(struct rig *r, const struct worker_listen *l, unsigned n,
		 const struct weir_addr *gone, unsigned ngone)
{
	struct engine_batch *b;

	assert_int_equal(engine_batch(&b, r->e, l, n, gone, ngone), 0);
	assert_false(engine_batch_post(r->e, b, 0));
	rig_poll(r);
}

static void close_peer(struct peer *p, struct rig *r)
{
	peer_send(p, TCP_RST | TCP_ACK, NULL, 0);
	rig_settle(r);
}

static void added_replaced_and_taken_away(void **state)
{
	struct echo_rig *s = *state;
	struct end old = {.echo = true}, new = {.echo = true};
	_Atomic unsigned old_users = 1, new_users = 1;
	struct worker_listen l = at_port(8080, &old, &old_users);
	struct peer p, q, late;
	struct got g;

	post(s->r, &l, 1, NULL, 0);
	assert_int_equal(old_users, 2);
	peer_to(&p, s->r, 4000, 8080);
	peer_handshake(&p);
	assert_int_equal(old.opens, 1);
	peer_to(&q, s->r, 4001, 8080);
	peer_syn(&q);
	peer_syn_ack(&q);

	/* Replaced: what is open goes on, and so does the handshake under way. */
	l = at_port(8080, &new, &new_users);
	post(s->r, &l, 1, NULL, 0);
	assert_int_equal(old_users, 2);
	assert_int_equal(new_users, 2);
	peer_echo(&p, "still here");
	peer_send(&q, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(old.opens, 2);
	peer_to(&late, s->r, 4002, 8080);
	peer_handshake(&late);
	assert_int_equal(new.opens, 1);
	assert_int_equal(old.opens, 2);
	close_peer(&p, s->r);
	close_peer(&q, s->r);
	assert_int_equal(old_users, 1);

	/* Gone: its connection goes on, and keeps what it was let in by. */
	post(s->r, NULL, 0, &l.addr, 1);
	peer_echo(&late, "orphan");
	assert_int_equal(new_users, 2);
	peer_to(&p, s->r, 4003, 8080);
	peer_syn(&p);
	assert_false(peer_recv(&p, &g));
	close_peer(&late, s->r);
	assert_int_equal(new_users, 1);
}

static void left_out_and_not_posted(void **state)
{
	struct echo_rig *s = *state;
	struct end a = {0}, b = {0};
	_Atomic unsigned users = 0;
	struct worker_listen l[] = {at_port(8080, &a, &users), at_port(8081, &b, &users)};
	struct engine_batch *batch;
	struct peer p;

	assert_int_equal(engine_batch(&batch, s->r->e, l, 2, NULL, 0), 0);
	assert_int_equal(users, 2);
	engine_batch_drop(batch);
	assert_int_equal(users, 0);
	assert_int_equal(engine_batch(&batch, s->r->e, l, 2, NULL, 0), 0);
	engine_batch_skip(batch, 0);
	assert_int_equal(users, 1);
	engine_batch_post(s->r->e, batch, 0);
	rig_poll(s->r);
	peer_to(&p, s->r, 4000, 8081);
	peer_handshake(&p);
	assert_int_equal(b.opens, 1);
	post(s->r, NULL, 0, (struct weir_addr[]){l[0].addr, l[1].addr}, 2);
	close_peer(&p, s->r);
	assert_int_equal(users, 0);
}

/* Of which some are never taken: nothing is lost, nothing is freed twice. */
static void many_and_the_last_not_taken(void **state)
{
	struct echo_rig *s = *state;
	struct end e = {0};
	_Atomic unsigned users = 0;
	struct worker_listen l = at_port(8080, &e, &users);
	struct engine_batch *b;

	for (int i = 0; i < 500; i++) {
		assert_int_equal(engine_batch(&b, s->r->e, &l, 1, NULL, 0), 0);
		engine_batch_post(s->r->e, b, 0);
		if (i % 3 == 0)
			rig_poll(s->r);
	}
	assert_true(users >= 1 && users <= 3);
}

static void an_application_that_does_not_fit(void **state)
{
	struct echo_rig *s = *state;
	struct weir_app big = end_app;
	struct worker_listen l = {.addr = {.port = 1}, .app = &big};
	struct engine_batch *b;

	big.conn_size = 1 << 16;
	assert_int_equal(engine_batch(&b, s->r->e, &l, 1, NULL, 0), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, echo_rig_setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(added_replaced_and_taken_away),
		T(left_out_and_not_posted),
		T(many_and_the_last_not_taken),
		T(an_application_that_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
