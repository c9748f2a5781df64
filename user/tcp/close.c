/* SPDX-License-Identifier: BSD-2-Clause */
/* How a connection ends: in order, by abort, by limit. */
#include "tcp/tcp_conn.h"

/* To CLOSED. Received bytes stay readable until tcp_release(). */
void tcp_conn_end(struct tcp_conn *c, enum tcp_reason why)
{
	if (c->state == WEIR_CLOSED && c->reason)
		return;
	if (!c->reason) {
		c->events |= TCP_EV_ENDED;
		c->reason = (uint8_t)why;
		tcp_error_end(c);
	}
	c->state = WEIR_CLOSED;
	c->ack_due = c->syn_due = c->rtx_due = c->probe_due = c->keep_due = false;
	tcp_timers_off(c);
	sendq_clear(&c->sndq, c->env->pool);
	tcp_recovery_clear(c);
	ranges_clear(&c->islands, c->env->pool);
}

void tcp_conn_time_wait(struct tcp_conn *c, uint64_t now)
{
	c->state = WEIR_TIME_WAIT;
	c->reason = TCP_END_NORMAL;
	c->error = 0;
	c->events |= TCP_EV_ENDED;
	c->rtx_due = c->probe_due = c->keep_due = false;
	tcp_timers_off(c);
	tcp_life_arm(c, now);
	sendq_clear(&c->sndq, c->env->pool);
	tcp_recovery_clear(c);
	ranges_clear(&c->islands, c->env->pool);
}

/* The RST for a segment that does not fit: RFC 9293 3.5.2, as in CLOSED. */
void tcp_conn_send_rst(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (s->flags & TCP_RST)
		return;
	c->rst_due = true;
	c->rst_ack = !(s->flags & TCP_ACK);
	c->rst_seq = s->flags & TCP_ACK ? s->ack : 0;
	if (c->rst_ack)
		c->rcv_nxt = s->seq + seg_span(s);
}

/* RFC 9293 3.10.4, without the application's leave. */
void tcp_shutdown(struct tcp_conn *c)
{
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_LISTEN:
	case WEIR_SYN_SENT:
		tcp_conn_end(c, TCP_END_NORMAL);
		return;
	case WEIR_ESTABLISHED:
		c->state = WEIR_FIN_WAIT_1;
		break;
	case WEIR_CLOSE_WAIT:
		c->state = WEIR_LAST_ACK;
		break;
	case WEIR_SYN_RCVD: /* queued for processing after entering ESTABLISHED */
		break;
	default:
		return;
	}
	c->fin_queued = true;
	c->want_write = false;
	c->t_room = TCP_NEVER;
}

/*
 * RFC 9293 3.10.4 with nobody left to read. What is unread is discarded without
 * the RST of RFC 1122 4.2.2.13: that would take back a response that is still
 * queued for a client that sent more than it was asked. New data gets the RST.
 * With linger (SO_LINGER, 0 s) it is an abort, as RFC 1122 4.2.2.13 permits.
 */
void tcp_close(struct tcp_conn *c, uint64_t now)
{
	if (c->linger && !c->closed) {
		c->closed = true;
		recvq_clear(&c->rcvq, c->env->pool);
		tcp_abort(c, TCP_END_ABORTED);
		return;
	}
	tcp_shutdown(c);
	if (c->closed || c->state == WEIR_CLOSED)
		return;
	c->closed = true;
	recvq_clear(&c->rcvq, c->env->pool);
	ranges_clear(&c->islands, c->env->pool);
	if (c->state == WEIR_FIN_WAIT_2)
		tcp_life_arm(c, now);
}

/*
 * RFC 9293 3.10.5. CLOSING and LAST_ACK, which the RFC deletes in silence, send
 * the RST too: a peer that holds on there is told that nobody is left.
 */
void tcp_abort(struct tcp_conn *c, enum tcp_reason why)
{
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_CLOSED:
	case WEIR_LISTEN:
	case WEIR_SYN_SENT:
	case WEIR_TIME_WAIT:
		break;
	default:
		c->rst_due = true;
		c->rst_ack = true;
		c->rst_seq = tcp_empty_seq(c);
	}
	tcp_conn_end(c, why);
}

void tcp_release(struct tcp_conn *c)
{
	struct tcp_pool *pool = c->env->pool;

	sendq_clear(&c->sndq, pool);
	recvq_clear(&c->rcvq, pool);
	tcp_recovery_clear(c);
	ranges_clear(&c->islands, pool);
	tcp_timers_off(c);
	c->state = WEIR_CLOSED;
}
