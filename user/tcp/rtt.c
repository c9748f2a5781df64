/* SPDX-License-Identifier: BSD-2-Clause */
/* Round-trip time and the retransmission timeout: RFC 6298. */
#include "tcp/tcp_conn.h"

#define MIN_RTT_SEC 300

/*
 * RFC 6298 2.2, 2.3; a sample also ends the back-off (section 5, last paragraph).
 *
 * 2.4 would have the RTO be one second at least. As on Linux it is SRTT and no less
 * than rto_min instead. A steady long path brings RTTVAR to nothing, and then the
 * floor, a peer's delayed ACK, is what lies between a timeout and the round trip
 * that it would cut short; on a short path a second would be an age. What is sent
 * in vain all the same F-RTO and Eifel notice, and take back (undo.c).
 */
void tcp_rtt_sample(struct tcp_conn *c, uint64_t rtt_us)
{
	const struct tcp_config *cfg = c->env->cfg;
	uint32_t r = rtt_us > cfg->rto_max_us ? (uint32_t)cfg->rto_max_us : (uint32_t)rtt_us;
	uint64_t rto;

	if (!r)
		r = 1;
	if (!c->srtt8) {
		c->srtt8 = r * 8;
		c->rttvar4 = r * 2;
	} else {
		uint32_t srtt = c->srtt8 / 8, err = srtt > r ? srtt - r : r - srtt;

		c->rttvar4 = c->rttvar4 - c->rttvar4 / 4 + err;
		c->srtt8 = c->srtt8 - c->srtt8 / 8 + r;
	}
	/* The floor is added to SRTT, not held against it: see above. */
	rto = c->srtt8 / 8 + u64_max(c->rttvar4, cfg->rto_min_us);
	if (rto > cfg->rto_max_us)
		rto = cfg->rto_max_us;
	c->rto = (uint32_t)rto;
	c->backoff = 0;
}

static void observe(const struct tcp_conn *c, uint64_t rtt_us)
{
	if (c->env->rtt)
		tcp_hist_add(c->env->rtt, rtt_us);
}

/*
 * A sample from an ACK of new data. A timed segment is exact; it is given up as
 * soon as anything is sent again (Karn), and then, or while it is not covered, the
 * echoed timestamp may tell (RFC 7323 4.1). Not every echo does:
 *
 * - One of before the last timeout. Had the copy sent then been lost, this would
 *   be the echo of a later one. It arrived, its ACK did not, and a duplicate does
 *   not move the peer's TS.Recent (5.3 R2), so what lies between is our own
 *   back-off. Or the timeout was too early. Which of the two cannot be told, so
 *   the RTO stays as Karn leaves it, backed off (RFC 6298 3, 5.7).
 * - One of before the last sample. One a round trip is what RFC 6298's gains are
 *   made for (RFC 7323 4.1, appendix G).
 * - One of what was never sent, by this side of the handshake.
 *
 * echo_from_us is the latest of these three moments.
 *
 * Best of all is `exact_us`, from the log of what is in flight: of a segment that
 * was sent once. 0: there is none.
 */
void tcp_rtt_acked(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now, uint32_t exact_us)
{
	uint64_t rtt_us;

	if (c->timing && seq_geq(s->ack, c->timed_seq)) {
		rtt_us = (uint32_t)now - c->timed_us;
		observe(c, rtt_us);
	} else if (exact_us && now - exact_us >= c->echo_from_us) {
		rtt_us = exact_us;
		observe(c, rtt_us);
	} else if (c->ts_ok && s->has_ts) {
		uint32_t ticks = tcp_ts_now(c, now) - s->tsecr;
		uint64_t from = (c->echo_from_us - c->ts_base_us) / 1000;

		if (ticks > (now - c->ts_base_us) / 1000 - from)
			return;
		rtt_us = (uint64_t)ticks * 1000;
	} else {
		return;
	}
	c->timing = false;
	c->echo_from_us = now;
	if (!exact_us)
		tcp_rtt_min(c, rtt_us ? (uint32_t)rtt_us : 1, now);
	tcp_rtt_sample(c, rtt_us);
}

/* A SACKed segment's: where snd_una stands still, this is all there is to be had. */
void tcp_rtt_sacked(struct tcp_conn *c, uint32_t rtt_us, uint64_t now)
{
	tcp_rtt_min(c, rtt_us, now);
	if (now - rtt_us < c->echo_from_us)
		return;
	c->echo_from_us = now;
	observe(c, rtt_us);
	tcp_rtt_sample(c, rtt_us);
}

/*
 * The least of the last five minutes at most: RACK's window is made of it, and a
 * route may have changed since. Then it is looked for anew.
 */
void tcp_rtt_min(struct tcp_conn *c, uint32_t rtt_us, uint64_t now)
{
	uint16_t sec = (uint16_t)(now / 1000000);

	if (!c->min_rtt || rtt_us < c->min_rtt || (uint16_t)(sec - c->min_rtt_sec) >= MIN_RTT_SEC) {
		c->min_rtt = rtt_us;
		c->min_rtt_sec = sec;
	}
}

uint64_t tcp_rto_us(const struct tcp_conn *c)
{
	uint64_t max = c->env->cfg->rto_max_us, rto = c->rto;

	for (uint8_t i = 0; i < c->backoff && rto < max; i++)
		rto *= 2;
	return rto < max ? rto : max;
}
