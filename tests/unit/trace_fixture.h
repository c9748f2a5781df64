/* SPDX-License-Identifier: BSD-2-Clause */
/* Trace records made of real frames, for the tests of what draws them. */
#ifndef TESTS_UNIT_TRACE_FIXTURE_H
#define TESTS_UNIT_TRACE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>

#define CLIENT_ISN 1234567890u
#define WEIR_ISN   3735928559u

struct trace_seg {
	uint64_t us;
	bool out, gate;
	uint16_t port;	   /* the client's; 0: 40000 */
	uint32_t seq, ack; /* absolute */
	uint8_t flags;
	uint16_t wnd;
	uint16_t len;
	bool syn_options; /* mss 1460, sack, ts, ws 7 (in) or 8 (out) */
	uint16_t outcome;
	uint8_t state; /* after */
	bool v6;
};

/* 10.0.0.1 (or fd00::1) to 10.0.0.2:80 (or fd00::2) and back. */
void trace_make(struct weir_trace_rec *rec, const struct trace_seg *s);

#endif
