/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket of a running weir, as its main loop sees it: one
 * descriptor to poll for reading (an epoll set inside holds the listener and
 * the clients) and one call to make when it is ready.
 *
 * A client that does not read, asks for too much or sends nonsense is the
 * socket's problem alone: ctl_step() never blocks.
 */
#ifndef WEIR_CONTROL_CTL_H
#define WEIR_CONTROL_CTL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/err.h"
#include "control/instance.h"

struct ctl;

/*
 * /run/weir/<netns inode>-<iface>.sock of the caller's namespace, or, with
 * iface NULL, the only socket of this namespace in /run/weir. 0, -ENOENT (none),
 * -ENOTUNIQ (several: say which), -ENAMETOOLONG.
 */
int ctl_default_path(char *buf, size_t len, const char *iface);

/*
 * Those of all weirs that run in this namespace, in order of their names, until fn() gives
 * non-zero; returns that. 0 or -errno.
 */
typedef int (*ctl_path_fn)(const char *path, void *arg);
int ctl_each_path(ctl_path_fn fn, void *arg);

/* path NULL: the default one of inst->nif.name. */
int ctl_open(struct ctl **out, struct weir_instance *inst, const char *path, struct weir_err *err);
/*
 * With `listener` (-1: a new one) the socket of another weir that is at `path`. It stays the
 * caller's, and its name the other's until ctl_keep_name() says otherwise.
 */
int ctl_open_on(struct ctl **out, struct weir_instance *inst, const char *path, int listener,
		struct weir_err *err);
/* Whether the name stays when this is closed. */
void ctl_keep_name(struct ctl *c, bool keep);
int ctl_listener(const struct ctl *c);
int ctl_fd(const struct ctl *c);
const char *ctl_path(const struct ctl *c);
/*
 * To the user as whom the process goes on: the socket and, where it is the default one, its
 * directory, without which the name would stay at the end. 0 or -errno.
 */
int ctl_give(const struct ctl *c, uid_t uid, gid_t gid);
/*
 * What the request `reload` calls, and answers with what it gives; it may fail only by what
 * it says there.
 */
struct json_t;
void ctl_on_reload(struct ctl *c, struct json_t *(*reload)(void *arg), void *arg);
/*
 * What the request `handover` calls: 0, and the connection `sock` is the callee's; else why
 * not, for who asks.
 */
void ctl_on_handover(struct ctl *c,
		     int (*give)(void *arg, int sock, unsigned abi, char *why, size_t len),
		     void *arg);
/* When ctl_fd() is readable, and at least every INSTANCE_STEP_MS. */
void ctl_step(struct ctl *c, uint64_t now_us);
/* Closes the clients, unlinks the socket; switches a trace off that is still on. NULL is fine. */
void ctl_close(struct ctl *c);

#endif
