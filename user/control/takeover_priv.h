/* SPDX-License-Identifier: BSD-2-Clause */
/* The taker's side: how the offer is asked for (takeover_ask.c), and what is made of it. */
#ifndef WEIR_CONTROL_TAKEOVER_PRIV_H
#define WEIR_CONTROL_TAKEOVER_PRIV_H

#include "control/takeover.h"

struct takeover {
	int sock;
	int fd[TAKEOVER_FDS];
	struct takeover_offer offer;
	struct takeover_given_queue {
		struct pktio_xsk_state state;
		int sock, area; /* -1: not come, or taken */
	} queue[WEIR_MAX_QUEUES];
	struct takeover_estate estate;
	struct takeover_stopped stopped;
	struct engine_legacy *legacy;
	size_t nlegacy, legacy_room;
	struct takeover_msg msg;
};

/* *err: the connection is of no more use. Returns rc. */
int takeover_ended(struct weir_err *err, int rc, const char *when);

/* All messages of the offer. 0 or -errno. */
int takeover_offers(struct takeover *t);

#endif
