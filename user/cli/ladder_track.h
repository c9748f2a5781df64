/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a trace tells about each connection: relative numbers, scaled windows
 * and the state of both ends after every frame.
 *
 * weir's state is the one in the record. The peer's is inferred, and only from
 * frames that were seen: a frame weir sent makes a fact possible ("it has our
 * FIN"), a frame of the peer's own that could not be otherwise makes it sure.
 * The state follows from the facts:
 *
 *     open  our FIN  its FIN  its FIN acked   state
 *      no                                     SYN_SENT
 *     yes     no       no                     ESTABLISHED
 *     yes    yes       no                     CLOSE_WAIT
 *     yes     no      yes     no / yes        FIN_WAIT_1 / FIN_WAIT_2
 *     yes    yes      yes     no / yes        its FIN came second: LAST_ACK / CLOSED
 *                                             else:               CLOSING / TIME_WAIT
 */
#ifndef WEIR_CLI_LADDER_TRACK_H
#define WEIR_CLI_LADDER_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "control/trace_frame.h"

#define LADDER_CONNS 4096 /* remembered; beyond that the oldest is forgotten */

enum ladder_fact { FACT_NO, FACT_MAYBE, FACT_SURE };

/* One direction's numbers. */
struct ladder_half {
	bool known;	/* isn is the real one or, joined midway, a stand-in */
	bool syn;	/* its SYN was seen: options are known */
	bool wscale_on; /* it offered window scaling */
	uint8_t wscale;
	uint32_t isn;
	uint32_t next;	  /* highest sequence number seen, plus one */
	uint32_t fin_end; /* just behind its FIN, when fin was seen */
	bool fin;
};

struct ladder_conn {
	struct weir_addr remote, local;
	unsigned nr; /* counts from 0 */
	bool in_use, cookie, reset;
	struct ladder_half peer, ours;
	enum ladder_fact open, has_our_fin, fin_acked;
	bool fin_second;   /* it closed after it had our FIN */
	bool our_fin_acks; /* each FIN we sent acknowledged the peer's */
	enum weir_tcp_state weir;
	int32_t hash_next; /* slot + 1 of the next in the bucket */
	uint32_t bucket;
};

struct ladder_step {
	const struct ladder_conn *conn;
	struct trace_frame f;
	bool in;      /* from the peer */
	bool fresh;   /* the connection's first frame */
	bool midway;  /* fresh, and not with a SYN */
	bool again;   /* carries nothing new */
	bool dropped; /* by its outcome; others are answered and counted */
	bool scaled;  /* win is in bytes */
	uint32_t win;
	uint32_t rel_seq, rel_ack;
	enum weir_tcp_state peer, weir;
	bool peer_known, peer_sure, peer_changed, weir_changed;
	const char *note;  /* what this step means; NULL: nothing special */
	const char *aside; /* beside weir's state; NULL: nothing */
};

struct ladder_tracker;
struct ladder_tracker *ladder_tracker_new(void);
void ladder_tracker_free(struct ladder_tracker *t);
unsigned ladder_tracker_count(const struct ladder_tracker *t); /* connections seen */

/* False when the record is not a TCP frame; step->f is filled as far as it goes. */
bool ladder_track(struct ladder_tracker *t, const struct weir_trace_rec *rec,
		  struct ladder_step *step);

/* The connection's label: A … Z, AA … */
void ladder_label(unsigned nr, char buf[8]);

#endif
