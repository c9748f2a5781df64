/* SPDX-License-Identifier: BSD-2-Clause */
/* Stateful passive opens: SYNs that the gate leaves to the worker (modes never and auto). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/clock.h>
#include <weir/cookie.h>
#include "engine/conn_api.h"
#include "engine_fixture.h"

/* Nothing but a tombstone's due is left of what the rig had. */
static void expect_no_trace(struct rig *r)
{
	assert_int_equal(rig_conns(r), 0);
	assert_int_equal(rig_status(r).tombstones, 0);
	assert_int_equal(r->flows->n, 0);
	assert_int_equal(rig_status(r).buffer_bytes_used, 0);
}

/* ---- opening -------------------------------------------------------------------------- */

static void open_by_syn(struct echo_rig *s, int family, bool ts)
{
	struct weir_cookie ck;
	struct peer p;
	struct got g;

	peer_init(&p, s->r, family, 4000);
	p.ts = ts;
	peer_syn(&p);
	g = peer_syn_ack(&p);
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 1);
	assert_int_equal(s->log.opens, 0); /* not yet the application's */
	assert_int_equal(s->r->flows->n, 1);
	assert_int_equal(g.seg.has_ts, ts);
	assert_true(g.seg.sack_permitted);
	/* What the gate would have said. */
	weir_cookie_make_tuple(
		&s->r->gate, weir_clock_wall_ms(&s->r->gate.clock, rig_gate_ms(s->r)), &p.t, p.isn,
		&(struct weir_syn_opts){.mss = 1460,
					.wscale = 7,
					.flags = (__u8)(WEIR_OPT_SACK | (ts ? WEIR_OPT_TS : 0)),
					.tsval = p.tsval},
		&ck);
	assert_int_equal(g.seg.seq, ck.iss);
	if (ts)
		assert_int_equal(g.seg.tsval, ck.tsval);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(s->log.opens, 1);
	assert_int_equal(rig_state(s->r, WEIR_ESTABLISHED), 1);
	assert_int_equal(rig_count(s->r, WEIR_C_syn_taken), 1);
	peer_echo(&p, "hello");
	/* It opened: a replay of any of it must not run again. */
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_status(s->r).tombstones, 1);
	p.log[0].len = 0; /* the SYN may open anew; the rest may not */
	for (unsigned i = 1; i < p.nlog; i++)
		rig_inject(s->r, 0, p.log[i].frame, p.log[i].len);
	rig_settle(s->r);
	assert_int_equal(s->log.opens, 1);
	rig_pass(s->r, 40 * SECOND);
	expect_no_trace(s->r);
}

static void opens_v4(void **state)
{
	open_by_syn(*state, 4, true);
}

static void opens_v6(void **state)
{
	open_by_syn(*state, 6, true);
}

static void opens_without_timestamps(void **state)
{
	open_by_syn(*state, 4, false);
}

/* The final ACK is lost, the data that follows carries it. */
static void opened_by_data(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	peer_syn_ack(&p);
	peer_echo(&p, "no ACK before");
	assert_int_equal(s->log.opens, 1);
}

/* A server that speaks first: only the SYN-ACK, sent again, brings the lost ACK back. */
static void server_speaks_first_final_ack_lost(void **state)
{
	struct echo_rig *s = *state;
	uint32_t iss, tsval;
	struct peer p;
	struct got g;

	s->log.greeting = "220 ready";
	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	g = peer_syn_ack(&p);
	iss = g.seg.seq;
	tsval = g.seg.tsval;
	rig_pass(s->r, 1100000);
	g = peer_syn_ack(&p);
	assert_int_equal(g.seg.seq, iss);
	assert_int_equal(g.seg.tsval, tsval); /* as good a cookie as the first */
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.len, 9);
	assert_memory_equal(g.payload, "220 ready", 9);
}

/* ---- SYN_RCVD costs nothing lasting ------------------------------------------------------ */

static void stale_syn(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	for (uint16_t port = 4000; port < 4050; port++) {
		peer_init(&p, s->r, port % 2 ? 4 : 6, port);
		peer_syn(&p);
	}
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 50);
	assert_int_equal(s->r->flows->n, 50);
	rig_pass(s->r, 40 * SECOND);
	expect_no_trace(s->r);
	assert_int_equal(s->log.opens + s->log.closes, 0);
	assert_int_equal(rig_count(s->r, WEIR_C_half_open_ended), 50);
	assert_int_equal(rig_count(s->r, WEIR_C_conn_opened), 0);
	assert_int_equal(rig_count(s->r, WEIR_C_conn_closed), 0);
}

static void duplicate_syn(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	struct got a, b;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	a = peer_syn_ack(&p);
	peer_syn(&p);
	b = peer_syn_ack(&p);
	assert_int_equal(a.seg.seq, b.seg.seq);
	assert_int_equal(rig_conns(s->r), 1);
	assert_int_equal(rig_count(s->r, WEIR_C_syn_repeated), 1);
	assert_int_equal(rig_count(s->r, WEIR_C_syn_taken), 1);
}

static void reset_in_syn_rcvd(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	peer_syn_ack(&p);
	peer_send_at(&p, TCP_RST, p.seq, 0, NULL, 0);
	rig_settle(s->r);
	expect_no_trace(s->r);
	assert_true(rig_silent(s->r));
	assert_int_equal(s->log.opens + s->log.closes, 0);
	peer_handshake(&p);
	peer_echo(&p, "after all");
}

/*
 * The client has restarted: another ISN. It is challenged, answers by the RST that
 * RFC 9293 3.5.1 has it send, and its SYN, sent again, finds LISTEN.
 */
static void syn_with_another_isn(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	struct got g;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	peer_syn_ack(&p);
	p.isn += 0x40000000;
	p.tsval++;
	peer_syn(&p);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.flags, TCP_ACK);
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 1);
	peer_send_at(&p, TCP_RST, g.seg.ack, 0, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_conns(s->r), 0);
	peer_handshake(&p);
	peer_echo(&p, "restarted");
}

/* What SYN_RCVD has forgotten, the cookie remembers: reset by a blind RST, opened by the ACK. */
static void cookie_outlives_syn_rcvd(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	rig_pass(s->r, 1100000);
	peer_syn_ack(&p);
	peer_syn_ack(&p); /* the second of them */
	peer_send_at(&p, TCP_RST, p.seq, 0, NULL, 0);
	rig_settle(s->r);
	expect_no_trace(s->r);
	peer_echo(&p, "still valid");
	assert_int_equal(s->log.opens, 1);
}

/* ---- two answers to one SYN --------------------------------------------------------------- */

/* The gate answered in one epoch, the worker the SYN's copy in the next. */
static void another_cookie_supersedes(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	struct got g;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, false);
	rig_pass(s->r, 16500000);
	peer_syn(&p);
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 1);
	for (struct peer copy = p; peer_recv(&copy, &g);)
		assert_int_not_equal(g.seg.seq + 1, p.ack);
	/* The client took the gate's answer. */
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_count(s->r, WEIR_C_syn_rcvd_superseded), 1);
	assert_int_equal(s->log.opens, 1);
	assert_int_equal(rig_conns(s->r), 1);
	peer_echo(&p, "the first answer");
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_status(s->r).tombstones, 1);
}

static void forged_ack_does_not_supersede(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_syn(&p);
	peer_syn_ack(&p);
	peer_send_at(&p, TCP_ACK, p.seq, p.ack + 64, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_count(s->r, WEIR_C_syn_rcvd_superseded), 0);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_ack_syn_rcvd), 1);
	assert_int_equal(s->log.opens, 0);
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 1);
}

/* The service's mode changes under connections at every stage: none is lost. */
static void modes_switched_in_flight(void **state)
{
	struct echo_rig *s = *state;
	struct peer p[30];

	for (unsigned i = 0; i < 30; i++) {
		peer_init(&p[i], s->r, i % 2 ? 4 : 6, (uint16_t)(4000 + i));
		if (i % 3 == 0) { /* always: the gate answers */
			peer_cookie(&p[i], true);
		} else {
			peer_syn(&p[i]);
			peer_syn_ack(&p[i]);
		}
	}
	/* Now the other way round: the SYN_RCVDs' ACKs, the cookies' ACKs and new SYNs. */
	for (unsigned i = 0; i < 30; i++) {
		peer_send(&p[i], TCP_ACK, NULL, 0);
		rig_settle(s->r);
	}
	assert_int_equal(s->log.opens, 30);
	for (unsigned i = 0; i < 30; i++)
		peer_echo(&p[i], "alive");
	assert_int_equal(rig_state(s->r, WEIR_ESTABLISHED), 30);
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

static struct rig *rig_with(struct echo_log *log, unsigned conns, unsigned backlog, unsigned flows)
{
	struct rig_config cfg;

	memset(log, 0, sizeof(*log));
	rig_config_default(&cfg);
	cfg.arg = log;
	cfg.engine.conns = conns;
	cfg.engine.backlog = backlog;
	cfg.flows = flows;
	return rig_open(&cfg);
}

static void backlog_full(void **state)
{
	struct echo_log log;
	struct rig *r = rig_with(&log, 16, 2, 64);
	struct peer p[4];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		peer_init(&p[i], r, 4, (uint16_t)(4000 + i));
		peer_syn(&p[i]);
	}
	assert_int_equal(rig_state(r, WEIR_SYN_RCVD), 2);
	assert_int_equal(rig_count(r, WEIR_C_drop_backlog), 1);
	/* In auto the gate now answers by cookies: an ACK of such a one is let in. */
	assert_int_equal(r->service.pressure_ms, rig_gate_ms(r));
	peer_init(&p[3], r, 4, 4003);
	peer_open(&p[3]);
	/* One that opens makes room for one that is to. */
	peer_syn_ack(&p[0]);
	peer_send(&p[0], TCP_ACK, NULL, 0);
	rig_settle(r);
	peer_handshake(&p[2]);
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), 3);
	/* So does one that is reset. */
	peer_send_at(&p[1], TCP_RST, p[1].isn + 1, 0, NULL, 0);
	rig_settle(r);
	for (unsigned i = 0; i < 2; i++) {
		peer_init(&p[i], r, 4, (uint16_t)(5000 + i));
		peer_syn(&p[i]);
	}
	assert_int_equal(rig_state(r, WEIR_SYN_RCVD), 2);
	assert_int_equal(rig_count(r, WEIR_C_drop_backlog), 1);
	rig_close(r);
}

static void connections_full(void **state)
{
	struct echo_log log;
	struct rig *r = rig_with(&log, 1, 8, 64);
	struct peer p[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		peer_init(&p[i], r, 4, (uint16_t)(4000 + i));
		peer_syn(&p[i]);
	}
	assert_int_equal(rig_count(r, WEIR_C_drop_conns_full), 1);
	assert_int_equal(r->service.pressure_ms, rig_gate_ms(r));
	assert_int_equal(r->flows->n, 1);
	rig_close(r);
}

static void flow_map_full_or_failing(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	s->r->flows->insert_err = -E2BIG;
	peer_syn(&p);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_syn_flows_full), 1);
	s->r->flows->insert_err = -EIO;
	peer_syn(&p);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_flowmap_error), 1);
	assert_true(rig_silent(s->r));
	assert_int_equal(rig_conns(s->r), 0);
	s->r->flows->insert_err = 0;
	peer_handshake(&p);
	assert_int_equal(s->log.opens, 1);
}

static void not_while_draining(void **state)
{
	struct echo_rig *s = *state;
	struct peer p, q;

	peer_init(&p, s->r, 4, 4000);
	peer_init(&q, s->r, 4, 4001);
	peer_syn(&p);
	peer_syn_ack(&p);
	engine_drain(s->r->e);
	peer_syn(&q);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_flow_draining), 1);
	assert_true(peer_take(&p) & TCP_RST);
	assert_true(engine_drained(s->r->e));
	assert_int_equal(s->log.opens + s->log.closes, 0);
	assert_int_equal(s->r->flows->n, 0);
}

static void odd_syns(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_send_at(&p, TCP_SYN | TCP_FIN, p.isn, 0, NULL, 0);
	peer_send_at(&p, TCP_SYN | TCP_RST, p.isn, 0, NULL, 0);
	peer_send_at(&p, TCP_SYN | TCP_ACK, p.isn, 77, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_unknown_flow), 3);
	assert_int_equal(rig_conns(s->r), 0);
	assert_true(rig_silent(s->r));
	p.t.lport = weir_htons(RIG_OTHER_PORT);
	peer_syn(&p);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_no_listener), 1);
	assert_true(rig_silent(s->r));
	expect_no_trace(s->r);
}

/* ---- queues
 * --------------------------------------------------------------------------------------- */

static void syn_on_another_queue(void **state)
{
	struct rig_config cfg;
	struct echo_log log;
	struct peer p, q;
	struct got g;
	struct rig *r;

	(void)state;
	memset(&log, 0, sizeof(log));
	rig_config_default(&cfg);
	cfg.arg = &log;
	cfg.queues = cfg.engine.workers = 2;
	cfg.engine.backlog = 1;
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
	peer_syn(&p);
	peer_syn_ack(&p);
	/* Its copy comes to the other worker: the owner answers, on its own queue. */
	p.queue = 1;
	peer_syn(&p);
	p.queue = 0;
	peer_syn_ack(&p);
	assert_int_equal(rig_conns(r), 1);
	assert_int_equal(rig_count(r, WEIR_C_handover_received), 1);
	/* So it does when the other's backlog is full. */
	peer_init(&q, r, 4, 4001);
	q.queue = 1;
	peer_syn(&q);
	p.queue = 1;
	peer_syn(&p);
	p.queue = 0;
	peer_syn_ack(&p);
	p.queue = 1;
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(r);
	assert_int_equal(log.opens, 1);
	/* A SYN and a reset within the connection, too. */
	peer_syn(&p);
	p.queue = 0;
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.flags, TCP_ACK);
	p.queue = 1;
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(r);
	assert_int_equal(log.closes, 1);
	rig_close(r);
}

/* The gate has let it in, but its first frame was lost: a SYN is no evidence. */
static void syn_of_an_unclaimed_flow(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	peer_syn(&p);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_unknown_flow), 1);
	assert_int_equal(rig_conns(s->r), 0);
	assert_int_equal(s->r->flows->n, 1);
	peer_echo(&p, "first data");
}

#define T(f) cmocka_unit_test_setup_teardown(f, echo_rig_setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(opens_v4),
		T(opens_v6),
		T(opens_without_timestamps),
		T(opened_by_data),
		T(server_speaks_first_final_ack_lost),
		T(stale_syn),
		T(duplicate_syn),
		T(reset_in_syn_rcvd),
		T(syn_with_another_isn),
		T(cookie_outlives_syn_rcvd),
		T(another_cookie_supersedes),
		T(forged_ack_does_not_supersede),
		T(modes_switched_in_flight),
		cmocka_unit_test(backlog_full),
		cmocka_unit_test(connections_full),
		T(flow_map_full_or_failing),
		T(not_while_draining),
		T(odd_syns),
		cmocka_unit_test(syn_on_another_queue),
		T(syn_of_an_unclaimed_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
