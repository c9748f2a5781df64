/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking in: names and tcp_info. */
#include "tcp/tcp_conn.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

const char *tcp_state_name(enum weir_tcp_state s)
{
	static const char *const names[] = {
#define X(name) #name,
		WEIR_TCP_STATES(X)
#undef X
	};

	return (unsigned)s < LEN(names) ? names[s] : "?";
}

const char *tcp_timer_name(enum tcp_timer_kind k)
{
	static const char *const names[] = {
		[TCP_TIMER_NONE] = "none",	     [TCP_TIMER_RTO] = "rto",
		[TCP_TIMER_DELACK] = "delack",	     [TCP_TIMER_PERSIST] = "persist",
		[TCP_TIMER_KEEPALIVE] = "keepalive", [TCP_TIMER_FIN_WAIT_2] = "fin_wait_2",
		[TCP_TIMER_LAST_ACK] = "last_ack",   [TCP_TIMER_TIME_WAIT] = "time_wait",
		[TCP_TIMER_REO] = "reorder",	     [TCP_TIMER_PTO] = "loss_probe",
		[TCP_TIMER_CORK] = "cork",
	};

	return (unsigned)k < LEN(names) ? names[k] : "?";
}

const char *tcp_reason_name(enum tcp_reason r)
{
	static const char *const names[] = {
		[TCP_END_NONE] = "none",
		[TCP_END_NORMAL] = "normal",
		[TCP_END_RESET] = "reset",
		[TCP_END_REFUSED] = "refused",
		[TCP_END_ABORTED] = "aborted",
		[TCP_END_TIMEOUT] = "timeout",
		[TCP_END_KEEPALIVE] = "keepalive",
		[TCP_END_FIN_WAIT_2] = "fin_wait_2",
		[TCP_END_LAST_ACK] = "last_ack",
		[TCP_END_PERSIST] = "persist",
		[TCP_END_APP_TIMEOUT] = "app_timeout",
		[TCP_END_NOMEM] = "nomem",
		[TCP_END_SHUTDOWN] = "shutdown",
		[TCP_END_UNREACHABLE] = "unreachable",
	};

	return (unsigned)r < LEN(names) ? names[r] : "?";
}

uint32_t tcp_events(struct tcp_conn *c)
{
	uint32_t e = c->events;

	c->events = 0;
	return e;
}

enum weir_tcp_state tcp_get_state(const struct tcp_conn *c)
{
	return (enum weir_tcp_state)c->state;
}

enum tcp_reason tcp_get_reason(const struct tcp_conn *c)
{
	return (enum tcp_reason)c->reason;
}

/* As the kernel's TCP_CA_* count. */
static uint8_t recovery_info(const struct tcp_conn *c)
{
	if (c->recovery == TCP_REC_LOSS)
		return 4;
	if (c->recovery == TCP_REC_FAST)
		return 3;
	if (tcp_flight(c) && seq_gt(c->cwr_seq, c->snd_una))
		return 2;
	return c->dupacks || c->log.sacked ? 1 : 0;
}

void tcp_get_info(const struct tcp_conn *c, struct tcp_info *info)
{
	*info = (struct tcp_info){
		.state = tcp_get_state(c),
		.reason = tcp_get_reason(c),
		.iss = c->iss,
		.irs = c->irs,
		.snd_una = c->snd_una,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = tcp_rcv_wnd(c),
		.sndq = (uint32_t)(c->sndq.end - c->sndq.base),
		.rcvq = (uint32_t)tcp_recv_ready(c),
		.srtt_us = c->srtt8 / 8,
		.rto_us = (uint32_t)tcp_rto_us(c),
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.mss = c->mss,
		.retransmits = c->retransmits,
		.bytes_in = c->rcvq.ready,
		.bytes_out = c->sndq.base,
		.rttvar_us = c->rttvar4 / 4,
		.min_rtt_us = c->min_rtt,
		.sacked = c->log.sacked,
		.lost = c->log.lost,
		.reordering = tcp_rack_window(c),
		.rcv_space = c->rcv_space,
		.rcv_rtt_us = c->rcv_rtt_us,
		.pmtu = (c->path_mss ? c->path_mss : tcp_advmss(c)) + (c->v6 ? 60u : 40u),
		.advmss = tcp_advmss(c),
		.rcv_mss = c->rcv_mss,
		.recovery = recovery_info(c),
		.backoff = c->backoff,
		.probes = c->persisting ? c->backoff : c->keep_probes,
		.snd_wscale = c->snd_shift,
		.rcv_wscale = c->rcv_shift,
		.ts = c->ts_ok,
		.sack = c->sack_ok,
		.wscale = c->wscale_ok,
		.ecn = c->ecn_ok,
		.cc = tcp_cc_name(c->cc),
	};
	tcp_timer_info(c, info);
}
