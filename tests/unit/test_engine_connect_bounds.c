/* SPDX-License-Identifier: BSD-2-Clause */
/* Active opens: ports, tuples and slots and their ends; both ends at once; initial numbers. */
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

/* ---- bounds ------------------------------------------------------------------------------ */

static void ports_exhausted(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->net->last = p->a->net->first + 2;
	for (int i = 0; i < 3; i++)
		pair_up(p, 4);
	assert_int_equal(pair_connect(p, 4, &c), -EADDRNOTAVAIL);
	assert_int_equal(rig_conns(p->a), 3);
	weir_abort(p->ea.conn);
	pair_pass(p, 10000);
	pair_up(p, 4);
}

static int connect_from(struct pair *p, uint16_t port, bool share, struct weir_conn **c)
{
	struct worker_connect o = {
		.app = &end_app,
		.arg = &p->ea,
		.local = {.family = 4, .port = port, .addr = {10, 0, 0, 1}},
		.remote = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}},
		.share_port = share,
	};

	return worker_connect(engine_worker(p->a->e, 0), &o, c);
}

static int connect_ports(struct pair *p, struct rig *r, struct end *e, uint16_t lport,
			 uint16_t rport)
{
	struct worker_connect o = {
		.app = &end_app,
		.arg = e,
		.local = {.family = 4, .port = lport, .addr = {10, 0, 0, r == p->a ? 1 : 2}},
		.remote = {.family = 4, .port = rport, .addr = {10, 0, 0, r == p->a ? 2 : 1}},
	};

	return worker_connect(engine_worker(r->e, 0), &o, &e->conn);
}

static void same_tuple_twice(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	assert_int_equal(connect_from(p, 4000, true, &c), 0);
	pair_settle(p);
	assert_int_equal(connect_from(p, 4000, true, &c), -EADDRINUSE);
	assert_int_equal(p->a->net->refs[4000], 1);
	assert_int_equal(connect_from(p, 4000, false, &c), -EADDRINUSE);
	assert_int_equal(rig_conns(p->a), 1);
	assert_int_equal(p->a->flows->n, 1);
}

/* A local port without an address: the address is the route's. */
static void port_alone(void **state)
{
	struct pair *p = *state;
	struct worker_connect o = {
		.app = &end_app,
		.arg = &p->ea,
		.local = {.family = 4, .port = 4000},
		.remote = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}},
	};
	struct weir_addr local;
	struct weir_conn *c;

	assert_int_equal(worker_connect(engine_worker(p->a->e, 0), &o, &c), 0);
	weir_conn_local(c, &local);
	assert_int_equal(local.port, 4000);
	assert_memory_equal(local.addr, ((const uint8_t[]){10, 0, 0, 1}), 4);
	pair_settle(p);
	assert_int_equal(p->ea.opens, 1);
}

/*
 * The peer opens anew what waits in TIME_WAIT after an active open from a port that is
 * listened on, too: the port that was taken for it is given back.
 */
static void time_wait_reopened_by_the_peer(void **state)
{
	struct worker_connect o = {
		.app = &end_app,
		.local = {.family = 4, .port = RIG_PORT, .addr = {10, 0, 0, 2}},
		.remote = {.family = 4, .port = 4000, .addr = {10, 0, 0, 1}},
		.share_port = true,
	};
	struct end dialled = {.close_on_eof = true}, heard = {0};
	struct rig_config cfg;
	struct weir_conn *c;
	struct rig *r;
	struct peer p;
	struct got g;

	(void)state;
	pair_config(&cfg, false);
	cfg.arg = &heard;
	o.arg = &dialled;
	r = rig_open(&cfg);
	rig_poll(r);
	peer_init(&p, r, 4, 4000);
	assert_int_equal(worker_connect(engine_worker(r->e, 0), &o, &c), 0);
	rig_settle(r);
	assert_true(peer_recv(&p, &g));
	p.ack = g.seg.seq + 1;
	p.seq = p.isn;
	peer_send(&p, TCP_SYN | TCP_ACK, NULL, 0);
	rig_settle(r);
	weir_close(c);
	rig_settle(r);
	peer_take(&p);
	peer_send(&p, TCP_FIN | TCP_ACK, NULL, 0);
	rig_settle(r);
	peer_take(&p);
	assert_int_equal(rig_state(r, WEIR_TIME_WAIT), 1);
	assert_int_equal(r->net->taken, 1);
	p.isn = p.seq + 1000;
	p.tsval++;
	peer_send_at(&p, TCP_SYN, p.isn, 0, NULL, 0);
	rig_settle(r);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(rig_count(r, WEIR_C_conn_reopened), 1);
	assert_int_equal(r->net->taken, 0);
	peer_send_at(&p, TCP_ACK, p.isn + 1, g.seg.seq + 1, NULL, 0);
	rig_settle(r);
	assert_int_equal(heard.opens, 1);
	assert_int_equal(dialled.opens + dialled.closes, 2);
	peer_send_at(&p, TCP_RST, p.isn + 1, 0, NULL, 0);
	rig_settle(r);
	rig_expect_clean(r);
	rig_close(r);
}

static void rows(void **state)
{
	struct pair *p = *state;
	struct engine_conn_row row[4];
	uint64_t cursor = 0;
	struct weir_conn *c;

	p->cut = true;
	assert_int_equal(connect_from(p, 4000, true, &c), 0);
	pair_settle(p);
	assert_int_equal(engine_conns(p->a->e, 0, &cursor, row, 4, 0), 1);
	assert_string_equal(row[0].service, "end");
	assert_int_equal(row[0].tcp.state, WEIR_SYN_SENT);
	assert_int_equal(row[0].local.port, 4000);
	p->cut = false;
	pair_pass(p, 2 * SECOND);
	weir_close(c);
	pair_settle(p);
	cursor = 0;
	assert_int_equal(engine_conns(p->a->e, 0, &cursor, row, 4, 0), 1);
	assert_string_equal(row[0].service, "end");
	assert_int_equal(row[0].tcp.state, WEIR_TIME_WAIT);
}

/* Another worker or process has the tuple. */
static void tuple_in_the_map(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->a->flows->insert_err = -EEXIST;
	assert_int_equal(connect_from(p, 4000, false, &c), -EADDRINUSE);
	p->a->flows->insert_err = -E2BIG;
	assert_int_equal(connect_from(p, 4000, false, &c), -ENOBUFS);
	p->a->flows->insert_err = 0;
	rig_settle(p->a);
	rig_expect_clean(p->a);
	assert_int_equal(connect_from(p, 4000, false, &c), 0);
}

static void slots_exhausted(void **state)
{
	struct rig_config cfg;
	struct weir_conn *c;
	struct pair p;

	(void)state;
	pair_config(&cfg, true);
	cfg.engine.conns = 2;
	pair_open(&p, &cfg, NULL);
	pair_up(&p, 4);
	pair_up(&p, 4);
	assert_int_equal(pair_connect(&p, 4, &c), -ENOBUFS);
	assert_int_equal(p.a->net->taken, 2);
	pair_close(&p);
}

static void not_while_draining(void **state)
{
	struct pair *p = *state;
	struct weir_conn *c;

	p->cut = true;
	assert_int_equal(pair_connect(p, 4, &c), 0);
	engine_drain(p->a->e);
	assert_int_equal(pair_connect(p, 4, &c), -ESHUTDOWN);
	pair_settle(p);
	assert_int_equal(p->ea.closes, 1);
	assert_int_equal(p->ea.reason, TCP_END_SHUTDOWN);
	assert_true(engine_drained(p->a->e));
}

/* One after another, as many as there are: nothing of them stays. */
static void ten_thousand(void **state)
{
	struct pair *p = *state;

	for (unsigned i = 0; i < 10000; i++) {
		struct weir_conn *c = pair_up(p, i % 2 ? 4 : 6);

		p->ea.len = p->eb.len = 0;
		if (i % 3 == 0)
			weir_abort(c);
		else
			weir_close(i % 3 == 1 ? c : p->eb.conn);
		pair_settle(p);
		assert_int_equal(p->ea.closes, i + 1);
		p->a->now_us += 2000;
		p->b->now_us += 2000;
	}
	assert_int_equal(rig_count(p->a, WEIR_C_connect_established), 10000);
	pair_expect_over(p);
}

static bool lose_a_fifth(struct pair *p, bool to_b, const struct weir_pkt *v)
{
	(void)to_b;
	(void)v;
	p->left = p->left * 1664525u + 1013904223u;
	return p->left >> 16 > 65536 / 5;
}

/* One connection's life: aborted early, or used and then closed from either end. */
static void live(struct pair *p, unsigned i)
{
	struct weir_conn *c;

	p->ea.len = p->eb.len = 0;
	if (pair_connect(p, i % 2 ? 4 : 6, &c))
		return;
	assert_int_equal(weir_send(c, "data", 4), 4);
	if (i % 5 == 0)
		pair_settle(p);
	else
		pair_pass(p, 400000);
	if (i % 5 == 0 && p->ea.conn != c)
		weir_abort(c);
	else if (p->eb.conn && i % 3 == 0)
		weir_close(p->eb.conn);
	else if (p->ea.conn)
		weir_shutdown(p->ea.conn);
	pair_pass(p, 50000);
}

/*
 * Opens, talk and ends of every kind at 20% loss, ports used again at once: what either
 * side believes to be open ends, and nothing stays.
 */
static void lossy_life(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		struct pair p;

		pair_open(&p, NULL, NULL);
		p.a->net->last = p.a->net->first + 39;
		p.wire = lose_a_fifth;
		p.left = seed;
		for (unsigned i = 0; i < 120; i++)
			live(&p, i);
		p.wire = NULL;
		engine_drain(p.a->e);
		pair_pass(&p, 200 * SECOND);
		assert_in_range(p.ea.opens, 60, 120);
		assert_true(rig_count(p.a, WEIR_C_rtx_segments) > 20);
		assert_true(rig_count(p.b, WEIR_C_half_open_ended) > 0);
		assert_int_equal(p.ea.opens, rig_count(p.a, WEIR_C_connect_established));
		assert_int_equal(p.ea.closes, rig_count(p.a, WEIR_C_connect_started));
		assert_int_equal(p.eb.opens, p.eb.closes);
		rig_expect_clean(p.a);
		rig_expect_clean(p.b);
		pair_close(&p);
	}
}

/* ---- both at once --------------------------------------------------------------------------- */

static void simultaneous_open(void **state)
{
	struct pair *p = *state;

	assert_int_equal(connect_ports(p, p->a, &p->ea, 4000, 5000), 0);
	assert_int_equal(connect_ports(p, p->b, &p->eb, 5000, 4000), 0);
	rig_settle(p->a); /* both SYNs are on their way before either arrives */
	rig_settle(p->b);
	pair_settle(p);
	assert_int_equal(p->ea.opens, 1);
	assert_int_equal(p->eb.opens, 1);
	assert_int_equal(rig_state(p->a, WEIR_ESTABLISHED), 1);
	assert_int_equal(rig_state(p->b, WEIR_ESTABLISHED), 1);
	pair_talk(p, p->ea.conn, "crossed");
	weir_close(p->ea.conn);
	pair_settle(p);
	pair_expect_over(p);
}

/* The other's SYN comes while the way to it is not known: its frame shows it. */
static void simultaneous_open_while_resolving(void **state)
{
	struct pair *p = *state;

	p->a->net->agains = 1000000;
	assert_int_equal(connect_ports(p, p->a, &p->ea, 4000, 5000), 0);
	assert_int_equal(connect_ports(p, p->b, &p->eb, 5000, 4000), 0);
	pair_pass(p, 2 * SECOND);
	assert_int_equal(p->ea.opens, 1);
	assert_int_equal(p->eb.opens, 1);
	pair_talk(p, p->ea.conn, "shown");
}

/* A connection to itself (same tuple both ways): what it sends comes back to it. */
static void self_connect(void **state)
{
	struct pair *p = *state;
	struct worker_connect o = {
		.app = &end_app,
		.arg = &p->ea,
		.local = {.family = 4, .port = 4000, .addr = {10, 0, 0, 1}},
		.remote = {.family = 4, .port = 4000, .addr = {10, 0, 0, 1}},
	};
	struct rig *r = p->a;
	struct pktio_frame f;
	struct weir_conn *c;

	assert_int_equal(worker_connect(engine_worker(r->e, 0), &o, &c), 0);
	for (int turn = 0; turn < 50; turn++) {
		rig_settle(r);
		if (turn == 10) {
			assert_int_equal(p->ea.opens, 1);
			assert_int_equal(weir_send(c, "me", 2), 2);
		}
		if (turn == 20) {
			assert_int_equal(p->ea.len, 2);
			weir_close(c);
		}
		while (r->client[0]->ops->rx(r->client[0], &f, 1)) {
			uint8_t frame[2048];
			uint32_t len = f.len;

			memcpy(frame, f.data, len);
			r->client[0]->ops->release(r->client[0], &f, 1);
			rig_inject(r, 0, frame, len);
		}
	}
	assert_int_equal(p->ea.closes, 1);
	rig_pass(r, 100 * SECOND);
	rig_expect_clean(r);
}

/* ---- numbers ------------------------------------------------------------------------------------
 */

struct seen {
	uint32_t iss, tsval;
};

static struct seen syn_of(struct pair *p, uint16_t port)
{
	struct weir_conn *c;
	struct pktio_frame f;
	struct tcp_seg seg;
	struct weir_pkt v;

	assert_int_equal(connect_from(p, port, false, &c), 0);
	rig_settle(p->a);
	assert_int_equal(p->a->client[0]->ops->rx(p->a->client[0], &f, 1), 1);
	assert_int_equal(weir_pkt_parse(f.data, f.len, &v), WEIR_PKT_OK);
	assert_int_equal(tcp_seg_parse(&seg, f.data + v.l4_off, v.end - v.l4_off), 0);
	p->a->client[0]->ops->release(p->a->client[0], &f, 1);
	assert_int_equal(seg.flags & (TCP_SYN | TCP_ACK), TCP_SYN);
	assert_true(seg.has_ts && seg.sack_permitted && seg.wscale != WEIR_WSCALE_NONE);
	weir_abort(c);
	rig_settle(p->a);
	return (struct seen){seg.seq, seg.tsval};
}

/* RFC 6528: up with the clock for one tuple; unrelated between tuples. */
static void initial_numbers(void **state)
{
	struct pair *p = *state;
	struct seen first = syn_of(p, 4000), other, again;
	unsigned near = 0;

	for (uint16_t port = 4001; port < 4011; port++) {
		other = syn_of(p, port);
		near += other.iss - first.iss + 0x1000000 < 0x2000000;
		near += other.tsval - first.tsval + 0x1000000 < 0x2000000;
	}
	assert_true(near < 5);
	rig_pass(p->a, 4 * SECOND);
	again = syn_of(p, 4000);
	assert_int_equal(again.iss - first.iss, SECOND);
	assert_int_equal(again.tsval - first.tsval, 4000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_exhausted),
		T(same_tuple_twice),
		T(port_alone),
		cmocka_unit_test(time_wait_reopened_by_the_peer),
		T(rows),
		T(tuple_in_the_map),
		cmocka_unit_test(slots_exhausted),
		T(not_while_draining),
		T(ten_thousand),
		cmocka_unit_test(lossy_life),
		T(simultaneous_open),
		T(simultaneous_open_while_resolving),
		T(self_connect),
		T(initial_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
