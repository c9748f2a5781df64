/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to send next. In this order: RST, SYN; then a loss probe, what is lost,
 * what is new, a window probe; and if none of these carried it, a bare ACK.
 */
#include "tcp/tcp_conn.h"

#define ECT0	2
#define CORK_US 200000 /* as TCP_CORK has it */

static size_t send_rst(struct tcp_conn *c, uint8_t *buf, uint64_t now)
{
	struct tcp_out o = {.seq = c->rst_seq, .flags = TCP_RST};

	if (c->rst_ack)
		o.flags |= TCP_ACK;
	c->rst_due = false;
	COUNT(c, rst_conn_sent);
	return tcp_segment_write(c, buf, &o, now);
}

static size_t send_ack(struct tcp_conn *c, uint8_t *buf, uint32_t seq, uint64_t now)
{
	struct tcp_out o = {.seq = seq, .flags = TCP_ACK};

	return tcp_segment_write(c, buf, &o, now);
}

static void start_timing(struct tcp_conn *c, uint64_t now)
{
	if (c->timing)
		return;
	c->timing = true;
	c->timed_seq = c->snd_nxt;
	c->timed_us = (uint32_t)now;
}

static size_t send_syn(struct tcp_conn *c, uint8_t *buf, uint64_t now)
{
	struct tcp_out o = {.seq = c->iss, .flags = TCP_SYN};

	if (c->state == WEIR_SYN_RCVD)
		o.flags |= TCP_ACK | (c->ecn_ok ? TCP_ECE : 0);
	else if (c->ecn_ok && !c->syn_rtx) /* RFC 3168 6.1.1.1: sent again without */
		o.flags |= TCP_ECE | TCP_CWR;
	c->syn_due = false;
	if (c->snd_nxt == c->iss) {
		c->snd_nxt = c->snd_sml = c->iss + 1;
		c->progress_us = now;
		start_timing(c, now);
	} else {
		c->timing = false;
		c->retransmits++;
		COUNT(c, rtx_segments);
	}
	if (c->t_rtx == TCP_NEVER)
		tcp_rtx_arm(c, now);
	return tcp_segment_write(c, buf, &o, now);
}

/* ---- data ------------------------------------------------------------------------ */

/* The FIN goes with the segment that ends the stream. */
static bool takes_fin(const struct tcp_conn *c, uint32_t seq, uint32_t len, bool again)
{
	return seq + len == tcp_snd_end(c) && (again ? c->fin_sent : c->fin_queued);
}

static void sent_new(struct tcp_conn *c, uint32_t end, bool small, bool fin, uint64_t now)
{
	if (c->snd_nxt == c->snd_una) {
		c->progress_us = now;
		if (!c->snd_wnd) /* a FIN */
			c->persist_us = now;
	}
	if (c->persisting) {
		c->t_rtx = TCP_NEVER;
		c->backoff = 0;
	}
	tcp_sent_new(c, end, now);
	if (end - fin != c->snd_nxt) /* a FIN alone answers nothing */
		c->quick = 0;
	c->snd_nxt = end;
	c->probe_out = false;
	c->cork_flush = false;
	c->t_cork = TCP_NEVER;
	if (small)
		c->snd_sml = end;
	start_timing(c, now);
	if (fin && !c->fin_sent) {
		c->fin_sent = true;
		tcp_life_arm(c, now);
	}
}

static uint32_t new_len(const struct tcp_conn *c);

/*
 * What else may be sent now goes on with the full segment *o, each piece by the rules of
 * a segment of its own. Not after one that differs from those behind it: CWR is said
 * once (RFC 3168 6.1.2), and the urgent pointer counts from its own segment.
 */
static void lengthen(struct tcp_conn *c, struct tcp_out *o, struct tcp_burst *b, uint64_t now)
{
	uint32_t mss = tcp_eff_mss(c), n = mss;
	bool fin = false;

	if (o->len != mss || o->flags & TCP_CWR || tcp_urg_field(c, o->seq))
		return;
	while (n == mss && !fin && o->len + mss <= b->max && (n = new_len(c))) {
		fin = takes_fin(c, c->snd_nxt, n, false);
		sent_new(c, c->snd_nxt + n + fin, n < mss, fin, now);
		o->len += n;
		b->cut = (uint16_t)mss;
	}
	if (fin)
		o->flags |= TCP_FIN;
	if (o->seq + o->len == tcp_snd_end(c))
		o->flags |= TCP_PSH;
}

static size_t send_data(struct tcp_conn *c, uint8_t *buf, uint32_t seq, uint32_t len,
			struct tcp_burst *b, uint64_t now)
{
	bool again = seq_lt(seq, c->snd_nxt), small = len < tcp_eff_mss(c), fin;
	struct tcp_out o = {.seq = seq, .flags = TCP_ACK};

	o.who = again ? SENDQ_RTX : SENDQ_NEW;
	o.len = u32_min(len, tcp_snd_end(c) - seq);
	fin = takes_fin(c, seq, o.len, again);
	if (fin)
		o.flags |= TCP_FIN;
	if (o.len && seq + o.len == tcp_snd_end(c))
		o.flags |= TCP_PSH;
	if (again) {
		c->timing = false;
		c->retransmits++;
		COUNT(c, rtx_segments);
		tcp_sent_again(c, seq, seq + o.len + fin, now);
	} else {
		if (c->cwr_due && o.len) {
			c->cwr_due = false;
			o.flags |= TCP_CWR;
		}
		/* RFC 3168 6.1.5: what is sent again is not ECN-capable. */
		if (c->ecn_ok && o.len)
			b->ecn = ECT0;
		sent_new(c, seq + o.len + fin, small, fin, now);
	}
	tcp_pmtu_sent(c, seq, o.len, again);
	if (!again && !fin && b->max)
		lengthen(c, &o, b, now);
	if (c->t_rtx == TCP_NEVER)
		tcp_rtx_arm(c, now);
	if (!again)
		tcp_tlp_arm(c, now);
	c->last_snd_us = now;
	if (b->cut)
		return tcp_burst_write(c, buf, &o, b, now);
	return tcp_segment_write(c, buf, &o, now);
}

static uint32_t queued_new(const struct tcp_conn *c)
{
	return c->fin_sent ? 0 : tcp_snd_end(c) - c->snd_nxt;
}

static uint32_t usable_window(const struct tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_gt(edge, c->snd_nxt) ? edge - c->snd_nxt : 0;
}

/* Only full segments, until CORK_US have passed; a FIN and urgent data end the waiting. */
static bool corked(const struct tcp_conn *c)
{
	return c->cork && !c->cork_flush && !c->fin_queued && !tcp_urg_field(c, c->snd_nxt);
}

/*
 * How much new data may go in one segment now: RFC 9293 3.8.6.2.1 (1)-(3), with
 * Nagle (3.7.4) as Minshall amended it: what is held back for is an
 * unacknowledged small segment, so that a response's tail does not wait for the
 * ACK of its full segments.
 */
static uint32_t new_len(const struct tcp_conn *c)
{
	uint32_t queued = queued_new(c), mss = tcp_eff_mss(c);
	uint32_t n = u32_min(u32_min(queued, usable_window(c)), mss);
	bool nagle = !c->nodelay && seq_gt(c->snd_sml, c->snd_una);
	bool held = corked(c) || (nagle && !tcp_urg_field(c, c->snd_nxt));

	if (!n || !tcp_cwnd_allows(c, n))
		return 0;
	if (n == mss)
		return n;
	if (n == queued && (!held || c->fin_queued))
		return n;
	return n < queued && !held && n >= c->snd_wnd_max / 2 ? n : 0;
}

/* What the cork holds, and not a window, goes out after a while. */
static bool cork_holds(struct tcp_conn *c, uint64_t now)
{
	uint32_t queued = queued_new(c);

	if (!queued || !corked(c) || queued >= tcp_eff_mss(c) || queued > usable_window(c))
		return false;
	if (c->t_cork == TCP_NEVER)
		c->t_cork = now + CORK_US;
	return true;
}

/* Nothing in flight and the window is what holds us: RFC 9293 3.8.6.1. */
static void maybe_persist(struct tcp_conn *c, uint64_t now)
{
	if (c->persisting || !queued_new(c) || tcp_flight(c))
		return;
	c->backoff = 0;
	c->persist_us = now;
	c->t_rtx = now + tcp_rto_us(c);
	c->persisting = true;
}

/* `roomy`: for a segment larger than the path is known to take, too. */
static size_t output_new(struct tcp_conn *c, uint8_t *buf, bool roomy, struct tcp_burst *b,
			 uint64_t now)
{
	uint32_t len;

	if (queued_new(c) && !tcp_flight(c) && now - c->last_snd_us > c->rto)
		c->cc->idle(c, now);
	len = roomy && c->path_mss ? tcp_pmtu_probe_len(c, queued_new(c), usable_window(c), now)
				   : 0;
	if (len)
		tcp_pmtu_probe_sent(c, c->snd_nxt, len);
	else
		len = new_len(c);
	if (len)
		return send_data(c, buf, c->snd_nxt, len, b, now);
	if (c->fin_queued && !c->fin_sent && !queued_new(c))
		return send_data(c, buf, c->snd_nxt, 0, b, now);
	if (!cork_holds(c, now))
		maybe_persist(c, now);
	return 0;
}

static size_t output_lost(struct tcp_conn *c, uint8_t *buf, struct tcp_burst *b, uint64_t now)
{
	uint32_t seq, len;

	if (!tcp_next_lost(c, &seq, &len, tcp_eff_mss(c)))
		return 0;
	c->rtx_due = false;
	return send_data(c, buf, seq, len, b, now);
}

/* RFC 8985 7.3: new data where the peer's window has room, whatever cwnd says. */
static size_t output_tail(struct tcp_conn *c, uint8_t *buf, struct tcp_burst *b, uint64_t now)
{
	uint32_t mss = tcp_eff_mss(c), seq = c->snd_nxt;
	uint32_t len = u32_min(u32_min(queued_new(c), usable_window(c)), mss);

	c->tlp_due = false;
	c->tlp_rtx = !len;
	if (!len && !tcp_tlp_segment(c, &seq, &len, mss))
		return 0;
	COUNT(c, probe_tail);
	if (c->tlp_rtx)
		c->echo_from_us = now;
	c->tlp_out = true;
	b->max = 0;
	len = (uint32_t)send_data(c, buf, seq, len, b, now);
	c->tlp_end = c->snd_nxt;
	return len;
}

/*
 * The override of silly window avoidance (RFC 9293 3.8.6.2.1 (4)), or, against a
 * closed window, one octet. That one does not move snd_nxt: it is not in flight
 * until the peer says that it took it.
 */
static size_t output_probe(struct tcp_conn *c, uint8_t *buf, struct tcp_burst *b, uint64_t now)
{
	uint32_t n = u32_min(u32_min(queued_new(c), usable_window(c)), tcp_eff_mss(c));
	struct tcp_out o = {.seq = c->snd_nxt, .flags = TCP_ACK, .len = 1, .who = SENDQ_NEW};

	if (!c->probe_due)
		return 0;
	c->probe_due = false;
	if (!queued_new(c))
		return 0;
	b->max = 0;
	if (n)
		return send_data(c, buf, c->snd_nxt, n, b, now);
	c->probe_out = true;
	COUNT(c, probe_zero_window);
	return tcp_segment_write(c, buf, &o, now);
}

static size_t output_stream(struct tcp_conn *c, uint8_t *buf, bool roomy, struct tcp_burst *b,
			    uint64_t now)
{
	size_t n = 0;

	if (c->tlp_due && tcp_flight(c))
		n = output_tail(c, buf, b, now);
	if (!n && tcp_flight(c))
		n = output_lost(c, buf, b, now);
	if (!n)
		n = output_new(c, buf, roomy, b, now);
	if (!n)
		n = output_probe(c, buf, b, now);
	return n;
}

size_t tcp_output_burst(struct tcp_conn *c, uint8_t *buf, size_t cap, struct tcp_burst *b,
			uint64_t now)
{
	size_t n = 0;

	b->ecn = 0;
	b->cut = 0;
	if (cap < 60u + c->mss)
		return 0;
	if (c->rst_due)
		return send_rst(c, buf, now);
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_CLOSED:
	case WEIR_LISTEN:
		return 0;
	case WEIR_SYN_SENT:
	case WEIR_SYN_RCVD:
		if (c->syn_due)
			return send_syn(c, buf, now);
		break;
	case WEIR_TIME_WAIT:
		break;
	default:
		n = output_stream(c, buf, cap >= 60u + tcp_advmss(c), b, now);
	}
	if (!n && c->keep_due) {
		/* RFC 9293 3.8.4: SND.NXT - 1 is below the window, so it is answered. */
		COUNT(c, probe_keepalive);
		n = send_ack(c, buf, tcp_empty_seq(c) - 1, now);
	}
	c->keep_due = false;
	if (!n && c->ack_due)
		n = send_ack(c, buf, tcp_empty_seq(c), now);
	return n;
}

size_t tcp_output(struct tcp_conn *c, uint8_t *buf, size_t cap, uint8_t *ecn, uint64_t now)
{
	struct tcp_burst b;
	size_t n;

	b.max = 0;
	n = tcp_output_burst(c, buf, cap, &b, now);
	*ecn = b.ecn;
	return n;
}
