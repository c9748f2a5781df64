/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a connection, and what the files of this directory call of each
 * other. Nobody else includes it, save the tests.
 *
 *   conn.c      opening             input.c      segment arrives, RFC 9293 3.10.7
 *   opts.c      the options         error.c      what SO_ERROR says
 *   urgent.c    the urgent pointer  dsack.c      what arrived twice
 *   icmp.c      ICMP errors         pmtu.c       how large a segment may be
 *   autotune.c  how large the buffers
 *   close.c     the ways to end     input_ack.c  its fifth step
 *   stream.c    the application     input_data.c its sixth to eighth
 *   window.c    what we offer       output.c     what to send next
 *   segment.c   how it looks on the wire         timer.c rtt.c timewait.c
 *
 * and what becomes of what was sent:
 *
 *   txlog.c     each segment in flight           sack.c      what the peer reports
 *   rack.c      which of them are lost           tlp.c       asking about the last
 *   recovery.c  what is done about it            prr.c       how fast
 *   undo.c      when it was no loss              cc*.c       how much the path takes
 *
 * Sequence numbers and stream offsets: byte o of our stream has sequence number
 * iss + 1 + o, byte o of the peer's irs + 1 + o, modulo 2^32. Offsets are 64 bits.
 *
 *     snd_una <= snd_nxt            sndq.base is snd_una's offset
 *     rcv_nxt <= rcv_adv            rcvq.ready is rcv_nxt's offset (less the FIN)
 *
 * snd_nxt never goes back: what is sent again is found from the log or, without
 * SACK, from snd_una and high_rxt (recovery.c).
 */
#ifndef WEIR_TCP_CONN_H
#define WEIR_TCP_CONN_H

#include <weir/seq.h>
#include "tcp/cc.h"
#include "tcp/ranges.h"
#include "tcp/recvq.h"
#include "tcp/sendq.h"
#include "tcp/tcp.h"
#include "tcp/txlog.h"

enum tcp_recovery {
	TCP_REC_OPEN, /* nothing known to be lost */
	TCP_REC_FAST, /* fast recovery: RFC 8985 and 6937, without SACK RFC 6582 */
	TCP_REC_LOSS, /* after a timeout: all that was outstanding counts as lost */
};

struct tcp_conn {
	const struct tcp_env *env;
	const struct tcp_cc *cc;

	uint8_t state;	/* enum weir_tcp_state */
	uint8_t reason; /* enum tcp_reason */
	uint8_t events; /* TCP_EV_* */
	uint8_t recovery;
	uint8_t snd_shift, rcv_shift; /* window scaling, RFC 7323 2 */
	uint8_t backoff;	      /* doublings of the RTO or the persist interval */
	uint8_t reo_mult;	      /* RACK's window in quarters of min_rtt, RFC 8985 6.2.4 */
	uint8_t reo_persist;	      /* recoveries until it is forgotten */
	uint8_t challenges;	      /* RFC 5961 7: sent within second challenge_sec */
	uint16_t dupacks;

	/* what the handshake agreed on */
	bool ts_ok : 1, sack_ok : 1, ecn_ok : 1, wscale_ok : 1;
	bool passive : 1;
	/* what is due */
	bool syn_due : 1, ack_due : 1, rst_due : 1, rst_ack : 1;
	bool rtx_due : 1;   /* the segment at snd_una, whatever cwnd says */
	bool probe_due : 1; /* window probe, or the SWS override */
	bool keep_due : 1;  /* keep-alive probe */
	/* where sending and receiving stand */
	bool fin_queued : 1, fin_sent : 1;
	bool probe_out : 1; /* the octet at snd_nxt was sent beyond the window */
	bool fin_seen : 1;  /* fin_seq is known, maybe ahead of a hole */
	bool fin_rcvd : 1;
	bool closed : 1;     /* tcp_close(): nobody reads any more */
	bool want_write : 1; /* the application waits for TCP_EV_WRITABLE */
	bool timing : 1;     /* timed_seq is being timed */
	bool syn_rtx : 1;    /* the handshake needed a retransmission */
	bool ece_due : 1, cwr_due : 1;
	bool persisting : 1; /* t_rtx is the persist timer */
	bool in_syn : 1;     /* the segment at hand was a SYN: its window is not scaled */
	/* loss recovery */
	bool newreno : 1;      /* no SACK, or no room to keep it: RFC 6582 rules */
	bool partial : 1;      /* RFC 6582: a partial ACK has come in this recovery */
	bool rack_on : 1;      /* rack_* are valid */
	bool reordering : 1;   /* RFC 8985 6.2 step 3: it has been seen */
	bool dsack_round : 1;  /* the window grew in this round trip, up to its end */
	bool tlp_due : 1;      /* a loss probe is to be sent */
	bool tlp_out : 1;      /* one is, up to tlp_end */
	bool tlp_rtx : 1;      /* and was no new data */
	bool probe_is_reo : 1; /* t_probe is RACK's timer, else the probe's */
	bool may_undo : 1;     /* undo_* are valid */
	uint8_t eifel : 2;     /* enum tcp_eifel */
	uint8_t frto : 2;      /* enum tcp_frto */

	/* struct tcp_opts, and what follows from it (opts.c) */
	bool nodelay : 1, cork : 1, quickack : 1, rcvbuf_fixed : 1, sndbuf_fixed : 1;
	bool want_ecn : 1, linger : 1;
	bool cork_flush : 1; /* held back for long enough */
	bool snd_urg : 1, rcv_urg : 1;
	bool dsack : 1;	   /* [dsack_start, dsack_end) arrived twice, to be reported */
	bool v6 : 1;	   /* IPv6, by the peer's default MSS */
	bool full_out : 1; /* full_seq ends a full segment, sent once */
	uint8_t keep_max, syn_retries;
	uint8_t keep_probes; /* unanswered */
	uint8_t quick;	     /* segments still to be acknowledged at once: a connection's start */
	uint8_t error;	     /* errno: the last soft error by ICMP; once ended, why */
	uint32_t rcvbuf, sndbuf, user_timeout_ms, keep_idle_ms, keep_interval_ms;
	uint16_t maxseg;   /* 0: none */
	uint16_t peer_mss; /* what the peer takes */
	/* pmtu.c: what the path takes, and what is being found out about that; 0: nothing */
	uint16_t path_mss;
	uint16_t acked_mss; /* segments of this size have passed */
	uint16_t pend_mss;  /* an ICMP message about probe_seq waits to be borne out */
	uint16_t probe_mss; /* a probe of this size is out, from probe_seq, of probe_len */
	uint16_t probe_high;
	uint8_t full_rtos;     /* timeouts since snd_una last moved */
	uint8_t challenge_sec; /* its low bits */
	uint16_t path_at;      /* 2^24 us: when path_mss was last changed or tried; 0: try now */
	uint16_t probe_len;
	uint32_t probe_seq, full_seq;

	uint16_t lport, rport;
	uint32_t pseudo;
	uint16_t mtu_mss, mss; /* ours by the device; what we send: tcp_mss_update() */
	uint16_t rcv_mss;      /* the largest segment seen */
	uint16_t oow_tick; /* half seconds: when an empty segment out of the window was answered */
	uint16_t min_rtt_sec; /* when min_rtt began to be looked for, low bits */

	uint32_t iss, snd_una, snd_nxt;
	uint32_t snd_wl1, snd_wl2, snd_wnd, snd_wnd_max;
	uint32_t snd_sml; /* end of the last small segment: Nagle */

	uint32_t irs, rcv_nxt, rcv_adv; /* rcv_adv: highest right edge offered */
	uint32_t last_ack;		/* the ACK field last sent */
	uint32_t fin_seq;
	/* autotune.c: times are the low bits of us */
	uint32_t rcv_rtt_us, rcv_turn, rcv_turn_at; /* rcv_turn: with timestamps the last echo */
	uint32_t rcv_space, space_from, space_at;
	uint32_t snd_up, rcv_up; /* urgent pointers, while snd_urg, rcv_urg */
	uint32_t dsack_start, dsack_end;
	uint32_t rst_seq;

	uint32_t ts_ours, ts_recent;
	uint32_t ts_recent_sec; /* when it was taken */
	uint64_t ts_base_us;

	uint32_t srtt8, rttvar4, rto; /* us; srtt times 8, rttvar times 4 */
	uint32_t timed_seq, timed_us; /* us, low 32 bits */
	uint64_t echo_from_us;	      /* an echo of what was sent before is no sample */

	uint32_t min_rtt; /* us; of the last minutes: rtt.c */

	uint32_t cwnd, ssthresh;
	uint32_t cc_priv[TCP_CC_PRIV];
	uint32_t recover, high_rxt, cwr_seq;
	uint32_t retransmits;

	/* RACK, RFC 8985 5.3: of the segment sent last of those delivered; fack: the highest */
	uint32_t rack_xmit, rack_end, rack_rtt, rack_fack, dsack_round_end;
	union {
		/* in fast recovery: RFC 9937, prr.c */
		struct {
			uint32_t prr_delivered, prr_out, prr_flight;
		};
		/* outside of it: where a probe ends, where undo_* do */
		struct {
			uint32_t tlp_end, undo_end;
		};
	};
	/* what a spurious recovery gives back: undo.c */
	uint32_t undo_cwnd, undo_ssthresh, undo_rtx, undo_ts;

	struct tcp_txlog log;	    /* sender: what is in flight, the scoreboard */
	struct tcp_ranges *islands; /* receiver: arrived beyond a hole */
	struct tcp_sendq sndq;
	struct tcp_recvq rcvq;

	uint64_t t_rtx, t_ack, t_life, t_room, t_cork; /* TCP_NEVER: off */
	uint64_t t_probe;			       /* of RACK or TLP; the RTO runs on its own */
	uint64_t progress_us; /* when snd_una last moved, or sending began; shut-out time added */
	uint64_t persist_us;  /* when the window began to hold us */
	uint64_t last_snd_us, last_rcv_us;
};

#define COUNT(c, name) ((c)->env->counters[WEIR_C_##name]++)

static inline uint32_t u32_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t u32_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

static inline uint32_t tcp_flight(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* Sequence number after the last byte queued: where our FIN goes. */
static inline uint32_t tcp_snd_end(const struct tcp_conn *c)
{
	return c->iss + 1 + (uint32_t)c->sndq.end;
}

/*
 * The number for a segment without text: snd_nxt, but where the peer has taken
 * its window back, or a FIN went beyond it, the window's edge, since the peer
 * would drop anything to the right of it, the ACK included.
 */
static inline uint32_t tcp_empty_seq(const struct tcp_conn *c)
{
	return seq_min(c->snd_nxt, c->snd_una + c->snd_wnd);
}

/* A SYN's window is not scaled (RFC 7323 2.2). */
static inline uint32_t tcp_seg_wnd(const struct tcp_conn *c, const struct tcp_seg *s)
{
	return c->in_syn ? s->wnd : (uint32_t)s->wnd << c->snd_shift;
}

static inline uint32_t tcp_ts_now(const struct tcp_conn *c, uint64_t now)
{
	return c->ts_ours + (uint32_t)((now - c->ts_base_us) / 1000);
}

/* Sequence space of a segment: SYN and FIN count. */
static inline uint32_t seg_span(const struct tcp_seg *s)
{
	return s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/* conn.c */
void tcp_conn_syn_options(struct tcp_conn *c, const struct tcp_seg *syn, uint64_t now);
void tcp_conn_accept_syn(struct tcp_conn *c, const struct tcp_seg *syn, uint64_t now);
void tcp_conn_established(struct tcp_conn *c, uint64_t now);

/* opts.c */
void tcp_opts_take(struct tcp_conn *c, const struct tcp_opts *o);
uint16_t tcp_advmss(const struct tcp_conn *c);

/* error.c */
void tcp_error_end(struct tcp_conn *c);

/* close.c */
void tcp_conn_end(struct tcp_conn *c, enum tcp_reason why);
void tcp_conn_time_wait(struct tcp_conn *c, uint64_t now);
void tcp_conn_send_rst(struct tcp_conn *c, const struct tcp_seg *s);

/* input_ack.c, input_data.c: the steps return whether to go on */
bool tcp_input_ack(struct tcp_conn *c, struct tcp_seg *s, uint64_t now);
bool tcp_input_text(struct tcp_conn *c, struct tcp_seg *s, uint64_t now);
void tcp_input_fin(struct tcp_conn *c, uint64_t now);
void tcp_challenge(struct tcp_conn *c, uint64_t now);

/* pmtu.c */
#define TCP_MSS_MIN 88 /* less would cost more headers than data */
void tcp_mss_update(struct tcp_conn *c);
void tcp_pmtu_init(struct tcp_conn *c);
void tcp_pmtu_claim(struct tcp_conn *c, const struct tcp_icmp *icmp, uint64_t now);
void tcp_pmtu_sent(struct tcp_conn *c, uint32_t seq, uint32_t len, bool again);
void tcp_pmtu_acked(struct tcp_conn *c, uint64_t now);
bool tcp_pmtu_rto(struct tcp_conn *c, uint64_t now);
uint32_t tcp_pmtu_probe_len(const struct tcp_conn *c, uint32_t queued, uint32_t wnd, uint64_t now);
void tcp_pmtu_probe_sent(struct tcp_conn *c, uint32_t seq, uint32_t len);
bool tcp_pmtu_probe_lost(struct tcp_conn *c, uint64_t now);

/* urgent.c */
void tcp_input_urg(struct tcp_conn *c, const struct tcp_seg *s);
uint16_t tcp_urg_field(const struct tcp_conn *c, uint32_t seq);
void tcp_urg_acked(struct tcp_conn *c);
void tcp_urg_consumed(struct tcp_conn *c);

/* autotune.c */
void tcp_autotune_arrived(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now);
void tcp_autotune_copied(struct tcp_conn *c, uint64_t now);
void tcp_autotune_acked(struct tcp_conn *c);

/* dsack.c */
void tcp_dsack_below(struct tcp_conn *c, const struct tcp_seg *s);
void tcp_dsack_beyond(struct tcp_conn *c, const struct tcp_seg *s);

/* window.c */
uint16_t tcp_window_field(struct tcp_conn *c, bool syn);
void tcp_window_opened(struct tcp_conn *c);
uint32_t tcp_rcv_wnd(const struct tcp_conn *c);

/* What one ACK tells about what we have sent; filled on the way through its steps. */
struct tcp_ack {
	const struct tcp_seg *seg;
	uint64_t now;
	uint32_t flight;    /* before it */
	uint32_t acked;	    /* snd_una moved by */
	uint32_t sacked;    /* newly SACKed bytes */
	uint32_t delivered; /* both, none counted twice: RFC 6937's DeliveredData */
	uint32_t lost;	    /* newly found to be lost */
	uint32_t rtt_us;    /* of the last sent that was delivered unrepeated; 0 none */
	uint32_t dsack_start, dsack_end;
	uint32_t fack; /* the highest delivered before it, if fack_on */
	bool fack_on;
	bool dup;	 /* a duplicate ACK */
	bool dsack;	 /* reports a duplicate, dsack_start to dsack_end */
	bool orig;	 /* delivered, sent once, from before the timeout: RFC 5682 */
	bool rtx;	 /* something acknowledged was sent more than once */
	bool untold;	 /* a SACK block could not be kept */
	bool cumulative; /* what is being taken in is the ACK field, not a block */
};

/* sack.c */
void tcp_sack_update(struct tcp_conn *c, struct tcp_ack *a);
void tcp_sack_acked(struct tcp_conn *c, struct tcp_ack *a);
void tcp_sack_renege(struct tcp_conn *c);

/* rack.c: RFC 8985 6 */
void tcp_rack_delivered(struct tcp_conn *c, struct tcp_ack *a, const struct tx_rec *r,
			uint32_t end);
void tcp_rack_ack(struct tcp_conn *c, struct tcp_ack *a);
uint32_t tcp_rack_detect(struct tcp_conn *c, uint64_t now);
void tcp_rack_rto(struct tcp_conn *c, uint64_t now);
void tcp_rack_recovered(struct tcp_conn *c);
uint32_t tcp_rack_window(const struct tcp_conn *c);

/* tlp.c: RFC 8985 7 */
void tcp_tlp_arm(struct tcp_conn *c, uint64_t now);
void tcp_tlp_ack(struct tcp_conn *c, const struct tcp_ack *a);
bool tcp_tlp_segment(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss);

/* prr.c */
void tcp_prr_enter(struct tcp_conn *c, const struct tcp_ack *a);
void tcp_prr_ack(struct tcp_conn *c, const struct tcp_ack *a);

/* undo.c */
enum tcp_eifel {
	TCP_EIFEL_WAIT,	 /* nothing was sent again yet */
	TCP_EIFEL_ARMED, /* what begins snd_una was, at undo_ts */
	TCP_EIFEL_DONE,	 /* snd_una has moved, or it was something else */
};
enum tcp_frto {
	TCP_FRTO_OFF,
	TCP_FRTO_SENT, /* RFC 5682 2.1 step 1 is done: the next ACK that moves on… */
	TCP_FRTO_NEW,  /* …lets new data out, and the one after that tells */
};
void tcp_undo_begin(struct tcp_conn *c);
void tcp_undo_sent(struct tcp_conn *c, uint32_t seq, uint32_t len, uint64_t now);
bool tcp_undo_ack(struct tcp_conn *c, const struct tcp_ack *a);
void tcp_undo_end(struct tcp_conn *c);
bool tcp_frto_ack(struct tcp_conn *c, const struct tcp_ack *a);

/* recovery.c */
void tcp_recovery_ack(struct tcp_conn *c, struct tcp_ack *a);
void tcp_recovery_reo(struct tcp_conn *c, uint64_t now);
void tcp_recovery_reduce(struct tcp_conn *c, uint64_t now);
void tcp_recovery_rto(struct tcp_conn *c, uint64_t now);
void tcp_recovery_resend(struct tcp_conn *c, uint32_t end, uint64_t now);
uint32_t tcp_pipe(const struct tcp_conn *c);
bool tcp_cwnd_allows(const struct tcp_conn *c, uint32_t len);
bool tcp_next_lost(struct tcp_conn *c, uint32_t *seq, uint32_t *len, uint32_t mss);
void tcp_sent_new(struct tcp_conn *c, uint32_t end, uint64_t now);
void tcp_sent_again(struct tcp_conn *c, uint32_t seq, uint32_t end, uint64_t now);
void tcp_recovery_start(struct tcp_conn *c, uint64_t now);
void tcp_recovery_clear(struct tcp_conn *c);

/* cc.c */
void tcp_cc_start(struct tcp_conn *c, uint64_t now);
void tcp_cc_switch(struct tcp_conn *c, const struct tcp_cc *cc, uint64_t now);
uint32_t tcp_cc_initial_window(const struct tcp_conn *c);
bool tcp_cc_limited(const struct tcp_conn *c, uint32_t flight);

/* rtt.c */
void tcp_rtt_sample(struct tcp_conn *c, uint64_t rtt_us);
void tcp_rtt_acked(struct tcp_conn *c, const struct tcp_seg *s, uint64_t now, uint32_t exact_us);
void tcp_rtt_sacked(struct tcp_conn *c, uint32_t rtt_us, uint64_t now);
void tcp_rtt_min(struct tcp_conn *c, uint32_t rtt_us, uint64_t now);
uint64_t tcp_rto_us(const struct tcp_conn *c);

/* timer.c */
void tcp_life_arm(struct tcp_conn *c, uint64_t now);
void tcp_rtx_arm(struct tcp_conn *c, uint64_t now);
void tcp_rtx_clamp(struct tcp_conn *c, uint64_t now);
void tcp_rtx_window(struct tcp_conn *c, uint32_t before, uint64_t now);
void tcp_delack_arm(struct tcp_conn *c, uint64_t now);
void tcp_timers_off(struct tcp_conn *c);
void tcp_timer_info(const struct tcp_conn *c, struct tcp_info *info);

/* segment.c */
uint32_t tcp_eff_mss(const struct tcp_conn *c);
struct tcp_out {
	uint32_t seq;
	uint8_t flags;
	uint32_t len; /* of payload */
	enum sendq_cursor who;
};
size_t tcp_segment_write(struct tcp_conn *c, uint8_t *buf, const struct tcp_out *o, uint64_t now);
/* The header alone, for a device that cuts and sums; the payload by reference. */
size_t tcp_burst_write(struct tcp_conn *c, uint8_t *buf, const struct tcp_out *o,
		       struct tcp_burst *b, uint64_t now);
void tcp_header_write(uint8_t *buf, uint16_t lport, uint16_t rport, uint32_t seq, uint32_t ack,
		      uint8_t flags, uint16_t wnd, size_t header);
size_t tcp_ts_write(uint8_t *p, uint32_t tsval, uint32_t tsecr);
void tcp_csum_write(uint8_t *buf, uint32_t pseudo, size_t header, uint64_t payload_sum,
		    size_t payload);

/* timewait.c */
enum tcp_tw_verdict tcp_timewait_judge(struct tcp_timewait *tw, const struct tcp_env *env,
				       const struct tcp_seg *seg, uint64_t now);

#endif
