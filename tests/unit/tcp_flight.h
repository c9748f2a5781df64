/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments in flight, for the tests of what happens when some are lost. Segments are full,
 * and counted from 1 where the stream begins with them.
 */
#ifndef TESTS_TCP_FLIGHT_H
#define TESTS_TCP_FLIGHT_H

#include "tcp_fixture.h"

#define RTT (40 * FX_MS)

/* For IN(): acknowledged are so many bytes, or the segments before this one. */
#define UNA(f, bytes)	.ack = (int32_t)((bytes) + 1 - ((f)->c->snd_nxt - FX_ISS))
#define UNA_SEG(f, seg) UNA(f, ((seg)-1) * FX_MSS)
/* For .sack: from one segment to another, both included. */
#define SEGS(from, to) (uint32_t)((from)-1) * FX_MSS + 1, (uint32_t)(to)*FX_MSS + 1

/* A connection whose n segments have just left, by a window of cwnd segments. */
struct fx *flight(const struct fx_opt *opt, unsigned cwnd, unsigned n);
/* The same, on a connection that is there: the caller has taken what left before. */
void flight_send(struct fx *f, unsigned cwnd, unsigned n);

unsigned flight_left(struct fx *f); /* how many have left since; they are taken */

#endif
