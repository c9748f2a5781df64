/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9293 3.10.7.4, seventh and eighth: text, FIN. The sixth is in urgent.c. */
#include "tcp/tcp_conn.h"

static bool receiving(const struct tcp_conn *c)
{
	return c->state == WEIR_ESTABLISHED || c->state == WEIR_FIN_WAIT_1 ||
	       c->state == WEIR_FIN_WAIT_2;
}

/* "Tailored" to the window and to the end of the stream, as 3.10.7.4 puts it. */
static void trim(struct tcp_conn *c, struct tcp_seg *s)
{
	uint32_t end = c->rcv_adv, cut;

	if (seq_lt(s->seq, c->rcv_nxt)) {
		tcp_dsack_below(c, s);
		cut = u32_min(c->rcv_nxt - s->seq, s->len);
		s->seq += cut;
		s->payload += cut;
		s->len -= cut;
	}
	if (c->fin_seen)
		end = seq_min(end, c->fin_seq);
	if (seq_gt(s->seq + s->len, end)) {
		cut = u32_min(s->seq + s->len - end, s->len);
		s->len -= cut;
		s->flags &= (uint8_t)~TCP_FIN;
		COUNT(c, recv_beyond_window);
	}
}

/*
 * The first segments of a connection are acknowledged one by one: the sender is
 * in slow start, and grows with every ACK. Our first data ends that (output.c):
 * whoever answers carries its ACKs there. PSH is no reason: most requests end
 * with it, and what answers them carries the ACK.
 */
static bool at_once(struct tcp_conn *c)
{
	if (c->quick) {
		c->quick--;
		return true;
	}
	return c->quickack;
}

/*
 * What fills the hole finds no block because all are held by what lies beyond it:
 * that is given up, as RFC 2018 8 allows, or the connection would stand for ever.
 */
static uint32_t store_instead(struct tcp_conn *c, const struct tcp_seg *s, uint32_t stored)
{
	struct tcp_recvq *q = &c->rcvq;

	COUNT(c, recv_reneged);
	c->ack_due = true; /* without the SACK blocks that are no longer true */
	ranges_clear(&c->islands, c->env->pool);
	recvq_cut(q, c->env->pool, q->ready + stored);
	return (uint32_t)recvq_write(q, c->env->pool, q->ready, s->payload, s->len);
}

/*
 * Nothing of it could be kept. A sender to whom every such segment is answered may send it
 * again with each answer, for as long as there is no block: it gets as many as show that
 * something is missing, and its timer does the rest.
 */
static void none_kept(struct tcp_conn *c, uint64_t now)
{
	tcp_challenge(c, now);
}

/* In order: after it, what waited behind the hole follows. */
static void store_next(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	struct tcp_recvq *q = &c->rcvq;
	uint32_t n = (uint32_t)recvq_write(q, c->env->pool, q->ready, s->payload, s->len), next;

	if (n < s->len && c->islands)
		n = store_instead(c, s, n);
	next = s->seq + n;
	tcp_dsack_beyond(c, s);
	if (n < s->len) {
		COUNT(c, drop_recv_no_block);
		s->flags &= (uint8_t)~TCP_FIN;
		if (!n) {
			none_kept(c, now);
			return;
		}
		c->ack_due = true;
	}
	if (c->islands) {
		for (uint32_t i = 0; i < c->islands->n; i++)
			if (seq_leq(c->islands->r[i].start, next))
				next = seq_max(next, c->islands->r[i].end);
		ranges_trim(&c->islands, c->env->pool, next);
		c->ack_due = true; /* RFC 5681 4.2: a hole was filled */
		/* The sender has slowed down: it needs its ACKs as at the beginning. */
		c->quick = (uint8_t)u32_max(c->quick, c->env->cfg->quick_acks);
	}
	q->ready += next - c->rcv_nxt;
	c->rcv_nxt = next;
	if (n)
		c->events |= TCP_EV_READABLE;
	/*
	 * RFC 9293 3.8.6.3: every second full segment, else within delack_us; half
	 * of a small buffer counts as much, or its sender would wait for the timer.
	 */
	if (c->rcv_nxt - c->last_ack >= u32_min(2u * c->rcv_mss, c->rcvbuf / 2) || at_once(c))
		c->ack_due = true;
	else
		tcp_delack_arm(c, now);
}

/* Out of order: kept at its place, and the hole reported at once (RFC 5681 4.2). */
static void store_beyond(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	uint64_t off = c->rcvq.ready + (s->seq - c->rcv_nxt);
	uint32_t n;

	tcp_dsack_beyond(c, s);
	if (!ranges_fits(&c->islands, c->env->pool, s->seq, s->seq + s->len)) {
		COUNT(c, drop_recv_ranges);
		s->flags &= (uint8_t)~TCP_FIN;
		if (c->islands)
			c->ack_due = true;
		else
			none_kept(c, now);
		return;
	}
	n = (uint32_t)recvq_write(&c->rcvq, c->env->pool, off, s->payload, s->len);
	if (n && ranges_add(&c->islands, c->env->pool, s->seq, s->seq + n)) {
		n = 0;
		/* Gives back the block that nothing refers to. */
		recvq_consume(&c->rcvq, c->env->pool, 0, c->islands);
	}
	if (n < s->len) {
		COUNT(c, drop_recv_no_block);
		s->flags &= (uint8_t)~TCP_FIN;
	}
	if (!n) {
		none_kept(c, now);
		return;
	}
	c->ack_due = true;
	COUNT(c, recv_out_of_order);
}

/* A FIN is remembered where it lies; one below what has arrived is a lie. */
static void note_fin(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t at = s->seq + s->len;

	if (!(s->flags & TCP_FIN) || c->fin_seen)
		return;
	if (c->islands && seq_gt(c->islands->r[c->islands->n - 1].end, at)) {
		COUNT(c, drop_fin_conflict);
		return;
	}
	c->fin_seen = true;
	c->fin_seq = at;
	c->rcv_adv = seq_max(c->rcv_adv, at + 1);
	if (at != c->rcv_nxt)
		c->ack_due = true;
}

/*
 * RFC 3168 6.1.3: the echo lasts until the sender says that it has slowed down.
 * Both marks are answered at once: the one must not wait for a delayed ACK, and
 * after the other the sender may have no more than one segment to wait for.
 */
static void ecn_mark(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (!c->ecn_ok)
		return;
	if (s->flags & TCP_CWR) {
		c->ece_due = false;
		c->ack_due = true;
	}
	if (s->ip_ecn == 3) {
		COUNT(c, ecn_ce_received);
		c->ece_due = true;
		c->ack_due = true;
	}
}

/* Seventh. False: the connection is over. */
bool tcp_input_text(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	if (!receiving(c)) {
		if (s->len)
			COUNT(c, drop_data_after_fin);
		s->flags &= (uint8_t)~TCP_FIN;
		return true;
	}
	if (s->len > c->rcv_mss)
		c->rcv_mss = (uint16_t)u32_min(s->len, u32_max(c->mtu_mss, c->rcv_mss));
	if (s->len) {
		ecn_mark(c, s);
		tcp_autotune_arrived(c, s, now);
	}
	trim(c, s);
	/* RFC 9293 3.6.1, RFC 1122 4.2.2.13: say that the data was lost. */
	if (s->len && c->closed) {
		COUNT(c, rst_data_after_close);
		tcp_abort(c, TCP_END_ABORTED);
		/* What the peer waits for, if our FIN was lost; RFC 5961 3.2 takes no other. */
		c->rst_seq = s->ack;
		return false;
	}
	if (s->len && s->seq == c->rcv_nxt)
		store_next(c, s, now);
	else if (s->len)
		store_beyond(c, s, now);
	note_fin(c, s);
	return true;
}

/* Eighth, once all before the FIN has arrived. */
void tcp_input_fin(struct tcp_conn *c, uint64_t now)
{
	if (!c->fin_seen || c->fin_rcvd || c->rcv_nxt != c->fin_seq)
		return;
	c->fin_rcvd = true;
	c->rcv_nxt++;
	c->ack_due = true;
	c->events |= TCP_EV_EOF;
	ranges_clear(&c->islands, c->env->pool);
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_ESTABLISHED:
		c->state = WEIR_CLOSE_WAIT;
		break;
	case WEIR_FIN_WAIT_1: /* were our FIN acknowledged, it would be FIN_WAIT_2 */
		c->state = WEIR_CLOSING;
		tcp_life_arm(c, now);
		break;
	case WEIR_FIN_WAIT_2:
		tcp_conn_time_wait(c, now);
		break;
	default:
		break;
	}
}
