/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's trace ring: records of the frames it processed and sent, written by
 * the worker, read by the controlling thread. A full ring loses the new record
 * and counts it; it never holds the worker up.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include "engine/engine.h"

#define TRACE_SLOTS 8192

struct trace_ring {
	struct weir_trace_rec *recs;
	_Atomic uint64_t lost;
	_Atomic uint32_t head __attribute__((aligned(64)));
	_Atomic uint32_t tail __attribute__((aligned(64)));
};

int trace_init(struct trace_ring *r);
void trace_fini(struct trace_ring *r);
bool trace_matches(const struct weir_trace_filter *f, const weir_tuple *t);
/* `meta` is the record without caplen and data. */
void trace_write(struct trace_ring *r, const struct weir_trace_rec *meta, const uint8_t *frame);
unsigned trace_read(struct trace_ring *r, struct weir_trace_rec *recs, unsigned max);

#endif
