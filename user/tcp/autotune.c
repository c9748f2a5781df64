/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that follow the path: the window we offer (dynamic right-sizing) and
 * how much the application may queue. Both are limits, not memory: what is not
 * used holds no block.
 *
 *     rcvbuf    at least twice what the application took in a round trip, so that a
 *               sender in slow start is not held up; up to cfg.rcvbuf_max
 *     sndbuf    at least twice cwnd: one window in flight, one to follow it; up to
 *               cfg.sndbuf_max
 *
 * They grow only, until the connection ends or the application sets them, and only
 * while half of the pool is free; no connection's goes beyond an eighth of it.
 */
#include "tcp/tcp_conn.h"

#define TS_TICK_US 1000 /* of our timestamps */

/* What a limit may become; the pool's blocks are shared by a worker's connections. */
static uint32_t ceiling(const struct tcp_conn *c, uint32_t max)
{
	const struct tcp_pool *pool = c->env->pool;
	uint64_t share = (uint64_t)pool->total / 8 * TCP_BLOCK_DATA;

	if (pool->in_use > pool->total / 2)
		return 0;
	return share < max ? (uint32_t)share : max;
}

/* ---- the round trip, as a receiver sees it -------------------------------------------- */

static void sample(struct tcp_conn *c, uint32_t us, bool upper)
{
	if (!us)
		us = 1;
	if (!c->rcv_rtt_us)
		c->rcv_rtt_us = us;
	else if (upper)
		c->rcv_rtt_us = u32_min(c->rcv_rtt_us, us);
	else
		c->rcv_rtt_us += us / 8 - c->rcv_rtt_us / 8;
}

/*
 * With timestamps: from our segment to the first that echoes it. Without: the time
 * in which a whole window arrived is a round trip at the least, so the smallest
 * such time is taken.
 */
void tcp_autotune_arrived(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	uint32_t at = (uint32_t)now;

	if (c->ts_ok && s->has_ts) {
		uint32_t ticks = tcp_ts_now(c, now) - s->tsecr;

		if (s->len < c->rcv_mss || s->tsecr == c->rcv_turn || ticks > 1u << 20)
			return;
		c->rcv_turn = s->tsecr;
		sample(c, u32_max(ticks, 1) * TS_TICK_US, false);
		return;
	}
	if (c->rcv_turn_at && seq_lt(c->rcv_nxt, c->rcv_turn))
		return;
	if (c->rcv_turn_at)
		sample(c, at - c->rcv_turn_at, true);
	c->rcv_turn = c->rcv_nxt + tcp_rcv_wnd(c);
	c->rcv_turn_at = at | 1; /* 0: not begun */
}

/* ---- the two limits --------------------------------------------------------------------- */

/*
 * The application has taken bytes. Once in a round trip: the most that it took in
 * one so far sizes the window, with something on top where that is growing.
 */
void tcp_autotune_copied(struct tcp_conn *c, uint64_t now)
{
	uint32_t taken = (uint32_t)c->rcvq.read - c->space_from, max, grow;
	uint64_t want;

	if (!c->rcv_rtt_us || (uint32_t)now - c->space_at < c->rcv_rtt_us)
		return;
	c->space_from = (uint32_t)c->rcvq.read;
	c->space_at = (uint32_t)now;
	if (taken <= c->rcv_space)
		return;
	grow = taken - c->rcv_space;
	c->rcv_space = taken;
	if (c->rcvbuf_fixed)
		return;
	want = 2 * ((uint64_t)taken + grow) + 16u * c->rcv_mss;
	max = u32_min(c->env->cfg->rcvbuf_max, 65535u << c->rcv_shift);
	max = ceiling(c, max);
	c->rcvbuf = u32_max(c->rcvbuf, want < max ? (uint32_t)want : max);
}

/* cwnd may have grown. */
void tcp_autotune_acked(struct tcp_conn *c)
{
	uint32_t want = 2 * u32_min(c->cwnd, 1u << 30);

	if (c->sndbuf_fixed || want <= c->sndbuf)
		return;
	c->sndbuf = u32_max(c->sndbuf, u32_min(want, ceiling(c, c->env->cfg->sndbuf_max)));
}
