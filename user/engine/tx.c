/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/tx.h"

#include <string.h>

#include "engine/worker.h"

#define BURST 64 /* segments of one connection before the next one's turn */

static void submit(struct txq *q)
{
	if (q->used)
		q->io->ops->tx_submit(q->io, q->f, q->used);
	if (q->n > q->used)
		q->io->ops->tx_cancel(q->io, q->f + q->used, q->n - q->used);
	q->n = q->used = 0;
}

struct pktio_frame *tx_next(struct txq *q)
{
	if (q->used < q->n)
		return &q->f[q->used];
	if (q->dry)
		return NULL;
	submit(q);
	q->n = q->io->ops->tx_reserve(q->io, q->f, TX_BATCH);
	if (!q->n) {
		/* Sent frames come back only when the kernel is asked. */
		q->io->ops->flush(q->io);
		q->n = q->io->ops->tx_reserve(q->io, q->f, TX_BATCH);
	}
	q->dry = !q->n;
	return q->n ? &q->f[0] : NULL;
}

void tx_commit(struct txq *q, size_t len)
{
	q->f[q->used++].len = (uint32_t)len;
}

void tx_flush(struct txq *q)
{
	submit(q);
	q->io->ops->flush(q->io);
	q->dry = false;
}

static void trace_out(struct worker *w, const weir_tuple *t, const uint8_t *frame, size_t len,
		      uint8_t before, uint8_t after)
{
	const struct weir_trace_rec meta = {
		.len = (uint16_t)len,
		.dir = WEIR_TRACE_OUT,
		.state_before = before,
		.state_after = after,
	};

	worker_trace(w, t, &meta, frame);
}

enum tx_result tx_conn(struct worker *w, struct weir_conn *c)
{
	struct txq *q = &w->tx[c->io];
	size_t off = c->l2.len + frame_ip_len(&c->tuple);

	for (int i = 0; i < BURST; i++) {
		struct pktio_frame *f = tx_next(q);
		uint8_t before, ecn = 0;
		size_t len;

		if (!f)
			return TX_FULL;
		before = (uint8_t)tcp_get_state(conn_tcp(c));
		len = tcp_output(conn_tcp(c), f->data + off, f->cap - off, &ecn, w->now_us);
		if (!len)
			return TX_DONE;
		len = frame_headers(f->data, &c->l2, &c->tuple, len, ecn);
		if (w->tracing)
			trace_out(w, &c->tuple, f->data, len, before,
				  (uint8_t)tcp_get_state(conn_tcp(c)));
		tx_commit(q, len);
		worker_count(w, WEIR_C_worker_tx_frames);
	}
	return TX_MORE;
}

int tx_reply(struct worker *w, const struct rx_pkt *p, const uint8_t *seg, size_t len)
{
	struct txq *q = &w->tx[p->io];
	struct pktio_frame *f = tx_next(q);
	struct l2 l2;

	if (!f)
		return WEIR_C_drop_reply_tx_full;
	l2_reply(&l2, p);
	memcpy(f->data + l2.len + frame_ip_len(&p->v.tuple), seg, len);
	len = frame_headers(f->data, &l2, &p->v.tuple, len, 0);
	if (w->tracing)
		trace_out(w, &p->v.tuple, f->data, len, p->state_before, p->state_before);
	tx_commit(q, len);
	worker_count(w, WEIR_C_worker_tx_frames);
	return 0;
}
