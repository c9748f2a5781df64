/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about loss, on each ACK and timeout.
 *
 *            lost (RACK), three duplicates        all of `recover` acknowledged
 *     OPEN ─────────────────────────────► FAST ────────────────────────────────► OPEN
 *       │            RTO                   │ RTO                                  ▲
 *       └───────────────────────────────► LOSS ───────────────────────────────────┘
 *
 * With SACK the log says what is lost: RFC 8985 finds it, RFC 9937 paces it.
 * Without, or without a block to keep reports in, RFC 6582 goes by duplicates:
 *
 *     snd_una        high_rxt           recover           snd_nxt
 *      │ sent again ────►│ lost, after RTO ──►│ in flight ────►│
 */
#include "tcp/tcp_conn.h"

#define DUP_THRESH 3

/* ---- what is in the network ------------------------------------------------------- */

static uint32_t newreno_pipe(const struct tcp_conn *c)
{
	uint32_t flight = tcp_flight(c), left = c->dupacks * (uint32_t)c->mss;

	if (c->recovery == TCP_REC_LOSS) {
		uint32_t from = seq_max(c->high_rxt, c->snd_una);

		return seq_lt(from, c->recover) ? flight - (c->recover - from) : flight;
	}
	/* Limited Transmit, RFC 3042: a duplicate ACK is a segment that left. */
	if (c->recovery == TCP_REC_OPEN)
		left = u32_min(left, (DUP_THRESH - 1) * (uint32_t)c->mss);
	else if (c->rtx_due)
		left += c->mss;
	return flight > left ? flight - left : 0;
}

uint32_t tcp_pipe(const struct tcp_conn *c)
{
	if (c->newreno)
		return newreno_pipe(c);
	return tcp_flight(c) - u32_min(c->log.sacked + c->log.lost, tcp_flight(c));
}

bool tcp_cwnd_allows(const struct tcp_conn *c, uint32_t len)
{
	uint32_t pipe = tcp_pipe(c);

	return !pipe || pipe + len <= c->cwnd;
}

/* ---- what to send again ------------------------------------------------------------ */

static bool newreno_next(const struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	*seq = c->rtx_due ? c->snd_una : seq_max(c->high_rxt, c->snd_una);
	if (!c->rtx_due && c->recovery != TCP_REC_LOSS)
		return false;
	if (seq_geq(*seq, c->rtx_due ? c->snd_nxt : c->recover))
		return false;
	*len = u32_min(mss, c->snd_nxt - *seq);
	return true;
}

/* The first run of lost bytes; the first of all where one is due and none is lost. */
static bool log_next(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	struct tx_pos p;
	uint32_t end;

	if (!c->log.lost && !c->rtx_due)
		return false;
	if (!txlog_find(&c->log, &p, c->log.lost ? seq_max(c->high_rxt, c->snd_una) : c->snd_una))
		return false;
	while (c->log.lost && tx_at(&p)->state != TX_LOST)
		if (!txlog_next(&p))
			return false;
	*seq = p.start;
	end = tx_at(&p)->end;
	while (c->log.lost && end - *seq < mss && txlog_next(&p) && tx_at(&p)->state == TX_LOST)
		end = tx_at(&p)->end;
	*len = u32_min(mss, end - *seq);
	return true;
}

bool tcp_next_lost(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	bool found = c->newreno ? newreno_next(c, seq, len, mss) : log_next(c, seq, len, mss);

	if (!found || c->rtx_due)
		return found;
	/* RFC 5682 2.1 step 2b: new data goes, to see what becomes of the old. */
	return c->frto != TCP_FRTO_NEW && tcp_cwnd_allows(c, *len);
}

void tcp_sent_new(struct tcp_conn *c, uint32_t end, uint64_t now)
{
	if (c->recovery == TCP_REC_FAST)
		c->prr_out += end - c->snd_nxt;
	if (!c->sack_ok)
		return;
	if (!tcp_flight(c))
		c->log.start = c->snd_nxt;
	txlog_append(&c->log, c->env->pool, end, (uint32_t)now);
}

void tcp_sent_again(struct tcp_conn *c, uint32_t seq, uint32_t end, uint64_t now)
{
	struct tcp_txlog *l = &c->log;
	struct tcp_pool *pool = c->env->pool;
	struct tx_pos p;

	c->high_rxt = seq_max(c->high_rxt, end);
	if (c->recovery == TCP_REC_FAST)
		c->prr_out += end - seq;
	tcp_undo_sent(c, seq, end - seq, now);
	if (c->newreno || !txlog_find(l, &p, seq))
		return;
	/* Without room to split, the whole record counts as sent again. */
	if (!txlog_split(l, pool, &p, seq) && p.start != seq && !txlog_next(&p))
		return;
	do {
		txlog_split(l, pool, &p, end);
		if (tx_at(&p)->state == TX_LOST)
			txlog_set(l, &p, TX_OUT);
		tx_at(&p)->xmit = (uint32_t)now;
		tx_at(&p)->rtx = true;
	} while (txlog_next(&p) && seq_lt(p.start, end));
	/* What begins snd_una was lost again: the timer waits for this copy. */
	if (seq == c->snd_una && c->recovery == TCP_REC_FAST)
		tcp_rtx_arm(c, now);
}

/* ---- transitions --------------------------------------------------------------------- */

/* One reduction a window: RFC 5681 3.2, RFC 3168 6.1.2. */
static void reduced(struct tcp_conn *c)
{
	c->cwr_seq = c->snd_nxt;
	c->cwr_due = c->ecn_ok;
}

static void enter_fast(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (tcp_pmtu_probe_lost(c, a->now))
		return;
	tcp_undo_begin(c);
	c->recovery = TCP_REC_FAST;
	c->recover = c->snd_nxt;
	c->high_rxt = c->snd_una;
	c->rtx_due = c->newreno;
	c->tlp_due = c->tlp_out = false; /* this is the response, and prr_* take its place */
	reduced(c);
	c->cc->loss(c, false, a->now);
	tcp_prr_enter(c, a);
	tcp_rtx_arm(c, a->now);
	if (!c->probe_is_reo)
		c->t_probe = TCP_NEVER;
	COUNT(c, rtx_fast);
}

/* Without a recovery: an ECN echo, a loss that a probe has mended. */
void tcp_recovery_reduce(struct tcp_conn *c, uint64_t now)
{
	c->may_undo = false;
	c->cc->loss(c, true, now);
	reduced(c);
}

static void leave(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (c->recovery == TCP_REC_FAST) {
		c->cwnd = c->ssthresh; /* RFC 9937 5, "on completion" */
		if (c->newreno)	       /* RFC 6582 3.2 (3), full acknowledgment */
			c->cwnd = u32_min(c->ssthresh, u32_max(tcp_flight(c), c->mss) + c->mss);
	}
	c->recovery = TCP_REC_OPEN;
	c->rtx_due = c->partial = false;
	c->dupacks = 0;
	tcp_rack_recovered(c);
	tcp_undo_end(c);
	tcp_tlp_arm(c, a->now);
}

static void grow(struct tcp_conn *c, const struct tcp_ack *a)
{
	const struct tcp_cc_ack ca = {
		.now = a->now,
		.acked = a->acked,
		.flight = a->flight,
		.rtt_us = a->rtt_us,
	};

	if (a->acked)
		c->cc->acked(c, &ca);
}

/* RFC 6582 3.2 (3); the rest as RFC 9937 counts it without SACK. */
static void partial_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	uint32_t segments = (a->acked + c->mss - 1) / c->mss;

	c->rtx_due = c->partial = true;
	c->dupacks -= (uint16_t)u32_min(segments - 1, c->dupacks);
}

/* What duplicates tell without SACK; the amount that left the network with it. */
static void newreno_ack(struct tcp_conn *c, struct tcp_ack *a)
{
	if (a->dup) {
		if (c->dupacks < UINT16_MAX)
			c->dupacks++;
		a->delivered = c->mss;
	} else if (a->acked) {
		uint32_t told = c->dupacks * (uint32_t)c->mss;

		a->delivered = a->acked > told ? a->acked - told : 0;
		if (c->recovery != TCP_REC_FAST)
			c->dupacks = 0;
		else if (seq_lt(c->snd_una, c->recover))
			partial_ack(c, a);
	}
}

static bool found_loss(const struct tcp_conn *c)
{
	if (!c->newreno)
		return c->log.lost;
	/* RFC 6582 3.2 (2): not for echoes of what an earlier recovery sent. */
	return c->dupacks >= DUP_THRESH && seq_gt(c->snd_una, c->recover);
}

static void open_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	grow(c, a);
	if (found_loss(c))
		enter_fast(c, a);
	else if (a->acked || c->log.sacked)
		tcp_tlp_arm(c, a->now);
}

static void fast_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (seq_lt(c->snd_una, c->recover))
		return;
	leave(c, a);
	if (found_loss(c))
		enter_fast(c, a);
}

static void loss_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (tcp_frto_ack(c, a))
		return;
	grow(c, a);
	fast_ack(c, a);
}

/* No block for the reports, so far none kept: duplicates are counted instead. */
static void choose_rules(struct tcp_conn *c, const struct tcp_ack *a)
{
	if (!c->sack_ok || c->recovery != TCP_REC_OPEN)
		return;
	if (!tcp_flight(c)) {
		c->newreno = false;
	} else if (a->untold && !c->log.sacked && !c->log.lost) {
		c->newreno = true;
		c->t_probe = TCP_NEVER;
		c->probe_is_reo = c->tlp_due = c->tlp_out = false;
	}
}

/* snd_una has moved, SACK blocks are taken in: what follows from it. */
void tcp_recovery_ack(struct tcp_conn *c, struct tcp_ack *a)
{
	choose_rules(c, a);
	if (a->acked) {
		c->high_rxt = seq_max(c->high_rxt, c->snd_una);
		c->rtx_due = false;
		if (!c->newreno)
			c->dupacks = 0;
	}
	if (c->newreno) {
		newreno_ack(c, a);
	} else {
		c->dupacks += a->dup && c->dupacks < UINT16_MAX;
		tcp_rack_ack(c, a);
		tcp_tlp_ack(c, a);
	}
	if (tcp_undo_ack(c, a))
		return;
	if (c->recovery == TCP_REC_OPEN)
		open_ack(c, a);
	else if (c->recovery == TCP_REC_FAST)
		fast_ack(c, a);
	else
		loss_ack(c, a);
	if (c->recovery == TCP_REC_FAST)
		tcp_prr_ack(c, a);
}

/* RACK's timer: what has not arrived by now is lost (RFC 8985 6.2 step 5). */
void tcp_recovery_reo(struct tcp_conn *c, uint64_t now)
{
	struct tcp_ack a = {.now = now, .flight = tcp_flight(c)};

	if (c->newreno)
		return;
	a.lost = tcp_rack_detect(c, now);
	if (!a.lost)
		return;
	if (c->recovery == TCP_REC_OPEN)
		enter_fast(c, &a);
	if (c->recovery == TCP_REC_FAST)
		tcp_prr_ack(c, &a);
}

void tcp_recovery_rto(struct tcp_conn *c, uint64_t now)
{
	/* RFC 5681 3.1: not yet sent again since the last one. */
	bool first = c->recovery != TCP_REC_LOSS || seq_leq(c->high_rxt, c->snd_una);

	tcp_sack_renege(c);
	/* RFC 5682 2.1 step 1: not for what a recovery or a timeout sent before. */
	if (c->recovery == TCP_REC_OPEN)
		tcp_undo_begin(c);
	c->frto = first && c->recovery == TCP_REC_OPEN ? TCP_FRTO_SENT : TCP_FRTO_OFF;
	if (!first)
		c->may_undo = false;
	c->cc->rto(c, first, now);
	c->recovery = TCP_REC_LOSS;
	c->partial = false;
	c->recover = c->snd_nxt;
	c->high_rxt = c->snd_una;
	c->dupacks = 0;
	c->tlp_due = c->tlp_out = false;
	c->t_probe = TCP_NEVER;
	c->rtx_due = true;
	if (!c->newreno)
		tcp_rack_rto(c, now);
}

static void lost_below(struct tcp_conn *c, uint32_t end)
{
	struct tx_pos p;

	for (bool more = txlog_first(&c->log, &p); more; more = txlog_next(&p)) {
		if (seq_geq(p.start, end))
			return;
		/* Without room to split, what lies beyond is sent again for nothing. */
		if (seq_gt(tx_at(&p)->end, end))
			txlog_split(&c->log, c->env->pool, &p, end);
		if (tx_at(&p)->state == TX_OUT)
			txlog_set(&c->log, &p, TX_LOST);
	}
}

/*
 * What is outstanding below `end` was too big for the path: it is lost, and goes
 * again at once; cwnd stays as it is, since that was no congestion (RFC 8201 5.4).
 */
void tcp_recovery_resend(struct tcp_conn *c, uint32_t end, uint64_t now)
{
	c->recovery = TCP_REC_LOSS;
	c->recover = end;
	c->high_rxt = c->snd_una;
	c->dupacks = 0;
	c->frto = TCP_FRTO_OFF;
	c->may_undo = c->tlp_due = c->tlp_out = c->probe_is_reo = false;
	c->t_probe = TCP_NEVER;
	c->rtx_due = true;
	if (!c->newreno)
		lost_below(c, end);
	tcp_rtx_arm(c, now);
}

/* The handshake is done: what it agreed on is known. */
void tcp_recovery_start(struct tcp_conn *c, uint64_t now)
{
	c->newreno = !c->sack_ok;
	tcp_cc_start(c, now);
}

void tcp_recovery_clear(struct tcp_conn *c)
{
	txlog_clear(&c->log, c->env->pool, c->snd_una);
}
