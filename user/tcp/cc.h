/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: decides c->cwnd and c->ssthresh (bytes), nothing else. What
 * is in flight, what is lost and what to send again is recovery.c's; how fast
 * ssthresh is reached in fast recovery is prr.c's.
 *
 * An algorithm is one file and one line in cc.c's list. It keeps its state in
 * cc_priv, TCP_CC_PRIV words that are zero before init() and that nobody else
 * reads. It may be exchanged at any time: init() then finds cwnd and ssthresh as
 * the other left them, and leaves them alone.
 *
 *     loss(), rto()     set ssthresh; rto() sets cwnd too, loss() for ECN only
 *     undo()            cwnd and ssthresh are given back before it is called
 *     acked()           the only way that cwnd grows
 */
#ifndef WEIR_TCP_CC_H
#define WEIR_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_CC_PRIV 11
#define TCP_CC_MAX  (1u << 30) /* bytes: the largest cwnd */

struct tcp_conn;

struct tcp_cc_ack {
	uint64_t now;
	uint32_t acked;	 /* bytes newly acknowledged */
	uint32_t flight; /* bytes outstanding before */
	uint32_t rtt_us; /* the newest sample; 0: none */
};

struct tcp_cc {
	const char *name;
	void (*init)(struct tcp_conn *c, uint64_t now);
	/* New data was acknowledged; not during fast recovery. */
	void (*acked)(struct tcp_conn *c, const struct tcp_cc_ack *a);
	/* Entry into fast recovery, or (`ecn`) an ECN echo: once per window of data. */
	void (*loss)(struct tcp_conn *c, bool ecn, uint64_t now);
	/* The retransmission timer; `first`: not a repetition for the same data. */
	void (*rto)(struct tcp_conn *c, bool first, uint64_t now);
	/* Sending starts again after more than an RTO of silence (RFC 5681 4.1). */
	void (*idle)(struct tcp_conn *c, uint64_t now);
	/* The last loss() or rto() was for nothing. */
	void (*undo)(struct tcp_conn *c, uint64_t now);
};

extern const struct tcp_cc tcp_cc_reno, tcp_cc_cubic;

#endif
