/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/residue.h"

#include "engine/legacy.h"
#include "engine/worker.h"

#define RETRY_US    100000
#define EVICT_MAX   64	    /* tombstones at once, and */
#define EVICT_SHARE 64	    /* not more than this part of them */
#define REUSE_US    1000000 /* in TIME_WAIT at least, before it may be opened anew from here */

/* ---- the two pools, each in the order of age --------------------------------- */

static int pool_init(struct residue_pool *p, size_t size, uint32_t max, uint32_t slack)
{
	p->oldest = p->newest = SLAB_NIL;
	p->max = max;
	return slab_init(&p->slab, size, max + slack);
}

static void pool_queue(struct residue_pool *p, struct residue *r)
{
	uint32_t i = slab_index(&p->slab, r);

	r->older = p->newest;
	r->newer = SLAB_NIL;
	if (p->newest == SLAB_NIL)
		p->oldest = i;
	else
		((struct residue *)slab_at(&p->slab, p->newest))->newer = i;
	p->newest = i;
	p->queued++;
}

static void pool_unqueue(struct residue_pool *p, struct residue *r)
{
	if (r->older == SLAB_NIL)
		p->oldest = r->newer;
	else
		((struct residue *)slab_at(&p->slab, r->older))->newer = r->newer;
	if (r->newer == SLAB_NIL)
		p->newest = r->older;
	else
		((struct residue *)slab_at(&p->slab, r->newer))->older = r->older;
	wheel_cancel(&p->wheel, &r->timer);
	p->queued--;
}

static struct residue *pool_oldest(struct residue_pool *p)
{
	return slab_at(&p->slab, p->oldest);
}

int residue_init(struct worker *w)
{
	int err = pool_init(&w->timewaits, sizeof(struct timewait), w->cfg->timewaits, 0);

	if (err)
		return err;
	return pool_init(&w->tombs, sizeof(struct tombstone), w->cfg->tombstones, RESIDUE_CLOSING);
}

void residue_fini(struct worker *w)
{
	slab_fini(&w->timewaits.slab);
	slab_fini(&w->tombs.slab);
}

const weir_tuple *residue_tuple(const struct worker *w, uint32_t ref)
{
	const struct residue_pool *p = REF_TYPE(ref) == REF_TIMEWAIT ? &w->timewaits : &w->tombs;

	return &((const struct residue *)slab_at(&p->slab, REF_INDEX(ref)))->tuple;
}

struct grave {
	const weir_tuple *tuple;
	uint32_t hash;
	uint32_t ref; /* the table's entry until now */
	uint32_t irs, snd_nxt, rcv_nxt;
	uint64_t dead_ms;
	bool active;
};

/* ---- closing -------------------------------------------------------------------- */

static void put_port(struct worker *w, const weir_tuple *t)
{
	struct weir_addr local;

	tuple_local(t, &local);
	w->env->net->ops->port_put(w->env->net, &local);
}

/* The tuple leaves the table although its flow was not deleted: the sweep will. */
static void forget(struct worker *w, const struct grave *g)
{
	table_remove(&w->table, g->hash, g->ref);
	worker_count(w, WEIR_C_flow_forgotten);
	if (g->active)
		put_port(w, g->tuple);
}

static void close_tomb(struct worker *w, struct tombstone *t, uint32_t ref)
{
	uint32_t i = slab_index(&w->tombs.slab, t);

	if (w->closing.n == RESIDUE_CLOSING)
		residue_flush(w);
	if (w->closing.n == RESIDUE_CLOSING) {
		const struct grave g = {&t->r.tuple, t->r.hash, ref, .active = t->r.active};

		forget(w, &g);
		slab_put(&w->tombs.slab, t);
		return;
	}
	table_replace(&w->table, t->r.hash, ref, REF(REF_CLOSING, i));
	w->closing.index[w->closing.n++] = i;
	gauge_add(&w->gauges.closing, 1);
}

/* A tombstone's time is over. */
static void tomb_expire(struct worker *w, struct tombstone *t)
{
	pool_unqueue(&w->tombs, &t->r);
	gauge_add(&w->gauges.tombstones, -1);
	close_tomb(w, t, REF(REF_TOMBSTONE, slab_index(&w->tombs.slab, t)));
}

void residue_flush(struct worker *w)
{
	struct closing *cl = &w->closing;
	weir_tuple tuples[RESIDUE_CLOSING];

	if (!cl->n || (cl->retry_us && w->now_us < cl->retry_us))
		return;
	for (unsigned i = 0; i < cl->n; i++)
		tuples[i] = *residue_tuple(w, REF(REF_CLOSING, cl->index[i]));
	if (w->env->flows->ops->remove(w->env->flows, tuples, cl->n)) {
		worker_count(w, WEIR_C_flowmap_errors);
		cl->retry_us = w->now_us + RETRY_US;
		return;
	}
	/* Only now that no frame can be redirected any more does the table forget. */
	for (unsigned i = 0; i < cl->n; i++) {
		struct residue *r = slab_at(&w->tombs.slab, cl->index[i]);

		table_remove(&w->table, r->hash, REF(REF_CLOSING, cl->index[i]));
		if (r->active)
			put_port(w, &r->tuple);
		slab_put(&w->tombs.slab, r);
	}
	gauge_add(&w->gauges.closing, -(int64_t)cl->n);
	cl->n = 0;
	cl->retry_us = 0;
}

/* ---- from connection to TIME_WAIT to tombstone ------------------------------------ */

static void residue_set(struct residue *r, const struct grave *g)
{
	r->tuple = *g->tuple;
	r->hash = g->hash;
	r->dead_ms = g->dead_ms;
	r->irs = g->irs;
	r->active = g->active;
}

static bool no_room(const struct worker *w)
{
	if (w->tombs.queued == w->tombs.max)
		return true;
	return w->cfg->flows && w->table.used > w->cfg->flows;
}

/* Several for one: their deletes are one system call. */
static void make_room(struct worker *w)
{
	unsigned n = w->tombs.queued / EVICT_SHARE + 1;

	if (!no_room(w))
		return;
	for (n = n < EVICT_MAX ? n : EVICT_MAX; n && w->tombs.queued; n--) {
		worker_count(w, WEIR_C_tombstone_evicted);
		tomb_expire(w, (struct tombstone *)pool_oldest(&w->tombs));
	}
}

/* It is in the table, until its time is over. */
static void tomb_rest(struct worker *w, struct tombstone *t)
{
	pool_queue(&w->tombs, &t->r);
	gauge_add(&w->gauges.tombstones, 1);
	wheel_arm(&w->tombs.wheel, &t->r.timer, w->now_us + (t->r.dead_ms - w->gate_ms) * 1000);
}

static void tomb_set(struct tombstone *t, const struct grave *g)
{
	residue_set(&t->r, g);
	t->snd_nxt = g->snd_nxt;
	t->rcv_nxt = g->rcv_nxt;
}

static void bury_tomb(struct worker *w, const struct grave *g)
{
	bool dead = g->dead_ms <= w->gate_ms;
	struct tombstone *t;
	uint32_t ref;

	if (!dead)
		make_room(w);
	t = slab_get(&w->tombs.slab);
	if (!t) {
		residue_flush(w);
		t = slab_get(&w->tombs.slab);
	}
	if (!t) {
		forget(w, g);
		return;
	}
	tomb_set(t, g);
	if (dead) {
		close_tomb(w, t, g->ref);
		return;
	}
	ref = REF(REF_TOMBSTONE, slab_index(&w->tombs.slab, t));
	table_replace(&w->table, g->hash, g->ref, ref);
	tomb_rest(w, t);
}

/* TIME_WAIT is over (or had to make room): what is left is a tombstone. */
static void timewait_end(struct worker *w, struct timewait *t)
{
	const struct grave g = {
		.tuple = &t->r.tuple,
		.hash = t->r.hash,
		.ref = REF(REF_TIMEWAIT, slab_index(&w->timewaits.slab, t)),
		.irs = t->r.irs,
		.snd_nxt = t->tw.snd_nxt,
		.rcv_nxt = t->tw.rcv_nxt,
		.dead_ms = t->r.dead_ms,
		.active = t->r.active,
	};

	pool_unqueue(&w->timewaits, &t->r);
	gauge_add(&w->gauges.states[WEIR_TIME_WAIT], -1);
	bury_tomb(w, &g);
	slab_put(&w->timewaits.slab, t);
}

static void bury_timewait(struct worker *w, const struct weir_conn *c, const struct grave *g)
{
	struct timewait *t;

	if (w->timewaits.queued == w->timewaits.max) {
		worker_count(w, WEIR_C_timewait_evicted);
		timewait_end(w, (struct timewait *)pool_oldest(&w->timewaits));
	}
	t = slab_get(&w->timewaits.slab);
	residue_set(&t->r, g);
	tcp_timewait_from(conn_tcp(c), &t->tw);
	t->app = conn_app(c);
	table_replace(&w->table, g->hash, g->ref,
		      REF(REF_TIMEWAIT, slab_index(&w->timewaits.slab, t)));
	pool_queue(&w->timewaits, &t->r);
	gauge_add(&w->gauges.states[WEIR_TIME_WAIT], 1);
	wheel_arm(&w->timewaits.wheel, &t->r.timer, t->tw.expires_us);
}

static void tell_alive(struct worker *w, const weir_tuple *t, bool alive)
{
	struct flowmap *m = w->env->flows;

	if (m->ops->alive)
		m->ops->alive(m, t, alive);
}

void residue_bury(struct worker *w, const struct weir_conn *c)
{
	struct tcp_info info;
	struct grave g = {
		.tuple = &c->tuple,
		.hash = c->hash,
		.ref = REF(REF_CONN, slab_index(&w->conns, c)),
		.active = c->flags & CONN_ACTIVE,
	};

	/* What never opened leaves nothing behind that its cookie could repeat. */
	if (!g.active && !(c->flags & CONN_FRESH))
		g.dead_ms = c->dead_ms;
	tcp_get_info(conn_tcp(c), &info);
	g.irs = info.irs;
	g.snd_nxt = info.snd_nxt;
	g.rcv_nxt = info.rcv_nxt;
	tell_alive(w, g.tuple, false);
	if (info.state == WEIR_TIME_WAIT)
		bury_timewait(w, c, &g);
	else
		bury_tomb(w, &g);
}

void residue_inherit(struct worker *w, const struct engine_legacy *l)
{
	struct grave g = {
		.tuple = &l->tuple,
		.hash = table_hash(&w->table, &l->tuple),
		.irs = l->irs,
		.snd_nxt = l->snd_nxt,
		.rcv_nxt = l->rcv_nxt,
		/* A dead one is deleted in its turn, with others. */
		.dead_ms = l->dead_ms > w->gate_ms ? l->dead_ms : w->gate_ms + 1,
	};
	struct tombstone *t;
	uint32_t ref;

	if (!table_find(&w->table, g.hash, g.tuple, &ref))
		return;
	make_room(w);
	t = slab_get(&w->tombs.slab);
	if (!t)
		return;
	ref = REF(REF_TOMBSTONE, slab_index(&w->tombs.slab, t));
	tomb_set(t, &g);
	if (table_insert(&w->table, g.hash, g.tuple, ref)) {
		slab_put(&w->tombs.slab, t);
		return;
	}
	tomb_rest(w, t);
}

/* ---- frames ------------------------------------------------------------------------ */

/* RFC 9293 3.6.1: above the last sequence number used; by how much is nobody's business. */
static uint32_t iss_above(struct worker *w, uint32_t snd_nxt)
{
	return snd_nxt + 0x10000 + (worker_random(w) & 0xffff);
}

static int timewait_reopen(struct worker *w, struct timewait *t, uint32_t ref, struct rx_pkt *p,
			   uint32_t iss)
{
	const struct reopen r = {
		.old_ref = ref,
		.iss = iss_above(w, iss),
		.ts_ours = t->tw.ts_ours + (uint32_t)((w->now_us - t->tw.ts_base_us) / 1000),
		.dead_ms = t->r.dead_ms,
	};
	int err = conn_reopen(w, p, &r);

	if (err)
		return err;
	tell_alive(w, &t->r.tuple, true);
	if (t->r.active)
		put_port(w, &t->r.tuple);
	pool_unqueue(&w->timewaits, &t->r);
	gauge_add(&w->gauges.states[WEIR_TIME_WAIT], -1);
	slab_put(&w->timewaits.slab, t);
	p->state_after = WEIR_SYN_RCVD;
	return 0;
}

int residue_timewait_input(struct worker *w, uint32_t ref, struct rx_pkt *p)
{
	struct timewait *t = slab_at(&w->timewaits.slab, REF_INDEX(ref));
	uint8_t out[128];
	size_t len = 0;
	uint32_t iss = 0;

	p->state_before = p->state_after = WEIR_TIME_WAIT;
	switch (tcp_timewait_input(&t->tw, &w->tcp, &p->seg, w->now_us, out, &len, &iss)) {
	case TCP_TW_REPLY:
		return tx_reply(w, p, out, len);
	case TCP_TW_REOPEN:
		return timewait_reopen(w, t, ref, p, iss);
	case TCP_TW_DROP:
		break; /* counted there */
	}
	return 0;
}

bool residue_waits(const struct worker *w, uint32_t ref)
{
	const struct timewait *t;

	if (!w->cfg->reuse_timewait || REF_TYPE(ref) != REF_TIMEWAIT)
		return false;
	t = slab_at(&w->timewaits.slab, REF_INDEX(ref));
	return t->r.active && t->tw.has_ts;
}

bool residue_reusable(const struct worker *w, uint32_t ref)
{
	const struct timewait *t;

	if (!residue_waits(w, ref))
		return false;
	t = slab_at(&w->timewaits.slab, REF_INDEX(ref));
	return t->tw.expires_us + REUSE_US <= w->now_us + 2 * w->cfg->tcp.msl_us;
}

uint32_t residue_reuse(struct worker *w, uint32_t ref, uint32_t conn_ref)
{
	struct timewait *t = slab_at(&w->timewaits.slab, REF_INDEX(ref));
	uint32_t iss = iss_above(w, t->tw.snd_nxt);

	tell_alive(w, &t->r.tuple, true);
	table_replace(&w->table, t->r.hash, ref, conn_ref);
	put_port(w, &t->r.tuple);
	pool_unqueue(&w->timewaits, &t->r);
	gauge_add(&w->gauges.states[WEIR_TIME_WAIT], -1);
	slab_put(&w->timewaits.slab, t);
	worker_count(w, WEIR_C_timewait_reused);
	return iss;
}

static int tombstone_reopen(struct worker *w, struct tombstone *t, uint32_t ref, struct rx_pkt *p)
{
	const struct reopen r = {
		.old_ref = ref,
		.iss = iss_above(w, t->snd_nxt),
		.ts_ours = worker_random(w),
		.dead_ms = t->r.dead_ms,
	};
	int err = conn_reopen(w, p, &r);

	if (err)
		return err;
	tell_alive(w, &t->r.tuple, true);
	pool_unqueue(&w->tombs, &t->r);
	gauge_add(&w->gauges.tombstones, -1);
	slab_put(&w->tombs.slab, t);
	p->state_after = WEIR_SYN_RCVD;
	return 0;
}

/*
 * CLOSED (RFC 9293 3.10.7.1), but for one thing: what may be a replay of what the
 * connection already had is dropped without an answer. New data gets the RST
 * that tells the peer, and a new SYN opens anew: a client may re-use its port.
 */
int residue_tombstone_input(struct worker *w, uint32_t ref, struct rx_pkt *p)
{
	struct tombstone *t = slab_at(&w->tombs.slab, REF_INDEX(ref));
	const struct tcp_seg *s = &p->seg;
	uint8_t out[128];
	size_t len;

	p->state_before = p->state_after = WEIR_CLOSED;
	if (s->flags & TCP_RST)
		return WEIR_C_drop_tombstone;
	if (s->flags & TCP_SYN) {
		if (s->flags & (TCP_ACK | TCP_FIN) || s->seq == t->r.irs)
			return WEIR_C_drop_tombstone;
		return tombstone_reopen(w, t, ref, p);
	}
	if (!(s->flags & TCP_ACK) || seq_leq(s->seq + s->len + !!(s->flags & TCP_FIN), t->rcv_nxt))
		return WEIR_C_drop_tombstone;
	len = tcp_reset_for(s, frame_pseudo(&p->v.tuple), out);
	if (!len)
		return WEIR_C_drop_tombstone;
	worker_count(w, WEIR_C_rst_tombstone);
	return tx_reply(w, p, out, len);
}

/* ---- time -------------------------------------------------------------------------- */

unsigned residue_timers(struct worker *w, unsigned max)
{
	struct wheel_node *n;
	unsigned done = 0;

	for (; done < max && (n = wheel_pop(&w->timewaits.wheel, w->now_us)); done++) {
		struct timewait *t = CONTAINER_OF(n, struct timewait, r.timer);

		/* A retransmitted FIN starts the 2 MSL anew. */
		if (t->tw.expires_us > w->now_us)
			wheel_arm(&w->timewaits.wheel, n, t->tw.expires_us);
		else
			timewait_end(w, t);
	}
	for (; done < max && (n = wheel_pop(&w->tombs.wheel, w->now_us)); done++) {
		struct tombstone *t = CONTAINER_OF(n, struct tombstone, r.timer);

		if (t->r.dead_ms > w->gate_ms)
			wheel_arm(&w->tombs.wheel, n,
				  w->now_us + (t->r.dead_ms - w->gate_ms) * 1000);
		else
			tomb_expire(w, t);
	}
	return done;
}

uint64_t residue_next_timeout(const struct worker *w)
{
	uint64_t a = wheel_next(&w->timewaits.wheel), b = wheel_next(&w->tombs.wheel);

	return a < b ? a : b;
}
