/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A segment arrives: RFC 9293 3.10.7, in its order. Steps five to eight are in
 * input_ack.c and input_data.c. The third, security, has no meaning any more.
 */
#include "tcp/tcp_conn.h"

#define PAWS_IDLE_SEC (24 * 86400u) /* RFC 7323 5.5 */

/*
 * The ACK that challenges (RFC 5961 7): at most challenge_per_sec a second. The
 * limit is the connection's own, so it tells nothing about others (CVE-2016-5696).
 */
void tcp_challenge(struct tcp_conn *c, uint64_t now)
{
	uint8_t sec = (uint8_t)(now / 1000000);

	if (c->challenge_sec != sec) {
		c->challenge_sec = sec;
		c->challenges = 0;
	}
	if (c->challenges >= u32_min(c->env->cfg->challenge_per_sec, UINT8_MAX)) {
		COUNT(c, ack_challenge_limited);
		return;
	}
	c->challenges++;
	c->ack_due = true;
	COUNT(c, ack_challenge_sent);
}

/* ---- 3.10.7.1 to 3.10.7.3 ------------------------------------------------------ */

static void input_closed(struct tcp_conn *c, const struct tcp_seg *s)
{
	COUNT(c, drop_closed);
	tcp_conn_send_rst(c, s);
}

static void input_listen(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	/* First, RST; second, ACK; third, SYN; fourth, anything else. */
	if (s->flags & TCP_RST) {
		COUNT(c, drop_listen);
	} else if (s->flags & TCP_ACK) {
		COUNT(c, drop_listen);
		tcp_conn_send_rst(c, s);
	} else if (s->flags & TCP_SYN) {
		tcp_conn_accept_syn(c, s, now);
	} else {
		COUNT(c, drop_listen);
	}
}

/* What follows the SYN in its segment; the urgent pointer counts from the SYN. */
static void past_syn(struct tcp_seg *s)
{
	s->flags &= (uint8_t)~TCP_SYN;
	s->seq++;
	s->urg = s->urg ? s->urg - 1 : 0;
}

/* The SYN of an answer: what was offered and is not answered falls away. */
static void syn_sent_options(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	tcp_conn_syn_options(c, s, now);
	c->last_rcv_us = now;
	c->ack_due = true;
}

static void input_syn_sent(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	bool ack = s->flags & TCP_ACK;

	/* First, ACK: the only one acceptable is that of our SYN. */
	if (ack && (c->snd_nxt == c->iss || s->ack != c->snd_nxt)) {
		COUNT(c, drop_ack_syn_sent);
		tcp_conn_send_rst(c, s);
		return;
	}
	/* Second, RST: believed with an acceptable ACK. */
	if (s->flags & TCP_RST) {
		if (!ack) {
			COUNT(c, drop_rst_out_of_window);
			return;
		}
		COUNT(c, rst_accepted);
		tcp_conn_end(c, TCP_END_REFUSED);
		return;
	}
	/* Fourth, SYN; fifth, neither. */
	if (!(s->flags & TCP_SYN)) {
		COUNT(c, drop_syn_sent);
		return;
	}
	syn_sent_options(c, s, now);
	past_syn(s);
	if (!ack) {
		/*
		 * Simultaneous open. Text with the SYN is not kept, and comes again:
		 * nothing yet shows that the peer is who it says.
		 */
		c->state = WEIR_SYN_RCVD;
		c->ack_due = false;
		c->syn_due = true;
		tcp_life_arm(c, now);
		return;
	}
	c->snd_una = s->ack;
	c->snd_wl2 = s->ack;
	c->error = 0;
	tcp_rtt_acked(c, s, now, 0);
	tcp_conn_established(c, now);
	tcp_input_urg(c, s);
	if (tcp_input_text(c, s, now))
		tcp_input_fin(c, now);
}

/* ---- 3.10.7.4: first, the sequence number --------------------------------------- */

/*
 * An unacceptable segment without text or FIN is answered once in half a second:
 * were it itself such an answer, two ends that disagree would go on for ever. One
 * with text or FIN cannot be an answer, and is always acknowledged where it is a
 * repetition, since its sender waits for an ACK that was lost; beyond the window
 * it shares the challenges' budget.
 */
static void answer_empty(struct tcp_conn *c, uint64_t now)
{
	uint16_t tick = (uint16_t)(now / 500000);

	if (tick == c->oow_tick) {
		COUNT(c, ack_oow_limited);
		return;
	}
	c->oow_tick = tick;
	tcp_challenge(c, now);
}

/* RFC 7323 5.3 R1; false: not acceptable. */
static bool paws(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	if (!c->ts_ok || s->flags & TCP_RST)
		return true;
	if (!s->has_ts) {
		COUNT(c, drop_ts_missing); /* RFC 7323 3.2: silently */
		return false;
	}
	if (seq_geq(s->tsval, c->ts_recent))
		return true;
	/* 5.5: after 24 days the comparison means nothing. */
	if ((uint32_t)(now / 1000000) - c->ts_recent_sec > PAWS_IDLE_SEC)
		return true;
	COUNT(c, drop_paws);
	if (!seg_span(s)) {
		answer_empty(c, now);
	} else {
		c->ack_due = true;
		if (seq_lt(s->seq, c->rcv_nxt))
			tcp_dsack_below(c, s);
	}
	return false;
}

/*
 * RFC 9293 table 6, with three liberties: a segment that reaches over both ends
 * of the window overlaps it; an empty one may sit on the right edge, where the
 * ACKs of a peer that has filled the window are; and a bare FIN needs no buffer,
 * so it may, too.
 */
static bool acceptable(const struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t span = seg_span(s), wnd = tcp_rcv_wnd(c);

	if (s->flags & TCP_RST)
		return s->seq == c->rcv_nxt || s->seq - c->rcv_nxt < wnd;
	if (!s->len && !(s->flags & TCP_SYN) && s->seq - c->rcv_nxt <= wnd)
		return true;
	if (!wnd)
		return false;
	return seq_lt(s->seq, c->rcv_adv) && seq_gt(s->seq + span, c->rcv_nxt);
}

static void unacceptable(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	uint32_t span = seg_span(s);

	if (s->flags & TCP_RST) {
		COUNT(c, drop_rst_out_of_window);
		return;
	}
	if (s->flags & TCP_SYN) {
		COUNT(c, syn_challenged); /* RFC 5961 4: irrespective of the number */
		tcp_challenge(c, now);
	} else if (span && seq_leq(s->seq + span, c->rcv_nxt)) {
		/* Our ACK was lost: the sender waits for it. */
		COUNT(c, drop_seq_duplicate);
		c->ack_due = true;
		tcp_dsack_below(c, s);
	} else if (!span) {
		COUNT(c, drop_seq_out_of_window);
		answer_empty(c, now);
	} else {
		COUNT(c, drop_seq_out_of_window);
		tcp_challenge(c, now);
	}
}

static bool step_sequence(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	if (!paws(c, s, now))
		return false;
	/* "If the RCV.WND is zero … special allowance": a probe's ACK counts. */
	if (!tcp_rcv_wnd(c) && s->seq == c->rcv_nxt && s->len &&
	    !(s->flags & (TCP_RST | TCP_SYN))) {
		COUNT(c, drop_zero_window);
		c->ack_due = true;
		s->len = 0;
		s->flags &= (uint8_t)~TCP_FIN;
	}
	if (!acceptable(c, s)) {
		unacceptable(c, s, now);
		return false;
	}
	c->last_rcv_us = now;
	c->keep_probes = 0;
	return true;
}

/*
 * RFC 7323 4.3 (2), but only once the segment has passed all tests, its ACK's
 * included: or a forged one, which has but to hit the window, could set TS.Recent
 * to where PAWS refuses all that the peer sends.
 */
static void remember_timestamp(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	if (c->ts_ok && s->has_ts && seq_leq(s->seq, c->last_ack)) {
		c->ts_recent = s->tsval;
		c->ts_recent_sec = (uint32_t)(now / 1000000);
	}
}

/* ---- second, RST; fourth, SYN ----------------------------------------------------- */

/* RFC 5961 3.2: only the exact number resets. */
static bool step_rst(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	if (!(s->flags & TCP_RST))
		return true;
	if (s->seq != c->rcv_nxt) {
		COUNT(c, rst_challenged);
		tcp_challenge(c, now);
		return false;
	}
	COUNT(c, rst_accepted);
	tcp_conn_end(c, c->state == WEIR_SYN_RCVD && !c->passive ? TCP_END_REFUSED : TCP_END_RESET);
	return false;
}

/* RFC 5961 4.2 */
static bool step_syn(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	if (!(s->flags & TCP_SYN))
		return true;
	COUNT(c, syn_challenged);
	tcp_challenge(c, now);
	return false;
}

/*
 * The SYN that we have answered, in SYN_RCVD: a repeated SYN gets the SYN-ACK
 * again; in a simultaneous open it comes with the ACK of ours (RFC 9293 figure
 * 7), which the sequence check would drop. Returns whether to go on.
 */
static bool repeated_syn(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!(s->flags & TCP_SYN) || s->flags & TCP_RST || s->seq != c->irs)
		return true;
	if (!(s->flags & TCP_ACK)) {
		COUNT(c, syn_repeated);
		/* RFC 3168 6.1.1.1: the sender has fallen back to a SYN without ECN. */
		c->ecn_ok &= (s->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
		c->syn_due = true;
		return false;
	}
	past_syn(s);
	c->in_syn = true;
	return true;
}

/* ---- TIME_WAIT, by the same rules as one that has left its connection ------------- */

/*
 * A SYN that would re-open does not do so here: whoever holds the connection has
 * not finished with it, and would find another one in its place. It comes again.
 */
static void input_time_wait(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	struct tcp_timewait tw;

	tcp_timewait_from(c, &tw);
	switch (tcp_timewait_judge(&tw, c->env, s, now)) {
	case TCP_TW_DROP:
		break;
	case TCP_TW_REPLY:
		c->ack_due = true;
		break;
	case TCP_TW_REOPEN:
		COUNT(c, drop_timewait_syn);
		break;
	}
	c->t_life = tw.expires_us;
	c->ts_recent = tw.ts_recent;
}

/* ---- the whole ---------------------------------------------------------------------- */

static bool all_sent(const struct tcp_conn *c)
{
	return c->snd_una == tcp_snd_end(c) + c->fin_queued;
}

/* Fifth: input_ack.c. What it has moved, the application may want to know. */
static bool step_ack(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	uint32_t una = c->snd_una;
	bool syn = c->state == WEIR_SYN_RCVD, on = tcp_input_ack(c, s, now);

	if (c->snd_una == una)
		return on;
	tcp_urg_acked(c);
	tcp_pmtu_acked(c, now);
	tcp_autotune_acked(c);
	if (!c->reason)
		c->error = 0; /* the path that the soft error spoke of works */
	if (all_sent(c) && !syn)
		c->events |= TCP_EV_SENT;
	return on;
}

static void input_synchronized(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	if (c->state == WEIR_SYN_RCVD && !repeated_syn(c, s))
		return;
	if (!step_sequence(c, s, now) || !step_rst(c, s, now) || !step_syn(c, s, now))
		return;
	if (!step_ack(c, s, now))
		return;
	remember_timestamp(c, s, now);
	tcp_input_urg(c, s);
	if (tcp_input_text(c, s, now))
		tcp_input_fin(c, now);
}

void tcp_input(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now)
{
	struct tcp_seg s = *seg;

	c->in_syn = false;
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_CLOSED:
		input_closed(c, &s);
		break;
	case WEIR_LISTEN:
		input_listen(c, &s, now);
		break;
	case WEIR_SYN_SENT:
		input_syn_sent(c, &s, now);
		break;
	case WEIR_TIME_WAIT:
		input_time_wait(c, &s, now);
		break;
	default:
		input_synchronized(c, &s, now);
	}
}
