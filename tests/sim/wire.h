/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments as bytes: built by hand, and shown to people. */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include "sim.h"
#include "tcp/tcp.h"

/*
 * Writes what `seg` says: options as far as it has them (those of a SYN only in a
 * SYN), payload from seg->payload. Its checksum is computed here, by other code
 * than the core's.
 */
void sim_build(struct sim_frame *f, const struct tcp_seg *seg);
/* "SEQ:END(LEN) ack … win … <options>", numbers relative to the two given. */
void sim_describe(const struct sim_frame *f, uint32_t iss, uint32_t irs, char *to, size_t cap);

#endif
