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
	uint32_t challenge_per_sec; /* per connection, RFC 5961 7 (10) */
	uint8_t wscale;		    /* our shift; must be the gate's */
	bool nagle;
};

void tcp_config_default(struct tcp_config *cfg);

/* What a connection shares with the others of its worker. Outlives them. */
struct tcp_env {
	const struct tcp_config *cfg;
	struct tcp_pool *pool; /* blocks of send and receive data */
	uint64_t *counters;    /* indexed by enum weir_counter */
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
	TCP_END_SHUTDOWN, /* weir itself is stopping */
};

/* tcp_events(): what happened since it was last asked. */
#define TCP_EV_OPEN	0x01 /* reached ESTABLISHED */
#define TCP_EV_READABLE 0x02 /* new bytes to consume */
#define TCP_EV_EOF	0x04 /* the peer's FIN is in order */
#define TCP_EV_WRITABLE 0x08 /* send space after tcp_send_space() was 0 */
#define TCP_EV_ENDED	0x10 /* CLOSED or TIME_WAIT: see tcp_reason */

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
	uint16_t mtu_mss; /* our own limit by the device's MTU */
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
 * Writes the next segment that is due (header, options, payload, checksum) to
 * `buf` and returns its length, 0 when nothing is due. cap >= 60 + mss.
 * *ecn receives the IP ECN codepoint to send with.
 */
size_t tcp_output(struct tcp_conn *c, uint8_t *buf, size_t cap, uint8_t *ecn, uint64_t now);

uint64_t tcp_next_timeout(const struct tcp_conn *c); /* absolute us, or TCP_NEVER */
void tcp_timeout(struct tcp_conn *c, uint64_t now);  /* runs what is due; harmless early */
uint32_t tcp_events(struct tcp_conn *c);	     /* returns and clears */

/* ---- the application's side -------------------------------------------- */

/* Contiguous bytes ready to read; 0 when none. Valid until tcp_recv_done(). */
size_t tcp_recv_peek(const struct tcp_conn *c, const uint8_t **p);
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
size_t tcp_send(struct tcp_conn *c, const void *data, size_t len); /* copies what fits */
/* Bytes written and not acknowledged, sent or not; O(1). 0 once the connection has ended. */
size_t tcp_send_queued(const struct tcp_conn *c);

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
	enum tcp_timer_kind timer; /* the next to expire */
	uint64_t timer_at;
};
void tcp_get_info(const struct tcp_conn *c, struct tcp_info *info);
enum weir_tcp_state tcp_get_state(const struct tcp_conn *c);
enum tcp_reason tcp_get_reason(const struct tcp_conn *c);

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
