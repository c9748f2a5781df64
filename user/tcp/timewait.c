/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TIME_WAIT without a connection: RFC 9293 3.10.7.4 for that state, RFC 1337
 * (an RST does not end it), RFC 6191 (a newer SYN may).
 */
#include <string.h>

#include "tcp/tcp_conn.h"

#define COUNT_ENV(env, name) ((env)->counters[WEIR_C_##name]++)

void tcp_timewait_from(const struct tcp_conn *c, struct tcp_timewait *tw)
{
	*tw = (struct tcp_timewait){
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.rcv_wnd = u32_min(tcp_rcv_wnd(c) >> c->rcv_shift, 65535),
		.ts_recent = c->ts_recent,
		.ts_ours = c->ts_ours,
		.pseudo = c->pseudo,
		.ts_base_us = c->ts_base_us,
		.expires_us = c->t_life,
		.lport = c->lport,
		.rport = c->rport,
		.has_ts = c->ts_ok,
	};
}

/* RFC 6191 2, its two lists. */
static bool may_reopen(const struct tcp_timewait *tw, const struct tcp_seg *s)
{
	bool newer = seq_gt(s->seq, tw->rcv_nxt);

	if (!tw->has_ts)
		return s->has_ts || newer;
	if (!s->has_ts || s->tsval == tw->ts_recent)
		return newer;
	return seq_gt(s->tsval, tw->ts_recent);
}

static enum tcp_tw_verdict judge_syn(const struct tcp_timewait *tw, const struct tcp_env *env,
				     const struct tcp_seg *s)
{
	if (may_reopen(tw, s))
		return TCP_TW_REOPEN;
	COUNT_ENV(env, drop_timewait_syn);
	return TCP_TW_DROP;
}

enum tcp_tw_verdict tcp_timewait_judge(struct tcp_timewait *tw, const struct tcp_env *env,
				       const struct tcp_seg *s, uint64_t now)
{
	bool in_window = seq_geq(s->seq, tw->rcv_nxt);

	if (s->flags & TCP_RST) {
		COUNT_ENV(env, drop_timewait_rst);
		return TCP_TW_DROP;
	}
	if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return judge_syn(tw, env, s);
	if (!(s->flags & TCP_ACK) && in_window) {
		COUNT_ENV(env, drop_no_ack);
		return TCP_TW_DROP;
	}
	/*
	 * What carries nothing and does not lie below the window needs no answer;
	 * two ends that both answered would go on for ever.
	 */
	if (!seg_span(s) && in_window) {
		COUNT_ENV(env, drop_timewait_empty);
		return TCP_TW_DROP;
	}
	/* "The only thing that can arrive … is a retransmission of the remote FIN." */
	if (s->flags & TCP_FIN && s->seq + seg_span(s) == tw->rcv_nxt &&
	    !(tw->has_ts && s->has_ts && seq_lt(s->tsval, tw->ts_recent))) {
		tw->expires_us = now + 2 * env->cfg->msl_us;
		if (tw->has_ts && s->has_ts)
			tw->ts_recent = s->tsval;
	}
	COUNT_ENV(env, timewait_acked);
	return TCP_TW_REPLY;
}

static size_t write_ack(const struct tcp_timewait *tw, uint8_t *out, uint64_t now)
{
	uint32_t ts = tw->ts_ours + (uint32_t)((now - tw->ts_base_us) / 1000);
	size_t header = 20;

	if (tw->has_ts)
		header += tcp_ts_write(out + 20, ts, tw->ts_recent);
	tcp_header_write(out, tw->lport, tw->rport, tw->snd_nxt, tw->rcv_nxt, TCP_ACK,
			 (uint16_t)tw->rcv_wnd, header);
	tcp_csum_write(out, tw->pseudo, header, 0, 0);
	return header;
}

enum tcp_tw_verdict tcp_timewait_input(struct tcp_timewait *tw, const struct tcp_env *env,
				       const struct tcp_seg *seg, uint64_t now, uint8_t *out,
				       size_t *out_len, uint32_t *iss)
{
	enum tcp_tw_verdict v = tcp_timewait_judge(tw, env, seg, now);

	if (v == TCP_TW_REOPEN)
		COUNT_ENV(env, timewait_reopened);
	*out_len = v == TCP_TW_REPLY ? write_ack(tw, out, now) : 0;
	*iss = tw->snd_nxt;
	return v;
}
