/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection as the engine sees it, in one slot of the worker's slab:
 *
 *     struct weir_conn │ struct tcp_conn │ the application's state
 *
 * It is on the worker's run list when something happened to it, and stays there
 * (stalled) while the device takes no more frames. Application callbacks are made
 * from conn_run() alone, so nothing the application calls can re-enter them; what it
 * calls at other times puts the connection on the run list.
 *
 *     open.c     passive: by a cookie, a flow entry, a SYN
 *     connect.c  active
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

#define CONN_OPENED	0x01  /* on_open accepted it: on_close is owed */
#define CONN_SHUT	0x02  /* closed or aborted by the application: on_close only */
#define CONN_WANT_WRITE 0x04  /* a send took less than offered */
#define CONN_REFUSED	0x08  /* on_open said no */
#define CONN_ACTIVE	0x10  /* worker_connect()'s: on_close is owed in any case */
#define CONN_RESOLVING	0x20  /* its SYN waits for the way to the peer; on w->resolving */
#define CONN_HALF	0x40  /* passive and in SYN_RCVD: counted by its listener */
#define CONN_FRESH	0x80  /* no cookie of this tuple has opened anything yet */
#define CONN_SOFT_ERROR 0x100 /* to be told: an ICMP error that ends nothing */
#define CONN_L2_DOUBT	0x200 /* one segment came from where l2 goes to, none since */

struct weir_conn {
	struct slab_hdr hdr;
	struct wheel_node timer; /* the earlier of TCP's and the application's */
	struct list run;
	struct worker *w;
	union {
		struct listener *ls;	    /* passive */
		const struct weir_app *app; /* CONN_ACTIVE */
	} from;
	void *arg;
	uint64_t deadline_us; /* the application's; 0 none */
	/*
	 * Gate's clock: from then on no cookie of it validates. While it is resolving:
	 * when that is given up.
	 */
	uint64_t dead_ms;
	weir_tuple tuple;
	uint32_t hash;
	struct l2 l2;
	uint8_t io; /* which of the worker's queues it sends on */
	uint16_t flags;
	uint8_t state;	      /* as counted in the worker's gauges */
	uint8_t error;	      /* errno where the engine and not TCP ended it */
	uint8_t l2_before[6]; /* while in doubt: where it went to */
};

#define CONN_TCP_OFF ((sizeof(struct weir_conn) + 15) & ~(size_t)15)

static inline struct tcp_conn *conn_tcp(const struct weir_conn *c)
{
	return (struct tcp_conn *)((uintptr_t)c + CONN_TCP_OFF);
}

static inline const struct weir_app *conn_app(const struct weir_conn *c)
{
	return c->flags & CONN_ACTIVE ? c->from.app : c->from.ls->l.app;
}

/* ---- open.c: 0, or the counter of why not (no listener, no room, draining…) ------- */

int conn_open_flow(struct worker *w, const struct rx_pkt *p, const struct weir_flow *f,
		   struct weir_conn **out);
/* Whether conn_open_syn() and conn_reopen() would let this SYN in; costs nothing. */
int conn_may_open_syn(struct worker *w, const struct rx_pkt *p);
/* What the gate would answer this SYN with, as a flow of ours. */
void conn_syn_cookie(const struct worker *w, const struct rx_pkt *p, struct weir_flow *f);
/* SYN_RCVD by a SYN that the gate let through; its flow is entered. */
int conn_open_syn(struct worker *w, const struct rx_pkt *p, const struct weir_flow *f);
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
int conn_reopen(struct worker *w, const struct rx_pkt *p, const struct reopen *r);
/* A SYN_RCVD gives way to the handshake that another valid cookie of its tuple proves. */
void conn_supersede(struct worker *w, struct weir_conn *c, const struct weir_flow *f);
/* What its listener counts and its tombstone needs, after its state may have changed. */
void conn_half_open_over(struct weir_conn *c);

/* ---- connect.c ---------------------------------------------------------------------- */

/* It knows the way to its peer: the SYN may leave. */
void connect_resolved(struct weir_conn *c);
/* Asks again for the ways that are not known yet. */
void connect_resolve(struct worker *w);
/* Counts how it ended that never opened. */
void connect_failed(struct worker *w, const struct weir_conn *c);

/* ---- conn.c -------------------------------------------------------------------------- */

/* After the TCP part was opened. */
void conn_born(struct worker *w, struct weir_conn *c);
/* mtu: of the path, 0 the device's */
struct tcp_open conn_open_args(struct worker *w, const struct weir_conn *c,
			       const struct tcp_opts *opts, uint32_t mtu);
void conn_input(struct worker *w, struct weir_conn *c, const struct rx_pkt *p);
/* Puts it on the run list. */
void conn_wake(struct worker *w, struct weir_conn *c);
/* Whether its next turn is its last: nothing is left for TCP or the application to do. */
bool conn_is_over(const struct weir_conn *c);
/* Callbacks, output, end, timer: what is due. */
void conn_run(struct worker *w, struct weir_conn *c);
void conn_timer(struct worker *w, struct weir_conn *c);
/* Ends it for the application alone: the peer hears nothing, the flow's entry stays. */
void conn_forget(struct worker *w, struct weir_conn *c);
void conn_set_timer(struct weir_conn *c);

#endif
