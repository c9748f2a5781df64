/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proxy application: ends the client's TCP in weir and relays its bytes to a server
 * that knows nothing of weir, over the kernel's TCP or a UNIX socket.
 *
 *     proxy.c         the service: from its text to what the workers use; what is said of it
 *     relay.c         one connection: callbacks, connecting, how it ends
 *     relay_io.c      its bytes, both ways
 *     proxy_worker.c  a worker's relays, its loop, its counters
 *     bio*.c          descriptors: io_uring or epoll
 *     backends.h      which server, and whether it is well
 *
 * Memory is bounded by what the two TCPs hold: from the backend as much is read as the
 * client's send buffer has room for, straight into it, and the client's bytes stay in its
 * receive buffer until the backend has taken them.
 *
 * A FIN goes through either way by itself, an RST as an RST.
 */
#ifndef WEIR_PROXY_PROXY_H
#define WEIR_PROXY_PROXY_H

#include "app/app.h"
#include "proxy/bio.h"

struct backends;

/* Makes "proxy:..." a service like the others. */
void proxy_register(void);

/* How its workers wait for backends; before a service starts. BIO_AUTO at first. */
void proxy_set_io(enum bio_kind kind);

/* "auto", "uring", "epoll", NULL: in the order of enum bio_kind. */
extern const char *const proxy_io_names[];

extern const struct weir_app weir_app_proxy;

/* Of a listener's argument: its backends, NULL when it is none of a proxy. */
struct backends *proxy_backends(const void *arg);

#endif
