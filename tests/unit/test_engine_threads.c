/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers as threads, and the engine looked at from outside while they run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine_fixture.h"

static struct echo_log echo;

static struct rig *started(unsigned queues)
{
	struct rig_config cfg;
	struct rig *r;

	memset(&echo, 0, sizeof(echo));
	rig_config_default(&cfg);
	cfg.arg = &echo;
	cfg.queues = cfg.engine.workers = queues;
	r = rig_open(&cfg);
	r->now_us = real_us();
	assert_int_equal(engine_start(r->e), 0);
	return r;
}

static bool wait_recv(struct peer *p, struct got *g)
{
	for (int i = 0; i < 3000; i++) {
		if (peer_recv(p, g))
			return true;
		nap();
	}
	return false;
}

static void echo_once(struct peer *p, const char *text)
{
	size_t len = strlen(text);
	struct got g;

	peer_send(p, TCP_ACK | TCP_PSH, text, len);
	do {
		assert_true(wait_recv(p, &g));
	} while (!g.seg.len);
	assert_int_equal(g.seg.len, len);
	assert_memory_equal(g.payload, text, len);
	p->ack += g.seg.len;
}

static void wait_state(struct rig *r, enum weir_tcp_state s, uint64_t n)
{
	for (int i = 0; i < 3000 && rig_state(r, s) != n; i++)
		nap();
	assert_int_equal(rig_state(r, s), n);
}

static void echo_over_threads(void **state)
{
	struct rig *r = started(2);
	struct peer p[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		peer_init(&p[i], r, i % 2 ? 4 : 6, (uint16_t)(4000 + i));
		p[i].queue = i % 2;
		r->now_us = real_us();
		peer_cookie(&p[i], true);
		peer_send(&p[i], TCP_ACK, NULL, 0);
		echo_once(&p[i], "hello");
		p[i].queue ^= 1; /* astray: woken through the ring */
		peer_send(&p[i], TCP_ACK | TCP_PSH, "again", 5);
		p[i].queue ^= 1;
		{
			struct got g;

			do {
				assert_true(wait_recv(&p[i], &g));
			} while (!g.seg.len);
			assert_memory_equal(g.payload, "again", 5);
		}
	}
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), 8);
	engine_stop(r->e);
	assert_int_equal(echo.closes, 8);
	assert_int_equal(echo.last_reason, TCP_END_SHUTDOWN);
	assert_true(peer_take(&p[7]) & TCP_RST);
	rig_close(r);
}

static void conns_by_mailbox(void **state)
{
	enum { N = 700 };
	struct rig *r = started(1);
	static struct engine_conn_row rows[1000];
	uint64_t cursor = 0;
	unsigned have = 0;
	struct peer p;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		peer_init(&p, r, 4, (uint16_t)(4000 + i));
		r->now_us = real_us();
		peer_cookie(&p, false);
		peer_send(&p, TCP_ACK, NULL, 0);
		if (i % 64 == 63)
			wait_state(r, WEIR_ESTABLISHED, i + 1);
	}
	wait_state(r, WEIR_ESTABLISHED, N);
	while (cursor != UINT64_MAX) {
		int n = engine_conns(r->e, 0, &cursor, rows + have, 1000 - have, 2000);

		assert_in_range(n, 0, 256);
		have += (unsigned)n;
	}
	assert_int_equal(have, N);
	assert_int_equal(engine_conns(r->e, 0, &cursor, rows, 10, 10), 0);
	assert_string_equal(rows[0].service, "echo");
	assert_int_equal(rows[0].tcp.state, WEIR_ESTABLISHED);
	assert_int_equal(rows[0].local.port, RIG_PORT);
	assert_int_equal(rows[0].remote.family, 4);
	assert_int_equal(rows[0].remote.port, 4000);
	assert_int_not_equal(rows[0].id, rows[1].id);
	assert_int_equal(engine_conns(r->e, 7, &cursor, rows, 10, 10), -EINVAL);
	engine_stop(r->e);
	rig_close(r);
}

/* Without threads the worker does not answer by itself; TIME_WAIT is among the rows. */
static void time_wait_rows(void **state)
{
	struct engine_conn_row rows[4];
	struct rig_config cfg;
	uint64_t cursor = 0;
	struct rig *r;
	struct peer p;

	(void)state;
	memset(&echo, 0, sizeof(echo));
	echo.close_on_data = true;
	rig_config_default(&cfg);
	cfg.arg = &echo;
	r = rig_open(&cfg);
	peer_init(&p, r, 6, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK, "x", 1);
	rig_settle(r);
	peer_take(&p);
	peer_send(&p, TCP_ACK | TCP_FIN, NULL, 0);
	rig_settle(r);
	assert_int_equal(engine_conns(r->e, 0, &cursor, rows, 4, 10), 1);
	assert_true(cursor == UINT64_MAX);
	assert_int_equal(rows[0].tcp.state, WEIR_TIME_WAIT);
	assert_string_equal(rows[0].service, "echo");
	assert_int_equal(rows[0].tcp.timer, TCP_TIMER_TIME_WAIT);
	assert_in_range(rows[0].timer_in_us, 9000000, 10000000);
	rig_close(r);
}

static void drain_closes_in_order(void **state)
{
	struct rig *r = started(1);
	struct peer p, late;
	struct got g;

	(void)state;
	peer_init(&p, r, 4, 4000);
	peer_cookie(&p, true);
	peer_send(&p, TCP_ACK, NULL, 0);
	echo_once(&p, "hello");
	assert_false(engine_drained(r->e));
	engine_drain(r->e);
	do {
		assert_true(wait_recv(&p, &g));
	} while (!(g.seg.flags & TCP_FIN));
	p.ack = g.seg.seq + g.seg.len + 1;
	assert_false(engine_drained(r->e));
	peer_init(&late, r, 4, 4001);
	r->now_us = real_us();
	peer_cookie(&late, true);
	peer_send(&late, TCP_ACK, NULL, 0);
	peer_send(&p, TCP_ACK | TCP_FIN, NULL, 0);
	for (int i = 0; i < 3000 && !engine_drained(r->e); i++)
		nap();
	assert_true(engine_drained(r->e));
	assert_int_equal(echo.closes, 1);
	assert_int_equal(echo.last_reason, TCP_END_NORMAL);
	assert_int_equal(echo.opens, 1);
	assert_int_equal(rig_count(r, WEIR_C_drop_flow_draining), 1);
	engine_stop(r->e);
	rig_close(r);
}

/*
 * A second without a turn is a pause: a deadline of 600 ms that passed meanwhile
 * still has its time to go, measured in time that the worker ran.
 */
static void a_pause_does_not_count(void **state)
{
	struct rig *r = started(1);
	struct peer p;
	uint64_t resumed;

	(void)state;
	echo.timer_ms = 600;
	echo.sleep_ms = 1300;
	peer_init(&p, r, 4, 4000);
	peer_cookie(&p, true);
	peer_send(&p, TCP_ACK, NULL, 0);
	echo_once(&p, "blocks the worker");
	resumed = real_us();
	echo.sleep_ms = 0;
	for (int i = 0; i < 3000 && !echo.timers; i++)
		nap();
	assert_int_equal(echo.timers, 1);
	assert_true(real_us() - resumed > 400000);
	assert_int_equal(rig_count(r, WEIR_C_worker_paused), 1);
	engine_stop(r->e);
	rig_close(r);
}

/* ---- trace ----------------------------------------------------------------------------- */

static void trace_of_a_connection(void **state)
{
	struct weir_trace_rec recs[64];
	struct weir_trace_filter only = {.port = weir_htons(4000), .family = 4};
	uint64_t lost = 99;
	struct rig_config cfg;
	struct peer p, other;
	struct rig *r;
	unsigned n;

	(void)state;
	rig_config_default(&cfg);
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
	peer_init(&other, r, 4, 4001);
	rig_settle(r);
	peer_open(&other);
	assert_int_equal(engine_trace_read(r->e, 0, recs, 64, &lost), 0); /* off */
	engine_trace(r->e, true, &only);
	rig_settle(r);
	peer_open(&p);
	peer_echo(&other, "not asked for");
	peer_send(&p, TCP_ACK | TCP_FIN, NULL, 0);
	rig_settle(r);
	n = engine_trace_read(r->e, 0, recs, 64, &lost);
	assert_int_equal(lost, 0);
	assert_in_range(n, 3, 4); /* ACK, FIN, and our FIN with or after its ACK */
	assert_int_equal(recs[0].dir, WEIR_TRACE_IN);
	assert_int_equal(recs[0].where, WEIR_TRACE_WORKER);
	assert_int_equal(recs[0].state_before, WEIR_LISTEN);
	assert_int_equal(recs[0].state_after, WEIR_ESTABLISHED);
	assert_int_equal(recs[0].len, p.log[0].len);
	assert_int_equal(recs[0].caplen, p.log[0].len);
	assert_memory_equal(recs[0].data, p.log[0].frame, p.log[0].len);
	assert_int_equal(recs[1].state_after, WEIR_CLOSE_WAIT);
	assert_int_equal(recs[n - 1].dir, WEIR_TRACE_OUT);
	assert_int_equal(recs[n - 1].state_after, WEIR_LAST_ACK);
	engine_trace(r->e, false, NULL);
	rig_settle(r);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(r);
	assert_int_equal(engine_trace_read(r->e, 0, recs, 64, &lost), 0);
	rig_close(r);
}

static void trace_loses_rather_than_waits(void **state)
{
	enum { N = 9000 };
	static struct weir_trace_rec recs[N];
	uint64_t lost = 0;
	struct rig_config cfg;
	struct rig *r;
	struct peer p;
	unsigned n;

	(void)state;
	rig_config_default(&cfg);
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
	peer_cookie(&p, false);
	engine_trace(r->e, true, NULL);
	rig_settle(r);
	for (unsigned i = 0; i < N; i++) {
		peer_send_at(&p, TCP_ACK, 1, 1, NULL, 0);
		rig_poll(r);
	}
	n = engine_trace_read(r->e, 0, recs, N, &lost);
	assert_int_equal(n + lost, N);
	assert_true(lost > 0);
	assert_int_equal(recs[0].outcome, WEIR_C_drop_unknown_flow);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_over_threads),
		cmocka_unit_test(conns_by_mailbox),
		cmocka_unit_test(time_wait_rows),
		cmocka_unit_test(drain_closes_in_order),
		cmocka_unit_test(a_pause_does_not_count),
		cmocka_unit_test(trace_of_a_connection),
		cmocka_unit_test(trace_loses_rather_than_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
