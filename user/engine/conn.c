/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/conn.h"

#include <string.h>

#include <weir/cookie.h>
#include "engine/conn_api.h"
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define TIMER_SLACK_US 1000000

static void set_state(struct worker *w, struct weir_conn *c)
{
	uint8_t state = (uint8_t)tcp_get_state(conn_tcp(c));

	if (state == c->state)
		return;
	gauge_add(&w->gauges.states[c->state], -1);
	gauge_add(&w->gauges.states[state], 1);
	c->state = state;
}

void conn_born(struct worker *w, struct weir_conn *c)
{
	c->state = (uint8_t)tcp_get_state(conn_tcp(c));
	gauge_add(&w->gauges.states[c->state], 1);
	gauge_add(&w->gauges.conns, 1);
}

struct tcp_open conn_open_args(struct worker *w, const struct weir_conn *c,
			       const struct tcp_opts *opts, uint32_t mtu)
{
	uint32_t device = w->tx[c->io].io->mtu;

	if (!mtu || mtu > device)
		mtu = device;
	return (struct tcp_open){
		.env = &w->tcp,
		.pseudo = frame_pseudo(&c->tuple),
		.lport = weir_ntohs(c->tuple.lport),
		.rport = weir_ntohs(c->tuple.rport),
		.mtu_mss = (uint16_t)(mtu - frame_ip_len(&c->tuple) - 20),
		.mss_default = weir_tuple_is_v4(&c->tuple) ? 536 : 1220,
		.opts = opts,
	};
}

/* What a peer may have in flight, and so send again. */
#define L2_REPEAT_MAX (1u << 24)

/*
 * Whether a segment from another link-layer address may redirect our answers:
 * it brought something new, or its numbers are exactly those that are due. At an address
 * that was left for one segment's sake, a repeat of what has come will do.
 */
static bool moves_l2(const struct tcp_info *a, const struct tcp_info *b, const struct tcp_seg *s,
		     bool back)
{
	if (b->rcv_nxt != a->rcv_nxt || b->snd_una != a->snd_una)
		return true;
	return (s->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK &&
	       a->rcv_nxt - s->seq <= (back ? L2_REPEAT_MAX : 0) && seq_leq(a->snd_una, s->ack) &&
	       seq_leq(s->ack, a->snd_nxt);
}

static void move_l2(struct weir_conn *c, const struct l2 *l2)
{
	memcpy(c->l2_before, c->l2.hdr, 6);
	c->l2 = *l2;
	c->flags |= CONN_L2_DOUBT;
	/* A simultaneous open shows the way, too. */
	if (c->flags & CONN_RESOLVING) {
		c->flags &= (uint16_t)~CONN_L2_DOUBT;
		connect_resolved(c);
	}
}

/*
 * No checksum of IP's or TCP's covers the address: a broken one would be a peer that never
 * hears us, and never speaks unless it hears. The first repeat goes where the last segment
 * came from, the next where we sent before, and so in turn until the peer is heard.
 */
static void try_l2_before(struct weir_conn *c)
{
	uint8_t now[6];

	memcpy(now, c->l2.hdr, 6);
	memcpy(c->l2.hdr, c->l2_before, 6);
	memcpy(c->l2_before, now, 6);
}

void conn_input(struct worker *w, struct weir_conn *c, const struct rx_pkt *p)
{
	struct tcp_conn *tcp = conn_tcp(c);
	struct tcp_info before, after;
	struct l2 l2;

	l2_reply(&l2, p);
	if (l2_same(&l2, &c->l2)) {
		c->flags &= (uint16_t)~CONN_L2_DOUBT;
		tcp_input(tcp, &p->seg, w->now_us);
	} else {
		bool back = c->flags & CONN_L2_DOUBT && !memcmp(l2.hdr, c->l2_before, 6);

		tcp_get_info(tcp, &before);
		tcp_input(tcp, &p->seg, w->now_us);
		tcp_get_info(tcp, &after);
		if (moves_l2(&before, &after, &p->seg, back))
			move_l2(c, &l2);
	}
	conn_half_open_over(c);
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
	 * A timer that would fire a little too early is left alone: it finds nothing due and
	 * is set anew then. So an ACK that moves the RTO on costs nothing. Much too early is
	 * another thing: by then the connection would have to be fetched from memory again.
	 */
	if (at == TCP_NEVER || !wheel_armed(&c->timer) || wheel_expires(&c->timer) > at ||
	    at - wheel_expires(&c->timer) > TIMER_SLACK_US)
		wheel_arm(&c->w->wheel, &c->timer, at);
}

void conn_timer(struct worker *w, struct weir_conn *c)
{
	struct tcp_info before, after;

	if (!(c->flags & CONN_L2_DOUBT)) {
		tcp_timeout(conn_tcp(c), w->now_us);
	} else {
		tcp_get_info(conn_tcp(c), &before);
		tcp_timeout(conn_tcp(c), w->now_us);
		tcp_get_info(conn_tcp(c), &after);
		if (before.backoff && after.backoff > before.backoff)
			try_l2_before(c);
	}
	conn_wake(w, c);
}

static void deliver_open(struct worker *w, struct weir_conn *c)
{
	const struct weir_app *app = conn_app(c);

	/* Its handshake outlived the listener: nobody is there to take it. */
	if (!(c->flags & CONN_ACTIVE) && !c->from.ls->listed) {
		worker_count(w, WEIR_C_conn_unlistened);
		c->flags |= CONN_SHUT;
		tcp_abort(conn_tcp(c), TCP_END_ABORTED);
		return;
	}
	worker_count(w, WEIR_C_conn_opened);
	if (c->flags & CONN_ACTIVE)
		worker_count(w, WEIR_C_connect_established);
	c->flags |= CONN_OPENED;
	if (!app->on_open || app->on_open(c, c->arg) == 0)
		return;
	c->flags |= CONN_REFUSED | CONN_SHUT;
	worker_count(w, WEIR_C_conn_refused_by_app);
	tcp_abort(conn_tcp(c), TCP_END_ABORTED);
}

/* For libweir: what has no callback of its own. */
static void deliver_event(struct weir_conn *c, uint32_t ev)
{
	const struct weir_app *app = conn_app(c);

	ev &= TCP_EV_URGENT | TCP_EV_SENT;
	if (c->flags & CONN_SOFT_ERROR)
		ev |= CONN_EV_ERROR;
	c->flags &= (uint16_t)~CONN_SOFT_ERROR;
	if (ev && app->on_event)
		app->on_event(c, ev);
}

static void deliver(struct worker *w, struct weir_conn *c, uint32_t ev)
{
	const struct weir_app *app = conn_app(c);
	struct tcp_conn *tcp = conn_tcp(c);
	bool broken;

	if (!(c->flags & CONN_OPENED)) {
		if (ev & TCP_EV_OPEN)
			deliver_open(w, c);
		if (!(c->flags & (CONN_OPENED | CONN_ACTIVE)))
			return;
	}
	deliver_event(c, ev);
	/* An orderly end keeps what arrived before it; a reset does not. */
	broken = ev & TCP_EV_ENDED && tcp_get_reason(tcp) != TCP_END_NORMAL;
	if (broken)
		return;
	if (ev & (TCP_EV_READABLE | TCP_EV_EOF) && !(c->flags & CONN_SHUT) && app->on_data)
		app->on_data(c);
	if (ev & TCP_EV_WRITABLE && (c->flags & (CONN_WANT_WRITE | CONN_SHUT)) == CONN_WANT_WRITE) {
		c->flags &= (uint16_t)~CONN_WANT_WRITE;
		if (app->on_writable)
			app->on_writable(c);
	}
	if (c->deadline_us && c->deadline_us <= w->now_us && !(c->flags & CONN_SHUT)) {
		c->deadline_us = 0;
		if (app->on_timer)
			app->on_timer(c);
	}
}

/* For application and worker; what becomes of its tuple is the caller's. */
static void conn_over(struct worker *w, struct weir_conn *c)
{
	const struct weir_app *app = conn_app(c);

	if (c->flags & CONN_OPENED)
		worker_count(w, WEIR_C_conn_closed);
	else if (c->flags & CONN_ACTIVE)
		connect_failed(w, c);
	if (c->flags & (CONN_OPENED | CONN_ACTIVE) && !(c->flags & CONN_REFUSED)) {
		c->flags |= CONN_SHUT;
		if (app->on_close)
			app->on_close(c, tcp_get_reason(conn_tcp(c)));
	}
	conn_half_open_over(c);
	gauge_add(&w->gauges.states[c->state], -1);
	gauge_add(&w->gauges.conns, -1);
	wheel_cancel(&w->wheel, &c->timer);
	list_del(&c->run);
}

static void conn_free(struct worker *w, struct weir_conn *c)
{
	tcp_release(conn_tcp(c));
	if (!(c->flags & CONN_ACTIVE))
		listener_put(c->from.ls);
	slab_put(&w->conns, c);
}

/* The connection is over and has sent all it had to send. */
static void conn_end(struct worker *w, struct weir_conn *c)
{
	conn_over(w, c);
	residue_bury(w, c);
	conn_free(w, c);
}

void conn_forget(struct worker *w, struct weir_conn *c)
{
	tcp_abort(conn_tcp(c), TCP_END_SHUTDOWN);
	w->current = c;
	conn_over(w, c);
	w->current = NULL;
	table_remove(&w->table, c->hash, REF(REF_CONN, slab_index(&w->conns, c)));
	conn_free(w, c);
}

bool conn_is_over(const struct weir_conn *c)
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

	w->current = c;
	deliver(w, c, tcp_events(conn_tcp(c)));
	sent = tx_conn(w, c);
	conn_half_open_over(c);
	set_state(w, c);
	w->current = NULL;
	if (sent == TX_DONE && conn_is_over(c)) {
		w->current = c;
		conn_end(w, c);
		w->current = NULL;
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
