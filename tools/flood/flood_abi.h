/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The contract between weir-flood and what writes its frames (flood_fill.h, run by
 * the sender program and by the AF_XDP back end): templates and what varies in them.
 *
 * A template is the frame of one kind with one layout of options. Its random fields
 * are zero, and its checksums were summed with those fields zero, so that drawing
 * them means adding them (RFC 1624's arithmetic, without anything to subtract).
 * Which template is next is read from a table of slots that are cycled through: any
 * FLOOD_SLOTS frames in a row have exactly the shares that were asked for.
 */
#ifndef FLOOD_ABI_H
#define FLOOD_ABI_H

#include <linux/types.h>

#define FLOOD_FRAME_MAX 128 /* two tags, IPv6, 24 bytes of options: 106 */
#define FLOOD_TEMPLATES 32
#define FLOOD_SLOTS	1024

struct flood_template {
	__u64 word[FLOOD_FRAME_MAX / 8]; /* the frame */
	__u64 tail;			 /* its last eight bytes */
	__u32 len;
	__u32 kind;		   /* enum flood_kind */
	__be32 src_net[4];	   /* IPv4: [0] */
	__be32 src_mask[4];	   /* the bits to draw */
	__u32 src_port, src_ports; /* the lowest, and how many */
	__u32 dst_port, dst_ports;
	__u32 seq, seq_mask; /* a base, and the bits to draw above it */
	__u32 ack_mask;
	__u32 ip_sum;  /* IPv4 header, one's complement sum, source zero */
	__u32 tcp_sum; /* pseudo-header and segment, all that is drawn zero */
	__u32 pad;
};

struct flood_config {
	__u32 ifindex; /* where the frames go */
	__u32 len;     /* of the frames as they are handed to the program */
	__u32 l3_off;  /* after the VLAN tags */
	__u32 ipv6;
	__u32 gap_ns; /* FLOOD_GROUP frames take at least so long; 0: as fast as it goes */
	__u32 pad;
	struct flood_template tpl[FLOOD_TEMPLATES];
	__u8 slot[FLOOD_SLOTS]; /* indices of tpl */
};

/* The device map hands frames over in groups of so many, whatever we do. */
#define FLOOD_GROUP 16

#endif
