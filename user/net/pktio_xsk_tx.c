/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: the tx and completion rings, and bursts. */
#include <errno.h>
#include <sys/socket.h>

#include "net/pktio_xsk_io.h"

#define TX_OFFSET 2 /* puts the IP header on a multiple of four */

static void reclaim(struct xsk_io *x)
{
	uint32_t idx, i, n;

	n = xsk_ring_cons__peek(&x->comp, x->tx_frames, &idx);
	for (i = 0; i < n; i++)
		x->tx_free[x->n_tx_free++] = *xsk_ring_cons__comp_addr(&x->comp, idx + i) &
					     ~(uint64_t)(x->frame_size - 1);
	if (n)
		xsk_ring_cons__release(&x->comp, n);
}

unsigned xsk_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);
	unsigned i;

	if (x->burst_kept)
		n = 0;
	if (x->n_tx_free < n)
		reclaim(x);
	if (x->n_tx_free < n) {
		n = x->n_tx_free;
		x->st.tx_full++;
	}
	for (i = 0; i < n; i++) {
		f[i].handle = x->tx_free[--x->n_tx_free];
		f[i].data = x->area + f[i].handle + TX_OFFSET;
		f[i].cap = x->frame_size - TX_OFFSET;
		f[i].len = 0;
	}
	return n;
}

void xsk_tx_cancel(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);

	/* In reverse: the next reservation hands out the same, still cached frames. */
	while (n)
		x->tx_free[x->n_tx_free++] = f[--n].handle;
}

/*
 * The kernel consumes a descriptor it finds invalid without ever completing it,
 * which would lose the chunk: those are refused here.
 */
static bool tx_fit(const struct xsk_io *x, const struct pktio_frame *f)
{
	return f->len > 0 && f->len <= x->frame_size - TX_OFFSET;
}

void xsk_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);
	uint32_t idx = 0, i, fit = 0;

	for (i = 0; i < n; i++)
		fit += tx_fit(x, &f[i]);
	/* Twice as many slots as frames (bind_socket): this cannot fail. */
	if (fit && !xsk_ring_prod__reserve(&x->tx, fit, &idx))
		fit = 0;
	for (i = 0; i < n; i++) {
		struct xdp_desc *d;

		if (!fit || !tx_fit(x, &f[i])) {
			xsk_tx_cancel(io, &f[i], 1);
			x->tx_refused++;
			continue;
		}
		d = xsk_ring_prod__tx_desc(&x->tx, idx++);
		d->addr = f[i].handle + TX_OFFSET;
		d->len = f[i].len;
		d->options = 0;
		x->st.tx_bytes += f[i].len;
	}
	if (fit) {
		xsk_ring_prod__submit(&x->tx, fit);
		x->st.tx_frames += fit;
	}
}

static uint32_t tx_unsent(struct xsk_io *x)
{
	return x->tx.size - xsk_prod_nb_free(&x->tx, x->tx.size);
}

/* The ring's frames, as far as the device takes them. */
static int send_ring(struct xsk_io *x)
{
	int stuck = 0;
	uint32_t unsent, before, was_free;

	for (unsent = tx_unsent(x); unsent && xsk_ring_prod__needs_wakeup(&x->tx);) {
		ssize_t rc = sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);

		if (rc < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS &&
		    errno != EINTR)
			return -errno;
		was_free = x->n_tx_free;
		reclaim(x); /* ENOBUFS: the completion ring had no room */
		before = unsent;
		unsent = tx_unsent(x);
		/* The device takes no more at present: let the caller do something else. */
		if (unsent >= before && x->n_tx_free == was_free && ++stuck == 2)
			return -EAGAIN;
	}
	reclaim(x);
	return 0;
}

/* ---- bursts ------------------------------------------------------------------- */

static void burst_done(struct xsk_io *x, int err)
{
	x->burst_kept = err == -EAGAIN;
	if (err && err != -EAGAIN) {
		x->st.tx_burst_failed++;
		/* No memory, no room in the queue: as a lost frame. Others would come again. */
		if (err != -ENOBUFS && err != -ENOMEM && err != -ENETDOWN) {
			pktio_gso_close(x->gso);
			x->gso = NULL;
		}
	}
	x->io.burst_max = x->gso && !x->burst_kept ? PKTIO_GSO_MAX : 0;
}

void xsk_tx_burst(struct pktio *io, const struct pktio_burst *b)
{
	struct xsk_io *x = to_xsk(io);

	if (tx_unsent(x))
		send_ring(x);
	x->st.tx_bursts++;
	x->st.tx_frames += (b->len + b->cut - 1) / b->cut;
	x->st.tx_bytes += b->hdr_len * (uint64_t)((b->len + b->cut - 1) / b->cut) + b->len;
	burst_done(x, pktio_gso_send(x->gso, b));
}

int xsk_flush(struct pktio *io)
{
	struct xsk_io *x = to_xsk(io);

	if (xsk_ring_prod__needs_wakeup(&x->fill))
		recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	if (x->burst_kept)
		burst_done(x, pktio_gso_retry(x->gso));
	return x->burst_kept ? -EAGAIN : send_ring(x);
}
