/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local ports that this host gives to those who do not ask for a number:
 * net.ipv4.ip_local_port_range without net.ipv4.ip_local_reserved_ports.
 *
 * We choose among them ourselves: asked for any, the kernel looks through all ports of
 * one parity before it takes one of the other, and with half of them taken each answer
 * costs milliseconds.
 */
#ifndef WEIR_CONTROL_PORTRANGE_H
#define WEIR_CONTROL_PORTRANGE_H

#include <stdint.h>

/* How many are in ports[65536]; as the kernel's defaults have it where it does not say. */
unsigned portrange_read(uint16_t *ports);
/* A random order (RFC 6056 3.3.1). */
void portrange_shuffle(uint16_t *ports, unsigned n);
/* "8080,9148,10000-10005" taken out of ports[n], which are in order; what is left. */
unsigned portrange_without(uint16_t *ports, unsigned n, const char *list);

#endif
