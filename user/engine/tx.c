/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/tx.h"

#include <string.h>

#include "engine/worker.h"

#define BURST	 64 /* segments of one connection before the next one's turn */
#define L2_PLAIN 14 /* without tags, which not every device cuts behind */

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

/* Sends what is filled, keeps what is reserved: a burst goes behind the frames before it. */
static void submit_filled(struct txq *q)
{
	if (!q->used)
		return;
	q->io->ops->tx_submit(q->io, q->f, q->used);
	memmove(q->f, q->f + q->used, (q->n - q->used) * sizeof(q->f[0]));
	q->n -= q->used;
	q->used = 0;
}

/* Its headers are in a reserved frame, which stays one. Returns how many segments it is. */
static unsigned send_burst(struct worker *w, struct weir_conn *c, const struct tcp_burst *b,
			   const uint8_t *hdr, size_t tcp_len)
{
	struct txq *q = &w->tx[c->io];
	struct pktio_piece piece[TCP_BURST_PIECES];
	const size_t l4_off = c->l2.len + frame_ip_len(&c->tuple);
	struct pktio_burst out = {
		.hdr = hdr,
		.hdr_len = (uint16_t)(l4_off + tcp_len),
		.l3_off = c->l2.len,
		.l4_off = (uint16_t)l4_off,
		.cut = b->cut,
		.len = b->len,
		.n = b->n,
		.piece = piece,
	};
	unsigned segments = (b->len + b->cut - 1) / b->cut;

	for (unsigned i = 0; i < b->n; i++)
		piece[i] = (struct pktio_piece){b->piece[i].p, b->piece[i].len};
	submit_filled(q);
	q->io->ops->tx_burst(q->io, &out);
	for (unsigned i = 0; i < segments; i++)
		worker_count(w, WEIR_C_worker_tx_frames);
	return segments;
}

enum tx_result tx_conn(struct worker *w, struct weir_conn *c)
{
	struct txq *q = &w->tx[c->io];
	size_t off = c->l2.len + frame_ip_len(&c->tuple);
	struct tcp_burst b;

	for (unsigned sent = 0; sent < BURST;) {
		struct pktio_frame *f = tx_next(q);
		uint8_t before;
		size_t len;

		if (!f)
			return TX_FULL;
		before = (uint8_t)tcp_get_state(conn_tcp(c));
		b.max = c->l2.len == L2_PLAIN && !w->tracing ? q->io->burst_max : 0;
		len = tcp_output_burst(conn_tcp(c), f->data + off, f->cap - off, &b, w->now_us);
		if (!len)
			return TX_DONE;
		if (b.cut) {
			frame_headers(f->data, &c->l2, &c->tuple, len + b.len, b.ecn);
			sent += send_burst(w, c, &b, f->data, len);
			if (!q->io->burst_max) { /* the device takes no more for now */
				q->dry = true;
				return TX_FULL;
			}
			continue;
		}
		sent++;
		len = frame_headers(f->data, &c->l2, &c->tuple, len, b.ecn);
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
