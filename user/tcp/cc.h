/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: decides c->cwnd and c->ssthresh (bytes), nothing else.
 * What is in flight, what is lost and what to send again is recovery.c's.
 */
#ifndef WEIR_TCP_CC_H
#define WEIR_TCP_CC_H

#include <stdint.h>

struct tcp_conn;

struct tcp_cc {
	const char *name;
	void (*init)(struct tcp_conn *c); /* the handshake is done, c->mss known */
	/* `acked` new bytes while `flight` were outstanding; not during fast recovery. */
	void (*acked)(struct tcp_conn *c, uint32_t acked, uint32_t flight);
	/* Entry into fast recovery, or an ECN echo: once per window of data. */
	void (*loss)(struct tcp_conn *c, uint32_t flight);
	/* The retransmission timer; `first`: not a repetition for the same data. */
	void (*rto)(struct tcp_conn *c, uint32_t flight, int first);
	/* Sending starts again after more than an RTO of silence (RFC 5681 4.1). */
	void (*idle)(struct tcp_conn *c);
};

extern const struct tcp_cc tcp_cc_reno;

#endif
