/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration file says to `weir run`: every option of its table by its name, with _
 * for -, and the services in groups of their own. docs/man/weir.conf.5 has all of it.
 */
#ifndef WEIR_CLI_CONF_RUN_H
#define WEIR_CLI_CONF_RUN_H

#include "cli/args.h"
#include "cli/conf.h"
#include "control/policy.h"
#include "control/services.h"

/* Fills the places of the table, and adds the services and their own lists. 0, or -EINVAL and
 * c->diag[]. */
int conf_run(struct conf *c, const struct arg *table, struct services *services,
	     struct policy *policy);

/* Where the option of this name was set; the file as a whole if it was not. */
struct conf_at conf_where(struct conf *c, const char *option);

/* conf_services.c: the list of groups below `services`. */
void conf_services(struct conf *c, struct conf_node *list, const struct arg *table,
		   struct services *services, struct policy *policy);
/* conf_proxy.c: the backends and options of one; NULL after conf_bad(). */
struct service_app *conf_proxy(struct conf *c, struct conf_node *proxy);

/* Of one value or a list of them, each: 0, or what `fn` returned. */
int conf_each(struct conf *c, struct conf_node *n, const char *what,
	      int (*fn)(struct conf *c, struct conf_node *text, void *arg), void *arg);
/* A member's value to an option's place. */
void conf_set(struct conf *c, struct conf_node *n, const struct arg *row);

#endif
