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

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "app/app.h"
#include "control/err.h"

/* Who answers SYNs (abi.h, enum weir_mode), and automatic mode's limits. */
struct service_mode {
	enum weir_mode mode;
	uint32_t syn_per_sec; /* per CPU */
	uint32_t hold_ms;
};
#define SERVICE_SYN_PER_SEC 1000
#define SERVICE_HOLD_MS	    10000

/* What a service says of its own mode; the rest is that of all services. */
#define SERVICE_OWN_MODE 0x01
#define SERVICE_OWN_RATE 0x02
#define SERVICE_OWN_HOLD 0x04

/*
 * An application and what it made of its argument. Services that were asked for together share
 * one, and so do their listeners, until the last connection of each has ended:
 *
 *     users = services + listeners + 1 for whoever else holds it
 *
 * Workers only count down; it is freed by the main thread.
 */
struct service_app {
	const struct weir_app *app;
	void *arg;
	_Atomic unsigned users;
	char *spec;
	/* instance_reload.c */
	struct service_app *goes_on; /* what runs already, and serves in its place */
	struct service_app *heir;    /* whose place it serves in from now on */
	struct service_app *retired; /* the next one that only connections still use */
	bool changed;
};
/* From "APP[:ARG]", held by the caller. NULL and *err. */
struct service_app *service_app_make(const char *spec, struct weir_err *err);
void service_app_put(struct service_app *a); /* the last one frees it; NULL is fine */

struct service {
	struct weir_addr addr; /* family 0: any */
	struct service_app *shared;
	const struct weir_app *app; /* shared's, */
	void *app_arg;		    /* and its argument */
	struct service_mode mode;   /* those members that `own` names */
	uint8_t own;		    /* SERVICE_OWN_* */
	bool speaks_first;	    /* the server sends before the client does */
	uint16_t gate_id;	    /* in the gate's tables, while it is served */
	char text[96];		    /* "10.0.0.2:80", for messages */
	uint16_t next;		    /* of its bucket: index + 1, 0 none */
};

#define SERVICES_BUCKETS 4096

struct services {
	struct service v[WEIR_MAX_SERVICES];
	unsigned n;
	uint16_t bucket[SERVICES_BUCKETS]; /* by address and port: index + 1 */
};

/* "always", "auto", "never"; NULL-terminated, in the order of enum weir_mode. */
extern const char *const service_mode_names[];
/* The name, "unknown" for what is none. */
const char *service_mode_name(enum weir_mode mode);
/* 0 or -EINVAL. */
int service_mode_parse(enum weir_mode *mode, const char *name);

/*
 * The mode that a service is to have where others have `common`. Behind a cookie a lost
 * final ACK is made good by the client's first data; where the client waits for the server to
 * speak there is none, so that there the workers answer until a flood is seen.
 */
struct service_mode service_mode_of(const struct service *s, const struct service_mode *common);

/* Parses ADDR:PORT alone; `end` (may be NULL) receives what follows. 0 or -EINVAL. */
int services_parse_addr(struct weir_addr *a, const char *text, const char **end);

/*
 * Adds one `--listen` argument. Bad text and duplicates are refused (usage). `@FILE` is a
 * file of such, one a line; empty lines and what follows a # at a line's start are skipped.
 */
int services_add(struct services *s, const char *spec, struct weir_err *err);

/*
 * Adds a service whose application is made already. *out (may be NULL) is it, to be given the
 * rest. -EINVAL: no address for a service; -EEXIST: listened on already; -E2BIG.
 */
int services_add_app(struct services *s, const struct weir_addr *a, struct service_app *app,
		     struct service **out, struct weir_err *err);

/* The one at exactly this address; NULL: there is none. */
struct service *services_find(struct services *s, const struct weir_addr *a);

/*
 * Whether service i is the first with its application: those that share one are neighbours,
 * as the addresses of an entry are.
 */
bool services_first_of_app(const struct services *s, unsigned i);

/* How long peers may take, for all services; before they are listened on. */
void services_set_limits(struct services *s, const struct weir_app_limits *l);

/* Gives the applications' arguments back; none must be running. */
void services_free(struct services *s);

/* "10.0.0.2:80", "[fd00::2]:80", "*:80" */
void services_format(const struct weir_addr *a, char *buf, size_t len);

/* The gate's key for an address and port. */
void services_key(struct weir_service_key *k, const struct weir_addr *a);

#endif
