/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recovery that need not have been. Three ways to know: the ACK that moves on
 * echoes a time before anything was sent again (Eifel, RFC 3522); the peer reports
 * everything that was sent again as duplicate (D-SACK, RFC 3708); or data sent
 * once is acknowledged after a timeout (F-RTO, RFC 5682). What was taken off is
 * then given back (RFC 4015, RFC 9438 4.9).
 */
#include "tcp/tcp_conn.h"

void tcp_undo_begin(struct tcp_conn *c)
{
	c->may_undo = true;
	c->eifel = TCP_EIFEL_WAIT;
	c->undo_cwnd = c->cwnd;
	c->undo_ssthresh = c->ssthresh;
	c->undo_rtx = 0;
}

/*
 * A segment is sent again. Eifel's comparison holds for the first one only, and only
 * if snd_una waits for it: of others the ACK that moves on need not tell.
 */
void tcp_undo_sent(struct tcp_conn *c, uint32_t seq, uint32_t len, uint64_t now)
{
	if (!c->may_undo || c->recovery == TCP_REC_OPEN)
		return;
	c->undo_rtx += len;
	if (c->eifel != TCP_EIFEL_WAIT)
		return;
	c->eifel = seq == c->snd_una ? TCP_EIFEL_ARMED : TCP_EIFEL_DONE;
	c->undo_ts = tcp_ts_now(c, now);
}

/* Recovery is over; reports of duplicates may come for another round trip. */
void tcp_undo_end(struct tcp_conn *c)
{
	c->undo_end = c->snd_nxt;
	c->frto = TCP_FRTO_OFF;
}

static void undo(struct tcp_conn *c, uint64_t now)
{
	struct tx_pos p;

	COUNT(c, rtx_undone);
	c->cwnd = u32_max(c->cwnd, c->undo_cwnd);
	c->ssthresh = u32_max(c->ssthresh, c->undo_ssthresh);
	c->cc->undo(c, now);
	for (bool more = txlog_first(&c->log, &p); more; more = txlog_next(&p))
		if (tx_at(&p)->state == TX_LOST)
			txlog_set(&c->log, &p, TX_OUT);
	c->recovery = TCP_REC_OPEN;
	c->may_undo = c->rtx_due = c->partial = false;
	c->frto = TCP_FRTO_OFF;
	c->dupacks = 0;
	tcp_tlp_arm(c, now);
}

/* RFC 3522 3.2 step 4, on the first ACK that moves on. */
static bool eifel(struct tcp_conn *c, const struct tcp_ack *a)
{
	bool armed = c->eifel == TCP_EIFEL_ARMED;

	if (!a->acked || c->recovery == TCP_REC_OPEN)
		return false;
	c->eifel = TCP_EIFEL_DONE;
	return armed && c->ts_ok && a->seg->has_ts && seq_lt(a->seg->tsecr, c->undo_ts);
}

/* RFC 3708 3: all that was sent again had arrived before. */
static bool all_duplicate(struct tcp_conn *c, const struct tcp_ack *a)
{
	uint32_t bytes = a->dsack_end - a->dsack_start;

	if (!a->dsack || !c->undo_rtx)
		return false;
	c->undo_rtx -= u32_min(bytes, c->undo_rtx);
	return !c->undo_rtx;
}

/* Whether the recovery that is, or was, has been undone. */
bool tcp_undo_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (!c->may_undo)
		return false;
	if (c->recovery == TCP_REC_OPEN && seq_gt(c->snd_una, c->undo_end)) {
		c->may_undo = false;
		return false;
	}
	if (!eifel(c, a) && !all_duplicate(c, a))
		return false;
	undo(c, a->now);
	return true;
}

static bool has_new(const struct tcp_conn *c)
{
	return !c->fin_sent && tcp_snd_end(c) != c->snd_nxt &&
	       seq_lt(c->snd_nxt, c->snd_una + c->snd_wnd);
}

/* RFC 5682 2.1 and, with SACK, 3.1, steps 2 and 3. Whether the timeout was undone. */
bool tcp_frto_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	bool whole = seq_geq(c->snd_una, c->recover);

	switch (c->frto) {
	case TCP_FRTO_SENT:
		/* 3.1 step 2 waits on while SACKs come; 2.1 step 2a does not. */
		if (a->acked)
			c->frto = !whole && has_new(c) ? TCP_FRTO_NEW : TCP_FRTO_OFF;
		else if (a->dup && c->newreno)
			c->frto = TCP_FRTO_OFF;
		return false;
	case TCP_FRTO_NEW:
		if (c->newreno ? a->acked : a->orig) {
			undo(c, a->now);
			return true;
		}
		if (!a->dup && !a->acked)
			return false;
		/* Step 3a: the loss was real; two round trips of slow start have passed. */
		c->frto = TCP_FRTO_OFF;
		c->cwnd = 3u * c->mss;
		return false;
	default:
		return false;
	}
}
