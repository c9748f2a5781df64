/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tap at an end: it sees what leaves and what arrives, keeps its own account,
 * and fails the run at the first segment that breaks a rule. Of what leaves:
 *
 *     sequence   no gap before it, nothing after the FIN, the FIN at one place
 *     again      only what is not acknowledged
 *     window     nothing beyond the highest edge that the peer has offered, but a
 *                probe of one octet and a FIN
 *     size       header options and data within the peer's MSS and ours (RFC 6691)
 *     ACK        never goes back, and covers only what has arrived
 *     edge       never goes back by a unit of the window scale (RFC 7323 2.4)
 *     SACK       only what has arrived; above the ACK, apart from each other, but
 *                the first block, which may repeat (RFC 2883)
 *     TS         on every segment or none, and never back (RFC 7323 3.2)
 *     ECN        only first transmissions of data are ECN-capable (RFC 3168 6.1.4-5)
 */
#ifndef TESTS_SIM_WATCH_H
#define TESTS_SIM_WATCH_H

#include "sim.h"
#include "tcp/tcp.h"

#define SIM_RANGES 2048

struct sim_watch {
	struct sim *sim;
	const char *who;
	uint16_t mtu_mss;
	/* what has left */
	bool syn_out, fin_out, any_ack, any_edge;
	uint32_t iss, snd_max, fin_seq;
	bool probed; /* the octet below snd_max may be a window probe's: not really sent */
	uint32_t last_ack, edge; /* the highest we have offered */
	uint32_t last_ts;
	bool any_ts;
	/* what has arrived */
	bool syn_in, fin_in;
	uint32_t irs, base; /* all below base is here, SYN and FIN counted */
	uint32_t fin_in_seq;
	uint32_t peer_edge; /* the highest that it has offered */
	struct {
		uint32_t start, end;
	} r[SIM_RANGES];
	uint32_t n;
	/* what the SYNs have said */
	bool ts_out, ts_in, sack_out, sack_in, ecn_out, ecn_in;
	uint8_t shift_out, shift_in; /* WEIR_WSCALE_NONE: not offered */
	uint16_t mss_in;
};

void sim_watch_init(struct sim_watch *w, struct sim *s, const char *who, uint16_t mtu_mss);
/* `una`: what the sender takes to be acknowledged. */
void sim_watch_out(struct sim_watch *w, const struct sim_frame *f, const struct tcp_seg *s,
		   uint32_t una);
void sim_watch_in(struct sim_watch *w, const struct tcp_seg *s);

#endif
