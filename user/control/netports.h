/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local ports of active opens, kept from everybody else by bound kernel sockets.
 *
 *     take a number        one's own, or counted among those that share it
 *     pick for a 4-tuple   from the pool: ports held already, then a new one
 *
 * A port is held on all addresses, so towards another peer, or from another address of
 * ours, it may serve again: the pool is as large as the busiest pair of ends needs, and
 * with it the number of descriptors. Each such pair goes round the pool on its own, so
 * that what it used last comes last (RFC 6056 3.3.4, on ports that the kernel chose at
 * random). Each worker has a pool of its own, so that what its table knows of a
 * port's 4-tuples is all there is to know. Ports that nobody uses stay in the pool,
 * NETPORTS_IDLE of them, so that in the long run an open costs no system call here.
 *
 * Not locked: netops.c does that.
 */
#ifndef WEIR_CONTROL_NETPORTS_H
#define WEIR_CONTROL_NETPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/netops.h"

#define NETPORTS_IDLE 1024

struct netports;

struct netports *netports_new(netops_port_fn fn, void *arg); /* NULL: no memory */
void netports_free(struct netports *p);			     /* gives back all of them */

/* As the operations of struct netops say. */
int netports_take(struct netports *p, uint16_t *port, bool shared);
int netports_pick(struct netports *p, uint16_t *port, const struct net_want *want);
void netports_put(struct netports *p, uint16_t port);

#endif
