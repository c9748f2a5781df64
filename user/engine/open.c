/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passive opens: what makes a connection of a frame whose tuple has none.
 *
 *     a valid cookie, or the entry that the gate made of one  ─► ESTABLISHED
 *     a SYN that the gate let through (modes auto and never)  ─► SYN_RCVD, ISS = cookie
 *     a SYN for a tuple whose connection is over              ─► SYN_RCVD, ISS above its last
 *
 * Since its ISS is the cookie, what answers a SYN_RCVD that is no more still validates:
 * forgetting one loses nobody, and switching between modes neither.
 */
#include <string.h>

#include <weir/clock.h>
#include <weir/cookie.h>
#include "engine/conn.h"
#include "engine/engine_priv.h"
#include "engine/worker.h"

/* The gate's clock and ours agree to a jiffy; a cookie is taken for alive that much longer. */
#define COOKIE_MARGIN_MS 100
#define COOKIE_DEAD_MS	 (WEIR_COOKIE_LIFE_MS + COOKIE_MARGIN_MS)

/* ---- whether -------------------------------------------------------------------- */

static int may_open(const struct worker *w, const struct rx_pkt *p, struct listener **out)
{
	struct listener *ls = listeners_find(&w->listeners, &p->v.tuple);

	if (engine_draining(w->e))
		return WEIR_C_drop_flow_draining;
	if (!ls)
		return WEIR_C_drop_no_listener;
	if (ls->l.may_open && !ls->l.may_open(ls->l.arg))
		return WEIR_C_drop_accept_queue;
	*out = ls;
	return 0;
}

/*
 * In auto, the gate answers by cookies while this is fresh. A stack begins to listen
 * before the gate has its service, so the question is put here, once a millisecond.
 */
static void press(const struct worker *w, struct listener *ls)
{
	if (!ls->service && w->env->service && ls->asked_ms != w->gate_ms) {
		ls->asked_ms = w->gate_ms;
		ls->service = w->env->service(w->env->service_arg, &ls->l.addr);
	}
	if (ls->service)
		__atomic_store_n(&ls->service->pressure_ms, w->gate_ms, __ATOMIC_RELAXED);
}

static int may_half_open(struct worker *w, const struct rx_pkt *p, struct listener **out)
{
	int err = may_open(w, p, out);

	if (err)
		return err;
	if ((*out)->half_open >= (*out)->l.backlog)
		err = WEIR_C_drop_backlog;
	else if (w->conns.used >= w->conns.cap)
		err = WEIR_C_drop_conns_full;
	if (err)
		press(w, *out);
	return err;
}

int conn_may_open_syn(struct worker *w, const struct rx_pkt *p)
{
	struct listener *ls;

	return may_half_open(w, p, &ls);
}

/* ---- the slot --------------------------------------------------------------------- */

static struct weir_conn *conn_new(struct worker *w, const struct rx_pkt *p, struct listener *ls)
{
	struct weir_conn *c = slab_get(&w->conns);

	if (!c)
		return NULL;
	c->w = w;
	c->from.ls = ls;
	c->arg = ls->l.arg;
	ls->refs++;
	c->tuple = p->v.tuple;
	c->hash = p->hash;
	c->io = (uint8_t)p->io;
	l2_reply(&c->l2, p);
	return c;
}

static void conn_discard(struct worker *w, struct weir_conn *c)
{
	listener_put(c->from.ls);
	slab_put(&w->conns, c);
}

static int enter(struct worker *w, struct weir_conn *c)
{
	if (!table_insert(&w->table, c->hash, &c->tuple, REF(REF_CONN, slab_index(&w->conns, c))))
		return 0;
	conn_discard(w, c);
	return WEIR_C_drop_table_full;
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

/* ---- by a cookie ------------------------------------------------------------------- */

/*
 * In milliseconds: the gate's clock has no finer ones. It takes a MAC to know when the
 * SYN-ACK left, so one of some speaks for the others.
 */
static void time_cookie(struct worker *w, const struct weir_conn *c, const struct weir_flow *f)
{
	const struct weir_gate_config *g = w->env->gate;
	int64_t ms;

	if (!(f->flags & WEIR_OPT_TS) || w->cookies_seen++ % ENGINE_COOKIES_TIMED)
		return;
	ms = weir_cookie_age_ms(g, weir_clock_wall_ms(&g->clock, f->created_ms), &c->tuple, f);
	if (ms >= 0)
		tcp_hist_add(&w->times.cookie, (uint64_t)ms * 1000);
}

int conn_open_flow(struct worker *w, const struct rx_pkt *p, const struct weir_flow *f,
		   struct weir_conn **out)
{
	struct listener *ls;
	struct weir_conn *c;
	struct tcp_open o;
	int err = may_open(w, p, &ls);

	if (err)
		return err;
	c = conn_new(w, p, ls);
	if (!c)
		return WEIR_C_drop_conns_full;
	err = enter(w, c);
	if (err)
		return err;
	c->io = (uint8_t)io_of_queue(w, f->owner, p->io);
	c->dead_ms = f->created_ms + COOKIE_DEAD_MS;
	time_cookie(w, c, f);
	o = conn_open_args(w, c, ls->l.opts, 0);
	tcp_open_cookie(conn_tcp(c), &o, f, w->now_us);
	conn_born(w, c);
	conn_wake(w, c);
	*out = c;
	return 0;
}

/* ---- by a SYN ------------------------------------------------------------------------ */

void conn_syn_cookie(const struct worker *w, const struct rx_pkt *p, struct weir_flow *f)
{
	const struct weir_gate_config *g = w->env->gate;
	const struct tcp_seg *s = &p->seg;
	/* RFC 3168 6.1.1: an ECN-setup SYN has both flags. */
	bool ecn = (s->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
	const struct weir_syn_opts o = {
		.mss = s->mss,
		.wscale = s->wscale,
		.flags = (__u8)((s->sack_permitted ? WEIR_OPT_SACK : 0) |
				(s->has_ts ? WEIR_OPT_TS : 0) | (ecn ? WEIR_OPT_ECN : 0)),
		.tsval = s->tsval,
	};
	struct weir_cookie ck;

	weir_cookie_make_tuple(g, weir_clock_wall_ms(&g->clock, w->gate_ms), &p->v.tuple, s->seq,
			       &o, &ck);
	*f = (struct weir_flow){
		.owner = w->tx[p->io].queue,
		.iss = ck.iss,
		.irs = s->seq,
		.ts_ours = ck.tsval,
		.ts_peer = s->has_ts ? s->tsval : 0,
		.mss = s->mss,
		.wscale = s->wscale,
		.flags = o.flags,
		.created_ms = w->gate_ms,
	};
}

static int half_open(struct worker *w, const struct rx_pkt *p, struct weir_conn **out)
{
	struct listener *ls;
	int err = may_half_open(w, p, &ls);

	if (err)
		return err;
	*out = conn_new(w, p, ls);
	return *out ? 0 : WEIR_C_drop_conns_full;
}

static void answer_syn(struct worker *w, const struct rx_pkt *p, struct weir_conn *c, uint32_t iss,
		       uint32_t ts_ours)
{
	struct tcp_open o = conn_open_args(w, c, c->from.ls->l.opts, 0);

	tcp_open_passive(conn_tcp(c), &o, &p->seg, iss, ts_ours, w->now_us);
	c->flags |= CONN_HALF;
	c->from.ls->half_open++;
	conn_born(w, c);
	conn_wake(w, c);
}

int conn_open_syn(struct worker *w, const struct rx_pkt *p, const struct weir_flow *f)
{
	struct weir_conn *c;
	int err = half_open(w, p, &c);

	if (err)
		return err;
	err = enter(w, c);
	if (err)
		return err;
	c->dead_ms = f->created_ms + COOKIE_DEAD_MS;
	c->flags |= CONN_FRESH;
	answer_syn(w, p, c, f->iss, f->ts_ours);
	worker_count(w, WEIR_C_syn_taken);
	return 0;
}

int conn_reopen(struct worker *w, const struct rx_pkt *p, const struct reopen *r)
{
	struct weir_conn *c;
	int err = half_open(w, p, &c);

	if (err)
		return err;
	table_replace(&w->table, c->hash, r->old_ref, REF(REF_CONN, slab_index(&w->conns, c)));
	c->dead_ms = r->dead_ms;
	answer_syn(w, p, c, r->iss, r->ts_ours);
	worker_count(w, WEIR_C_conn_reopened);
	return 0;
}

/* ---- SYN_RCVD's end -------------------------------------------------------------------- */

void conn_half_open_over(struct weir_conn *c)
{
	enum weir_tcp_state state;

	if (!(c->flags & CONN_HALF))
		return;
	state = tcp_get_state(conn_tcp(c));
	if (state == WEIR_SYN_RCVD)
		return;
	c->flags &= (uint16_t)~CONN_HALF;
	c->from.ls->half_open--;
	if (state != WEIR_CLOSED)
		c->flags &= (uint16_t)~CONN_FRESH;
	else
		worker_count(c->w, WEIR_C_half_open_ended);
}

void conn_supersede(struct worker *w, struct weir_conn *c, const struct weir_flow *f)
{
	struct tcp_open o = conn_open_args(w, c, c->from.ls->l.opts, 0);
	uint64_t dead_ms = f->created_ms + COOKIE_DEAD_MS;

	tcp_release(conn_tcp(c));
	if (dead_ms > c->dead_ms)
		c->dead_ms = dead_ms;
	tcp_open_cookie(conn_tcp(c), &o, f, w->now_us);
	conn_half_open_over(c);
	worker_count(w, WEIR_C_syn_rcvd_superseded);
}
