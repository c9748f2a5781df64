/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RACK, RFC 8985 6: a segment is lost when one that was sent later has arrived,
 * and then some time, the reordering window, has passed.
 *
 *     sent ──────────────── RACK.xmit ─────────────► time
 *       │ lost, rtt + window ago │ may still arrive: the timer
 *
 * The same holds for what was sent again, so a lost retransmission is found.
 */
#include "tcp/tcp_conn.h"

#define DUP_THRESH  3
#define REO_PERSIST 16

/* RFC 8985 6.1, RACK_sent_after() */
static bool sent_after(uint32_t t1, uint32_t seq1, uint32_t t2, uint32_t seq2)
{
	return seq_gt(t1, t2) || (t1 == t2 && seq_gt(seq1, seq2));
}

/*
 * 6.2 step 2: an ACK of a copy may be for the one before it, and then tells nothing.
 * An echo tells which it was, but only where snd_una moves: the peer does not take
 * the timestamps of what arrives beyond a hole (RFC 7323 4.3).
 */
static bool ambiguous(const struct tcp_conn *c, const struct tcp_ack *a, const struct tx_rec *r,
		      uint32_t rtt)
{
	if (!r->rtx)
		return false;
	if (a->cumulative && c->ts_ok && a->seg->has_ts &&
	    seq_lt(a->seg->tsecr, tcp_ts_now(c, a->now - rtt)))
		return true;
	return u32_max(rtt, 1) < c->min_rtt;
}

/* Steps 1 to 3, for each segment newly acknowledged or SACKed, up to `end`. */
void tcp_rack_delivered(struct tcp_conn *c, struct tcp_ack *a, const struct tx_rec *r, uint32_t end)
{
	uint32_t rtt = (uint32_t)a->now - r->xmit;

	if (!r->rtx) {
		/* Against what earlier ACKs told: the order within one says nothing. */
		if (a->fack_on && seq_lt(end, a->fack))
			c->reordering = true;
		if (!c->rack_on || seq_gt(end, c->rack_fack))
			c->rack_fack = end;
		if (!a->rtt_us || rtt < a->rtt_us)
			a->rtt_us = u32_max(rtt, 1);
		a->orig |= seq_leq(end, c->recover);
	}
	if (ambiguous(c, a, r, rtt))
		return;
	if (c->rack_on && !sent_after(r->xmit, end, c->rack_xmit, c->rack_end))
		return;
	c->rack_on = true;
	c->rack_rtt = rtt;
	c->rack_xmit = r->xmit;
	c->rack_end = end;
}

/* ---- step 4: the reordering window ------------------------------------------------- */

static bool thresh_reached(const struct tcp_conn *c)
{
	return c->dupacks >= DUP_THRESH || c->log.sacked > (DUP_THRESH - 1) * tcp_eff_mss(c);
}

uint32_t tcp_rack_window(const struct tcp_conn *c)
{
	uint64_t wnd = (uint64_t)c->min_rtt * u32_max(c->reo_mult, 1) / 4;

	if (!c->reordering && (c->recovery != TCP_REC_OPEN || thresh_reached(c)))
		return 0;
	if (c->srtt8 && wnd > c->srtt8 / 8)
		wnd = c->srtt8 / 8;
	return wnd < UINT32_MAX / 4 ? (uint32_t)wnd : UINT32_MAX / 4;
}

/* A duplicate at the peer: the window was too small, at most once a round trip. */
static void adapt(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (c->dsack_round && seq_geq(c->snd_una, c->dsack_round_end))
		c->dsack_round = false;
	if (!a->dsack || c->dsack_round)
		return;
	c->dsack_round = true;
	c->dsack_round_end = c->snd_nxt;
	c->reo_mult = (uint8_t)u32_min(u32_max(c->reo_mult, 1) + 1u, UINT8_MAX);
	c->reo_persist = REO_PERSIST;
}

/* A recovery has ended: after 16 without a D-SACK the window is what it was. */
void tcp_rack_recovered(struct tcp_conn *c)
{
	if (c->reo_persist && !--c->reo_persist)
		c->reo_mult = 1;
}

/* ---- step 5: what is lost ------------------------------------------------------------ */

/* RACK_detect_loss(): bytes newly lost; arms the timer for what may still arrive. */
uint32_t tcp_rack_detect(struct tcp_conn *c, uint64_t now)
{
	uint32_t wait = c->rack_rtt + tcp_rack_window(c), before = c->log.lost, timeout = 0;
	struct tx_pos p;

	if (c->t_probe != TCP_NEVER && c->probe_is_reo)
		c->t_probe = TCP_NEVER;
	if (!c->rack_on || !txlog_first(&c->log, &p))
		return 0;
	do {
		const struct tx_rec *r = tx_at(&p);
		uint32_t age = (uint32_t)now - r->xmit;

		if (r->state != TX_OUT)
			continue;
		if (!sent_after(c->rack_xmit, c->rack_end, r->xmit, r->end)) {
			/* All beyond was sent, or sent again, later than this. */
			if (!r->rtx)
				break;
			continue;
		}
		if (age >= wait) {
			if (r->rtx)
				COUNT(c, rtx_lost);
			txlog_set(&c->log, &p, TX_LOST);
			c->high_rxt = seq_min(c->high_rxt, p.start);
		} else {
			timeout = u32_max(timeout, wait - age);
		}
	} while (txlog_next(&p));
	if (timeout) {
		c->t_probe = now + timeout;
		c->probe_is_reo = true;
	}
	return c->log.lost - before;
}

/* 6.2 on an ACK. In order and with nothing missing, there is nothing to be found. */
void tcp_rack_ack(struct tcp_conn *c, struct tcp_ack *a)
{
	adapt(c, a);
	if (c->log.sacked || c->recovery != TCP_REC_OPEN || c->probe_is_reo || a->rtx)
		a->lost += tcp_rack_detect(c, a->now);
}

/* 6.3: the first segment, and what is older than it takes to arrive. */
void tcp_rack_rto(struct tcp_conn *c, uint64_t now)
{
	uint32_t wait = c->rack_rtt + tcp_rack_window(c);
	struct tx_pos p;

	for (bool more = txlog_first(&c->log, &p); more; more = txlog_next(&p)) {
		const struct tx_rec *r = tx_at(&p);

		if (r->state == TX_OUT &&
		    (p.start == c->log.start || !c->rack_on || (uint32_t)now - r->xmit >= wait))
			txlog_set(&c->log, &p, TX_LOST);
	}
}
