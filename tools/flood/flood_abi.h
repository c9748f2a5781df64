/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The contract between weir-flood and its sender program: the template of a
 * frame and what varies in it.
 *
 * A live frame's page comes back with whatever its receiver wrote into it, so the
 * program writes every frame whole. It copies the template, puts the random
 * fields in, and adds them to the template's checksums, which were summed with
 * those fields zero (RFC 1624's arithmetic, without anything to subtract).
 */
#ifndef FLOOD_ABI_H
#define FLOOD_ABI_H

#include <linux/types.h>

#define FLOOD_FRAME_MAX 128

struct flood_config {
	__u32 ifindex; /* where the frames go */
	__u32 len;     /* of the frame */
	__u32 ipv6;
	__u32 ack;	   /* also draw an acknowledgment number */
	__u32 gap_ns;	   /* at least so long from one frame to the next; 0: none */
	__be32 src_net[2]; /* IPv4: [0]; IPv6: the upper half of the address */
	__be32 host_mask;  /* IPv4: the bits to draw; IPv6: the lower half is drawn */
	__u32 ip_sum;	   /* IPv4 header, one's complement sum, source zero */
	__u32 tcp_sum;	   /* pseudo-header and segment, source, port, seq, ack zero */
	__u8 frame[FLOOD_FRAME_MAX];
};

#endif
