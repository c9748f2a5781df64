/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet I/O of one RX queue: batches of frames in, batches of frames out.
 *
 *      rx()  ──► frames (lent)  ──► release()       in any order, any batch
 *      tx_reserve() ──► frames (empty, ours to fill) ──► tx_submit() in order
 *
 * Two implementations: pktio_xsk*.c (AF_XDP; the only ones that know it) and
 * pktio_mem.c (two ends joined in memory, for tests). Wrappers that lose, delay,
 * reorder or record frames implement the same table around another one.
 *
 * A frame's `data` points at its Ethernet header. Ownership: a frame from rx()
 * is lent until it is released; one from tx_reserve() until it is submitted or
 * handed back by tx_cancel(). One thread per pktio.
 */
#ifndef WEIR_PKTIO_H
#define WEIR_PKTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKTIO_BATCH 64

struct pktio_frame {
	uint8_t *data;
	uint32_t len;	 /* rx: received; tx: set by the filler */
	uint32_t cap;	 /* tx: room at data */
	uint64_t handle; /* the implementation's */
};

/*
 * One TCP segment of several times the usual size, cut apart by whoever takes it: its
 * headers (IP lengths of the whole; the TCP checksum field holds the sum of the
 * pseudo-header alone) and the payload where it lies.
 */
#define PKTIO_BURST_PIECES 34
struct pktio_burst {
	const uint8_t *hdr;
	uint16_t hdr_len;
	uint16_t l3_off, l4_off; /* in hdr */
	uint16_t cut;		 /* payload of each segment */
	uint32_t len;		 /* payload of all */
	unsigned n;		 /* 1..PKTIO_BURST_PIECES */
	const struct pktio_piece {
		const uint8_t *p;
		size_t len;
	} * piece;
};

struct pktio_stats {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t tx_full;    /* tx_reserve() gave fewer than asked */
	uint64_t rx_dropped; /* XDP_STATISTICS of AF_XDP sockets, cumulative */
	uint64_t rx_ring_full;
	uint64_t rx_fill_empty;
	uint64_t rx_invalid_descs;
	uint64_t tx_invalid_descs;
	uint64_t tx_bursts, tx_burst_failed;
};

struct pktio;

struct pktio_ops {
	unsigned (*rx)(struct pktio *io, struct pktio_frame *f, unsigned max);
	void (*release)(struct pktio *io, const struct pktio_frame *f, unsigned n);
	unsigned (*tx_reserve)(struct pktio *io, struct pktio_frame *f, unsigned n);
	void (*tx_submit)(struct pktio *io, const struct pktio_frame *f, unsigned n);
	void (*tx_cancel)(struct pktio *io, const struct pktio_frame *f, unsigned n);
	/*
	 * Kicks the kernel where needed and reclaims sent frames. 0 or -errno;
	 * -EAGAIN: the device takes no more at present, call again soon.
	 */
	int (*flush)(struct pktio *io);
	/*
	 * Sends it, behind everything submitted before; what it refers to is the caller's
	 * again afterwards. Only while burst_max, which it may set to 0, allows the length.
	 */
	void (*tx_burst)(struct pktio *io, const struct pktio_burst *b);
	/* A descriptor that becomes readable when rx() has work; -1: none. */
	int (*fd)(struct pktio *io);
	void (*stats)(struct pktio *io, struct pktio_stats *s);
	void (*close)(struct pktio *io);
};

struct pktio {
	const struct pktio_ops *ops;
	const char *mode; /* "copy", "zerocopy", "mem": for the log and status */
	uint32_t mtu;
	uint32_t burst_max; /* bytes of payload that tx_burst() takes; 0: none at present */
};

#endif
