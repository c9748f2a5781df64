/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of keys that the nodes of a fleet share, and everything else with it that a
 * validator needs. Version 2:
 *
 *	weir-key 2
 *	mtu 1500				the MSS classes are this MTU's
 *	wscale 7				our window scale, 0-14
 *	key 1 accept_from 2026-11-21T14:00:00Z issue_from 2026-11-21T14:00:00Z
 *	      retire_at 2026-11-22T14:11:00Z secret 8f0e1d2c3b4a5968 0123456789abcdef
 *	key 2 ... retire_at never secret ...
 *
 * in this order, each key on a line of its own; keys.h says what the times mean and which
 * are allowed. Times are ISO 8601 in UTC, to the second. `secret` is SipHash's k0 and k1,
 * hexadecimal. Comments (#) and empty lines do not count, and are not kept by `weir key
 * rotate`. Version 1, still read, has one key for all times:
 *
 *	weir-key 1
 *	key 8f0e1d2c3b4a5968 0123456789abcdef
 *	mtu 1500
 *	wscale 7
 *
 * Only its owner, root or whom weir runs as (also by --user), may be able to read or write it
 * (mode 0600 or 0400). A credential of systemd's may be readable by its group, as that is how the
 *mask of the access list shows that lets the service in.
 */
#ifndef WEIR_CONTROL_KEYFILE_H
#define WEIR_CONTROL_KEYFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "control/err.h"
#include "control/keys.h"

#define KEYFILE_MAX	   8192		 /* bytes */
#define KEYFILE_CREDENTIAL "credential:" /* NAME: $CREDENTIALS_DIRECTORY/NAME */
#define KEYFILE_DEFAULT	   "weir.key"	 /* the credential that is used unasked */

/* ---- text ---- */

/* 0, or -EINVAL with the line (from 1) and what is wrong with it. Cuts `text` up. */
int keyfile_parse(struct key_set *s, char *text, unsigned *line, const char **why);
/* Version 2. Bytes without the NUL; 0 when cap is too small. */
size_t keyfile_format(const struct key_set *s, char *buf, size_t cap);

#define KEYFILE_TIME_MAX 24
/* "2026-11-21T14:00:00Z", "never". */
const char *keyfile_time(int64_t t, char buf[KEYFILE_TIME_MAX]);
int keyfile_parse_time(int64_t *t, const char *text);

/* ---- files ---- */

/*
 * The path that --key-file means: of a credential, or as it is. With name NULL the credential
 * weir.key where there is one, else "". 0, -ENAMETOOLONG, -ENOENT (no credentials here).
 */
int keyfile_path(char *buf, size_t cap, const char *name, struct weir_err *err);

/*
 * *s is left alone on failure; the message names file and line, and no part of a key. `also`:
 * who may own it beside root and the caller.
 */
int keyfile_load(struct key_set *s, const char *path, uid_t also, struct weir_err *err);
#define KEYFILE_ANYBODY ((uid_t)-1) /* for who only looks at it */

/* A file that is not there yet (-EEXIST), mode 0600. */
int keyfile_create(const char *path, const struct key_set *s, struct weir_err *err);

/*
 * Reads, lets `change` work on it, and puts the new file in the place of the old by rename,
 * with its owner, whoever that is, mode 0600; a symbolic link stays and its target is replaced. One
 * at a time: -EBUSY while another does the same. What `change` returns, if not 0, ends it.
 */
typedef int (*keyfile_change_fn)(struct key_set *s, void *arg, struct weir_err *err);
int keyfile_change(const char *path, keyfile_change_fn change, void *arg, struct weir_err *err);

#endif
