/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in flight, segment by segment: the sender's scoreboard (RFC 2018 5) and
 * the times of transmission that RACK needs (RFC 8985 5.2), in one list.
 *
 *     start ──► r[0].end ──► r[1].end ──► … ──► the last end
 *     snd_una                                   snd_nxt
 *
 * A record covers what lies between the end before it and its own: there are no
 * gaps, and the order is that of the sequence numbers. One record stands for all
 * that was sent at one time in one go; a SACK block or a retransmission that
 * covers a part of it splits it, and what was SACKed grows together again.
 *
 *     flight = out + sacked + lost bytes          pipe = out bytes
 *
 * The first record lives in the connection, so a short answer needs nothing else;
 * the others live in blocks of the pool: one for each 64 KiB in flight, and one.
 * Where no block is to be had a record takes in the next one, as of the later
 * time, and a split fails: what is SACKed is then not known, never wrong.
 */
#ifndef WEIR_TCP_TXLOG_H
#define WEIR_TCP_TXLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/pool.h"

enum tx_state {
	TX_OUT,	   /* under way, as far as is known */
	TX_SACKED, /* reported as arrived */
	TX_LOST,   /* taken as lost, and to be sent again */
};

struct tx_rec {
	uint32_t end;
	uint32_t xmit; /* us, low 32 bits: of the last transmission */
	uint8_t state; /* enum tx_state */
	bool rtx;      /* sent more than once */
};

struct tx_chunk {
	struct tx_chunk *next;
	uint16_t skip, n, cap; /* records in use: r[skip] to r[n - 1] */
	struct tx_rec r[];
};

struct tcp_txlog {
	struct tx_chunk *tail; /* NULL: the inner one */
	uint32_t start;	       /* where the first record begins */
	uint32_t sacked, lost; /* bytes */
	uint16_t chunks;       /* taken from the pool */
	/* the inner chunk */
	struct {
		struct tx_chunk *next;
		uint16_t skip, n, cap;
		struct tx_rec r[1];
	} first;
};

/* A place in the log; `start` is where its record begins. */
struct tx_pos {
	struct tx_chunk *chunk;
	uint32_t i;
	uint32_t start;
};

static inline struct tx_rec *tx_at(const struct tx_pos *p)
{
	return &p->chunk->r[p->i];
}

static inline uint32_t tx_len(const struct tx_pos *p)
{
	return p->chunk->r[p->i].end - p->start;
}

void txlog_init(struct tcp_txlog *l, uint32_t start);
void txlog_clear(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t start);
uint32_t txlog_end(const struct tcp_txlog *l);

/* [txlog_end, end) was sent for the first time. */
void txlog_append(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t end, uint32_t now);

/* Walking; false: there is none (any more). txlog_find: the record that holds `seq`, or the first
 * after it. */
bool txlog_first(struct tcp_txlog *l, struct tx_pos *p);
bool txlog_next(struct tx_pos *p);
bool txlog_find(struct tcp_txlog *l, struct tx_pos *p, uint32_t seq);

/* `at` begins a record from now on, *p stays at the one before it. 0, or -ENOMEM. */
int txlog_split(struct tcp_txlog *l, struct tcp_pool *pool, struct tx_pos *p, uint32_t at);
/* Both SACKed: the record at *p joins the one before it, which began at `before`. */
void txlog_join(struct tx_pos *p, uint32_t before);
/* Keeps the sums. */
void txlog_set(struct tcp_txlog *l, const struct tx_pos *p, enum tx_state state);
/* Forgets the first record up to `to`, which lies in it or ends it. */
void txlog_drop(struct tcp_txlog *l, struct tcp_pool *pool, uint32_t to);

#endif
