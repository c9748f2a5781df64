/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending on one queue in batches. Frames are reserved some at a time, filled in
 * order, submitted when the batch or the turn ends; what was not filled goes back.
 */
#ifndef WEIR_TX_H
#define WEIR_TX_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/frame.h"
#include "net/pktio.h"

#define TX_BATCH 32

struct txq {
	struct pktio *io;
	unsigned queue; /* the RX queue's number */
	unsigned n;	/* reserved */
	unsigned used;	/* of them filled */
	bool dry;	/* the device took no more this turn */
	struct pktio_frame f[TX_BATCH];
};

/* The next frame to fill, the same one until tx_commit(); NULL: no room now. */
struct pktio_frame *tx_next(struct txq *q);
void tx_commit(struct txq *q, size_t len);
/* Ends the turn. */
void tx_flush(struct txq *q);

struct weir_conn;
struct worker;

enum tx_result {
	TX_DONE, /* nothing more is due */
	TX_MORE, /* there is, but others come first */
	TX_FULL, /* there may be, but the queue takes no more this turn */
};

/* Sends what a connection has due. */
enum tx_result tx_conn(struct worker *w, struct weir_conn *c);
/* Sends one segment in answer to a frame, on the queue it came from. 0 or a counter. */
int tx_reply(struct worker *w, const struct rx_pkt *p, const uint8_t *seg, size_t len);

#endif
