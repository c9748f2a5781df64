/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/conn.h"

#include <string.h>

#include <weir/cookie.h>
#include "engine/engine_priv.h"
#include "engine/worker.h"

/* The gate's clock and ours agree to a jiffy; a cookie is taken for alive that much longer. */
#define COOKIE_MARGIN_MS 100

static void set_state(struct worker *w, struct weir_conn *c)
{
	uint8_t state = (uint8_t)tcp_get_state(conn_tcp(c));

	if (state == c->state)
		return;
	gauge_add(&w->gauges.states[c->state], -1);
	gauge_add(&w->gauges.states[state], 1);
	c->state = state;
}

static struct weir_conn *conn_new(struct worker *w, const struct rx_pkt *p)
{
	const struct listener *ls = listeners_find(engine_listeners(w->e), &p->v.tuple);
	struct weir_conn *c;

	if (engine_draining(w->e)) {
		worker_count(w, WEIR_C_drop_flow_draining);
		return NULL;
	}
	if (!ls) {
		worker_count(w, WEIR_C_drop_no_listener);
		return NULL;
	}
	c = slab_get(&w->conns);
	if (!c) {
		worker_count(w, WEIR_C_drop_conns_full);
		return NULL;
	}
	c->w = w;
	c->ls = ls;
	c->tuple = p->v.tuple;
	c->hash = p->hash;
	c->io = (uint8_t)p->io;
	l2_reply(&c->l2, p);
	return c;
}

/* After the TCP part was opened. */
static struct weir_conn *conn_born(struct worker *w, struct weir_conn *c)
{
	c->state = (uint8_t)tcp_get_state(conn_tcp(c));
	gauge_add(&w->gauges.states[c->state], 1);
	gauge_add(&w->gauges.conns, 1);
	conn_wake(w, c);
	return c;
}

static struct tcp_open open_args(struct worker *w, const struct weir_conn *c)
{
	uint32_t mtu = w->tx[c->io].io->mtu;

	return (struct tcp_open){
		.env = &w->tcp,
		.pseudo = frame_pseudo(&c->tuple),
		.lport = weir_ntohs(c->tuple.lport),
		.rport = weir_ntohs(c->tuple.rport),
		.mtu_mss = (uint16_t)(mtu - frame_ip_len(&c->tuple) - 20),
	};
}

/* Which of our queues is the owner's; the one the frame came from if none. */
static unsigned io_of_queue(const struct worker *w, unsigned queue, unsigned other)
{
	for (unsigned i = 0; i < w->nio; i++) {
		if (w->tx[i].queue == queue)
			return i;
	}
	return other;
}

struct weir_conn *conn_open_flow(struct worker *w, const struct rx_pkt *p,
				 const struct weir_flow *f)
{
	struct weir_conn *c = conn_new(w, p);
	struct tcp_open o;

	if (!c)
		return NULL;
	if (table_insert(&w->table, c->hash, &c->tuple, REF(REF_CONN, slab_index(&w->conns, c)))) {
		worker_count(w, WEIR_C_drop_table_full);
		slab_put(&w->conns, c);
		return NULL;
	}
	c->io = (uint8_t)io_of_queue(w, f->owner, p->io);
	c->dead_ms = f->created_ms + WEIR_COOKIE_LIFE_MS + COOKIE_MARGIN_MS;
	o = open_args(w, c);
	tcp_open_cookie(conn_tcp(c), &o, f, w->now_us);
	return conn_born(w, c);
}

struct weir_conn *conn_open_syn(struct worker *w, const struct rx_pkt *p, const struct reopen *r)
{
	struct weir_conn *c = conn_new(w, p);
	struct tcp_open o;

	if (!c)
		return NULL;
	table_replace(&w->table, c->hash, r->old_ref, REF(REF_CONN, slab_index(&w->conns, c)));
	c->dead_ms = r->dead_ms;
	o = open_args(w, c);
	tcp_open_passive(conn_tcp(c), &o, &p->seg, r->iss, r->ts_ours, w->now_us);
	worker_count(w, WEIR_C_conn_reopened);
	return conn_born(w, c);
}

/*
 * Whether a segment from another link-layer address may redirect our answers:
 * it brought something new, or its numbers are exactly those that are due.
 */
static bool moves_l2(const struct tcp_info *a, const struct tcp_info *b, const struct tcp_seg *s)
{
	if (b->rcv_nxt != a->rcv_nxt || b->snd_una != a->snd_una)
		return true;
	return (s->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK && s->seq == a->rcv_nxt &&
	       seq_leq(a->snd_una, s->ack) && seq_leq(s->ack, a->snd_nxt);
}

void conn_input(struct worker *w, struct weir_conn *c, const struct rx_pkt *p)
{
	struct tcp_conn *tcp = conn_tcp(c);
	struct tcp_info before, after;
	struct l2 l2;

	l2_reply(&l2, p);
	if (l2.len == c->l2.len && !memcmp(l2.hdr, c->l2.hdr, l2.len)) {
		tcp_input(tcp, &p->seg, w->now_us);
	} else {
		tcp_get_info(tcp, &before);
		tcp_input(tcp, &p->seg, w->now_us);
		tcp_get_info(tcp, &after);
		if (moves_l2(&before, &after, &p->seg))
			c->l2 = l2;
	}
	conn_wake(w, c);
}

void conn_wake(struct worker *w, struct weir_conn *c)
{
	if (!list_linked(&c->run))
		list_add_tail(&w->run, &c->run);
}

void conn_set_timer(struct weir_conn *c)
{
	uint64_t at = tcp_next_timeout(conn_tcp(c));

	if (c->deadline_us && !(c->flags & CONN_SHUT) && c->deadline_us < at)
		at = c->deadline_us;
	/*
	 * A timer that would fire too early is left alone: it finds nothing due
	 * and is set anew then. So an ACK that moves the RTO on costs nothing.
	 */
	if (at == TCP_NEVER || !wheel_armed(&c->timer) || wheel_expires(&c->timer) > at)
		wheel_arm(&c->w->wheel, &c->timer, at);
}

void conn_timer(struct worker *w, struct weir_conn *c)
{
	tcp_timeout(conn_tcp(c), w->now_us);
	conn_wake(w, c);
}

static void deliver_open(struct worker *w, struct weir_conn *c)
{
	const struct weir_app *app = c->ls->app;

	worker_count(w, WEIR_C_conn_opened);
	c->flags |= CONN_OPENED;
	if (!app->on_open || app->on_open(c, c->ls->arg) == 0)
		return;
	c->flags |= CONN_REFUSED | CONN_SHUT;
	worker_count(w, WEIR_C_conn_refused_by_app);
	tcp_abort(conn_tcp(c), TCP_END_ABORTED);
}

static void deliver(struct worker *w, struct weir_conn *c, uint32_t ev)
{
	const struct weir_app *app = c->ls->app;
	struct tcp_conn *tcp = conn_tcp(c);
	bool broken;

	if (!(c->flags & CONN_OPENED)) {
		if (!(ev & TCP_EV_OPEN))
			return;
		deliver_open(w, c);
	}
	/* An orderly end keeps what arrived before it; a reset does not. */
	broken = ev & TCP_EV_ENDED && tcp_get_reason(tcp) != TCP_END_NORMAL;
	if (broken)
		return;
	if (ev & (TCP_EV_READABLE | TCP_EV_EOF) && !(c->flags & CONN_SHUT) && app->on_data)
		app->on_data(c);
	if (ev & TCP_EV_WRITABLE && (c->flags & (CONN_WANT_WRITE | CONN_SHUT)) == CONN_WANT_WRITE) {
		c->flags &= (uint8_t)~CONN_WANT_WRITE;
		if (app->on_writable)
			app->on_writable(c);
	}
	if (c->deadline_us && c->deadline_us <= w->now_us && !(c->flags & CONN_SHUT)) {
		c->deadline_us = 0;
		if (app->on_timer)
			app->on_timer(c);
	}
}

/* The connection is over and has sent all it had to send. */
static void conn_end(struct worker *w, struct weir_conn *c)
{
	if (c->flags & CONN_OPENED) {
		worker_count(w, WEIR_C_conn_closed);
		c->flags |= CONN_SHUT;
		if (!(c->flags & CONN_REFUSED) && c->ls->app->on_close)
			c->ls->app->on_close(c, tcp_get_reason(conn_tcp(c)));
	}
	gauge_add(&w->gauges.states[c->state], -1);
	gauge_add(&w->gauges.conns, -1);
	wheel_cancel(&w->wheel, &c->timer);
	list_del(&c->run);
	residue_bury(w, c);
	tcp_release(conn_tcp(c));
	slab_put(&w->conns, c);
}

static bool is_over(const struct weir_conn *c)
{
	const struct tcp_conn *tcp = conn_tcp(c);
	enum weir_tcp_state state = tcp_get_state(tcp);

	if (state == WEIR_CLOSED)
		return true;
	/* In TIME_WAIT an application that still reads keeps the connection for that. */
	return state == WEIR_TIME_WAIT && (c->flags & CONN_SHUT || !tcp_recv_ready(tcp));
}

void conn_run(struct worker *w, struct weir_conn *c)
{
	enum tx_result sent;

	deliver(w, c, tcp_events(conn_tcp(c)));
	sent = tx_conn(w, c);
	set_state(w, c);
	if (sent == TX_DONE && is_over(c)) {
		conn_end(w, c);
		return;
	}
	conn_set_timer(c);
	if (sent == TX_DONE)
		return;
	list_add_tail(&w->stalled, &c->run);
	if (sent == TX_MORE)
		w->unfinished++;
	else
		worker_count(w, WEIR_C_tx_stalled);
}
