/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window we offer: RFC 9293 3.8.6, with silly window avoidance (3.8.6.2.2).
 *
 *     rcv_nxt <= rcv_adv <= offset read + rcvbuf + 2^rcv_shift
 *
 * rcv_adv, the highest right edge ever offered, never goes back, and all up to
 * it is accepted.
 */
#include "tcp/tcp_conn.h"

uint32_t tcp_rcv_wnd(const struct tcp_conn *c)
{
	return c->rcv_adv - c->rcv_nxt;
}

static uint32_t buffer_free(const struct tcp_conn *c)
{
	uint64_t unread = c->rcvq.ready - c->rcvq.read;

	return unread < c->rcvbuf ? c->rcvbuf - (uint32_t)unread : 0;
}

/* What could be offered now: a dry pool, too, closes the window in time. */
static uint32_t could_offer(const struct tcp_conn *c)
{
	uint64_t blocks = tcp_pool_receivable(c->env->pool);
	uint32_t free = buffer_free(c);

	if (blocks * TCP_BLOCK_DATA < free)
		free = (uint32_t)(blocks * TCP_BLOCK_DATA);
	return u32_min(free, 65535u << c->rcv_shift);
}

static uint32_t worth_telling(const struct tcp_conn *c)
{
	return u32_min(c->rcvbuf / 2, c->rcv_mss);
}

/*
 * The field for the next segment; moves rcv_adv. An edge offered before is kept
 * by rounding up to the unit of the scale while the buffer's margin of one unit
 * lasts; then rounding down may make it look smaller on the wire, by less than a
 * unit, as RFC 7323 2.4 allows.
 */
uint16_t tcp_window_field(struct tcp_conn *c, bool syn)
{
	uint32_t unit = 1u << c->rcv_shift, cur = tcp_rcv_wnd(c), offer = could_offer(c), up;

	if (syn)
		return (uint16_t)u32_min(cur, 65535);
	offer -= offer % unit;
	if (offer > cur && offer - cur >= worth_telling(c)) {
		cur = offer;
	} else {
		up = (cur + unit - 1) & ~(unit - 1);
		cur = tcp_recv_ready(c) + up <= c->rcvbuf + unit ? up : cur & ~(unit - 1);
	}
	cur = u32_min(cur, 65535u << c->rcv_shift);
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + cur);
	return (uint16_t)(cur >> c->rcv_shift);
}

/*
 * The application has consumed. An ACK of its own is due only where the sender
 * may be waiting for it: the window was below two segments, or has doubled.
 */
void tcp_window_opened(struct tcp_conn *c)
{
	uint32_t cur = tcp_rcv_wnd(c), offer = could_offer(c);

	if (c->state != WEIR_ESTABLISHED && c->state != WEIR_FIN_WAIT_1 &&
	    c->state != WEIR_FIN_WAIT_2)
		return;
	if (offer <= cur || offer - cur < worth_telling(c))
		return;
	if (cur < 2u * c->rcv_mss || offer >= 2 * cur)
		c->ack_due = true;
}
