/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether bulk data leaves as bursts (user/net/pktio_gso.h) instead of frame by frame.
 *
 * A burst's checksums are made where it is cut. A device that says it makes checksums
 * leaves them to whatever is behind it: hardware does make them; a veth never does, for
 * its peer's stack believes what never was on a wire. Only an XDP program on that peer
 * can see it, and one that looks at checksums, another gate, say, would drop it. So
 * `auto` keeps off a veth whose peer has a program, unless the veth's own tx offload is
 * off, for then the kernel makes them.
 */
#ifndef WEIR_CONTROL_BURSTS_H
#define WEIR_CONTROL_BURSTS_H

#include <stdbool.h>

#include "control/netif.h"

enum bursts { BURSTS_AUTO, BURSTS_ON, BURSTS_OFF };

/* NULL: use them, on sockets in copy mode. Else why not, in words. */
const char *bursts_unfit(enum bursts want, const struct netif *n);

#endif
