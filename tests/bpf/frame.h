/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames from a description: Ethernet, tags, IPv4 with options or IPv6 with
 * extension headers, TCP, data, padding; lengths and checksums filled in. Written
 * without the code under test, so that an error there cannot hide here.
 */
#ifndef WEIR_TEST_FRAME_H
#define WEIR_TEST_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX     4096
#define FRAME_MAX_EXT 10

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

/* An extension header: type 0, 43, 51, 60, or 44 with the fragment field. */
struct frame_ext {
	uint8_t type;
	uint8_t len; /* its length field, as on the wire */
	uint16_t frag;
};

struct frame {
	int family; /* 4 or 6 */
	uint8_t dmac[6], smac[6];
	unsigned vlans;
	uint16_t tpid[3], tci[3];
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes */
	uint8_t tos, ttl;
	uint8_t proto;	   /* 6 */
	uint16_t id, frag; /* IPv4; frag with its flags, host order */
	const uint8_t *ip_opts;
	size_t ip_opts_len;
	struct frame_ext ext[FRAME_MAX_EXT];
	unsigned exts;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t window, urg;
	uint8_t flags;
	uint8_t opts[40];
	size_t opts_len;
	const uint8_t *data;
	size_t data_len;
	const uint8_t *raw; /* in place of TCP's header, options and data: ICMP */
	size_t raw_len;
	size_t padding; /* bytes after the datagram */
};

/* A bare SYN from the client (10.0.0.1 or fd00::1, port 40000) to the server's port 80. */
struct frame frame_syn(int family);

/* The other direction: addresses and ports swapped, tags kept, the rest bare. */
struct frame frame_answer(const struct frame *f, uint8_t flags, uint32_t seq, uint32_t ack);

/*
 * An ICMP error to the source of *sent, from a router beside it (10.0.0.254 or
 * fd00::fe), with the first `quote` bytes of sent's IP packet. `rest` is bytes 4-7 of
 * the message, which is put into raw (FRAME_MAX bytes).
 */
struct frame frame_icmp(const struct frame *sent, uint8_t type, uint8_t code, uint32_t rest,
			size_t quote, uint8_t *raw);

void frame_opts(struct frame *f, const void *opts, size_t len);
/* NOP NOP timestamps, as on all but the first segment. */
void frame_timestamps(struct frame *f, uint32_t tsval, uint32_t tsecr);
void frame_addr(uint8_t addr[16], const char *text);

/* Writes the frame to buf (FRAME_MAX bytes); its length. */
size_t frame_build(const struct frame *f, uint8_t *buf);

/* Where things are in what frame_build() wrote. */
size_t frame_l3(const struct frame *f);
size_t frame_l4(const struct frame *f);

/* Make the checksums right again after a change; the lengths stay as they are. */
void frame_fix_ip(const struct frame *f, uint8_t *buf);
void frame_fix_tcp(const struct frame *f, uint8_t *buf);
/* The pseudo-header's sum alone, as a peer leaves it that relies on its device. */
void frame_partial(const struct frame *f, uint8_t *buf);

/* What SYNs of real stacks carry. */
struct frame_layout {
	const char *name;
	uint8_t opts[40];
	size_t opts_len;
	/* what they mean */
	uint16_t mss; /* 0: absent */
	int wscale;   /* -1: absent */
	int sack, ts;
	uint32_t tsval;
};
extern const struct frame_layout frame_layouts[];
extern const size_t frame_nlayouts;

#endif
