/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new weir takes an interface over from one that runs, without a moment in which a new
 * connection is refused (`weir run --takeover`). The two talk by takeover_msg.h.
 *
 *     taker					giver
 *     takeover_ask()				takeover_give_open()	what there is
 *     instance_open(), cfg.takeover		serves on
 *	 loads its own gate on the flow tables, maps sockets and frames, makes its engine:
 *	 all that can fail
 *     instance_take_over()			takeover_give()
 *	 GO ─────────────────────────────────►	its connections are reset, its workers stop
 *	 frames, tuples, clock, keys ◄────────	which it touches no more
 *	 workers, then its program on the link
 *     takeover_done() ──────────────────────►	TAKEOVER_GIVEN: ends, and takes nothing down
 *
 * Meanwhile SYNs are answered and final ACKs checked by the one gate or the other, with the
 * same keys and clock; who has come in waits in the RX rings. Where the kernel does not let
 * the sockets be had (pktio_xsk_adopt.h), GO says so: the giver closes its own once its engine
 * is gone, the taker opens new ones after TAKEN, and makes its engine then. Flows' frames are
 * dropped in between and sent again, as if lost on the way.
 *
 * What ends it. Before GO: nothing has happened to the giver. From GO to TAKEN a taker that
 * dies, fails or says nothing for TAKEOVER_TAKEN_MS: the giver serves on, with the frames it
 * has. From TAKEN to DONE a taker that dies or fails: the giver serves on, with new sockets if
 * its own have been used; one that says nothing for TAKEOVER_DONE_MS has the interface, and
 * the giver ends with TAKEOVER_LOST. A giver that dies before STOPPED: the taker ends with an
 * error; after it the taker goes on.
 */
#ifndef WEIR_CONTROL_TAKEOVER_H
#define WEIR_CONTROL_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/attach.h"
#include "control/err.h"
#include "control/takeover_msg.h"
#include "engine/legacy.h"

#define TAKEOVER_OFFER_MS   10000 /* for each message until OFFERED */
#define TAKEOVER_GO_MS	    30000 /* from OFFERED to GO */
#define TAKEOVER_STOPPED_MS 10000 /* for each message from GO to STOPPED */
#define TAKEOVER_TAKEN_MS   3000
#define TAKEOVER_DONE_MS    10000

struct weir_instance;

/* ---- taker: takeover_take.c ------------------------------------------------------ */

struct takeover;

/* Asks the weir at the control socket `ctl` (NULL: that of `iface`). */
int takeover_ask(struct takeover **out, const char *ctl, const char *iface, struct weir_err *err);
void takeover_free(struct takeover *t); /* NULL is fine */

pid_t takeover_pid(const struct takeover *t);
const struct takeover_offer *takeover_offer(const struct takeover *t);
/* -1: not offered. It stays the takeover's. */
int takeover_fd(const struct takeover *t, enum takeover_fd which);
void takeover_given(const struct takeover *t, struct attach_given *given);
/* Of queue q < offer.queues; the descriptors are the caller's from then on. */
void takeover_queue(struct takeover *t, unsigned q, struct pktio_xsk_state *s, int *sock_fd,
		    int *area_fd);

/* What comes from GO to STOPPED; in the takeover's memory. */
struct takeover_estate {
	const struct takeover_stopped *stopped;
	const struct engine_legacy *legacy;
	size_t nlegacy;
	struct takeover_bits {
		uint8_t *bits;
		size_t len;
	} held[WEIR_MAX_QUEUES];
};
/* `anew`: the sockets were not to be had, and the giver is to close them. */
int takeover_go(struct takeover *t, bool anew, const struct takeover_estate **out,
		struct weir_err *err);
/* Before the first touch of a ring. */
int takeover_taken(struct takeover *t, struct weir_err *err);
/* Whether the giver has heard it matters no more. */
void takeover_done(struct takeover *t);

/* ---- giver: takeover_give.c -------------------------------------------------------- */

struct takeover_give;

struct takeover_giver {
	struct weir_instance *inst;
	int ctl_fd, metrics_fd; /* listeners; -1: none */
	const char *metrics;	/* NULL: none */
	uid_t owner;		/* who may ask beside root: as whom we were started */
};

/* The connection that asked, which is ours if that is granted: 0, else why not. */
int takeover_give_open(struct takeover_give **out, const struct takeover_giver *by, int sock,
		       unsigned abi, uint64_t now_us, char *why, size_t len);
void takeover_give_close(struct takeover_give *g); /* NULL is fine */
int takeover_give_fd(const struct takeover_give *g);
pid_t takeover_give_pid(const struct takeover_give *g);

/* 1: GO has come; 0: not yet; -errno: there is nobody any more, or too late. */
int takeover_give_look(struct takeover_give *g, uint64_t now_us);

enum takeover_end {
	TAKEOVER_GIVEN,	 /* and nothing is to be taken down */
	TAKEOVER_BACKED, /* serving on */
	TAKEOVER_LOST,	 /* the taker has it and says nothing any more: *err */
	TAKEOVER_FAILED, /* nobody has it, and we cannot serve on: *err */
};
/* After GO. May take seconds. */
enum takeover_end takeover_give(struct takeover_give *g, struct weir_err *err);

/* The network namespace that we are in, by its inode; 0: not known. */
uint64_t takeover_netns(void);

/* ---- for tests ------------------------------------------------------------------------ */

/*
 * Stops the process by SIGSTOP where $WEIR_TAKEOVER_STOP names the phase. Taker: offered,
 * prepared, go, stopped, taken, attached; giver: asked, offered, left, stopped, taken.
 */
void takeover_phase(const char *name);
/* Tests may behave as on a kernel before 6.4: no socket can be had. */
bool takeover_anew(void);

#endif
