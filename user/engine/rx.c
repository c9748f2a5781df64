/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A received frame: to its connection, to what is left of one, to the worker
 * that owns its flow, into a new connection, or into a counted drop.
 */
#include <errno.h>

#include <weir/clock.h>
#include <weir/icmp.h>
#include "engine/engine_priv.h"
#include "engine/worker.h"

#define HANDED_MAX 256 /* frames of one ring in one turn */

static bool cookie_valid(const struct worker *w, const struct rx_pkt *p, struct weir_flow *f)
{
	const struct weir_gate_config *g = w->env->gate;
	const struct tcp_seg *s = &p->seg;

	if (!weir_cookie_check_tuple(g, weir_clock_wall_ms(&g->clock, w->gate_ms), &p->v.tuple,
				     s->seq, s->ack, s->has_ts, s->tsval, s->tsecr, f))
		return false;
	f->owner = w->tx[p->io].queue;
	f->created_ms = w->gate_ms;
	return true;
}

static int open_flow(struct worker *w, struct rx_pkt *p, const struct weir_flow *f)
{
	struct weir_conn *c;
	int err = conn_open_flow(w, p, f, &c);

	if (err)
		return err;
	p->state_before = WEIR_LISTEN;
	conn_input(w, c, p);
	p->state_after = (uint8_t)tcp_get_state(conn_tcp(c));
	return 0;
}

static int hand_over(struct worker *w, struct rx_pkt *p, unsigned to)
{
	struct worker *other = engine_worker_at(w->e, to);

	/* The owner looked already and did not want it: no frame goes twice. */
	if (p->handed)
		return WEIR_C_drop_unknown_flow;
	if (!handover_push(other->in[w->index], p->data, p->len))
		return WEIR_C_drop_handover_full;
	w->kick[to] = true;
	worker_count(w, WEIR_C_handover_sent);
	p->state_after = WEIR_TCP_NSTATES; /* traced by who processes it */
	return 0;
}

static int open_or_hand_over(struct worker *w, struct rx_pkt *p, const struct weir_flow *f)
{
	unsigned owner = engine_owner_of(w->e, f->owner);

	return owner == w->index ? open_flow(w, p, f) : hand_over(w, p, owner);
}

/*
 * No entry, but the cookie is good: the gate's insert failed, or the entry was
 * swept in between. Several workers may come here at once: one insert wins.
 */
static int claim(struct worker *w, struct rx_pkt *p, struct weir_flow *f)
{
	struct flowmap *m = w->env->flows;
	int err = m->ops->insert(m, &p->v.tuple, f);

	if (err == -EEXIST) {
		err = m->ops->lookup(m, &p->v.tuple, f);
		return err ? WEIR_C_drop_flowmap_error : open_or_hand_over(w, p, f);
	}
	if (err)
		return err == -E2BIG ? WEIR_C_drop_claim_flows_full : WEIR_C_drop_flowmap_error;
	worker_count(w, WEIR_C_flow_inserted);
	return open_flow(w, p, f);
}

int rx_hand_over(struct worker *w, struct rx_pkt *p, int why)
{
	struct flowmap *m = w->env->flows;
	struct weir_flow f;

	if (w->cfg->workers == 1 || m->ops->lookup(m, &p->v.tuple, &f))
		return why;
	return engine_owner_of(w->e, f.owner) == w->index
		       ? why
		       : hand_over(w, p, engine_owner_of(w->e, f.owner));
}

/* The gate let a SYN through: a real SYN_RCVD, whose ISS is the cookie all the same. */
static int syn(struct worker *w, struct rx_pkt *p)
{
	struct flowmap *m = w->env->flows;
	struct weir_flow f;
	int err = conn_may_open_syn(w, p);

	if (err)
		return rx_hand_over(w, p, err);
	conn_syn_cookie(w, p, &f);
	err = m->ops->insert(m, &p->v.tuple, &f);
	if (err == -EEXIST)
		return rx_hand_over(w, p, WEIR_C_drop_unknown_flow);
	if (err)
		return err == -E2BIG ? WEIR_C_drop_syn_flows_full : WEIR_C_drop_flowmap_error;
	err = conn_open_syn(w, p, &f);
	if (err) {
		m->ops->remove(m, &p->v.tuple, 1);
		return err;
	}
	p->state_before = WEIR_LISTEN;
	p->state_after = WEIR_SYN_RCVD;
	return 0;
}

static int unknown(struct worker *w, struct rx_pkt *p)
{
	struct flowmap *m = w->env->flows;
	struct weir_flow f = {0};
	int err;

	if ((p->seg.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN)
		return syn(w, p);
	/* Only an ACK is evidence of a handshake; an answer may be for another worker. */
	if ((p->seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK)
		return rx_hand_over(w, p, WEIR_C_drop_unknown_flow);
	/* One worker owns every flow: the cookie in the frame saves the lookup. */
	if (w->cfg->workers == 1 && cookie_valid(w, p, &f))
		return open_flow(w, p, &f);
	err = m->ops->lookup(m, &p->v.tuple, &f);
	if (!err)
		return open_or_hand_over(w, p, &f);
	if (err != -ENOENT)
		return WEIR_C_drop_flowmap_error;
	if (w->cfg->workers > 1 && cookie_valid(w, p, &f))
		return claim(w, p, &f);
	return WEIR_C_drop_unknown_flow;
}

/*
 * CLOSED and LISTEN (RFC 9293 3.10.7.1, 3.10.7.2), for an engine without a gate: what
 * was refused as nobody's gets its RST. In LISTEN only what acknowledges something does.
 */
static int refuse(struct worker *w, struct rx_pkt *p, int why)
{
	uint8_t out[128];
	size_t len;

	if (!w->cfg->rst_unknown ||
	    (why != WEIR_C_drop_unknown_flow && why != WEIR_C_drop_no_listener))
		return why;
	if (!(p->seg.flags & TCP_ACK) && listeners_find(&w->listeners, &p->v.tuple))
		return why;
	len = tcp_reset_for(&p->seg, frame_pseudo(&p->v.tuple), out);
	if (!len)
		return why;
	worker_count(w, WEIR_C_rst_unknown);
	return tx_reply(w, p, out, len);
}

/* ---- known tuples ------------------------------------------------------------------ */

/*
 * SYN_RCVD of a SYN that came twice, answered by a cookie the first time and by us the
 * second: the client takes the first answer. Its ACK is not ours, and as good.
 */
static bool supersedes(const struct worker *w, const struct weir_conn *c, const struct rx_pkt *p,
		       struct weir_flow *f)
{
	struct tcp_info info;

	if ((p->seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK)
		return false;
	tcp_get_info(conn_tcp(c), &info);
	return p->seg.ack != info.snd_nxt && cookie_valid(w, p, f);
}

static int half_open_input(struct worker *w, struct weir_conn *c, const struct rx_pkt *p)
{
	const struct worker_listen *l = &c->from.ls->l;
	struct weir_flow f;

	/* No room to take it: the SYN-ACK goes out again, and asks once more. */
	if ((p->seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK && c->from.ls->listed &&
	    l->may_open && !l->may_open(l->arg))
		return WEIR_C_drop_accept_queue;
	if (supersedes(w, c, p, &f))
		conn_supersede(w, c, &f);
	conn_input(w, c, p);
	return 0;
}

static int known(struct worker *w, struct weir_conn *c, struct rx_pkt *p)
{
	int err = 0;

	p->state_before = (uint8_t)tcp_get_state(conn_tcp(c));
	if (c->flags & CONN_HALF)
		err = half_open_input(w, c, p);
	else
		conn_input(w, c, p);
	p->state_after = (uint8_t)tcp_get_state(conn_tcp(c));
	return err;
}

static int dispatch(struct worker *w, struct rx_pkt *p);

/*
 * A client that re-uses its port: the SYN came in one turn with what ended the connection
 * before it. That one's turn is now, so that the SYN meets what is left of it.
 */
static int syn_after_the_end(struct worker *w, struct weir_conn *c, struct rx_pkt *p)
{
	uint32_t before, after;

	table_find(&w->table, p->hash, &p->v.tuple, &before);
	list_del(&c->run);
	conn_run(w, c);
	/* It cannot send what it owes and stays: the SYN will come again. */
	if (!table_find(&w->table, p->hash, &p->v.tuple, &after) && after == before)
		return WEIR_C_drop_closing;
	return dispatch(w, p);
}

static int dispatch(struct worker *w, struct rx_pkt *p)
{
	struct weir_conn *c;
	uint32_t ref;

	if (!p->hashed)
		p->hash = table_hash(&w->table, &p->v.tuple);
	if (table_find(&w->table, p->hash, &p->v.tuple, &ref))
		return refuse(w, p, unknown(w, p));
	switch (REF_TYPE(ref)) {
	case REF_CONN:
		c = slab_at(&w->conns, REF_INDEX(ref));
		if (p->seg.flags & TCP_SYN && !(p->seg.flags & TCP_ACK) && conn_is_over(c))
			return syn_after_the_end(w, c, p);
		return known(w, c, p);
	case REF_TIMEWAIT:
		return residue_timewait_input(w, ref, p);
	case REF_TOMBSTONE:
		return residue_tombstone_input(w, ref, p);
	case REF_CLOSING:
		break;
	}
	return WEIR_C_drop_closing;
}

static void trace_in(struct worker *w, const struct rx_pkt *p, int outcome)
{
	const struct weir_trace_rec meta = {
		.len = (uint16_t)p->len,
		.dir = WEIR_TRACE_IN,
		.outcome = (uint16_t)outcome,
		.state_before = p->state_before,
		.state_after = p->state_after,
	};

	if (p->state_after != WEIR_TCP_NSTATES)
		worker_trace(w, &p->v.tuple, &meta, p->data);
}

static void frame_in(struct worker *w, struct rx_pkt *p, const uint8_t *data, uint32_t len)
{
	int outcome;

	p->state_before = p->state_after = WEIR_CLOSED;
	outcome = rx_pkt_parse(p, data, len, w->cfg->accept_partial_csum);
	if (!outcome)
		outcome = dispatch(w, p);
	else if (p->v.proto == (p->v.family == 4 ? WEIR_PROTO_ICMP : WEIR_PROTO_ICMPV6))
		outcome = icmp_frame(w, p);
	if (outcome)
		worker_count(w, (enum weir_counter)outcome);
	if (w->tracing)
		trace_in(w, p, outcome);
}

void worker_frame(struct worker *w, unsigned io, const struct pktio_frame *f,
		  const struct rx_hint *hint)
{
	struct rx_pkt p;

	p.io = io;
	p.handed = false;
	p.hashed = hint->hashed;
	p.hash = hint->hash;
	frame_in(w, &p, f->data, f->len);
}

unsigned worker_handed(struct worker *w)
{
	unsigned done = 0;

	for (unsigned from = 0; from < w->cfg->workers; from++) {
		struct handover *h = w->in[from];
		struct rx_pkt p;
		const uint8_t *data;
		uint32_t len;

		for (unsigned n = 0; h && n < HANDED_MAX; n++, done++) {
			data = handover_peek(h, &len);
			if (!data)
				break;
			worker_count(w, WEIR_C_handover_received);
			p.io = 0;
			p.handed = true;
			p.hashed = false;
			frame_in(w, &p, data, len);
			handover_pop(h);
		}
	}
	return done;
}
