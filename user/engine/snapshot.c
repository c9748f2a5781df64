/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections as rows, for the controlling thread: it asks by mailbox, the worker
 * fills its own memory between two batches, some hundred rows at a time.
 *
 * A cursor is a position: the slots of the connections, then those of TIME_WAIT.
 */
#include <string.h>

#include "engine/engine_priv.h"
#include "engine/worker.h"

#define SCAN_MAX 8192 /* slots looked at in one turn */

static void row_address(struct engine_conn_row *r, const weir_tuple *t)
{
	tuple_local(t, &r->local);
	tuple_remote(t, &r->remote);
}

static void row_conn(const struct worker *w, const struct weir_conn *c, struct engine_conn_row *r)
{
	memset(r, 0, sizeof(*r));
	r->id = (uint64_t)c->hdr.gen << 32 | slab_index(&w->conns, c);
	r->worker = w->index;
	r->service = conn_app(c)->name;
	row_address(r, &c->tuple);
	tcp_get_info(conn_tcp(c), &r->tcp);
	if (r->tcp.timer != TCP_TIMER_NONE && r->tcp.timer_at > w->now_us)
		r->timer_in_us = r->tcp.timer_at - w->now_us;
}

static void row_timewait(const struct worker *w, const struct timewait *t,
			 struct engine_conn_row *r)
{
	memset(r, 0, sizeof(*r));
	/* Bit 62 keeps these ids apart from the connections', and JSON readers from a sign. */
	r->id = 1ULL << 62 | (uint64_t)t->r.hdr.gen << 32 | slab_index(&w->timewaits.slab, t);
	r->worker = w->index;
	r->service = t->app->name;
	row_address(r, &t->r.tuple);
	r->tcp.state = WEIR_TIME_WAIT;
	r->tcp.snd_nxt = r->tcp.snd_una = t->tw.snd_nxt;
	r->tcp.rcv_nxt = t->tw.rcv_nxt;
	r->tcp.irs = t->r.irs;
	r->tcp.timer = TCP_TIMER_TIME_WAIT;
	r->tcp.timer_at = t->tw.expires_us;
	if (t->tw.expires_us > w->now_us)
		r->timer_in_us = t->tw.expires_us - w->now_us;
}

static void fill(struct worker *w, struct mailbox *box)
{
	uint64_t pos = box->cursor;
	uint64_t end = (uint64_t)w->conns.cap + w->timewaits.slab.fresh;
	unsigned max = box->max < WORKER_ROWS ? box->max : WORKER_ROWS;

	box->n = 0;
	for (unsigned scan = 0; pos < end && box->n < max && scan < SCAN_MAX; scan++, pos++) {
		if (pos >= w->conns.fresh && pos < w->conns.cap)
			pos = w->conns.cap;
		if (pos >= end)
			break;
		if (pos < w->conns.cap) {
			if (slab_in_use(&w->conns, (uint32_t)pos))
				row_conn(w, slab_at(&w->conns, (uint32_t)pos),
					 &box->rows[box->n++]);
		} else if (slab_in_use(&w->timewaits.slab, (uint32_t)(pos - w->conns.cap))) {
			row_timewait(w, slab_at(&w->timewaits.slab, (uint32_t)(pos - w->conns.cap)),
				     &box->rows[box->n++]);
		}
	}
	box->cursor = pos >= end ? UINT64_MAX : pos;
}

void snapshot_answer(struct worker *w)
{
	struct mailbox *box = &w->box;
	uint32_t asked = atomic_load_explicit(&box->asked, memory_order_acquire);

	if (asked == atomic_load_explicit(&box->answered, memory_order_relaxed))
		return;
	fill(w, box);
	/* release: the rows before the number that says they are there */
	atomic_store_explicit(&box->answered, asked, memory_order_release);
}
