/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proportional Rate Reduction, RFC 9937 (which replaces RFC 6937): in fast
 * recovery as much leaves as arrives, times ssthresh over what was in flight.
 *
 *     pipe > ssthresh:   sent = delivered * ssthresh / RecoverFS
 *     else               sent grows as delivered, a segment faster while ACKs are good
 *
 * cwnd is pipe and what may be sent now, on each ACK anew.
 */
#include "tcp/tcp_conn.h"

/* RecoverFS: what was in flight, less what earlier ACKs had reported. */
void tcp_prr_enter(struct tcp_conn *c, const struct tcp_ack *a)
{
	uint32_t known = c->newreno ? 0 : c->log.sacked - a->sacked;

	c->prr_delivered = c->prr_out = 0;
	c->prr_flight = u32_max(tcp_flight(c) - u32_min(known, tcp_flight(c)) + a->acked, 1);
}

void tcp_prr_ack(struct tcp_conn *c, const struct tcp_ack *a)
{
	uint32_t pipe = tcp_pipe(c), mss = c->mss, may = 0;
	uint64_t share;

	c->prr_delivered += a->delivered;
	if (pipe > c->ssthresh) {
		share = ((uint64_t)c->prr_delivered * c->ssthresh + c->prr_flight - 1) /
			c->prr_flight;
		if (share > c->prr_out)
			may = (uint32_t)(share - c->prr_out);
	} else {
		may = a->delivered;
		if (c->prr_delivered > c->prr_out)
			may = u32_max(may, c->prr_delivered - c->prr_out);
		/* SSRB while snd_una moves and nothing more is lost, else CRB. */
		if (a->acked && !a->lost)
			may += mss;
		may = u32_min(may, c->ssthresh - pipe);
	}
	/* The first retransmission, whatever the sums say. */
	if (!c->prr_out && may < mss)
		may = mss;
	c->cwnd = u32_max(pipe + may, mss);
}
