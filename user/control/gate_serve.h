/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stack serves, entered into the gate. A stack has listeners that name no address
 * for IPv4, for IPv6, and for both; the gate has one service for those of a port, which is
 * there as long as any of them is.
 */
#ifndef WEIR_CONTROL_GATE_SERVE_H
#define WEIR_CONTROL_GATE_SERVE_H

#include <stdint.h>

#include "control/gate.h"

struct gate_serve {
	struct gate *gate;
	struct service_mode mode; /* of what is served from now on */
	uint8_t any[65536];	  /* by port: which of the three listen */
};

/* 0, -EADDRINUSE, or as gate_listen(). The unspecified address means any. */
int gate_serve(struct gate_serve *s, const struct weir_addr *a);
void gate_unserve(struct gate_serve *s, const struct weir_addr *a);

#endif
