/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket as a file: who may use it and who owns its name.
 *
 * The directory is 0700 and the socket 0600; on top of that the credentials of
 * every peer are asked for, since a path given with --ctl may lie anywhere.
 */
#ifndef WEIR_CONTROL_CTL_SOCKET_H
#define WEIR_CONTROL_CTL_SOCKET_H

#include <stdbool.h>

#include "control/err.h"

#define CTL_DIR "/run/weir"

/* Makes CTL_DIR, or checks that what is there is ours alone. 0 or -errno. */
int ctl_socket_dir(const char *dir, struct weir_err *err);

/*
 * A non-blocking listening socket at `path`. What a dead process left there is
 * replaced; a live one's is -EADDRINUSE, another kind of file -EEXIST.
 * Returns the descriptor or -errno.
 */
int ctl_socket_listen(const char *path, struct weir_err *err);

/* Connects to the socket at `path`, blocking. The descriptor or -errno. */
int ctl_socket_connect(const char *path);

/* Whether the process at the other end is root or runs as we do. */
bool ctl_socket_peer_ok(int fd);

#endif
