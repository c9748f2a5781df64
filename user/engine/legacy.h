/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine that stops may leave its flow table to the next one, in another process, which
 * goes on with the same cookies. What the next one must know is which 4-tuples were had:
 *
 *     a connection, TIME_WAIT, tombstone	a tombstone there, until its cookie is dead: so
 *						no cookie opens a second connection, and whoever
 *						missed our RST is told
 *     a handshake (SYN_RCVD by a cookie)	nothing: the final ACK validates there, too
 *     a connection without a byte yet		nothing, while its cookie is alive: cookie or
 *						entry open it there
 *     an entry that no frame has claimed	nothing: its first frame opens it there
 */
#ifndef WEIR_LEGACY_H
#define WEIR_LEGACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define LEGACY_QUEUE_UNKNOWN UINT32_MAX

/* Plain data, to be sent as it is. */
struct engine_legacy {
	weir_tuple tuple;
	uint32_t queue; /* of its owner; or unknown, and the flow's entry says it */
	uint64_t dead_ms;
	uint32_t irs, snd_nxt, rcv_nxt, pad;
};

/*
 * As engine_stop(), but who has only just come is left to the next engine and gets no RST. How
 * many connections do.
 */
uint64_t engine_leave(struct engine *e);

/* Of an engine that has left: all there is, *out to be freed. 0 or -ENOMEM. */
int engine_legacy(const struct engine *e, struct engine_legacy **out, size_t *n);

/*
 * Before engine_start(). What does not fit the pools goes as other tombstones do. 0, or what
 * engine_start() gives. now_us: CLOCK_MONOTONIC.
 */
int engine_inherit(struct engine *e, const struct engine_legacy *l, size_t n, uint64_t now_us);

/* Whether a connection is such a one; nothing is to be done about it then. */
struct weir_conn;
struct worker;
bool legacy_leave(struct worker *w, struct weir_conn *c);

#endif
