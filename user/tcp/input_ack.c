/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9293 3.10.7.4, fifth: the ACK field. */
#include "tcp/tcp_conn.h"

/* SYN_RCVD: our SYN must be what is acknowledged. */
static bool syn_rcvd_ack(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	if (!seq_lt(c->snd_una, s->ack) || seq_gt(s->ack, c->snd_nxt)) {
		COUNT(c, drop_ack_syn_rcvd);
		tcp_conn_send_rst(c, s);
		return false;
	}
	c->snd_una = s->ack;
	c->snd_wnd = tcp_seg_wnd(c, s);
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	tcp_rtt_acked(c, s, now, 0);
	tcp_conn_established(c, now);
	return true;
}

/* RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, else a challenge. */
static bool in_range(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	/* The octet of a window probe: it was sent, and now it has arrived. */
	if (c->probe_out && s->ack == c->snd_nxt + 1) {
		c->snd_nxt++;
		c->probe_out = false;
	}
	if (seq_gt(s->ack, c->snd_nxt)) {
		COUNT(c, drop_ack_unsent);
		tcp_challenge(c, now);
		return false;
	}
	if (seq_lt(s->ack, c->snd_una - c->snd_wnd_max)) {
		COUNT(c, drop_ack_too_old);
		tcp_challenge(c, now);
		return false;
	}
	return true;
}

static void writable(struct tcp_conn *c)
{
	if (!c->want_write)
		return;
	c->want_write = false;
	c->t_room = TCP_NEVER;
	c->events |= TCP_EV_WRITABLE;
}

/* Markers that only matter ahead of snd_una must not fall 2^31 behind it. */
static void drag_markers(struct tcp_conn *c)
{
	c->snd_sml = seq_max(c->snd_sml, c->snd_una);
	c->cwr_seq = seq_max(c->cwr_seq, c->snd_una - 1);
	if (c->recovery == TCP_REC_OPEN)
		c->recover = seq_max(c->recover, c->snd_una - 1);
}

static void acked_new(struct tcp_conn *c, struct tcp_ack *a)
{
	const struct tcp_seg *s = a->seg;
	uint32_t fin = c->fin_sent && s->ack == c->snd_nxt;
	uint64_t now = a->now;

	a->acked = s->ack - c->snd_una;
	tcp_sack_acked(c, a);
	/* What waited behind a copy for its acknowledgment says nothing of the path. */
	if (a->rtx)
		a->rtt_us = 0;
	c->snd_una = s->ack;
	sendq_ack(&c->sndq, c->env->pool, a->acked - fin);
	tcp_rtt_acked(c, s, now, a->rtt_us);
	c->progress_us = now;
	if (tcp_flight(c)) {
		/* RFC 6298 5.3, but for RFC 6582 3.2 (3): the first partial ACK only. */
		if (!c->partial || seq_geq(c->snd_una, c->recover))
			tcp_rtx_arm(c, now);
	} else if (!c->persisting || c->sndq.base == c->sndq.end) {
		c->t_rtx = TCP_NEVER; /* 5.2 */
		c->persisting = false;
	}
	if (a->acked > fin)
		writable(c);
}

/* RFC 5681 2; with SACK, RFC 6675 2: an ACK that tells of new bytes. */
static bool is_duplicate(const struct tcp_conn *c, const struct tcp_ack *a)
{
	const struct tcp_seg *s = a->seg;

	if (s->ack != c->snd_una || !tcp_flight(c))
		return false;
	if (c->sack_ok)
		return a->sacked || a->untold;
	return !s->len && !(s->flags & TCP_FIN) && tcp_seg_wnd(c, s) == c->snd_wnd;
}

/*
 * RFC 9293 3.10.7.4, and an ACK that is newer than the one which set the window:
 * snd_wnd counts from snd_una, so where that moves on (the segment is a
 * retransmission, or was overtaken) a window left as it was would end beyond what
 * the peer has ever offered.
 */
static void update_window(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now)
{
	uint32_t before = c->snd_wnd;
	bool newer = seq_gt(s->ack, c->snd_wl2) || seq_lt(c->snd_wl1, s->seq) ||
		     (c->snd_wl1 == s->seq && c->snd_wl2 == s->ack);

	if (seq_lt(s->ack, c->snd_una) || !newer)
		return;
	c->snd_wnd = tcp_seg_wnd(c, s);
	c->snd_wnd_max = u32_max(c->snd_wnd_max, c->snd_wnd);
	c->snd_wl1 = seq_max(c->snd_wl1, s->seq);
	c->snd_wl2 = s->ack;
	tcp_rtx_window(c, before, now);
}

/*
 * RFC 3168 6.1.2: an echo halves the window, once per window of data; also where
 * it acknowledges all of it, or a sender of single segments would never answer it.
 */
static void ecn_echo(struct tcp_conn *c, const struct tcp_seg *s, bool acked, uint64_t now)
{
	if (!c->ecn_ok || !(s->flags & TCP_ECE) || c->recovery != TCP_REC_OPEN)
		return;
	if ((!acked && !tcp_flight(c)) || !seq_gt(c->snd_una, c->cwr_seq))
		return;
	COUNT(c, ecn_reduced);
	tcp_recovery_reduce(c, now);
}

/* "If our FIN is now acknowledged"; false: the connection is over. */
static bool fin_acked(struct tcp_conn *c, uint64_t now)
{
	if (!c->fin_sent || c->snd_una != c->snd_nxt)
		return true;
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_FIN_WAIT_1:
		c->state = WEIR_FIN_WAIT_2;
		tcp_life_arm(c, now);
		return true;
	case WEIR_CLOSING:
		tcp_conn_time_wait(c, now);
		return false;
	case WEIR_LAST_ACK:
		tcp_conn_end(c, TCP_END_NORMAL);
		return false;
	default:
		return true;
	}
}

bool tcp_input_ack(struct tcp_conn *c, struct tcp_seg *s, uint64_t now)
{
	struct tcp_ack a = {
		.seg = s,
		.now = now,
		.flight = tcp_flight(c),
		.fack = c->rack_fack,
		.fack_on = c->rack_on,
	};

	if (!(s->flags & TCP_ACK)) {
		COUNT(c, drop_no_ack);
		return false;
	}
	if (c->state == WEIR_SYN_RCVD && !syn_rcvd_ack(c, s, now))
		return false;
	if (!in_range(c, s, now))
		return false;
	tcp_sack_update(c, &a);
	if (seq_gt(s->ack, c->snd_una))
		acked_new(c, &a);
	else
		a.dup = is_duplicate(c, &a);
	if (a.acked && a.rtt_us)
		tcp_rtt_min(c, a.rtt_us, now);
	else if (a.rtt_us)
		tcp_rtt_sacked(c, a.rtt_us, now);
	tcp_recovery_ack(c, &a);
	drag_markers(c);
	ecn_echo(c, s, a.acked, now);
	update_window(c, s, now);
	return fin_acked(c, now);
}
