/* SPDX-License-Identifier: BSD-2-Clause */
/* Slow start and congestion avoidance: RFC 5681, initial window of RFC 6928. */
#include "tcp/tcp_conn.h"

#define CWND_MAX (1u << 30)

static uint32_t initial_window(const struct tcp_conn *c)
{
	uint32_t mss = c->mss;

	/* RFC 5681 3.1: a lost SYN or SYN-ACK leaves one segment. */
	if (c->syn_rtx)
		return mss;
	return u32_min(10 * mss, u32_max(2 * mss, 14600)); /* RFC 6928 2 */
}

static void reno_init(struct tcp_conn *c)
{
	c->cwnd = initial_window(c);
	c->ssthresh = UINT32_MAX;
	c->cc_acked = 0;
}

static void reno_acked(struct tcp_conn *c, uint32_t acked, uint32_t flight)
{
	uint32_t mss = c->mss;

	/* A window that was not used says nothing about the path (RFC 7661 1). */
	if (c->cwnd > (c->cwnd < c->ssthresh ? 2 * flight : flight + mss))
		return;
	if (c->cwnd < c->ssthresh) {
		/* RFC 3465 2.2: two segments an ACK, one after a timeout (2.3). */
		uint32_t limit = c->recovery == TCP_REC_LOSS ? mss : 2 * mss;

		c->cwnd += u32_min(acked, limit);
	} else {
		c->cc_acked += acked;
		if (c->cc_acked >= c->cwnd) {
			c->cc_acked -= c->cwnd;
			c->cwnd += mss;
		}
	}
	c->cwnd = u32_min(c->cwnd, CWND_MAX);
}

/* RFC 5681 equation (4). */
static void halve(struct tcp_conn *c, uint32_t flight)
{
	c->ssthresh = u32_max(flight / 2, 2u * c->mss);
	c->cc_acked = 0;
}

static void reno_loss(struct tcp_conn *c, uint32_t flight)
{
	halve(c, flight);
	c->cwnd = c->ssthresh;
}

static void reno_rto(struct tcp_conn *c, uint32_t flight, int first)
{
	/* RFC 5681 3.1: held constant while the same data is sent again. */
	if (first)
		halve(c, flight);
	c->cwnd = c->mss;
}

static void reno_idle(struct tcp_conn *c)
{
	c->cwnd = u32_min(c->cwnd, initial_window(c));
}

const struct tcp_cc tcp_cc_reno = {
	.name = "reno",
	.init = reno_init,
	.acked = reno_acked,
	.loss = reno_loss,
	.rto = reno_rto,
	.idle = reno_idle,
};
