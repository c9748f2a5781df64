/* SPDX-License-Identifier: BSD-2-Clause */
/* What one connection has otherwise than its worker: the socket options. */
#include "tcp/tcp_conn.h"

#define SYN_RETRIES_MAX 32 /* where the back-off stops counting */

void tcp_opts_default(struct tcp_opts *o, const struct tcp_config *cfg)
{
	*o = (struct tcp_opts){
		.cc = cfg->cc,
		.rcvbuf = cfg->rcvbuf,
		.sndbuf = cfg->sndbuf,
		.user_timeout_ms = (uint32_t)(cfg->user_timeout_us / 1000),
		.keep_idle_ms = (uint32_t)(cfg->keepalive_idle_us / 1000),
		.keep_interval_ms = (uint32_t)(cfg->keepalive_interval_us / 1000),
		.keep_probes = (uint8_t)u32_min(cfg->keepalive_probes, UINT8_MAX),
		.syn_retries = cfg->syn_retries,
		.nodelay = !cfg->nagle,
		.ecn = cfg->ecn,
	};
}

/* Into the connection's own form. */
void tcp_opts_take(struct tcp_conn *c, const struct tcp_opts *o)
{
	c->rcvbuf = o->rcvbuf;
	c->sndbuf = o->sndbuf;
	c->user_timeout_ms = o->user_timeout_ms;
	c->keep_idle_ms = o->keep_idle_ms;
	c->keep_interval_ms = u32_max(o->keep_interval_ms, 1);
	c->keep_max = o->keep_probes;
	c->syn_retries = (uint8_t)u32_min(o->syn_retries, SYN_RETRIES_MAX);
	c->maxseg = o->maxseg;
	c->nodelay = o->nodelay;
	c->cork = o->cork;
	c->quickack = o->quickack;
	c->rcvbuf_fixed = o->rcvbuf_fixed;
	c->sndbuf_fixed = o->sndbuf_fixed;
	c->want_ecn = o->ecn;
	c->linger = o->linger;
}

void tcp_get_opts(const struct tcp_conn *c, struct tcp_opts *o)
{
	*o = (struct tcp_opts){
		.cc = c->cc,
		.rcvbuf = c->rcvbuf,
		.sndbuf = c->sndbuf,
		.user_timeout_ms = c->user_timeout_ms,
		.keep_idle_ms = c->keep_idle_ms,
		.keep_interval_ms = c->keep_interval_ms,
		.keep_probes = c->keep_max,
		.syn_retries = c->syn_retries,
		.maxseg = c->maxseg,
		.nodelay = c->nodelay,
		.cork = c->cork,
		.quickack = c->quickack,
		.rcvbuf_fixed = c->rcvbuf_fixed,
		.sndbuf_fixed = c->sndbuf_fixed,
		.ecn = c->want_ecn,
		.linger = c->linger,
	};
}

/* The new one begins where the old one stands: a change is no reason to slow down. */
static void set_cc(struct tcp_conn *c, const struct tcp_cc *cc, uint64_t now)
{
	if (cc && cc != c->cc)
		tcp_cc_switch(c, cc, now);
}

/* States in which t_life is the keep-alive's. */
static bool keeps_alive(const struct tcp_conn *c)
{
	return c->state == WEIR_ESTABLISHED || c->state == WEIR_CLOSE_WAIT ||
	       c->state == WEIR_FIN_WAIT_1 || (c->state == WEIR_FIN_WAIT_2 && !c->closed);
}

/*
 * A window that was offered stays offered, whatever rcvbuf becomes (window.c).
 * The MSS that our SYN named stays named; maxseg then bounds what we send.
 */
void tcp_set_opts(struct tcp_conn *c, const struct tcp_opts *o, uint64_t now)
{
	bool keep =
		c->keep_idle_ms != o->keep_idle_ms || c->keep_interval_ms != o->keep_interval_ms;
	bool quick = o->quickack && !c->quickack;
	bool flush = o->nodelay && !c->nodelay;

	set_cc(c, o->cc, now);
	tcp_opts_take(c, o);
	tcp_mss_update(c);
	if (c->state == WEIR_CLOSED || c->state == WEIR_LISTEN || c->state == WEIR_TIME_WAIT)
		return;
	if (!c->cork) {
		c->t_cork = TCP_NEVER;
		c->cork_flush = false;
	} else if (flush) { /* tcp(7): "forces an explicit flush", corked or not */
		c->cork_flush = true;
	}
	if (quick && c->t_ack != TCP_NEVER)
		c->ack_due = true;
	if (keep && keeps_alive(c))
		tcp_life_arm(c, now);
	if (c->t_rtx != TCP_NEVER && !c->persisting)
		tcp_rtx_clamp(c, now);
	if (c->want_write && tcp_send_queued(c) < c->sndbuf) {
		c->want_write = false;
		c->t_room = TCP_NEVER;
		c->events |= TCP_EV_WRITABLE;
	}
	tcp_window_opened(c);
}

/* What our SYN names. */
uint16_t tcp_advmss(const struct tcp_conn *c)
{
	return c->maxseg && c->maxseg < c->mtu_mss ? (uint16_t)u32_max(c->maxseg, TCP_MSS_MIN)
						   : c->mtu_mss;
}
