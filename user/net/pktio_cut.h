/* SPDX-License-Identifier: BSD-2-Clause */
/* A burst cut into the frames that the kernel or a device makes of it. */
#ifndef WEIR_PKTIO_CUT_H
#define WEIR_PKTIO_CUT_H

#include "net/pktio.h"

/* How many frames it is. */
static inline unsigned pktio_cut_count(const struct pktio_burst *b)
{
	return (b->len + b->cut - 1) / b->cut;
}

/* Writes frame i, checksums included, of at most hdr_len + cut bytes; its length. */
size_t pktio_cut(const struct pktio_burst *b, unsigned i, uint8_t *frame);

#endif
