/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bursts of TCP segments by AF_PACKET: one call hands the kernel a segment of up to 64 KiB
 * behind a virtio_net_hdr, and the device, or the kernel just before it, cuts it apart and
 * sums the pieces. AF_XDP in copy mode pays a system call's share, an allocation and a
 * softirq for every frame; here they are paid once for some forty.
 *
 *     payload (send queue) ──sendmsg──► skb of 64 KiB ──► cut by the device, or
 *                                                         before it where it cannot
 *
 * It passes the device's queueing discipline, as the host's own traffic does, and is seen
 * by taps (tcpdump). The socket receives nothing.
 */
#ifndef WEIR_PKTIO_GSO_H
#define WEIR_PKTIO_GSO_H

#include "net/pktio.h"

#define PKTIO_GSO_MAX 65000 /* of payload: with its headers no more than IP can say */

struct pktio_gso;

/* 0, -EPERM, -ENODEV, -EOPNOTSUPP, -errno */
int pktio_gso_open(struct pktio_gso **out, const char *ifname);
void pktio_gso_close(struct pktio_gso *g);

/*
 * 0; -EAGAIN: it is kept, and pktio_gso_retry() is to be called until it says 0 before
 * anything else is sent; else it is lost, as a frame may be, for that reason.
 */
int pktio_gso_send(struct pktio_gso *g, const struct pktio_burst *b);
int pktio_gso_retry(struct pktio_gso *g);

#endif
