/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services: what `--listen ADDR:PORT=APP[:ARG]` says, and the key by which the gate
 * knows a service's frames (abi.h, "services").
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
	uint16_t next; /* of its bucket: index + 1, 0 none */
};

#define SERVICES_BUCKETS 4096

struct services {
	struct service v[WEIR_MAX_SERVICES];
	unsigned n;
	uint16_t bucket[SERVICES_BUCKETS]; /* by address and port: index + 1 */
};

/* Who answers SYNs (abi.h, enum weir_mode), and automatic mode's limits. */
struct service_mode {
	enum weir_mode mode;
	uint32_t syn_per_sec; /* per CPU */
	uint32_t hold_ms;
};
#define SERVICE_SYN_PER_SEC 1000
#define SERVICE_HOLD_MS	    10000

/* "always", "auto", "never"; NULL-terminated, in the order of enum weir_mode. */
extern const char *const service_mode_names[];
/* The name, "unknown" for what is none. */
const char *service_mode_name(enum weir_mode mode);
/* 0 or -EINVAL. */
int service_mode_parse(enum weir_mode *mode, const char *name);

/* Parses ADDR:PORT alone; `end` (may be NULL) receives what follows. 0 or -EINVAL. */
int services_parse_addr(struct weir_addr *a, const char *text, const char **end);

/*
 * Adds one `--listen` argument. Bad text and duplicates are refused (usage). `@FILE` is a
 * file of such, one a line; empty lines and what follows a # at a line's start are skipped.
 */
int services_add(struct services *s, const char *spec, struct weir_err *err);

/* How long peers may take, for all services; before they are listened on. */
void services_set_limits(struct services *s, const struct weir_app_limits *l);

/* Gives the applications' arguments back; none must be running. */
void services_free(struct services *s);

/* "10.0.0.2:80", "[fd00::2]:80", "*:80" */
void services_format(const struct weir_addr *a, char *buf, size_t len);

/* The gate's key for an address and port. */
void services_key(struct weir_service_key *k, const struct weir_addr *a);

#endif
