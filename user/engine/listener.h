/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who serves which local address and port. Filled before the engine starts,
 * read-only afterwards. An exact address goes before "any".
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <stdint.h>

#include "engine/engine.h"

struct listener {
	struct listener *next;
	struct weir_addr addr; /* family 0: any */
	const struct weir_app *app;
	void *arg;
};

struct listeners {
	struct listener *bucket[256]; /* by the port's low byte */
	size_t state_max;	      /* the largest conn_size */
};

int listeners_add(struct listeners *ls, const struct weir_addr *a, const struct weir_app *app,
		  void *arg);
const struct listener *listeners_find(const struct listeners *ls, const weir_tuple *t);
void listeners_free(struct listeners *ls);

/* One end of a tuple as an address. */
void tuple_remote(const weir_tuple *t, struct weir_addr *a);
void tuple_local(const weir_tuple *t, struct weir_addr *a);

#endif
