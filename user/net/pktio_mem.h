/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet I/O between two ends joined in memory, for tests: what one end sends
 * the other receives. Each direction is a fixed set of buffers that travel in
 * two rings, as with AF_XDP:
 *
 *      sender ── full ──► receiver
 *        ▲                   │
 *        └────── free ◄──────┘
 *
 * The two ends may belong to different threads (each ring has one producer and
 * one consumer). A sender without free buffers gets none from tx_reserve().
 */
#ifndef WEIR_PKTIO_MEM_H
#define WEIR_PKTIO_MEM_H

#include "net/pktio.h"

/* ends[0] and ends[1] are each closed by their owner, in any order. */
int pktio_mem_pair(struct pktio *ends[2], unsigned frames, uint32_t mtu);

#endif
