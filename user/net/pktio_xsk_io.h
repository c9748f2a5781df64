/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP. A socket and its memory (UMEM) belong to one RX queue; four rings of
 * descriptors pass frames between this file and the kernel:
 *
 *              ┌────── fill ◄──── empty RX frames ─────┐
 *              ▼                                       │
 *     NIC ──► kernel ── rx ring ──► rx() ── lent ──► release()
 *
 *     NIC ◄── kernel ◄── tx ring ◄── tx_submit() ◄── tx_reserve()
 *              │                                        ▲
 *              └── completion ──► reclaim() ──► tx_free ┘
 *
 * The UMEM is cut into equal chunks. The first rx_frames of them only ever go
 * round the upper circle, the tx_frames after them the lower one, so neither
 * direction can starve the other:
 *
 *     rx_spare + in fill + in kernel + in rx ring + lent          = rx_frames
 *     tx_free  + reserved + in tx ring + in kernel + in completion = tx_frames
 *
 * Every ring has as many slots as its direction has frames, so a frame in hand
 * always finds a slot, with one exception that rx_spare is for: the kernel
 * publishes the rx ring before it publishes that the fill ring has room.
 *
 * The fill ring is a queue: all frames in it are used in turn, so each of many is
 * out of the caches when its turn comes. In copy mode no more are kept in it than
 * the bursts need: FILL_MIN, and twice as many after a burst that left less than a
 * quarter; the others are spare, and what was released last is used first. (A
 * driver without copies takes frames into its own ring: it gets all.)
 *
 * A frame larger than a chunk (large_frames) comes as several descriptors, all but
 * the last marked XDP_PKT_CONTD. It is gathered in a slot of its own, so that its
 * reader sees one frame like any other; its chunks are free at once:
 *
 *     slots free + being filled (0 or 1) + lent = BIG_SLOTS
 *
 * Memory ordering is libxdp's (release on submit, acquire on peek); these files
 * touch ring indices only through it.
 *
 * Waking the kernel (XDP_USE_NEED_WAKEUP): transmit needs a sendto() whenever
 * the tx ring's flag says so, which in copy mode is always. In copy mode one
 * call sends a bounded number of frames (32 on older kernels), and EAGAIN, EBUSY
 * and ENOBUFS all mean "that was not all, go on".
 */
#ifndef WEIR_PKTIO_XSK_IO_H
#define WEIR_PKTIO_XSK_IO_H

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xdp/xsk.h>

#include "net/pktio_gso.h"
#include "net/pktio_xsk.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG    (1 << 4) /* Linux 6.6 */
#define XDP_PKT_CONTD (1 << 0)
#endif

#define XSK_RINGS	4
#define XSK_TX_SLOTS(x) (2 * (x)->tx_frames)

#define FILL_MIN 512 /* frames kept in the fill ring */

#define BIG_SLOTS 32
#define BIG_SIZE  (65535 + 64) /* IP's largest, and its Ethernet header */
#define BIG_MARK  (1ull << 63) /* of a handle: a slot, not a chunk */

/* Frames that did not fit a chunk. */
struct big {
	uint8_t *mem; /* NULL: the socket does not take them */
	uint8_t free[BIG_SLOTS];
	unsigned n_free;
	bool filling;
	unsigned slot; /* being filled */
	uint32_t len;  /* above BIG_SIZE: too large, to be dropped */
};

struct xsk_io {
	struct pktio io;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	/* Of a socket opened here, libxdp's; of one adopted NULL, and its rings' mappings. */
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct {
		void *at;
		size_t len;
	} ring[XSK_RINGS];
	bool adopted, taken; /* taken: and its frames are, too */
	int fd;		     /* the socket */
	unsigned queue;
	int area_fd;
	uint8_t *area;
	size_t area_len;
	uint32_t frame_size, rx_frames, tx_frames;
	uint64_t *rx_spare, *tx_free;
	uint32_t n_rx_spare, n_tx_free;
	uint32_t fill_level, fill_calm;
	bool fill_adapts;
	bool tx_tells; /* the kernel says at once what it has taken from the tx ring: from 6.17 */
	struct big big;
	struct pktio_gso *gso; /* NULL: no bursts */
	bool burst_kept;       /* by gso: what it could not send goes before all else */
	uint64_t rx_oversized;
	uint64_t tx_refused; /* descriptors that were not fit to submit */
	int refusal;	     /* of zero-copy: -errno */
	struct pktio_stats st;
};

static inline struct xsk_io *to_xsk(struct pktio *io)
{
	return (struct xsk_io *)io;
}

static inline bool xsk_copies(const struct xsk_io *x)
{
	return !strcmp(x->io.mode, "copy");
}

static inline bool xsk_pow2(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* ---- pktio_xsk.c -------------------------------------------------------------- */

struct xsk_io *xsk_new(const struct pktio_xsk_config *cfg);	      /* NULL: no memory */
void xsk_ready(struct xsk_io *x, const struct pktio_xsk_config *cfg); /* bound: what is left */
void xsk_free(struct xsk_io *x);

/* ---- pktio_xsk_area.c --------------------------------------------------------- */

uint32_t xsk_frame_size(uint32_t mtu);

/* The UMEM and the lists, all empty; `large`: and the slots. What fails xsk_free() undoes. */
int xsk_area_new(struct xsk_io *x, bool large);
/* The same of an area that there is. Takes the descriptor if it succeeds. */
int xsk_area_map(struct xsk_io *x, int fd, bool large);
void xsk_frames_all(struct xsk_io *x); /* are ours */
void xsk_area_free(struct xsk_io *x);

/* ---- pktio_xsk_rx.c ---------------------------------------------------------- */

void xsk_refill(struct xsk_io *x);
unsigned xsk_rx(struct pktio *io, struct pktio_frame *f, unsigned max);
void xsk_release(struct pktio *io, const struct pktio_frame *f, unsigned n);

/* ---- pktio_xsk_tx.c ---------------------------------------------------------- */

unsigned xsk_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n);
void xsk_tx_cancel(struct pktio *io, const struct pktio_frame *f, unsigned n);
void xsk_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n);
void xsk_tx_burst(struct pktio *io, const struct pktio_burst *b);
int xsk_flush(struct pktio *io);

#endif
