/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services: what `--listen ADDR:PORT=APP[:ARG]` says, and the tables by which
 * the gate recognises a service's frames (abi.h, "services").
 *
 *     10.0.0.2:80=http:/srv/www    [fd00::2]:7=echo    *:9=discard
 *
 * `*` is any address of either family.
 */
#ifndef WEIR_CONTROL_SERVICES_H
#define WEIR_CONTROL_SERVICES_H

#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "app/app.h"
#include "control/err.h"

struct service {
	struct weir_addr addr; /* family 0: any */
	const struct weir_app *app;
	void *app_arg; /* what the application made of ARG */
	char text[96]; /* "10.0.0.2:80", for messages */
};

struct services {
	struct service v[WEIR_MAX_SERVICES];
	unsigned n;
};

/* Parses ADDR:PORT alone; `end` (may be NULL) receives what follows. 0 or -EINVAL. */
int services_parse_addr(struct weir_addr *a, const char *text, const char **end);

/* Adds one `--listen` argument. Bad text and duplicates are refused (usage). */
int services_add(struct services *s, const char *spec, struct weir_err *err);

/* How long peers may take, for all services; before they are listened on. */
void services_set_limits(struct services *s, const struct weir_app_limits *l);

/* Gives the applications' arguments back; none must be running. */
void services_free(struct services *s);

/* "10.0.0.2:80", "[fd00::2]:80", "*:80" */
void services_format(const struct weir_addr *a, char *buf, size_t len);

/* The gate's key for an address and port. */
void services_key(struct weir_service_key *k, const struct weir_addr *a);

/*
 * Fills the gate's tables; ports has 65536 entries. The id of service i is i.
 * keys[] and ids[] (room for 2 * n) are what goes into the `services` map: two
 * per addressed service, {address, port} and {address, 0}; none for `*`.
 */
void services_tables(const struct services *s, enum weir_mode mode, uint16_t *ports,
		     struct weir_service *table, struct weir_service_key *keys, uint32_t *ids,
		     unsigned *nkeys);

#endif
