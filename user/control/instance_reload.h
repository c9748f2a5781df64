/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A running instance gets another configuration. No connection is dropped and nothing is
 * attached anew:
 *
 *     checked     everything, before anything is changed
 *     came        workers listen first, then the gate answers for them
 *     changed     modes at once; an application that can takes its new settings, else it is
 *                 replaced: connections end with what they began with
 *     gone        the gate stops first; open connections live on
 *
 * What cannot change while it runs (the interface, queues, pools, times of TCP…) stays as it
 * is; the caller names it.
 */
#ifndef WEIR_CONTROL_INSTANCE_RELOAD_H
#define WEIR_CONTROL_INSTANCE_RELOAD_H

#include "control/instance.h"

struct instance_changes {
	unsigned added, removed, changed, kept; /* services */
};

/*
 * On success cfg.services is next->services, whose owner keeps it as long as the instance; the
 * former ones may be freed. On failure the instance is as it was, and next is the caller's.
 */
int instance_reload(struct weir_instance *inst, const struct instance_config *next,
		    struct instance_changes *done, struct weir_err *err);

/* Frees what removed services left, once their connections have ended; all: regardless. */
void instance_reap(struct weir_instance *inst, bool all);

#endif
