/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet I/O over one AF_XDP socket: one RX queue of one device.
 *
 * The socket is only bound here. Frames come in once the gate's `xsks` map holds
 * its descriptor at the index of the queue and the gate is attached; frames go
 * out from the start. Loads no XDP program.
 */
#ifndef WEIR_PKTIO_XSK_H
#define WEIR_PKTIO_XSK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pktio.h"

struct pktio_xsk_config {
	const char *ifname;
	unsigned queue;
	uint32_t mtu;
	uint32_t rx_frames; /* powers of two; 0: the default */
	uint32_t tx_frames;
	bool force_copy;     /* zero-copy is not even tried: generic XDP, or the operator's wish */
	bool force_zerocopy; /* copy mode will not do */
	/*
	 * Frames larger than the MTU may come in, as they do in generic XDP from a
	 * sender whose device would have segmented them. They cost a copy more and
	 * need Linux 6.6; before, they are dropped and counted.
	 */
	bool large_frames;
	bool bursts; /* by AF_PACKET (pktio_gso.h); where it cannot, burst_max says 0 */
};

#define PKTIO_XSK_RX_FRAMES 4096
#define PKTIO_XSK_TX_FRAMES 2048

/* The largest MTU whose frames fit one UMEM chunk. */
#define PKTIO_XSK_MTU_MAX 3800

/*
 * 0 or -errno, with one line for the operator in err:
 * -EPERM (CAP_NET_RAW), -ENOBUFS (RLIMIT_MEMLOCK), -ENODEV, -EBUSY (another
 * socket has the queue), -EOPNOTSUPP (the device or kernel cannot), -ENETDOWN.
 * Zero-copy is asked for first; refused, it is copy mode, unless force_zerocopy.
 */
int pktio_xsk_open(struct pktio **out, const struct pktio_xsk_config *cfg, char *err,
		   size_t errlen);

/* Why zero-copy was refused: -errno. 0: it was granted, or not asked for. */
int pktio_xsk_refusal(const struct pktio *io);

/* What one takes of memory from the start, bytes, the kernel's rings included. */
uint64_t pktio_xsk_memory(uint32_t mtu, uint32_t rx_frames, uint32_t tx_frames);

/* The socket, for the XSKMAP. */
int pktio_xsk_fd(const struct pktio *io);

#endif
