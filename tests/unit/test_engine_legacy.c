/* SPDX-License-Identifier: BSD-2-Clause */
/* What an engine leaves to the next one on the same flow table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/legacy.h"
#include "engine_fixture.h"

/* Two rigs that share table, gate and time: the second begins when the first has left. */
struct heirs {
	struct echo_rig old, new;
	struct engine_legacy *l;
	size_t n;
	uint64_t reset;
};

static void begin(struct heirs *h, unsigned workers)
{
	struct rig_config cfg;

	rig_config_default(&cfg);
	cfg.queues = workers;
	cfg.engine.workers = workers;
	cfg.app = &echo_test_app;
	cfg.arg = &h->old.log;
	h->old.r = rig_open(&cfg);
	assert_non_null(h->old.r);
}

static void begin_with(struct heirs *h, struct peer *p)
{
	begin(h, 1);
	peer_init(p, h->old.r, 4, 4000);
}

/* The peers of the old one are its own: they go on with the new one. */
static void hand_over(struct heirs *h, unsigned workers)
{
	struct rig_config cfg = h->old.r->cfg;
	struct rig *r;

	h->reset = engine_leave(h->old.r->e);
	assert_int_equal(engine_legacy(h->old.r->e, &h->l, &h->n), 0);
	cfg.engine.workers = workers;
	cfg.arg = &h->new.log;
	r = h->new.r = rig_open_on(&cfg, h->old.r->flows);
	assert_non_null(r);
	r->gate = h->old.r->gate;
	r->now_us = h->old.r->now_us;
	assert_int_equal(engine_inherit(r->e, h->l, h->n, r->now_us), 0);
}

static void end(struct heirs *h)
{
	rig_close(h->new.r);
	rig_close(h->old.r);
	free(h->l);
}

static void to_new(struct heirs *h, struct peer *p)
{
	p->r = h->new.r;
}

/* An open connection is reset; nothing of it opens another, and who missed the RST is told. */
static void open_ones(void **state)
{
	struct heirs h = {0};
	struct peer p;
	struct got g;

	(void)state;
	begin_with(&h, &p);
	peer_open(&p);
	peer_echo(&p, "hello");
	hand_over(&h, 1);
	assert_true(peer_recv(&p, &g));
	assert_true(g.seg.flags & TCP_RST);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.reset, 1);
	assert_int_equal(rig_status(h.new.r).tombstones, 1);
	to_new(&h, &p);
	peer_replay(&p);
	assert_int_equal(h.new.log.opens, 0);
	assert_false(peer_recv(&p, &g));
	peer_send(&p, TCP_ACK | TCP_PSH, "more", 4);
	rig_settle(h.new.r);
	assert_true(peer_recv(&p, &g));
	assert_true(g.seg.flags & TCP_RST);
	assert_int_equal(h.new.log.opens, 0);
	rig_pass(h.new.r, 40 * SECOND);
	assert_int_equal(h.new.r->flows->n, 0);
	assert_int_equal(rig_status(h.new.r).tombstones, 0);
	end(&h);
}

/* Whoever has our SYN-ACK goes on: no RST, and the final ACK opens a connection. */
static void handshakes(void **state)
{
	struct heirs h = {0};
	struct peer p;
	struct got g;

	(void)state;
	begin_with(&h, &p);
	peer_syn(&p);
	peer_syn_ack(&p);
	hand_over(&h, 1);
	assert_int_equal(h.n + h.reset, 0);
	assert_false(peer_recv(&p, &g));
	to_new(&h, &p);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(h.new.r);
	assert_int_equal(h.new.log.opens, 1);
	peer_echo(&p, "hello");
	end(&h);
}

/* So does whoever has sent and got nothing yet; the application of now hears that it is over. */
static void new_ones(void **state)
{
	struct heirs h = {0};
	struct peer p;
	struct got g;

	(void)state;
	begin_with(&h, &p);
	peer_open(&p);
	assert_int_equal(h.old.log.opens, 1);
	hand_over(&h, 1);
	assert_int_equal(h.old.log.closes, 1);
	assert_int_equal(h.n + h.reset, 0);
	assert_false(peer_recv(&p, &g));
	to_new(&h, &p);
	peer_echo(&p, "hello");
	assert_int_equal(h.new.log.opens, 1);
	end(&h);
}

/* An entry of the gate's that nobody has claimed is the new one's. */
static void unclaimed(void **state)
{
	struct heirs h = {0};
	struct peer p;

	(void)state;
	begin_with(&h, &p);
	peer_cookie(&p, true);
	hand_over(&h, 1);
	to_new(&h, &p);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(h.new.r);
	assert_int_equal(h.new.log.opens, 1);
	end(&h);
}

/* A client re-uses its port: of a connection that is over, and of one re-opened half. */
static void ports_again(void **state)
{
	struct heirs h = {0};
	struct peer p;
	struct got g;

	(void)state;
	begin_with(&h, &p);
	peer_open(&p);
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(h.old.r);
	p.isn += 100000;
	p.seq = p.isn;
	peer_syn(&p);
	peer_take(&p);
	assert_int_equal(rig_state(h.old.r, WEIR_SYN_RCVD), 1);
	hand_over(&h, 1);
	assert_int_equal(h.n, 1);
	assert_false(peer_recv(&p, &g));
	to_new(&h, &p);
	p.seq = p.isn;
	peer_syn(&p); /* the same again */
	peer_syn_ack(&p);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(h.new.r);
	assert_int_equal(h.new.log.opens, 1);
	end(&h);
}

/* With other numbers of workers each tuple is its owner's all the same. */
static void other_workers(unsigned before, unsigned after)
{
	struct heirs h = {0};
	struct peer p[8];

	begin(&h, before);
	for (unsigned i = 0; i < 8; i++) {
		peer_init(&p[i], h.old.r, 4, (uint16_t)(4000 + i));
		p[i].queue = i % before;
		peer_open(&p[i]);
		peer_echo(&p[i], "hello");
		if (i % 4 >= 2) { /* a tombstone already */
			peer_send(&p[i], TCP_RST, NULL, 0);
			rig_settle(h.old.r);
		}
	}
	hand_over(&h, after);
	assert_int_equal(h.n, 8);
	assert_int_equal(rig_status(h.new.r).tombstones, 8);
	for (unsigned i = 0; i < 8; i++) {
		peer_take(&p[i]);
		to_new(&h, &p[i]);
		peer_replay(&p[i]);
	}
	assert_int_equal(h.new.log.opens, 0);
	rig_pass(h.new.r, 40 * SECOND);
	assert_int_equal(h.new.r->flows->n, 0);
	end(&h);
}

static void more_or_fewer_workers(void **state)
{
	(void)state;
	other_workers(2, 2);
	other_workers(4, 2);
	other_workers(2, 1);
}

/* More than there is room for: the oldest go, and nothing is lost sight of. */
static void too_many(void **state)
{
	struct engine_legacy l[64] = {0};
	struct rig_config cfg;
	struct rig *r;

	(void)state;
	rig_config_default(&cfg);
	cfg.app = &echo_test_app;
	cfg.arg = &(struct echo_log){0};
	cfg.engine.tombstones = 8;
	r = rig_open(&cfg);
	assert_non_null(r);
	for (unsigned i = 0; i < 64; i++) {
		struct peer p;

		peer_init(&p, r, 4, (uint16_t)(5000 + i));
		l[i].tuple = p.t;
		l[i].dead_ms = rig_gate_ms(r) + 10000;
	}
	assert_int_equal(engine_inherit(r->e, l, 64, r->now_us), 0);
	assert_int_equal(engine_inherit(r->e, l, 64, r->now_us), 0); /* once more is no harm */
	rig_settle(r);
	assert_in_range(rig_status(r).tombstones, 1, 8);
	rig_pass(r, 40 * SECOND);
	assert_int_equal(rig_status(r).tombstones, 0);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_ones),   cmocka_unit_test(handshakes),
		cmocka_unit_test(new_ones),    cmocka_unit_test(unclaimed),
		cmocka_unit_test(ports_again), cmocka_unit_test(more_or_fewer_workers),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
