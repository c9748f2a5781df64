/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is lost, and what to send again: RFC 6675 with SACK, RFC 6582 without.
 *
 *     snd_una        high_rxt         lost edge            snd_nxt
 *      │ sent again ────►│ lost, waits ──►│ in flight ───────►│
 *              (minus, everywhere, what the scoreboard has)
 *
 *     pipe = [snd_una, high_rxt) + [lost edge, snd_nxt), each less the SACKed
 *
 * A timeout sets the lost edge to all that was outstanding and takes the same
 * way through the holes, from the first, under slow start: with an empty
 * scoreboard that is go-back-N. snd_nxt stays where it is.
 */
#include "tcp/tcp_conn.h"

#define DUP_THRESH 3

/* ---- the scoreboard --------------------------------------------------------- */

/* Takes in the SACK blocks that make sense; whether they told anything new. */
bool tcp_sack_update(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t before = ranges_bytes(c->sacked, c->snd_una, c->snd_nxt);

	if (!c->sack_ok)
		return false;
	for (uint8_t i = 0; i < s->nsack; i++) {
		uint32_t start = s->sack[i].start, end = s->sack[i].end;

		if (!seq_lt(start, end) || seq_gt(end, c->snd_nxt)) {
			COUNT(c, sack_invalid);
			continue;
		}
		/* Below the ACK: a duplicate was reported (RFC 2883 4). */
		if (seq_lt(start, seq_max(c->snd_una, s->ack))) {
			COUNT(c, sack_duplicate);
			continue;
		}
		if (ranges_add(&c->sacked, c->env->pool, start, end))
			COUNT(c, sack_not_kept);
	}
	return ranges_bytes(c->sacked, c->snd_una, c->snd_nxt) != before;
}

/*
 * IsLost() of RFC 6675 4: everything not SACKed below this is lost, because
 * DUP_THRESH discontiguous ranges, or more than DUP_THRESH - 1 segments' bytes,
 * have arrived above it.
 */
static uint32_t sacked_edge(const struct tcp_conn *c)
{
	const struct tcp_ranges *rs = c->sacked;
	uint32_t bytes = 0;

	for (uint32_t i = rs ? rs->n : 0; i > 0; i--) {
		bytes += rs->r[i - 1].end - rs->r[i - 1].start;
		if (rs->n - i + 1 >= DUP_THRESH || bytes > (DUP_THRESH - 1) * tcp_eff_mss(c))
			return rs->r[i - 1].start;
	}
	return c->snd_una;
}

static uint32_t lost_edge(const struct tcp_conn *c)
{
	uint32_t edge = sacked_edge(c);

	return c->recovery == TCP_REC_LOSS ? seq_max(edge, c->recover) : edge;
}

uint32_t tcp_pipe(const struct tcp_conn *c)
{
	uint32_t flight = tcp_flight(c), lost, rtx;

	if (c->recovery == TCP_REC_OPEN) {
		/* Limited Transmit, RFC 3042: a duplicate ACK is a segment that left. */
		uint32_t left = u32_min(c->dupacks, DUP_THRESH - 1) * c->mss;

		if (c->sacked)
			left = ranges_bytes(c->sacked, c->snd_una, c->snd_nxt);
		return flight > left ? flight - left : 0;
	}
	if (c->recovery == TCP_REC_FAST && !c->sack_ok)
		return flight; /* cwnd is inflated instead */
	lost = lost_edge(c);
	rtx = seq_max(c->high_rxt, c->snd_una);
	return c->snd_nxt - lost - ranges_bytes(c->sacked, lost, c->snd_nxt) + rtx - c->snd_una -
	       ranges_bytes(c->sacked, c->snd_una, rtx);
}

bool tcp_cwnd_allows(const struct tcp_conn *c, uint32_t len)
{
	uint32_t pipe = tcp_pipe(c);

	return !pipe || pipe + len <= c->cwnd;
}

/* ---- what to send again ------------------------------------------------------ */

/* The hole at or after `seq`: *seq moves to its start; returns its end. */
static uint32_t hole(const struct tcp_conn *c, uint32_t *seq)
{
	const struct tcp_range *r = ranges_after(c->sacked, *seq);

	while (r && seq_leq(r->start, *seq)) {
		*seq = r->end;
		r = ranges_after(c->sacked, *seq);
	}
	return r ? r->start : c->snd_nxt;
}

/* NextSeg() (1), and the one segment a fast retransmit sends regardless of cwnd. */
bool tcp_next_lost(const struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	uint32_t end;

	*seq = c->rtx_due ? c->snd_una : seq_max(c->high_rxt, c->snd_una);
	if (!c->rtx_due &&
	    (c->recovery == TCP_REC_OPEN || (c->recovery == TCP_REC_FAST && !c->sack_ok)))
		return false;
	end = hole(c, seq);
	if (seq_geq(*seq, c->snd_nxt))
		return false;
	*len = u32_min(mss, end - *seq);
	if (c->rtx_due)
		return true;
	return seq_lt(*seq, lost_edge(c)) && tcp_cwnd_allows(c, *len);
}

/* NextSeg() (4): once per recovery, the highest segment that is outstanding. */
static bool rescue(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	const struct tcp_ranges *rs = c->sacked;
	uint32_t floor = seq_max(c->high_rxt, c->snd_una);

	if (c->rescued || !rs || rs->r[rs->n - 1].end == c->snd_nxt)
		return false;
	floor = seq_max(floor, rs->r[rs->n - 1].end);
	if (seq_geq(floor, c->snd_nxt))
		return false;
	*len = u32_min(mss, c->snd_nxt - floor);
	*seq = c->snd_nxt - *len;
	c->rescued = true;
	return true;
}

/* NextSeg() (3) and (4): only when nothing is known to be lost and nothing is new. */
bool tcp_next_maybe_lost(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	uint32_t end;

	if (c->recovery != TCP_REC_FAST || !c->sacked || !tcp_cwnd_allows(c, mss))
		return false;
	*seq = seq_max(c->high_rxt, c->snd_una);
	end = hole(c, seq);
	if (seq_geq(*seq, c->sacked->r[c->sacked->n - 1].end))
		return rescue(c, seq, len, mss);
	*len = u32_min(mss, end - *seq);
	return true;
}

/* ---- transitions -------------------------------------------------------------- */

static void enter_fast(struct tcp_conn *c, uint64_t now)
{
	c->recovery = TCP_REC_FAST;
	c->recover = c->snd_nxt;
	c->high_rxt = c->snd_una;
	c->rtx_due = true;
	c->rescued = false;
	c->cwr_seq = c->snd_nxt;
	c->cwr_due = c->ecn_ok;
	c->cc->loss(c, tcp_flight(c));
	if (!c->sack_ok)
		c->cwnd += DUP_THRESH * c->mss; /* RFC 5681 3.2 (3) */
	tcp_rtx_arm(c, now);
	COUNT(c, rtx_fast);
}

void tcp_recovery_dupack(struct tcp_conn *c, bool news, uint64_t now)
{
	if (c->dupacks < UINT8_MAX)
		c->dupacks++;
	if (c->recovery == TCP_REC_FAST && !c->sack_ok)
		c->cwnd += c->mss; /* RFC 5681 3.2 (4) */
	if (c->recovery != TCP_REC_OPEN)
		return;
	if (c->sack_ok) {
		/* RFC 6675 5 (1), (2) */
		if (c->sacked &&
		    (c->dupacks >= DUP_THRESH || (news && seq_lt(c->snd_una, sacked_edge(c)))))
			enter_fast(c, now);
		return;
	}
	/* RFC 6582 3.2 (2): not for echoes of what an earlier recovery sent. */
	if (c->dupacks >= DUP_THRESH && seq_gt(c->snd_una, c->recover))
		enter_fast(c, now);
}

static void leave(struct tcp_conn *c)
{
	if (c->recovery == TCP_REC_FAST) {
		c->cwnd = c->ssthresh;
		if (!c->sack_ok) /* RFC 6582 3.2 (3), full acknowledgment */
			c->cwnd = u32_min(c->ssthresh, u32_max(tcp_flight(c), c->mss) + c->mss);
	}
	c->recovery = TCP_REC_OPEN;
}

/* snd_una has moved by `acked`, of `flight` outstanding before. */
void tcp_recovery_acked(struct tcp_conn *c, uint32_t acked, uint32_t flight, uint64_t now)
{
	c->dupacks = 0;
	c->rtx_due = false;
	ranges_trim(&c->sacked, c->env->pool, c->snd_una);
	c->high_rxt = seq_max(c->high_rxt, c->snd_una);
	if (c->recovery != TCP_REC_OPEN && seq_geq(c->snd_una, c->recover)) {
		leave(c);
	} else if (c->recovery == TCP_REC_FAST) {
		if (c->sack_ok)
			return;
		/* RFC 6582 3.2 (3), partial acknowledgment */
		c->rtx_due = true;
		c->cwnd -= u32_min(acked, c->cwnd);
		if (acked >= c->mss || !c->cwnd)
			c->cwnd += c->mss;
	} else {
		c->cc->acked(c, acked, flight);
	}
	/* An ACK that moves on and still shows enough SACKed above a hole. */
	if (c->recovery == TCP_REC_OPEN && c->sacked && seq_lt(c->snd_una, sacked_edge(c)))
		enter_fast(c, now);
}

void tcp_recovery_rto(struct tcp_conn *c)
{
	/*
	 * The receiver may take back what it SACKed (RFC 2018 8). It has done so
	 * when the first byte it lacks is one that it had reported.
	 */
	if (c->sacked && seq_leq(c->sacked->r[0].start, c->snd_una)) {
		COUNT(c, sack_reneged);
		ranges_clear(&c->sacked, c->env->pool);
	}
	c->cc->rto(c, tcp_flight(c), !c->backoff);
	c->recovery = TCP_REC_LOSS;
	c->recover = c->snd_nxt;
	c->high_rxt = c->snd_una;
	c->dupacks = 0;
	c->rescued = false;
}
