/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Six deadlines: t_rtx (RTO or persist), t_probe (RACK's reordering window or a
 * tail loss probe, never after the RTO), t_ack (delayed ACK), t_life (what the
 * state allows: keep-alive, the limits, TIME_WAIT), t_room (a writer waits for a
 * dry pool) and t_cork (less than a segment is held back).
 */
#include "tcp/tcp_conn.h"

#define ROOM_RETRY_US 10000

void tcp_timers_off(struct tcp_conn *c)
{
	c->t_rtx = c->t_probe = c->t_ack = c->t_life = c->t_room = c->t_cork = TCP_NEVER;
	c->persisting = false;
}

/* ---- arming ----------------------------------------------------------------- */

/*
 * The peer has taken its window back from what is in flight, or a FIN went beyond
 * it. What the RTO sends again is then the probe that RFC 9293 3.8.6 asks for
 * (MUST-35): a peer that answers is alive, and held to the persist limit instead
 * of the user timeout.
 */
static bool shut_out(const struct tcp_conn *c)
{
	return !c->snd_wnd && tcp_flight(c) && c->state >= WEIR_ESTABLISHED;
}

static uint64_t persist_deadline(const struct tcp_conn *c)
{
	return c->snd_wnd ? TCP_NEVER : c->persist_us + c->env->cfg->persist_limit_us;
}

static uint64_t user_deadline(const struct tcp_conn *c)
{
	uint64_t limit = c->user_timeout_ms * 1000ull, from = c->progress_us;

	if (!limit)
		return TCP_NEVER;
	if (shut_out(c))
		from = u64_max(from, c->last_rcv_us);
	return from + limit;
}

/* Not later than the connection is given up. */
void tcp_rtx_clamp(struct tcp_conn *c, uint64_t now)
{
	uint64_t end = user_deadline(c);

	if (shut_out(c) && persist_deadline(c) < end)
		end = persist_deadline(c);
	if (c->t_rtx > end)
		c->t_rtx = end > now ? end : now;
}

void tcp_rtx_arm(struct tcp_conn *c, uint64_t now)
{
	c->persisting = false;
	c->t_rtx = now + tcp_rto_us(c);
	tcp_rtx_clamp(c, now);
}

/*
 * The window was `before`. One that opens over what is in flight is used at once,
 * as from the persist state: the back-off was the peer's doing, not the path's.
 * The time that it was shut does not count towards the user timeout.
 */
void tcp_rtx_window(struct tcp_conn *c, uint32_t before, uint64_t now)
{
	bool opens = !before && c->snd_wnd && tcp_flight(c);

	if (opens) {
		c->progress_us += now - u64_max(c->progress_us, c->persist_us);
		c->rtx_due |= c->backoff && c->recovery == TCP_REC_LOSS;
		c->backoff = 0;
		tcp_rtx_arm(c, now);
	}
	if (before || c->snd_wnd)
		c->persist_us = now;
	if (before && shut_out(c))
		tcp_rtx_clamp(c, now);
}

void tcp_delack_arm(struct tcp_conn *c, uint64_t now)
{
	if (c->t_ack == TCP_NEVER)
		c->t_ack = now + c->env->cfg->delack_us;
}

static uint64_t keepalive_at(const struct tcp_conn *c, uint64_t now)
{
	if (!c->keep_idle_ms)
		return TCP_NEVER;
	if (c->keep_probes)
		return now + c->keep_interval_ms * 1000ull;
	return c->last_rcv_us + c->keep_idle_ms * 1000ull;
}

static enum tcp_timer_kind life_kind(const struct tcp_conn *c)
{
	switch ((enum weir_tcp_state)c->state) {
	case WEIR_SYN_RCVD:
		return TCP_TIMER_RTO;
	case WEIR_FIN_WAIT_2:
		return c->closed ? TCP_TIMER_FIN_WAIT_2 : TCP_TIMER_KEEPALIVE;
	case WEIR_CLOSING:
	case WEIR_LAST_ACK:
		return c->fin_sent ? TCP_TIMER_LAST_ACK : TCP_TIMER_KEEPALIVE;
	case WEIR_TIME_WAIT:
		return TCP_TIMER_TIME_WAIT;
	default:
		return TCP_TIMER_KEEPALIVE;
	}
}

/* Called when the state, or what life_kind() looks at, changes. */
void tcp_life_arm(struct tcp_conn *c, uint64_t now)
{
	const struct tcp_config *cfg = c->env->cfg;

	if (c->state == WEIR_SYN_RCVD) {
		/* A cookie's life; an open of our own has its retries. */
		c->t_life = c->passive ? now + cfg->syn_rcvd_us : TCP_NEVER;
		return;
	}
	switch (life_kind(c)) {
	case TCP_TIMER_FIN_WAIT_2:
		c->t_life = now + cfg->fin_wait_2_us;
		break;
	case TCP_TIMER_LAST_ACK:
		c->t_life = now + cfg->last_ack_us;
		break;
	case TCP_TIMER_TIME_WAIT:
		c->t_life = now + 2 * cfg->msl_us;
		break;
	default:
		c->t_life = keepalive_at(c, now);
	}
}

/* ---- expiring --------------------------------------------------------------- */

static void give_up_persist(struct tcp_conn *c)
{
	COUNT(c, abort_persist);
	tcp_abort(c, TCP_END_PERSIST);
}

/*
 * RFC 9293 3.10.8 deletes the block and sends nothing; before the handshake is done an
 * RST would only go to an address that somebody forged.
 */
static void give_up(struct tcp_conn *c)
{
	if (c->state < WEIR_ESTABLISHED)
		tcp_conn_end(c, TCP_END_TIMEOUT);
	else
		tcp_abort(c, TCP_END_TIMEOUT);
}

static void rto_expired(struct tcp_conn *c, uint64_t now)
{
	if (shut_out(c) && now >= persist_deadline(c)) {
		give_up_persist(c);
		return;
	}
	if (now >= user_deadline(c)) {
		COUNT(c, abort_user_timeout);
		give_up(c);
		return;
	}
	if (c->state < WEIR_ESTABLISHED && c->backoff >= c->syn_retries) {
		COUNT(c, abort_syn_retries);
		give_up(c);
		return;
	}
	COUNT(c, rtx_timeouts);
	c->echo_from_us = now;
	if (c->state >= WEIR_ESTABLISHED && tcp_pmtu_rto(c, now))
		return;
	if (c->state == WEIR_SYN_SENT || c->state == WEIR_SYN_RCVD) {
		c->syn_due = c->syn_rtx = true;
		c->timing = false;
	} else {
		tcp_recovery_rto(c, now);
	}
	if (c->backoff < 32)
		c->backoff++;
	tcp_rtx_arm(c, now);
}

/* RFC 8985: 6.2 step 5, and 7.3, after which the RTO starts anew. */
static void probe_expired(struct tcp_conn *c, uint64_t now)
{
	c->t_probe = TCP_NEVER;
	if (c->probe_is_reo) {
		c->probe_is_reo = false;
		tcp_recovery_reo(c, now);
		return;
	}
	c->tlp_due = tcp_flight(c);
	tcp_rtx_arm(c, now);
}

/* RFC 9293 3.8.6.1; the limit is ours, against peers that hold on for ever. */
static void persist_expired(struct tcp_conn *c, uint64_t now)
{
	if (now >= persist_deadline(c)) {
		give_up_persist(c);
		return;
	}
	c->probe_due = true;
	c->echo_from_us = now;
	if (c->backoff < 32)
		c->backoff++;
	c->t_rtx = now + tcp_rto_us(c);
	if (c->t_rtx > persist_deadline(c))
		c->t_rtx = persist_deadline(c);
}

static void keepalive_expired(struct tcp_conn *c, uint64_t now)
{
	uint64_t at = keepalive_at(c, now);

	/* Heard of since, or the retransmission timer looks after it. */
	if (!c->keep_probes && (at > now || tcp_flight(c))) {
		c->t_life = at > now ? at : now + c->keep_idle_ms * 1000ull;
		return;
	}
	if (c->keep_probes >= c->keep_max) {
		COUNT(c, abort_keepalive);
		tcp_abort(c, TCP_END_KEEPALIVE);
		return;
	}
	c->keep_probes++;
	c->keep_due = true;
	c->t_life = now + c->keep_interval_ms * 1000ull;
}

static void life_expired(struct tcp_conn *c, uint64_t now)
{
	switch (life_kind(c)) {
	case TCP_TIMER_RTO:
		COUNT(c, abort_syn_rcvd);
		give_up(c);
		break;
	case TCP_TIMER_FIN_WAIT_2:
		COUNT(c, abort_fin_wait_2);
		tcp_abort(c, TCP_END_FIN_WAIT_2);
		break;
	case TCP_TIMER_LAST_ACK:
		COUNT(c, abort_last_ack);
		tcp_abort(c, TCP_END_LAST_ACK);
		break;
	case TCP_TIMER_TIME_WAIT:
		tcp_conn_end(c, TCP_END_NORMAL);
		break;
	default:
		keepalive_expired(c, now);
	}
}

static void room_expired(struct tcp_conn *c, uint64_t now)
{
	const struct tcp_pool *pool = c->env->pool;

	c->t_room = TCP_NEVER;
	if (!c->want_write)
		return;
	if (pool->in_use < pool->total) {
		c->want_write = false;
		c->events |= TCP_EV_WRITABLE;
	} else {
		c->t_room = now + ROOM_RETRY_US;
	}
}

void tcp_timeout(struct tcp_conn *c, uint64_t now)
{
	if (c->t_ack <= now) {
		c->t_ack = TCP_NEVER;
		c->ack_due = true;
	}
	if (c->t_probe <= now)
		probe_expired(c, now);
	if (c->t_rtx <= now) {
		if (c->persisting)
			persist_expired(c, now);
		else
			rto_expired(c, now);
	}
	if (c->t_life <= now)
		life_expired(c, now);
	if (c->t_room <= now)
		room_expired(c, now);
	if (c->t_cork <= now) {
		c->t_cork = TCP_NEVER;
		c->cork_flush = true;
	}
}

static uint64_t earliest(const struct tcp_conn *c, enum tcp_timer_kind *kind)
{
	uint64_t at = c->t_life;

	*kind = at == TCP_NEVER ? TCP_TIMER_NONE : life_kind(c);
	if (c->t_ack < at) {
		at = c->t_ack;
		*kind = TCP_TIMER_DELACK;
	}
	if (c->t_rtx < at) {
		at = c->t_rtx;
		*kind = c->persisting || shut_out(c) ? TCP_TIMER_PERSIST : TCP_TIMER_RTO;
	}
	if (c->t_cork < at) {
		at = c->t_cork;
		*kind = TCP_TIMER_CORK;
	}
	if (c->t_probe <= at && c->t_probe != TCP_NEVER) {
		at = c->t_probe;
		*kind = c->probe_is_reo ? TCP_TIMER_REO : TCP_TIMER_PTO;
	}
	return at;
}

uint64_t tcp_next_timeout(const struct tcp_conn *c)
{
	enum tcp_timer_kind kind;
	uint64_t at = earliest(c, &kind);

	return at < c->t_room ? at : c->t_room;
}

void tcp_timer_info(const struct tcp_conn *c, struct tcp_info *info)
{
	info->timer_at = earliest(c, &info->timer);
}
