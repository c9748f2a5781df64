/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What active opens need of the host: the way to a peer, and a local port.
 *
 * The way is the kernel's (route.h): its route, which must lead through our
 * interface, and its neighbour table, which is made to look for whoever is missing.
 * Answers are kept for a second, so that many connects to one peer ask once.
 *
 * A port is reserved by a kernel socket that is bound to it, on all addresses, and
 * neither listens nor lets others share it: while it is open the kernel gives the port
 * to nobody. That costs a descriptor a port, of which there are as many as the busiest
 * pair of addresses has connections, TIME_WAIT included (netports.h); the process's soft
 * limit is raised to the hard one when this is opened.
 */
#ifndef WEIR_CONTROL_NETOPS_H
#define WEIR_CONTROL_NETOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/netif.h"
#include "engine/engine.h"

/* A port becomes, and ceases to be, one of active opens: gate_port_active(). */
typedef void (*netops_port_fn)(void *arg, uint16_t port, bool on);

/* port may be NULL. 0 or -errno. */
int netops_open(struct netops **out, const struct netif *nif, netops_port_fn port, void *arg);
void netops_close(struct netops *n); /* NULL is fine */

#endif
