/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: the fill and rx rings, and frames larger than a chunk. */
#include <string.h>

#include "net/pktio_xsk_io.h"

#define FILL_CALM 16384 /* batches that needed fewer, before they are fewer */

/* Frames that the kernel has not taken from the fill ring yet. */
static uint32_t in_fill(struct xsk_io *x)
{
	return x->rx_frames - xsk_prod_nb_free(&x->fill, x->rx_frames);
}

void xsk_refill(struct xsk_io *x)
{
	uint32_t have = in_fill(x), idx, i, n;

	if (have >= x->fill_level)
		return;
	n = x->fill_level - have;
	if (n > x->n_rx_spare)
		n = x->n_rx_spare;
	if (!n || !xsk_ring_prod__reserve(&x->fill, n, &idx))
		return;
	for (i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&x->fill, idx + i) = x->rx_spare[--x->n_rx_spare];
	xsk_ring_prod__submit(&x->fill, n);
}

/* What the bursts leave in the fill ring says how many it should hold. */
static void adapt_fill(struct xsk_io *x)
{
	uint32_t have = in_fill(x);

	if (have < x->fill_level / 4) {
		x->fill_calm = 0;
		if (x->fill_level < x->rx_frames)
			x->fill_level *= 2;
	} else if (have < x->fill_level / 2) {
		x->fill_calm = 0;
	} else if (++x->fill_calm >= FILL_CALM && x->fill_level > FILL_MIN) {
		x->fill_calm = 0;
		x->fill_level /= 2;
	}
}

/* Adds a part to the frame in its slot. Whether the frame is now whole, and in *f. */
static bool gather(struct xsk_io *x, const struct xdp_desc *d, struct pktio_frame *f)
{
	struct big *b = &x->big;
	uint8_t *at;

	if (!b->filling) {
		b->filling = true;
		b->slot = b->free[--b->n_free];
		b->len = 0;
	}
	at = b->mem + (size_t)b->slot * BIG_SIZE;
	if (b->len <= BIG_SIZE && d->len <= BIG_SIZE - b->len) {
		memcpy(at + b->len, xsk_umem__get_data(x->area, d->addr), d->len);
		b->len += d->len;
	} else {
		b->len = BIG_SIZE + 1;
	}
	x->rx_spare[x->n_rx_spare++] = d->addr & ~(uint64_t)(x->frame_size - 1);
	if (d->options & XDP_PKT_CONTD)
		return false;

	b->filling = false;
	if (b->len > BIG_SIZE) {
		b->free[b->n_free++] = (uint8_t)b->slot;
		x->rx_oversized++;
		return false;
	}
	f->data = at;
	f->len = f->cap = b->len;
	f->handle = BIG_MARK | b->slot;
	return true;
}

static void lend(struct xsk_io *x, const struct xdp_desc *d, struct pktio_frame *f)
{
	f->data = xsk_umem__get_data(x->area, d->addr);
	f->len = f->cap = d->len;
	f->handle = d->addr & ~(uint64_t)(x->frame_size - 1);
}

unsigned xsk_rx(struct pktio *io, struct pktio_frame *f, unsigned max)
{
	struct xsk_io *x = to_xsk(io);
	uint32_t idx, i, n, got = 0;

	n = xsk_ring_cons__peek(&x->rx, max, &idx);
	for (i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&x->rx, idx + i);

		if (!x->big.filling && !(d->options & XDP_PKT_CONTD)) {
			lend(x, d, &f[got]);
		} else {
			if (!x->big.filling && !x->big.n_free)
				break; /* until one is released */
			if (!gather(x, d, &f[got]))
				continue;
		}
		x->st.rx_bytes += f[got++].len;
	}
	if (i < n)
		xsk_ring_cons__cancel(&x->rx, n - i);
	if (i)
		xsk_ring_cons__release(&x->rx, i);
	x->st.rx_frames += got;
	if (n && x->fill_adapts)
		adapt_fill(x);
	else if (!n && x->n_rx_spare)
		xsk_refill(x);
	return got;
}

void xsk_release(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);
	unsigned i;

	for (i = 0; i < n; i++) {
		if (f[i].handle & BIG_MARK)
			x->big.free[x->big.n_free++] = (uint8_t)f[i].handle;
		else
			x->rx_spare[x->n_rx_spare++] = f[i].handle;
	}
	xsk_refill(x);
}
