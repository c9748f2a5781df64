/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the records of gate and workers in the order of their times. They come
 * through several rings that are read one after the other, so each is held for
 * a moment after it came in:
 *
 *     out = the earliest mono_ns, once it has waited `hold_us`, or when full
 */
#ifndef WEIR_CLI_TRACE_ORDER_H
#define WEIR_CLI_TRACE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>

struct trace_event {
	uint64_t lost; /* not 0: a gap at rec.mono_ns, the rest of rec is empty */
	struct weir_trace_rec rec;
};

struct trace_order;

struct trace_order *trace_order_new(unsigned capacity, uint64_t hold_us);
void trace_order_free(struct trace_order *o);

bool trace_order_empty(const struct trace_order *o);
/* When it is full, take one out first. */
bool trace_order_full(const struct trace_order *o);
void trace_order_put(struct trace_order *o, const struct trace_event *ev, uint64_t now_us);
/* True with the next event when its time has come; `flush` does not wait. */
bool trace_order_take(struct trace_order *o, struct trace_event *ev, uint64_t now_us, bool flush);

#endif
