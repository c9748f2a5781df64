/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the peer reports as arrived: the ACK field, SACK blocks (RFC 2018) and
 * D-SACK blocks (RFC 2883), entered into the log of what is in flight.
 */
#include "tcp/tcp_conn.h"

/* A block that repeats what had arrived: RFC 2883 4, always the first one. */
static bool is_dsack(const struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t start = s->sack[0].start, end = s->sack[0].end;

	if (seq_leq(end, s->ack))
		return true;
	return s->nsack > 1 && seq_geq(start, s->sack[1].start) && seq_leq(end, s->sack[1].end) &&
	       seq_leq(s->sack[1].end, c->snd_nxt);
}

/* Reports of what was sent longer ago than a window cannot be of this time. */
static bool makes_sense(const struct tcp_conn *c, uint32_t start, uint32_t end)
{
	return seq_lt(start, end) && seq_leq(end, c->snd_nxt) &&
	       seq_geq(start, c->snd_una - u32_max(c->snd_wnd_max, 65535)) && seq_gt(start, c->iss);
}

/* One record, all of it within a block. */
static void mark(struct tcp_conn *c, struct tcp_ack *a, struct tx_pos *p, uint32_t before)
{
	struct tx_rec *r = tx_at(p);

	if (r->state != TX_SACKED) {
		a->sacked += tx_len(p);
		tcp_rack_delivered(c, a, r, r->end);
		txlog_set(&c->log, p, TX_SACKED);
	}
	txlog_join(p, before);
}

static void mark_block(struct tcp_conn *c, struct tcp_ack *a, uint32_t start, uint32_t end)
{
	struct tcp_pool *pool = c->env->pool;
	struct tcp_txlog *l = &c->log;
	uint32_t before;
	struct tx_pos p;

	if (!txlog_find(l, &p, start))
		return;
	before = p.start;
	/* What begins or ends within a record splits it, unless that is SACKed anyhow. */
	if (tx_at(&p)->state != TX_SACKED && p.start != start) {
		if (txlog_split(l, pool, &p, start)) {
			a->untold = true;
			return;
		}
		if (!txlog_next(&p))
			return;
	}
	while (seq_lt(p.start, end)) {
		if (tx_at(&p)->state != TX_SACKED && txlog_split(l, pool, &p, end)) {
			a->untold = true;
			return;
		}
		mark(c, a, &p, before);
		before = p.start;
		if (!txlog_next(&p))
			return;
	}
}

/* Takes in the SACK blocks that make sense. */
void tcp_sack_update(struct tcp_conn *c, struct tcp_ack *a)
{
	const struct tcp_seg *s = a->seg;

	if (!c->sack_ok)
		return;
	for (uint8_t i = 0; i < s->nsack; i++) {
		uint32_t start = s->sack[i].start, end = s->sack[i].end;

		if (!makes_sense(c, start, end)) {
			COUNT(c, sack_invalid);
		} else if (!i && is_dsack(c, s)) {
			COUNT(c, sack_duplicate);
			a->dsack = true;
			a->dsack_start = start;
			a->dsack_end = end;
		} else if (seq_lt(start, seq_max(c->snd_una, s->ack))) {
			COUNT(c, sack_old);
		} else {
			mark_block(c, a, start, end);
		}
	}
	if (a->untold)
		COUNT(c, sack_not_kept);
	a->delivered += a->sacked;
}

/* The ACK field reaches a->seg->ack; snd_una has not moved yet. */
void tcp_sack_acked(struct tcp_conn *c, struct tcp_ack *a)
{
	struct tcp_txlog *l = &c->log;
	uint32_t to = a->seg->ack;
	struct tx_pos p;

	a->cumulative = true;
	while (seq_lt(l->start, to) && txlog_first(l, &p)) {
		struct tx_rec *r = tx_at(&p);
		uint32_t end = seq_min(r->end, to);

		if (r->state != TX_SACKED) {
			a->delivered += end - p.start;
			tcp_rack_delivered(c, a, r, end);
			a->rtx |= r->rtx;
		}
		txlog_drop(l, c->env->pool, end);
	}
	l->start = to;
}

/*
 * The receiver may take back what it SACKed (RFC 2018 8). It has done so when the
 * first byte it lacks, once a timeout has come, is one that it had reported.
 */
void tcp_sack_renege(struct tcp_conn *c)
{
	struct tx_pos p;

	if (!txlog_first(&c->log, &p) || tx_at(&p)->state != TX_SACKED)
		return;
	COUNT(c, sack_reneged);
	do {
		if (tx_at(&p)->state == TX_SACKED)
			txlog_set(&c->log, &p, TX_LOST);
	} while (txlog_next(&p));
}
