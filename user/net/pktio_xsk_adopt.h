/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket and its frames go from one process (the giver) to another (the taker) while
 * the kernel goes on filling its rings:
 *
 *     giver                                  taker
 *     describe() ──── state, descriptors ──► adopt()     maps the same frames and rings
 *        ⋮ serves on                            ⋮ may still give up: close()
 *     (every frame released or cancelled)
 *     held()     ──── which are in its hands ─► take()   they are the taker's now
 *     close()                                rx(), tx_reserve(), …
 *
 * A frame is in a ring, in the kernel, or held. Those in rings and in the kernel stay where
 * they are, and with the held ones they are all there are: so none is lost, and none is had
 * twice. Descriptors are two names of one socket: it lives until both have closed theirs, and
 * either may close its own, or die, whenever it likes.
 *
 * Neither adopt() nor take() moves an index of a ring: until the taker's first rx(),
 * tx_submit() or flush() the giver can go on as if nothing had been, and
 * pktio_xsk_untouched() tells it whether it can.
 *
 * Needs Linux 6.4: before, the rings of a bound socket cannot be mapped (-EOPNOTSUPP).
 */
#ifndef WEIR_PKTIO_XSK_ADOPT_H
#define WEIR_PKTIO_XSK_ADOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pktio_xsk.h"

#define PKTIO_XSK_ZEROCOPY (1u << 0)
#define PKTIO_XSK_LARGE	   (1u << 1) /* frames larger than a chunk come in, as large_frames asks */

/* Plain data, to be sent as it is. */
struct pktio_xsk_state {
	uint32_t size; /* of this struct: it tells versions apart */
	uint32_t queue;
	uint32_t mtu;
	uint32_t frame_size;
	uint32_t rx_frames;
	uint32_t tx_frames;
	uint32_t tx_slots; /* of the tx ring; every other has as many as its direction frames */
	uint32_t flags;
	int32_t refusal; /* pktio_xsk_refusal() */
};

/* Giver, at any time. The descriptors stay its own. */
void pktio_xsk_describe(const struct pktio *io, struct pktio_xsk_state *s, int *sock_fd,
			int *area_fd);

/* Bytes of the bitmap of held frames. */
size_t pktio_xsk_held_size(const struct pktio_xsk_state *s);

/*
 * Giver, when all that rx() lent is released and all that tx_reserve() gave submitted or
 * cancelled: the frames that are in its hands, a bit for each, the lowest first. One more
 * bit says that the giver has read the beginning of a frame whose rest is in the ring.
 * -EINVAL: not that many bytes.
 */
int pktio_xsk_held(const struct pktio *io, uint8_t *bits, size_t len);

/* Giver, after held(): no other process has moved an index since, so that it can go on. */
bool pktio_xsk_untouched(const struct pktio *io);

/*
 * Taker. Frames, their number and large_frames are as `s` says, whatever cfg asks for.
 * Until take() the pktio is good for describing, its descriptors, and closing. 0: the
 * descriptors are the pktio's. Else -errno, they are the caller's still, and err has a line:
 * -EOPNOTSUPP (the kernel cannot), -EMSGSIZE (cfg->mtu does not fit its frames), -EINVAL
 * (not what it is said to be, or not of the kind that cfg forces), -ENOMEM.
 */
int pktio_xsk_adopt(struct pktio **out, const struct pktio_xsk_config *cfg,
		    const struct pktio_xsk_state *s, int sock_fd, int area_fd, char *err,
		    size_t errlen);

/*
 * Taker, once, after the giver's held(), which has touched nothing since. Then it is a
 * pktio like any other. -EINVAL, and it is not: not that many bytes, a bit beyond the
 * last, a frame that is held and in a ring too.
 */
int pktio_xsk_take(struct pktio *io, const uint8_t *bits, size_t len);

#endif
