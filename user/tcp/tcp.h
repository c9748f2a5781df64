/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP core: one connection's state machine, RFC 9293.
 *
 * Sans-IO: time and bytes are arguments. No clock, no system call, no malloc, no
 * global; the library's only undefined symbols are mem*. The caller
 *
 *     feeds      tcp_input(c, segment, now)
 *     drains     while ((n = tcp_output(c, buf, cap, now)) > 0) send(buf, n)
 *     sleeps     until tcp_next_timeout(c), then calls tcp_timeout(c, now)
 *     reacts     to tcp_events(c)
 *
 * and after any call that may change the connection (input, timeout, send,
 * consume, shutdown, close) drains the output again.
 *
 * Units: times are microseconds on any monotonic clock, lengths are bytes,
 * sequence numbers are host order. Threads: a connection and the env it points
 * to belong to one thread.
 */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include "tcp/hist.h"
#include "tcp/pool.h"

#define TCP_NEVER UINT64_MAX

/* Flag bits as on the wire (RFC 9293 3.1). */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

#define TCP_MAX_SACK 4

/* An arriving segment, parsed, checksum already verified; host order. */
struct tcp_seg {
	uint16_t sport, dport;
	uint32_t seq;
	uint32_t ack;
	uint16_t wnd; /* as on the wire, unscaled */
	uint16_t urg;
	uint8_t flags;
	uint8_t ip_ecn; /* the IP header's ECN codepoint, 0-3 */
	uint8_t nsack;
	bool has_ts;
	bool sack_permitted;
	uint8_t wscale; /* WEIR_WSCALE_NONE when absent */
	uint16_t mss;	/* 0 when absent */
	uint32_t tsval;
	uint32_t tsecr;
	struct {
		uint32_t start, end;
	} sack[TCP_MAX_SACK];
	uint32_t len; /* payload */
	const uint8_t *payload;
};

/*
 * Parses a TCP header with its options: `tcp` points at the header, `len` is
 * what IP says is left. 0, or -EINVAL on a lying data offset. Malformed options
 * end the option walk (what came before counts), as RFC 9293 3.1 leaves open.
 */
int tcp_seg_parse(struct tcp_seg *seg, const uint8_t *tcp, size_t len);

/*
 * The sum over the pseudo-header without its length: two addresses of addr_len
 * (4 or 16) bytes in network order, and the protocol. Unfolded, 16-bit words as
 * they lie in memory; the order of the addresses does not matter.
 */
uint32_t tcp_pseudo_sum(const void *addr1, const void *addr2, size_t addr_len);
/* Whether the checksum of header and payload, `len` bytes at `tcp`, is right. */
bool tcp_csum_ok(uint32_t pseudo, const void *tcp, size_t len);

struct tcp_cc; /* congestion control: cc.h */
/* "cubic", "reno"; NULL: none of that name. `i` counts from 0; NULL ends the list. */
const struct tcp_cc *tcp_cc_find(const char *name);
const struct tcp_cc *tcp_cc_at(unsigned i);
const char *tcp_cc_name(const struct tcp_cc *cc);

/*
 * What one connection may have otherwise than its worker: the socket options.
 * tcp_opts_default() fills in the worker's. A value that is 0 means what its
 * comment says, never "default".
 */
struct tcp_opts {
	const struct tcp_cc *cc;  /* TCP_CONGESTION */
	uint32_t rcvbuf, sndbuf;  /* bytes; rcvbuf is also the window's ceiling */
	uint32_t user_timeout_ms; /* RFC 9293 3.8.3; 0 never */
	uint32_t keep_idle_ms;	  /* 0: no keep-alive */
	uint32_t keep_interval_ms;
	uint16_t maxseg; /* TCP_MAXSEG: bounds our MSS, both ways; 0: the MTU's */
	uint8_t keep_probes;
	uint8_t syn_retries;   /* active and stateful passive opens (6) */
	bool nodelay : 1;      /* no Nagle */
	bool cork : 1;	       /* only full segments, for at most 200 ms */
	bool quickack : 1;     /* every segment is acknowledged at once */
	bool rcvbuf_fixed : 1; /* set by hand: no auto-tuning of the window */
	bool sndbuf_fixed : 1;
	bool ecn : 1;	 /* offer ECN when opening actively (RFC 3168) */
	bool linger : 1; /* SO_LINGER with 0: close() resets (RFC 1122 4.2.2.13) */
};

/* Settings of all connections of a worker. Defaults: tcp_config_default(). */
struct tcp_config {
	uint64_t msl_us;	    /* TIME_WAIT lasts twice this (30 s) */
	uint64_t rto_initial_us;    /* RFC 6298 (1 s) */
	uint64_t rto_min_us;	    /* (200 ms) */
	uint64_t rto_max_us;	    /* (60 s) */
	uint64_t delack_us;	    /* delayed ACK, RFC 9293 3.8.6.3 (40 ms) */
	uint64_t user_timeout_us;   /* unacknowledged data (100 s), 0 never */
	uint64_t syn_rcvd_us;	    /* life of SYN_RCVD: a cookie's (32 s) */
	uint64_t fin_wait_2_us;	    /* closed, peer does not close (60 s) */
	uint64_t last_ack_us;	    /* LAST_ACK and CLOSING (60 s) */
	uint64_t persist_limit_us;  /* zero window held this long (60 s) */
	uint64_t keepalive_idle_us; /* 0 off (default) */
	uint64_t keepalive_interval_us;
	uint32_t keepalive_probes;
	uint32_t rcvbuf; /* bytes; also the window's ceiling */
	uint32_t sndbuf;
	uint32_t rcvbuf_max; /* auto-tuning grows the window up to this; == rcvbuf: off */
	uint32_t sndbuf_max;
	uint32_t challenge_per_sec; /* per connection, RFC 5961 7 (10) */
	const struct tcp_cc *cc;    /* (cubic) */
	uint8_t wscale;		    /* our shift; must be the gate's */
	uint8_t syn_retries;	    /* (6) */
	uint8_t quick_acks; /* so many segments of a new connection are acknowledged at once (16) */
	bool nagle;
	bool ecn;	/* offer ECN in active opens; passive ones take what is offered */
	bool mtu_probe; /* RFC 4821: search upwards, and down from black holes */
};

void tcp_opts_default(struct tcp_opts *o, const struct tcp_config *cfg);

void tcp_config_default(struct tcp_config *cfg);

/* What a connection shares with the others of its worker. Outlives them. */
struct tcp_env {
	const struct tcp_config *cfg;
	struct tcp_pool *pool; /* blocks of send and receive data */
	uint64_t *counters;    /* indexed by enum weir_counter */
	/*
	 * Round trips, as timed of segments that were sent once; passive handshakes, from the
	 * SYN to the ACK that ends SYN_RCVD. NULL: not kept.
	 */
	struct tcp_hist *rtt, *handshake;
};

/* Why a connection ended; 0 while it lives. Also weir_close_reason of weir.h. */
enum tcp_reason {
	TCP_END_NONE = 0,
	TCP_END_NORMAL,	 /* both FINs acknowledged */
	TCP_END_RESET,	 /* the peer's RST */
	TCP_END_REFUSED, /* RST in SYN_SENT */
	TCP_END_ABORTED, /* tcp_abort() by the application */
	TCP_END_TIMEOUT, /* user timeout, SYN retries used up */
	TCP_END_KEEPALIVE,
	TCP_END_FIN_WAIT_2, /* the limits against clients that hold on */
	TCP_END_LAST_ACK,
	TCP_END_PERSIST,
	TCP_END_APP_TIMEOUT, /* header or idle limit of the application */
	TCP_END_NOMEM,
	TCP_END_SHUTDOWN,    /* weir itself is stopping */
	TCP_END_UNREACHABLE, /* an ICMP error ended an opening connection: tcp_get_error() says
				which */
};

/* tcp_events(): what happened since it was last asked. */
#define TCP_EV_OPEN	0x01 /* reached ESTABLISHED */
#define TCP_EV_READABLE 0x02 /* new bytes to consume */
#define TCP_EV_EOF	0x04 /* the peer's FIN is in order */
#define TCP_EV_WRITABLE 0x08 /* send space after tcp_send_space() was 0 */
#define TCP_EV_ENDED	0x10 /* CLOSED or TIME_WAIT: see tcp_reason */
#define TCP_EV_URGENT	0x20 /* the urgent pointer moved on: tcp_recv_urgent() */
#define TCP_EV_SENT	0x40 /* all that was queued, our FIN included, is acknowledged */

struct tcp_conn; /* laid out in tcp_conn.h, which only user/tcp and its tests include… */

/* …but the owner of the memory must know the size. */
size_t tcp_conn_size(void);

/*
 * A connection whose handshake the gate finished: ESTABLISHED at once.
 * `pseudo` is tcp_pseudo_sum(), from which tcp_output() makes whole checksums;
 * the ports (host order) make its headers whole. `seg` is the segment that carried the cookie, or
 * the first that arrived; feed it through tcp_input() afterwards like any other.
 */
struct tcp_open {
	const struct tcp_env *env;
	uint32_t pseudo;
	uint16_t lport, rport;
	uint16_t mtu_mss;     /* our own limit by the device's MTU */
	uint16_t mss_default; /* of a peer that names none: 536, IPv6 1220 (RFC 9293 3.7.1) */
	const struct tcp_opts *opts; /* NULL: the worker's; read during the call only */
};
void tcp_open_cookie(struct tcp_conn *c, const struct tcp_open *o, const struct weir_flow *f,
		     uint64_t now);

/* Passive open by a SYN (modes auto and never, TIME_WAIT re-use): SYN_RCVD. */
void tcp_open_passive(struct tcp_conn *c, const struct tcp_open *o, const struct tcp_seg *syn,
		      uint32_t iss, uint32_t ts_ours, uint64_t now);

/* Active open: SYN_SENT, the SYN leaves with the next tcp_output(). */
void tcp_open_active(struct tcp_conn *c, const struct tcp_open *o, uint32_t iss, uint32_t ts_ours,
		     uint64_t now);

/* A connection in LISTEN or CLOSED, for the tests of those states' rules. */
void tcp_open_listen(struct tcp_conn *c, const struct tcp_open *o, uint32_t iss, uint64_t now);

/* RFC 9293 3.10.7. */
void tcp_input(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now);

/*
 * An ICMP error that quotes a segment of ours (RFC 5927, RFC 1191, RFC 8201). The
 * caller has matched addresses and ports; the core believes it only if `seq` is in
 * flight (SND.UNA <= SEQ < SND.NXT; RFC 5927 4.1).
 */
enum tcp_icmp_kind {
	TCP_ICMP_TOO_BIG, /* mtu: the next hop's, 0 unknown */
	TCP_ICMP_HARD,	  /* protocol or port unreachable: ends an opening connection only */
	TCP_ICMP_SOFT,	  /* net or host unreachable, time exceeded, parameter problem… */
};
struct tcp_icmp {
	enum tcp_icmp_kind kind;
	int error; /* errno: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE… */
	uint32_t seq;
	uint32_t mtu;
	uint16_t headers; /* of IP and TCP without options, in our frames: 40 or 60 */
};
void tcp_icmp(struct tcp_conn *c, const struct tcp_icmp *icmp, uint64_t now);

/*
 * Writes the next segment that is due (header, options, payload, checksum) to
 * `buf` and returns its length, 0 when nothing is due. cap >= 60 + mss.
 * *ecn receives the IP ECN codepoint to send with.
 */
size_t tcp_output(struct tcp_conn *c, uint8_t *buf, size_t cap, uint8_t *ecn, uint64_t now);

/*
 * As tcp_output(), but new data may leave as a burst: one header before as many full
 * segments as may be sent now, which the device cuts apart. To the connection they are
 * the same segments, sent one by one at one time.
 *
 * With `cut` 0 buf holds a whole segment as ever. Else buf holds only its header, of the
 * length returned, its checksum field the pseudo-header's sum, and the payload is where it
 * lies in the send queue, until the connection is used again: each `cut` bytes of it are a
 * segment. PSH and FIN are the last one's.
 */
#define TCP_BURST_PIECES 34 /* of 64 KiB in blocks */
struct tcp_burst {
	uint32_t max; /* in: bytes of payload; 0: none of this */
	uint32_t len; /* out: of payload */
	uint16_t cut;
	uint8_t ecn; /* out: as tcp_output()'s */
	uint8_t n;
	struct tcp_piece {
		const uint8_t *p;
		size_t len;
	} piece[TCP_BURST_PIECES];
};
size_t tcp_output_burst(struct tcp_conn *c, uint8_t *buf, size_t cap, struct tcp_burst *b,
			uint64_t now);

uint64_t tcp_next_timeout(const struct tcp_conn *c); /* absolute us, or TCP_NEVER */
void tcp_timeout(struct tcp_conn *c, uint64_t now);  /* runs what is due; harmless early */
uint32_t tcp_events(struct tcp_conn *c);	     /* returns and clears */

/* ---- the application's side -------------------------------------------- */

/* Contiguous bytes ready to read; 0 when none. Valid until tcp_recv_done(). */
size_t tcp_recv_peek(const struct tcp_conn *c, const uint8_t **p);
/* The same over several blocks: how many of s[max] (pool.h) were filled. */
struct tcp_span;
unsigned tcp_recv_peekv(const struct tcp_conn *c, struct tcp_span *s, unsigned max);
/* Copies up to len bytes from `offset` past the read position, consumes none. */
size_t tcp_recv_copy(const struct tcp_conn *c, size_t offset, uint8_t *buf, size_t len);
void tcp_recv_done(struct tcp_conn *c, size_t n, uint64_t now);
size_t tcp_recv_ready(const struct tcp_conn *c); /* all bytes ready */
bool tcp_recv_eof(const struct tcp_conn *c);	 /* FIN received and all consumed */
/* The peer's FIN is in order, whatever is still unread: no more will arrive. */
bool tcp_recv_fin(const struct tcp_conn *c);

/* 0 arms TCP_EV_WRITABLE, also where the pool and not this queue is full. */
size_t tcp_send_space(struct tcp_conn *c);
/* Contiguous space to write into, at most tcp_send_space(); commit what was used. */
size_t tcp_send_reserve(struct tcp_conn *c, uint8_t **p);
void tcp_send_commit(struct tcp_conn *c, size_t n);
/*
 * The same over several blocks, at most s[max]: how many were filled. The commit, of 0 bytes
 * if none were written, gives the others back: it comes before any other call.
 */
unsigned tcp_send_reservev(struct tcp_conn *c, struct tcp_span *s, unsigned max);
size_t tcp_send(struct tcp_conn *c, const void *data, size_t len); /* copies what fits */
/* Bytes written and not acknowledged, sent or not; O(1). 0 once the connection has ended. */
size_t tcp_send_queued(const struct tcp_conn *c);

/*
 * Urgent data (RFC 9293 3.8.5, RFC 6093): it stays in the stream. Sending marks
 * the octet after the last one written as the urgent pointer's; the receiver
 * learns how far the urgent data reaches: *ahead unread bytes are before and within it.
 */
size_t tcp_send_urgent(struct tcp_conn *c, const void *data, size_t len);
bool tcp_recv_urgent(const struct tcp_conn *c, uint64_t *ahead); /* false: no mark ahead */

void tcp_set_opts(struct tcp_conn *c, const struct tcp_opts *o, uint64_t now);
void tcp_get_opts(const struct tcp_conn *c, struct tcp_opts *o);

void tcp_shutdown(struct tcp_conn *c);		  /* FIN after what is queued; reading goes on */
void tcp_close(struct tcp_conn *c, uint64_t now); /* as shutdown; later data is answered by RST */
void tcp_abort(struct tcp_conn *c, enum tcp_reason why); /* RST now, CLOSED */

/* ---- looking in ---------------------------------------------------------- */

enum tcp_timer_kind {
	TCP_TIMER_NONE,
	TCP_TIMER_RTO,
	TCP_TIMER_DELACK,
	TCP_TIMER_PERSIST,
	TCP_TIMER_KEEPALIVE,
	TCP_TIMER_FIN_WAIT_2,
	TCP_TIMER_LAST_ACK,
	TCP_TIMER_TIME_WAIT,
	TCP_TIMER_REO, /* RACK's reordering window, RFC 8985 6.2 */
	TCP_TIMER_PTO, /* tail loss probe, RFC 8985 7 */
	TCP_TIMER_CORK,
};
const char *tcp_timer_name(enum tcp_timer_kind k);
const char *tcp_state_name(enum weir_tcp_state s); /* "FIN_WAIT_1" */
const char *tcp_reason_name(enum tcp_reason r);

struct tcp_info {
	enum weir_tcp_state state;
	enum tcp_reason reason;
	uint32_t iss, irs, snd_una, snd_nxt, rcv_nxt;
	uint32_t snd_wnd, rcv_wnd;
	uint32_t sndq, rcvq; /* bytes queued, unacknowledged included */
	uint32_t srtt_us, rto_us;
	uint32_t cwnd, ssthresh; /* bytes */
	uint16_t mss;
	uint64_t retransmits, bytes_in, bytes_out;
	uint32_t rttvar_us, min_rtt_us, rcv_rtt_us;
	uint32_t sacked, lost; /* bytes of the flight */
	uint32_t reordering;   /* RACK's window, us */
	uint32_t rcv_space;    /* what auto-tuning aims at */
	uint32_t pmtu;	       /* of the path as known, IP header included */
	uint16_t advmss, rcv_mss;
	uint8_t recovery; /* 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss: as TCP_INFO counts them
			   */
	uint8_t backoff, probes;
	uint8_t snd_wscale, rcv_wscale;
	bool ts, sack, wscale, ecn;
	const char *cc;
	enum tcp_timer_kind timer; /* the next to expire */
	uint64_t timer_at;
};
void tcp_get_info(const struct tcp_conn *c, struct tcp_info *info);
enum weir_tcp_state tcp_get_state(const struct tcp_conn *c);
enum tcp_reason tcp_get_reason(const struct tcp_conn *c);
/*
 * errno as SO_ERROR gives it: why the connection ended (ECONNRESET, ECONNREFUSED,
 * ETIMEDOUT, EPIPE…), else the last soft error by ICMP, else 0.
 */
int tcp_get_error(const struct tcp_conn *c);
int tcp_reason_errno(enum tcp_reason r);

/* Gives all blocks back to the pool; the memory may then be re-used. */
void tcp_release(struct tcp_conn *c);

/* ---- TIME_WAIT and what belongs to no connection ------------------------- */

/*
 * TIME_WAIT in 48 bytes: all that RFC 9293 3.10.7.4, RFC 1337 and RFC 6191 need.
 * tcp_input() and tcp_timeout() leave a connection in TIME_WAIT with
 * TCP_EV_ENDED; the caller moves it here, once it has read what it wants, and
 * releases the connection. One that stays answers in the same way, through the
 * same code, but is never re-opened.
 */
struct tcp_timewait {
	uint32_t snd_nxt, rcv_nxt;
	uint32_t rcv_wnd; /* as on the wire: already shifted */
	uint32_t ts_recent;
	uint32_t ts_ours; /* TSval at ts_base_us */
	uint32_t pseudo;
	uint64_t ts_base_us;
	uint64_t expires_us;
	uint16_t lport, rport;
	bool has_ts;
};
void tcp_timewait_from(const struct tcp_conn *c, struct tcp_timewait *tw);

enum tcp_tw_verdict {
	TCP_TW_DROP,   /* counted, nothing to send */
	TCP_TW_REPLY,  /* `out` holds an ACK of *out_len bytes */
	TCP_TW_REOPEN, /* an acceptable SYN: open anew with an ISS above *iss */
};
enum tcp_tw_verdict tcp_timewait_input(struct tcp_timewait *tw, const struct tcp_env *env,
				       const struct tcp_seg *seg, uint64_t now, uint8_t *out,
				       size_t *out_len, uint32_t *iss);

/*
 * The RST that RFC 9293 3.10.7.1 (CLOSED) sends in answer to `seg`; its length,
 * or 0 where the RFC sends none (an RST is not answered).
 */
size_t tcp_reset_for(const struct tcp_seg *seg, uint32_t pseudo, uint8_t *out);

#endif
