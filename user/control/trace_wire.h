/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace record as a line of JSON on the control socket:
 *
 *   {"mono_ns":1,"where":"gate","source":0,"dir":"in","len":74,"outcome":"",
 *    "before":"LISTEN","after":"LISTEN","data":"<hex of the captured bytes>"}
 *
 * and what was lost on the way, in its place among them: {"lost":N}.
 */
#ifndef WEIR_CONTROL_TRACE_WIRE_H
#define WEIR_CONTROL_TRACE_WIRE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>

#define TRACE_WIRE_MAX 640 /* bytes of the longest line, newline included */

/* Writes a line, newline included; its length, never above TRACE_WIRE_MAX. */
size_t trace_wire_format(char *buf, size_t cap, const struct weir_trace_rec *rec);
size_t trace_wire_lost(char *buf, size_t cap, uint64_t lost);

/* Reads a record back. 0, or -EINVAL when the object is no such record. */
int trace_wire_parse(struct weir_trace_rec *rec, const json_t *obj);

/* The counter's name for an outcome; "" for none and for numbers out of range. */
const char *trace_outcome_name(unsigned outcome);

#endif
