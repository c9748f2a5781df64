/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who serves which local address and port, as one worker knows it. An exact
 * address goes before any of a family, and that before any at all.
 *
 *     refs = 1 while it is in the list + its connections
 *
 * One that was taken out of the list lives until its last connection is gone.
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct listener {
	struct listener *next;
	struct worker_listen l;	      /* its opts point at ours */
	struct weir_service *service; /* the gate's; NULL: not found when last asked for */
	uint64_t asked_ms;
	struct tcp_opts opts;
	unsigned half_open; /* of its connections, in SYN_RCVD */
	unsigned refs;
	bool listed; /* or replaced: what was let in by it may still open */
};

/* By address and port; all zeroes when empty. */
struct listeners {
	struct listener **bucket;
	uint32_t mask, n;
	size_t state_max; /* the largest conn_size */
};

/* Room for the first, so that listeners_put() cannot fail. 0 or -ENOMEM. */
int listeners_init(struct listeners *ls);
/* One that is in no list, for listeners_put() or listener_put(); NULL: no memory. */
struct listener *listener_new(const struct worker_listen *l);
/* Takes it, in the place of who is there. */
void listeners_put(struct listeners *ls, struct listener *n);
/* 0, -EINVAL, -EADDRINUSE, -ENOMEM. *out may be NULL. */
int listeners_add(struct listeners *ls, const struct worker_listen *l, struct listener **out);
void listeners_set_opts(struct listeners *ls, const struct weir_addr *a, const struct tcp_opts *o);
void listeners_remove(struct listeners *ls, const struct weir_addr *a);
struct listener *listeners_find(const struct listeners *ls, const weir_tuple *t);
/* Until one is not 0, which is returned. */
int listeners_each(const struct listeners *ls, int (*fn)(void *arg, const struct worker_listen *l),
		   void *arg);
void listeners_free(struct listeners *ls);
void listener_put(struct listener *l);

/* One end of a tuple as an address. */
void tuple_remote(const weir_tuple *t, struct weir_addr *a);
void tuple_local(const weir_tuple *t, struct weir_addr *a);
/* The tuple of two addresses of one family. */
void tuple_make(weir_tuple *t, const struct weir_addr *local, const struct weir_addr *remote);

#endif
