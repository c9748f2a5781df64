/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Urgent data: RFC 9293 3.8.5, RFC 6093. It is a mark in the stream, no stream of
 * its own: the pointer names the octet after the last urgent one (RFC 6093 2.1).
 *
 *     sender    snd_up: every segment that begins below it has URG
 *     receiver  rcv_up: the application is told, and reads on in order
 */
#include "tcp/tcp_conn.h"

/* ---- sending -------------------------------------------------------------------- */

/*
 * The peer is told at once, also while its window is shut (RFC 9293 3.8.5: the
 * pointer may go where the data cannot): by a bare ACK if no data takes it along.
 */
size_t tcp_send_urgent(struct tcp_conn *c, const void *data, size_t len)
{
	size_t n = tcp_send(c, data, len);

	if (!n)
		return 0;
	c->snd_up = tcp_snd_end(c);
	c->snd_urg = true;
	if (c->state == WEIR_ESTABLISHED || c->state == WEIR_CLOSE_WAIT)
		c->ack_due = true;
	return n;
}

/* The pointer of a segment that begins at `seq`; 0: without URG. Nearer than it is
 * where 16 bits do not reach; the segments that follow move it on.
 */
uint16_t tcp_urg_field(const struct tcp_conn *c, uint32_t seq)
{
	if (!c->snd_urg || !seq_lt(seq, c->snd_up))
		return 0;
	return (uint16_t)u32_min(c->snd_up - seq, 65535);
}

/* The mark is behind us, and must not come round again after 2^31 bytes. */
void tcp_urg_acked(struct tcp_conn *c)
{
	if (c->snd_urg && seq_geq(c->snd_una, c->snd_up))
		c->snd_urg = false;
}

/* ---- receiving -------------------------------------------------------------------- */

/* Stream offset of a number near rcv_nxt. */
static uint64_t offset_of(const struct tcp_conn *c, uint32_t seq)
{
	uint32_t ready = c->irs + 1 + (uint32_t)c->rcvq.ready;

	return c->rcvq.ready + (uint64_t)(int64_t)(int32_t)(seq - ready);
}

bool tcp_recv_urgent(const struct tcp_conn *c, uint64_t *ahead)
{
	uint64_t up = c->rcv_urg ? offset_of(c, c->rcv_up) : 0;

	if (up <= c->rcvq.read)
		return false;
	*ahead = up - c->rcvq.read;
	return true;
}

void tcp_urg_consumed(struct tcp_conn *c)
{
	uint64_t ahead;

	if (c->rcv_urg && !tcp_recv_urgent(c, &ahead))
		c->rcv_urg = false;
}

/*
 * Sixth step of RFC 9293 3.10.7.4. The pointer may lie beyond the segment and
 * beyond our window: the sender may have that much (MUST-31), and says so also
 * while we have no room. It cannot lie beyond the end of the stream. One that is
 * behind what was read tells nothing, and neither does URG with a pointer of 0.
 */
void tcp_input_urg(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t up = s->seq + s->urg;

	if (!(s->flags & TCP_URG))
		return;
	if (c->state != WEIR_ESTABLISHED && c->state != WEIR_FIN_WAIT_1 &&
	    c->state != WEIR_FIN_WAIT_2)
		return;
	if (c->fin_seen && seq_gt(up, c->fin_seq))
		up = c->fin_seq;
	if (!s->urg || seq_lt(up, c->rcv_nxt) || offset_of(c, up) <= c->rcvq.read) {
		COUNT(c, urg_out_of_bounds);
		return;
	}
	if (c->rcv_urg && seq_leq(up, c->rcv_up))
		return;
	c->rcv_up = up;
	c->rcv_urg = true;
	c->events |= TCP_EV_URGENT; /* MUST-32 */
}
