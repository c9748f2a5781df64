/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting the gate on the interface, and where: native XDP runs in the driver,
 * generic XDP after it, on socket buffers, on any interface and at a price.
 *
 * `auto` means native, and generic where native would not work: the driver
 * cannot, or the interface is a veth whose other end has no XDP program, where
 * what native XDP_TX sends stays lying (the peer polls for it only when it has a
 * program of its own). Whoever asks for native gets native or an error.
 *
 * The gate hangs on a bpf_link: it is gone when the descriptor is closed, by
 * whatever death of the process.
 */
#ifndef WEIR_CONTROL_ATTACH_H
#define WEIR_CONTROL_ATTACH_H

#include <stdbool.h>

#include "control/err.h"
#include "control/netif.h"

enum xdp_mode { XDP_MODE_AUTO, XDP_MODE_NATIVE, XDP_MODE_GENERIC };

/* Before loading: the mode to try; refuses an interface that has a program already. */
int attach_choose(enum xdp_mode *mode, const struct netif *n, enum xdp_mode want, weir_log_fn log,
		  struct weir_err *err);

/*
 * Attaches; with want AUTO, *mode may turn from native to generic. The link's
 * descriptor, or -errno.
 */
int attach_gate(enum xdp_mode *mode, const struct netif *n, int prog_fd, enum xdp_mode want,
		weir_log_fn log, struct weir_err *err);

/* Whether the link still holds an interface: not once that was removed. */
bool attach_alive(int link_fd);

const char *attach_mode_name(enum xdp_mode mode); /* "native", "generic" */

#endif
