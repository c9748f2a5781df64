/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A traced frame read for people: addresses, the TCP header and its options, as
 * far as the captured bytes go. The bytes come from the wire and may be cut or
 * lie; what cannot be read is left out, nothing is read past `caplen`.
 */
#ifndef WEIR_CONTROL_TRACE_FRAME_H
#define WEIR_CONTROL_TRACE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>

#define TRACE_FRAME_SACKS 4

struct trace_frame {
	struct weir_addr src, dst; /* family 0: not IP; port 0 without `tcp` */
	bool tcp;		   /* the fixed TCP header is there */
	uint8_t flags;		   /* TCP_* of tcp/tcp.h */
	uint8_t nvlan;
	uint32_t seq, ack;
	uint16_t wnd; /* as on the wire */
	uint32_t len; /* payload, by the IP header's length */
	/* options; `malformed` when their walk ended early */
	bool has_mss, has_wscale, sack_permitted, has_ts, malformed;
	uint16_t mss;
	uint8_t wscale;
	uint32_t tsval, tsecr;
	uint8_t nsack;
	struct {
		uint32_t start, end;
	} sack[TRACE_FRAME_SACKS];
};

/* True when the frame is TCP and its ports, numbers and flags were captured. */
bool trace_frame_parse(struct trace_frame *f, const uint8_t *data, size_t caplen);

/* Whether the gate's filter (abi.h) lets this frame through. */
bool trace_frame_match(const struct trace_frame *f, const struct weir_trace_filter *filter);

#endif
