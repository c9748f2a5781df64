/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners, and what comes to LISTEN and CLOSED; calls from outside of callbacks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/conn_api.h"
#include "engine_fixture.h"

/* ---- LISTEN and CLOSED without a gate
 * ----------------------------------------------------------------- */

struct answer {
	uint8_t flags; /* of what is sent */
	int reply;     /* flags of the answer, -1: none */
};

static void expect_answers(struct rig *r, uint16_t lport, const struct answer *a, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t span = !!(a[i].flags & TCP_SYN) + !!(a[i].flags & TCP_FIN);
		struct peer p;
		struct got g;

		peer_init(&p, r, 4, (uint16_t)(4000 + i));
		p.t.lport = weir_htons(lport);
		peer_send_at(&p, a[i].flags, 1000, 2000, "ab", 2);
		rig_settle(r);
		assert_int_equal(peer_recv(&p, &g), a[i].reply >= 0);
		if (a[i].reply < 0)
			continue;
		assert_int_equal(g.seg.flags, a[i].reply);
		assert_int_equal(g.seg.seq, a[i].flags & TCP_ACK ? 2000 : 0);
		if (a[i].reply & TCP_ACK)
			assert_int_equal(g.seg.ack, 1000 + 2 + span);
	}
	assert_int_equal(rig_conns(r), 0);
}

static void listen_without_a_gate(void **state)
{
	static const struct answer listen[] = {
		{TCP_RST, -1},
		{TCP_RST | TCP_ACK, -1},
		{TCP_ACK, TCP_RST},
		{TCP_SYN | TCP_ACK, TCP_RST},
		{TCP_FIN | TCP_ACK, TCP_RST},
		{TCP_FIN, -1},
		{0, -1},
	};
	static const struct answer closed[] = {
		{TCP_RST, -1},
		{TCP_RST | TCP_ACK, -1},
		{TCP_ACK, TCP_RST},
		{TCP_SYN | TCP_ACK, TCP_RST},
		{TCP_FIN | TCP_ACK, TCP_RST},
		{TCP_SYN, TCP_RST | TCP_ACK},
		{TCP_FIN, TCP_RST | TCP_ACK},
		{0, TCP_RST | TCP_ACK},
	};
	struct rig_config cfg;
	struct rig *r;

	(void)state;
	rig_config_default(&cfg);
	cfg.engine.rst_unknown = true;
	r = rig_open(&cfg);
	expect_answers(r, RIG_PORT, listen, 7);
	expect_answers(r, RIG_OTHER_PORT, closed, 8);
	assert_int_equal(rig_count(r, WEIR_C_rst_unknown), 9);
	rig_close(r);
}

/* ---- listeners
 * -------------------------------------------------------------------------------------------- */

static struct worker_listen at_port(uint16_t port, struct end *e)
{
	return (struct worker_listen){.addr = {.port = port}, .app = &end_app, .arg = e};
}

static void peer_to(struct peer *p, struct rig *r, uint16_t port, uint16_t lport)
{
	peer_init(p, r, 4, port);
	p->t.lport = weir_htons(lport);
}

static void listeners_come_and_go(void **state)
{
	struct echo_rig *s = *state;
	struct worker *w = engine_worker(s->r->e, 0);
	struct end e = {.echo = true};
	struct worker_listen l = at_port(8080, &e);
	struct peer p, q;
	struct got g;

	assert_int_equal(worker_listen(w, &l), 0);
	assert_int_equal(worker_listen(w, &l), -EADDRINUSE);
	peer_to(&p, s->r, 4000, 8080);
	peer_handshake(&p);
	assert_int_equal(e.opens, 1);
	peer_to(&q, s->r, 4001, 8080);
	peer_syn(&q);
	peer_syn_ack(&q);
	worker_unlisten(w, &l.addr);
	worker_unlisten(w, &l.addr);
	/* The open one lives on; the handshake under way finds nobody. */
	peer_echo(&p, "orphan");
	peer_send(&q, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_true(peer_recv(&q, &g));
	assert_true(g.seg.flags & TCP_RST);
	assert_int_equal(e.opens, 1);
	assert_int_equal(rig_count(s->r, WEIR_C_conn_unlistened), 1);
	peer_to(&q, s->r, 4002, 8080);
	peer_syn(&q);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_no_listener), 1);
	/* And again: the old one's connections are not the new one's. */
	assert_int_equal(worker_listen(w, &l), 0);
	peer_send(&p, TCP_RST, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(e.closes, 1);
}

static void exact_address_goes_first(void **state)
{
	struct echo_rig *s = *state;
	struct worker *w = engine_worker(s->r->e, 0);
	struct end any = {0}, exact = {0};
	struct worker_listen l = at_port(8080, &any);
	struct peer p;

	assert_int_equal(worker_listen(w, &l), 0);
	l.arg = &exact;
	l.addr = (struct weir_addr){.family = 4, .port = 8080, .addr = {10, 0, 0, 2}};
	assert_int_equal(worker_listen(w, &l), 0);
	peer_to(&p, s->r, 4000, 8080);
	peer_handshake(&p);
	assert_int_equal(exact.opens, 1);
	worker_unlisten(w, &l.addr);
	peer_to(&p, s->r, 4001, 8080);
	peer_handshake(&p);
	assert_int_equal(any.opens, 1);
}

static void listeners_checked(void **state)
{
	static const struct weir_app large = {.name = "large", .conn_size = 65536};
	struct echo_rig *s = *state;
	struct worker *w = engine_worker(s->r->e, 0);
	struct end e = {0};
	struct worker_listen l = at_port(0, &e);
	struct weir_addr a = {.port = 8080};

	assert_int_equal(worker_listen(w, &l), -EINVAL);
	l.addr.port = 8080;
	l.addr.family = 7;
	assert_int_equal(worker_listen(w, &l), -EINVAL);
	l.addr.family = 0;
	l.app = &large;
	assert_int_equal(worker_listen(w, &l), -EINVAL);
	assert_int_equal(engine_listen(s->r->e, &a, &large, NULL), -EINVAL);
	assert_int_equal(engine_listen(s->r->e, &a, &end_app, &e), 0);
	assert_int_equal(engine_listen(s->r->e, &a, &end_app, &e), -EADDRINUSE);
}

static bool room;

static bool has_room(void *arg)
{
	(void)arg;
	return room;
}

static void listener_may_refuse(void **state)
{
	struct echo_rig *s = *state;
	struct end e = {0};
	struct worker_listen l = at_port(8080, &e);
	struct peer p, q;

	l.may_open = has_room;
	room = false;
	assert_int_equal(worker_listen(engine_worker(s->r->e, 0), &l), 0);
	peer_to(&p, s->r, 4000, 8080);
	peer_syn(&p);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_accept_queue), 1);
	/* Of a cookie: dropped, and its first data opens it when there is room. */
	peer_to(&q, s->r, 4001, 8080);
	peer_cookie(&q, true);
	peer_send(&q, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_accept_queue), 2);
	room = true;
	peer_send(&q, TCP_ACK, "x", 1);
	rig_settle(s->r);
	assert_int_equal(e.opens, 1);
	/* In SYN_RCVD: it stays there, and asks again by its SYN-ACK. */
	peer_syn(&p);
	peer_syn_ack(&p);
	room = false;
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_accept_queue), 3);
	assert_int_equal(rig_state(s->r, WEIR_SYN_RCVD), 1);
	room = true;
	rig_pass(s->r, 1100000);
	peer_syn_ack(&p);
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_int_equal(e.opens, 2);
}

static void listeners_options_and_backlog(void **state)
{
	struct echo_rig *s = *state;
	struct end e = {0};
	struct worker_listen l = at_port(8080, &e);
	struct tcp_opts opts;
	struct peer p, q;
	struct got g;

	tcp_opts_default(&opts, &s->r->cfg.engine.tcp);
	opts.maxseg = 700;
	l.opts = &opts;
	l.backlog = 1;
	assert_int_equal(worker_listen(engine_worker(s->r->e, 0), &l), 0);
	memset(&opts, 0xff, sizeof(opts)); /* a copy was taken */
	peer_to(&p, s->r, 4000, 8080);
	peer_to(&q, s->r, 4001, 8080);
	peer_syn(&p);
	g = peer_syn_ack(&p);
	assert_int_equal(g.seg.mss, 700);
	peer_syn(&q);
	assert_int_equal(rig_count(s->r, WEIR_C_drop_backlog), 1);
	/* The other listener's is another one. */
	peer_init(&q, s->r, 4, 4001);
	peer_handshake(&q);
	assert_int_equal(s->log.opens, 1);
}

/* ---- calls from outside of callbacks
 * ------------------------------------------------------------------------ */

static void calls_between_turns(void **state)
{
	struct echo_rig *s = *state;
	struct worker *w = engine_worker(s->r->e, 0);
	struct end e = {0};
	struct worker_listen l = at_port(8080, &e);
	struct peer p;
	struct got g;

	assert_int_equal(worker_listen(w, &l), 0);
	peer_to(&p, s->r, 4000, 8080);
	peer_handshake(&p);
	assert_true(worker_next_timeout(w) > s->r->now_us);
	assert_int_equal(weir_send(e.conn, "unasked", 7), 7);
	assert_int_equal(worker_next_timeout(w), s->r->now_us);
	rig_poll(s->r);
	assert_true(peer_recv(&p, &g));
	assert_int_equal(g.seg.len, 7);
	p.ack += 7;
	peer_send(&p, TCP_ACK, NULL, 0);
	rig_settle(s->r);
	assert_true(e.event_bits & TCP_EV_SENT);
	/* A deadline counts from the worker's clock, which the caller may move on. */
	worker_clock(w, s->r->now_us + 50000);
	worker_clock(w, s->r->now_us);
	assert_int_equal(weir_now_us(e.conn), s->r->now_us + 50000);
	weir_conn_timer(e.conn, 100);
	rig_poll(s->r);
	rig_pass(s->r, 140000);
	assert_int_equal(e.timers, 0);
	rig_pass(s->r, 20000);
	assert_int_equal(e.timers, 1);
	weir_shutdown(e.conn);
	rig_poll(s->r);
	assert_true(peer_take(&p) & TCP_FIN);
	weir_abort(e.conn);
	rig_poll(s->r);
	assert_true(peer_take(&p) & TCP_RST);
	assert_int_equal(e.closes, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, echo_rig_setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen_without_a_gate),
		T(listeners_come_and_go),
		T(exact_address_goes_first),
		T(listeners_checked),
		T(listener_may_refuse),
		T(listeners_options_and_backlog),
		T(calls_between_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
