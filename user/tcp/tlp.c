/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tail loss probes, RFC 8985 7: when the end of what is in flight may be lost, of
 * which no later segment's arrival could tell, one segment asks long before the
 * retransmission timer would.
 */
#include "tcp/tcp_conn.h"

#define PTO_NO_SRTT_US 1000000

/* 7.2 */
static bool wanted(const struct tcp_conn *c)
{
	return !c->newreno && c->recovery == TCP_REC_OPEN && !c->log.sacked && !c->tlp_out &&
	       !c->persisting && tcp_flight(c) && c->snd_wnd;
}

/* TLP_calc_PTO(). The peer may delay the ACK of a single segment as long as our least RTO. */
static uint64_t pto(const struct tcp_conn *c)
{
	uint64_t us = PTO_NO_SRTT_US;

	if (c->srtt8) {
		us = c->srtt8 / 4;
		if (tcp_flight(c) <= tcp_eff_mss(c))
			us += c->env->cfg->rto_min_us;
	}
	return us;
}

/* After new data, and after an ACK that moves on. */
void tcp_tlp_arm(struct tcp_conn *c, uint64_t now)
{
	if (c->t_probe != TCP_NEVER && c->probe_is_reo)
		return;
	c->t_probe = TCP_NEVER;
	c->probe_is_reo = false;
	if (!wanted(c))
		return;
	c->t_probe = now + pto(c);
	/* Not after the RTO, in whose place it then goes. */
	if (c->t_probe > c->t_rtx)
		c->t_probe = c->t_rtx;
}

/* 7.3, TLP_send_probe(): where no new data may go, the last segment again. */
bool tcp_tlp_segment(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss)
{
	uint32_t fin = c->fin_sent, end = c->snd_nxt, from = c->log.start, span;
	struct tx_pos p;

	for (bool more = txlog_first(&c->log, &p); more; more = txlog_next(&p))
		from = p.start;
	span = end - from;
	if (!span)
		return false;
	/* A FIN goes with the data before it. */
	if (fin && span > 1)
		span--;
	*seq = from + (span - 1) / mss * mss;
	*len = end - *seq;
	return true;
}

/* 7.4.2, TLP_process_ack() */
void tcp_tlp_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	uint32_t ack = a->seg->ack;

	if (!c->tlp_out || seq_lt(ack, c->tlp_end))
		return;
	if (!c->tlp_rtx) {
		c->tlp_out = false;
	} else if (a->dsack && a->dsack_end == c->tlp_end) {
		c->tlp_out = false; /* both have arrived */
	} else if (seq_gt(ack, c->tlp_end)) {
		/* One has: the probe has mended a loss, which the path must not hide. */
		c->tlp_out = false;
		COUNT(c, tlp_mended);
		if (c->recovery == TCP_REC_OPEN)
			tcp_recovery_reduce(c, a->now);
	} else if (!a->acked && !a->seg->nsack && !a->seg->len) {
		c->tlp_out = false; /* the ACK of the second, without D-SACK */
	}
}
