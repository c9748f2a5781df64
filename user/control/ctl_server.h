/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket over any source: what ctl.h offers for an instance, and
 * tests use with a source of their own.
 */
#ifndef WEIR_CONTROL_CTL_SERVER_H
#define WEIR_CONTROL_CTL_SERVER_H

#include "control/ctl.h"
#include "control/ctl_source.h"

#define CTL_MAX_CLIENTS 16

/* `path` is where the socket goes; `src` is copied, its ctx outlives the socket. */
int ctl_server_open(struct ctl **out, const struct ctl_source *src, const char *path,
		    struct weir_err *err);
/* As ctl_open_on(). */
int ctl_server_open_on(struct ctl **out, const struct ctl_source *src, const char *path,
		       int listener, struct weir_err *err);
/* What the source was made with, for its owner to free. */
void *ctl_server_ctx(const struct ctl *c);
void ctl_server_close(struct ctl *c);
/* The source itself, for who shows the same by other means; the socket's. */
const struct ctl_source *ctl_server_source(const struct ctl *c);

#endif
