/* SPDX-License-Identifier: BSD-2-Clause */
/* Slow start and congestion avoidance: RFC 5681, with RFC 3465's byte counting. */
#include "tcp/tcp_conn.h"

/* In cc_priv: bytes acknowledged towards the next segment of cwnd. */
static uint32_t *acked_bytes(struct tcp_conn *c)
{
	return &c->cc_priv[0];
}

static void reno_init(struct tcp_conn *c, uint64_t now)
{
	(void)c;
	(void)now;
}

static void reno_acked(struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	uint32_t mss = c->mss, *count = acked_bytes(c);

	if (!tcp_cc_limited(c, a->flight))
		return;
	if (c->cwnd < c->ssthresh) {
		/* RFC 3465 2.2: two segments an ACK, one after a timeout (2.3). */
		uint32_t limit = c->recovery == TCP_REC_LOSS ? mss : 2 * mss;

		c->cwnd += u32_min(a->acked, limit);
	} else {
		*count += u32_min(a->acked, c->cwnd);
		if (*count >= c->cwnd) {
			*count -= c->cwnd;
			c->cwnd += mss;
		}
	}
	c->cwnd = u32_min(c->cwnd, TCP_CC_MAX);
}

/* RFC 5681 equation (4). */
static void halve(struct tcp_conn *c)
{
	/* Less what limited transmit has added (3.2, step 1). */
	uint32_t flight = u32_min(tcp_flight(c), c->cwnd);

	c->ssthresh = u32_max(flight / 2, 2u * c->mss);
	*acked_bytes(c) = 0;
}

static void reno_loss(struct tcp_conn *c, bool ecn, uint64_t now)
{
	(void)now;
	halve(c);
	if (ecn)
		c->cwnd = c->ssthresh;
}

static void reno_rto(struct tcp_conn *c, bool first, uint64_t now)
{
	(void)now;
	/* RFC 5681 3.1: held constant while the same data is sent again. */
	if (first)
		halve(c);
	c->cwnd = c->mss;
}

static void reno_idle(struct tcp_conn *c, uint64_t now)
{
	(void)now;
	c->cwnd = u32_min(c->cwnd, tcp_cc_initial_window(c));
}

const struct tcp_cc tcp_cc_reno = {
	.name = "reno",
	.init = reno_init,
	.acked = reno_acked,
	.loss = reno_loss,
	.rto = reno_rto,
	.idle = reno_idle,
	.undo = reno_init,
};
