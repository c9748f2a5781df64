/* SPDX-License-Identifier: BSD-2-Clause */
/* How a connection begins. */
#include <string.h>

#include "tcp/tcp_conn.h"

#define MSS_DEFAULT 536 /* RFC 9293 3.7.1: of a peer that names none; IPv6 1220 */

size_t tcp_conn_size(void)
{
	return sizeof(struct tcp_conn);
}

void tcp_config_default(struct tcp_config *cfg)
{
	*cfg = (struct tcp_config){
		.msl_us = 30 * 1000000ull,
		.rto_initial_us = 1000000,
		.rto_min_us = 200000,
		.rto_max_us = 60 * 1000000ull,
		.delack_us = 40000,
		.user_timeout_us = 100 * 1000000ull,
		.syn_rcvd_us = 32 * 1000000ull,
		.fin_wait_2_us = 60 * 1000000ull,
		.last_ack_us = 60 * 1000000ull,
		.persist_limit_us = 60 * 1000000ull,
		.keepalive_interval_us = 75 * 1000000ull,
		.keepalive_probes = 9,
		.rcvbuf = 256 * 1024,
		.sndbuf = 256 * 1024,
		.rcvbuf_max = 4 << 20,
		.sndbuf_max = 4 << 20,
		.challenge_per_sec = 10,
		.cc = &tcp_cc_cubic,
		.wscale = 7,
		.syn_retries = 6,
		.quick_acks = 16,
		.nagle = true,
	};
}

static void conn_init(struct tcp_conn *c, const struct tcp_open *o, uint32_t iss, uint32_t ts_ours,
		      uint64_t now)
{
	struct tcp_opts opts;

	memset(c, 0, sizeof(*c));
	c->env = o->env;
	tcp_opts_default(&opts, o->env->cfg);
	tcp_opts_take(c, o->opts ? o->opts : &opts);
	c->cc = o->opts && o->opts->cc ? o->opts->cc : opts.cc;
	if (!c->cc)
		c->cc = &tcp_cc_cubic;
	c->pseudo = o->pseudo;
	c->lport = o->lport;
	c->rport = o->rport;
	c->mtu_mss = o->mtu_mss;
	c->peer_mss = o->mss_default ? o->mss_default : MSS_DEFAULT;
	c->v6 = c->peer_mss > MSS_DEFAULT;
	tcp_pmtu_init(c);
	tcp_mss_update(c);
	c->rcv_mss = MSS_DEFAULT;
	c->iss = c->snd_una = c->snd_nxt = c->recover = c->high_rxt = iss;
	c->snd_sml = c->cwr_seq = iss;
	txlog_init(&c->log, iss);
	c->ts_ours = ts_ours;
	c->ts_base_us = c->echo_from_us = now;
	c->ts_recent_sec = (uint32_t)(now / 1000000);
	c->rto = (uint32_t)o->env->cfg->rto_initial_us;
	c->oow_tick = (uint16_t)(now / 500000 - 1);
	c->last_snd_us = c->last_rcv_us = c->progress_us = now;
	tcp_timers_off(c);
}

static void set_mss(struct tcp_conn *c, uint16_t offered)
{
	if (offered)
		c->peer_mss = offered;
	tcp_mss_update(c);
}

/* We offer window scaling only in answer to an offer (RFC 7323 2.2). */
static void set_shifts(struct tcp_conn *c, uint8_t peers)
{
	c->wscale_ok = peers != WEIR_WSCALE_NONE;
	/* RFC 7323 2.3: a shift above 14 is taken as 14. */
	c->snd_shift = c->wscale_ok ? (uint8_t)u32_min(peers, 14) : 0;
	c->rcv_shift = c->wscale_ok ? c->env->cfg->wscale : 0;
}

static void set_irs(struct tcp_conn *c, uint32_t irs)
{
	c->irs = irs;
	c->rcv_nxt = c->last_ack = c->rcv_up = irs + 1;
	/* The window of a SYN is not scaled (RFC 7323 2.2). */
	c->rcv_adv = c->rcv_nxt + u32_min(c->rcvbuf, 65535);
}

/* RFC 3168 6.1.1: an ECN-setup SYN has both flags, an ECN-setup SYN-ACK ECE alone. */
static bool ecn_setup(const struct tcp_seg *s)
{
	uint8_t want = s->flags & TCP_ACK ? TCP_ECE : TCP_ECE | TCP_CWR;

	return (s->flags & (TCP_ECE | TCP_CWR)) == want;
}

void tcp_conn_syn_options(struct tcp_conn *c, const struct tcp_seg *syn, uint64_t now)
{
	/* An answer accepts what was offered; an offer is taken as it comes. */
	c->ecn_ok = ecn_setup(syn) && (c->ecn_ok || !(syn->flags & TCP_ACK));
	set_irs(c, syn->seq);
	set_mss(c, syn->mss);
	set_shifts(c, syn->wscale);
	c->sack_ok = syn->sack_permitted;
	c->ts_ok = syn->has_ts;
	c->ts_recent = syn->tsval;
	c->ts_recent_sec = (uint32_t)(now / 1000000);
	c->snd_wnd = c->snd_wnd_max = syn->wnd;
	c->snd_wl1 = syn->seq;
	c->snd_wl2 = c->iss;
}

void tcp_conn_accept_syn(struct tcp_conn *c, const struct tcp_seg *syn, uint64_t now)
{
	tcp_conn_syn_options(c, syn, now);
	c->state = WEIR_SYN_RCVD;
	c->syn_due = true;
	tcp_life_arm(c, now);
}

void tcp_conn_established(struct tcp_conn *c, uint64_t now)
{
	if (c->state == WEIR_SYN_RCVD && c->passive && c->env->handshake)
		tcp_hist_add(c->env->handshake, now - c->ts_base_us);
	c->state = WEIR_ESTABLISHED;
	c->events |= TCP_EV_OPEN;
	c->syn_due = false;
	c->t_rtx = TCP_NEVER;
	c->backoff = 0;
	c->quick = c->env->cfg->quick_acks;
	c->rcv_space = 10u * tcp_advmss(c); /* what a sender begins with (RFC 6928) */
	c->space_at = (uint32_t)now;
	/* RFC 6298 5.7: a lost SYN makes the first RTO of the data 3 s. */
	if (c->syn_rtx && !c->srtt8)
		c->rto = 3000000;
	tcp_recovery_start(c, now);
	if (c->fin_queued)
		c->state = WEIR_FIN_WAIT_1;
	tcp_life_arm(c, now);
}

void tcp_open_cookie(struct tcp_conn *c, const struct tcp_open *o, const struct weir_flow *f,
		     uint64_t now)
{
	conn_init(c, o, f->iss, f->ts_ours, now);
	c->passive = true;
	set_irs(c, f->irs);
	set_mss(c, f->mss);
	set_shifts(c, f->wscale);
	c->sack_ok = f->flags & WEIR_OPT_SACK;
	c->ts_ok = f->flags & WEIR_OPT_TS;
	c->ecn_ok = f->flags & WEIR_OPT_ECN;
	c->ts_recent = f->ts_peer;
	c->snd_una = c->snd_nxt = c->snd_sml = f->iss + 1;
	/* The window comes with the first segment, which is newer than these. */
	c->snd_wl1 = f->irs;
	c->snd_wl2 = f->iss;
	tcp_conn_established(c, now);
}

void tcp_open_passive(struct tcp_conn *c, const struct tcp_open *o, const struct tcp_seg *syn,
		      uint32_t iss, uint32_t ts_ours, uint64_t now)
{
	conn_init(c, o, iss, ts_ours, now);
	c->passive = true;
	tcp_conn_accept_syn(c, syn, now);
}

void tcp_open_active(struct tcp_conn *c, const struct tcp_open *o, uint32_t iss, uint32_t ts_ours,
		     uint64_t now)
{
	conn_init(c, o, iss, ts_ours, now);
	/* What the SYN offers; the answer decides. */
	c->ts_ok = c->sack_ok = c->wscale_ok = true;
	c->ecn_ok = c->want_ecn;
	c->rcv_shift = o->env->cfg->wscale;
	c->rcv_adv = u32_min(c->rcvbuf, 65535);
	c->state = WEIR_SYN_SENT;
	c->syn_due = true;
}

void tcp_open_listen(struct tcp_conn *c, const struct tcp_open *o, uint32_t iss, uint64_t now)
{
	conn_init(c, o, iss, iss, now);
	c->passive = true;
	c->state = WEIR_LISTEN;
}
