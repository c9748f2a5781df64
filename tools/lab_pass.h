/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What tools/lab and weir-flood write into the program on the client's end, and
 * what they read from it. tools/lab writes by byte offset: only append.
 */
#ifndef LAB_PASS_H
#define LAB_PASS_H

#include <linux/types.h>

struct lab_config {
	__u32 active;	   /* nonzero when anything below is */
	__u32 loss;	   /* lose a TCP frame when a random u32 is below; 0: none */
	__be32 flood4_net; /* answers to these destinations are counted and dropped */
	__be32 flood4_mask;
	__be32 flood6_net[2]; /* its upper half, as flood6_low is the lower */
	__u32 flood6;	      /* nonzero when flood6_net counts */
	__u32 pad;
	__be32 flood6_low[2];
	__be32 flood6_mask[4];
};

struct lab_count {
	__u64 syn_ack;
	__u64 rst;
	__u64 other;
	__u64 lost;
};

#endif
