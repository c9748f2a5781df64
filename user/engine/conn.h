/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection as the engine sees it, in one slot of the worker's slab:
 *
 *     struct weir_conn │ struct tcp_conn │ the application's state
 *
 * It is on the worker's run list when something happened to it, and stays there
 * (stalled) while the device takes no more frames. Application callbacks are made
 * from conn_run() alone, so nothing the application calls can re-enter them.
 */
#ifndef WEIR_CONN_H
#define WEIR_CONN_H

#include <stdint.h>

#include "engine/engine.h"
#include "engine/frame.h"
#include "engine/list.h"
#include "engine/listener.h"
#include "engine/slab.h"
#include "engine/wheel.h"

#define CONN_OPENED	0x01 /* on_open accepted it: on_close is owed */
#define CONN_SHUT	0x02 /* closed or aborted by the application: on_close only */
#define CONN_WANT_WRITE 0x04 /* a send took less than offered */
#define CONN_REFUSED	0x08 /* on_open said no */

struct weir_conn {
	struct slab_hdr hdr;
	struct wheel_node timer; /* the earlier of TCP's and the application's */
	struct list run;
	struct worker *w;
	const struct listener *ls;
	uint64_t deadline_us; /* the application's; 0 none */
	uint64_t dead_ms;     /* gate's clock: from then on no cookie of it validates */
	weir_tuple tuple;
	uint32_t hash;
	struct l2 l2; /* ready to be sent */
	uint8_t io;   /* which of the worker's queues it sends on */
	uint8_t flags;
	uint8_t state; /* as counted in the worker's gauges */
};

#define CONN_TCP_OFF ((sizeof(struct weir_conn) + 15) & ~(size_t)15)

static inline struct tcp_conn *conn_tcp(const struct weir_conn *c)
{
	return (struct tcp_conn *)((uintptr_t)c + CONN_TCP_OFF);
}

/* What a segment's arrival brings to a new connection. */
struct rx_pkt;

/* Both return NULL after counting why: no listener, no room, draining. */
struct weir_conn *conn_open_flow(struct worker *w, const struct rx_pkt *p,
				 const struct weir_flow *f);
/*
 * A SYN for a 4-tuple whose last connection is over (RFC 9293 3.6.1, RFC 6191).
 * The table's entry `old` passes to the connection.
 */
struct reopen {
	uint32_t old_ref;
	uint32_t iss;
	uint32_t ts_ours;
	uint64_t dead_ms;
};
struct weir_conn *conn_open_syn(struct worker *w, const struct rx_pkt *p, const struct reopen *r);

void conn_input(struct worker *w, struct weir_conn *c, const struct rx_pkt *p);
/* Puts it on the run list. */
void conn_wake(struct worker *w, struct weir_conn *c);
/* Callbacks, output, end, timer: what is due. */
void conn_run(struct worker *w, struct weir_conn *c);
void conn_timer(struct worker *w, struct weir_conn *c);
void conn_set_timer(struct weir_conn *c);

#endif
