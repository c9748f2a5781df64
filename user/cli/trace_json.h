/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A traced frame as an object for scripts: what the ladder shows, as members.
 *
 *   {"version":1,"mono_ns":N,"wall_ns":N,"where":"gate","source":N,"dir":"in","len":N,
 *    "outcome":COUNTER or "","connection":"A","remote":S,"local":S,"flags":"SYN+ACK",
 *    "seq":N,"ack":N,"rel_seq":N,"rel_ack":N,"win":N,"payload":N,
 *    "state":S,"peer_state":S,"peer_state_sure":B}
 *
 * The members from "connection" on are missing for a frame that is not TCP, and
 * "peer_state" while nothing is known of the peer.
 */
#ifndef WEIR_CLI_TRACE_JSON_H
#define WEIR_CLI_TRACE_JSON_H

#include <jansson.h>

#include "cli/ladder_track.h"

/* A new reference; NULL when memory is out. */
json_t *trace_json(struct ladder_tracker *t, const struct weir_trace_rec *rec, uint64_t to_wall_ns);

#endif
