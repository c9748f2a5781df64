/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet I/O that loses, duplicates and reorders what it receives, by a seeded
 * generator, around another packet I/O. Sending passes through: impair both
 * ends to impair both directions. For tests; every frame is copied.
 */
#ifndef WEIR_PKTIO_IMPAIR_H
#define WEIR_PKTIO_IMPAIR_H

#include "net/pktio.h"

struct impair_config {
	uint64_t seed;
	uint32_t loss_ppm; /* parts per million */
	uint32_t dup_ppm;
	uint32_t reorder_ppm; /* held back for 1 to reorder_max calls of rx() */
	uint32_t reorder_max;
};

struct impair_stats {
	uint64_t lost, duplicated, reordered, passed;
};

/* Takes over `inner`: closing the wrapper closes it. */
int pktio_impair(struct pktio **out, struct pktio *inner, const struct impair_config *cfg);
void pktio_impair_stats(const struct pktio *io, struct impair_stats *s);

#endif
