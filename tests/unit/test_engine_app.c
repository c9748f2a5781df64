/* SPDX-License-Identifier: BSD-2-Clause */
/* What applications are told, and when: weir.h's promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/packet.h>
#include "engine_fixture.h"

static void refused_by_the_app(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.refuse = true;
	peer_init(&p, s->r, 4, 4000);
	peer_cookie(&p, true);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_true(peer_take(&p) & TCP_RST);
	assert_int_equal(s->log.opens, 1);
	assert_int_equal(s->log.closes, 0);
	assert_int_equal(rig_conns(s->r), 0);
	assert_int_equal(rig_count(s->r, WEIR_C_conn_refused_by_app), 1);
	peer_replay(&p);
	assert_int_equal(s->log.opens, 1);
}

static void close_inside_on_data(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.close_on_data = true;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK, "x", 1);
	rig_settle(s->r);
	assert_true(peer_take(&p) & TCP_FIN);
	peer_send(&p, TCP_ACK | TCP_FIN, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(s->log.closes, 1);
	assert_int_equal(s->log.datas, 1);
	assert_int_equal(s->log.last_reason, TCP_END_NORMAL);
	rig_pass(s->r, 60000000);
	assert_int_equal(s->log.closes, 1);
}

static void abort_inside_on_data(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.abort_on_data = true;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK, "x", 1);
	rig_settle(s->r);
	assert_true(peer_take(&p) & TCP_RST);
	assert_int_equal(s->log.closes, 1);
	assert_int_equal(s->log.last_reason, TCP_END_ABORTED);
	assert_int_equal(rig_conns(s->r), 0);
}

/* RFC 9293 3.10.7.4: a reset flushes what was queued; the app hears of nothing else. */
static void data_before_a_reset_in_one_turn(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK, "x", 1);
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(s->log.datas, 0);
	assert_int_equal(s->log.closes, 1);
	assert_int_equal(s->log.last_reason, TCP_END_RESET);
}

static void app_timeout_has_its_own_reason(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.abort_timeout_on_data = true;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK, "x", 1);
	rig_settle(s->r);
	assert_int_equal(s->log.last_reason, TCP_END_APP_TIMEOUT);
}

static void app_deadline(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.timer_ms = 250;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	rig_pass(s->r, 249000);
	assert_int_equal(s->log.timers, 0);
	rig_pass(s->r, 3000);
	assert_int_equal(s->log.timers, 1);
	rig_pass(s->r, 5000000);
	assert_int_equal(s->log.timers, 1);
}

/* A peer whose window is shut: the app hears on_writable only once there is room. */
static void writable_only_after_a_short_send(void **state)
{
	struct echo_rig *s = *state;
	char chunk[1000];
	struct peer p;

	memset(chunk, 'a', sizeof(chunk));
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_echo(&p, "fits");
	assert_int_equal(s->log.writables, 0);
	p.wnd = 0;
	peer_send(&p, TCP_ACK, NULL, 0);
	for (int i = 0; i < 2000 && !s->log.shorts; i++) {
		peer_send(&p, TCP_ACK, chunk, sizeof(chunk));
		rig_settle(s->r);
		peer_take(&p);
	}
	assert_int_equal(s->log.shorts, 1);
	assert_int_equal(s->log.writables, 0);
	p.wnd = 0xffff;
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	peer_take(&p);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_true(s->log.writables >= 1);
}

static void greeting_then_close(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;
	struct got g;

	s->log.greeting = "bye";
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.len, 3);
	assert_memory_equal(g.payload, "bye", 3);
	assert_int_equal(s->log.closes, 0);
}

/* Half-close: the peer's FIN first, our data goes on. */
static void half_close_by_the_peer(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.keep_open = true;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	peer_send(&p, TCP_ACK | TCP_FIN, "last", 4);
	rig_settle(s->r);
	assert_int_equal(rig_state(s->r, WEIR_CLOSE_WAIT), 1);
	assert_false(peer_take(&p) & TCP_FIN);
	assert_int_equal(p.ack, p.cookie + 1 + 4);
}

/* The peer's last bytes came with its FIN, after ours: still to be read in TIME_WAIT. */
static void unread_data_outlives_the_end(void **state)
{
	struct echo_rig *s = *state;
	struct peer p;

	s->log.hold = s->log.shutdown_on_open = true;
	s->log.timer_ms = 1000;
	peer_init(&p, s->r, 4, 4000);
	peer_open(&p);
	assert_true(peer_take(&p) & TCP_FIN);
	peer_send(&p, TCP_ACK | TCP_FIN, "unread", 6);
	rig_settle(s->r);
	assert_int_equal(rig_state(s->r, WEIR_TIME_WAIT), 1);
	assert_int_equal(s->log.closes, 0);
	rig_pass(s->r, 1100000);
	assert_int_equal(s->log.timers, 1);
	rig_pass(s->r, 12000000);
	assert_int_equal(s->log.closes, 1);
	assert_int_equal(s->log.last_reason, TCP_END_NORMAL);
	assert_int_equal(rig_status(s->r).buffer_bytes_used, 0);
	assert_int_equal(rig_state(s->r, WEIR_TIME_WAIT), 0);
}

static unsigned drains;

static void last_word_then_close(struct weir_conn *c)
{
	drains++;
	weir_send(c, "bye", 3);
	weir_close(c);
}

/* on_drain once per connection, and what it still sends goes out before the FIN. */
static void drained_by_the_app(void **state)
{
	struct weir_app app = echo_test_app;
	struct echo_log log = {0};
	struct rig_config cfg;
	struct peer p;
	struct got g;
	struct rig *r;

	(void)state;
	drains = 0;
	app.on_drain = last_word_then_close;
	rig_config_default(&cfg);
	cfg.app = &app;
	cfg.arg = &log;
	r = rig_open(&cfg);
	peer_init(&p, r, 4, 4000);
	peer_open(&p);
	peer_echo(&p, "hello");
	engine_drain(r->e);
	rig_settle(r);
	assert_int_equal(drains, 1);
	assert_true(peer_recv(&p, &g));
	assert_true(g.seg.flags & TCP_FIN);
	assert_int_equal(g.seg.len, 3);
	assert_memory_equal(g.payload, "bye", 3);
	assert_false(engine_drained(r->e));
	p.ack = g.seg.seq + 4;
	peer_send(&p, TCP_ACK | TCP_FIN, NULL, 0);
	rig_settle(r);
	rig_poll(r);
	assert_true(engine_drained(r->e));
	assert_int_equal(drains, 1);
	assert_int_equal(log.last_reason, TCP_END_NORMAL);
	rig_close(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, echo_rig_setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_by_the_app),
		T(close_inside_on_data),
		T(abort_inside_on_data),
		T(data_before_a_reset_in_one_turn),
		T(app_timeout_has_its_own_reason),
		T(app_deadline),
		T(writable_only_after_a_short_send),
		T(greeting_then_close),
		T(half_close_by_the_peer),
		T(unread_data_outlives_the_end),
		cmocka_unit_test(drained_by_the_app),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
