/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/pktio_mem.h"
#include "net/pktio_cut.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HEADROOM 192 /* Ethernet, two tags, IPv6, TCP with options beyond the MTU's */

struct desc {
	uint32_t buf;
	uint32_t len;
};

/* Holds every buffer of a direction, so a push never finds it full. */
struct ring {
	struct desc *d;
	uint32_t mask;
	_Atomic uint32_t head __attribute__((aligned(64))); /* producer's */
	_Atomic uint32_t tail __attribute__((aligned(64))); /* consumer's */
};

struct direction {
	struct ring full, free;
	uint8_t *bufs;
	uint32_t *stash; /* reserved and cancelled: the sender's, not in a ring */
	uint32_t nstash;
	int fd; /* readable for the receiver */
};

struct link {
	struct direction dir[2]; /* dir[i]: sent by end i */
	uint32_t cap;
	_Atomic int refs;
};

struct mem_end {
	struct pktio io;
	struct link *link;
	struct direction *tx, *rx;
	bool kick;
	struct pktio_stats stats;
};

static int ring_init(struct ring *r, uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size <<= 1;
	r->mask = size - 1;
	r->d = calloc(size, sizeof(*r->d));
	return r->d ? 0 : -ENOMEM;
}

static void ring_push(struct ring *r, struct desc d)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	r->d[head & r->mask] = d;
	/* release: the descriptor (and its buffer) before the index that shows it */
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static bool ring_pop(struct ring *r, struct desc *d)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
		return false;
	*d = r->d[tail & r->mask];
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

static unsigned mem_rx(struct pktio *io, struct pktio_frame *f, unsigned max)
{
	struct mem_end *e = (struct mem_end *)io;
	unsigned n = 0;
	uint64_t seen;
	struct desc d;

	/* Before the ring is read: what is pushed afterwards makes it readable again. */
	if (read(e->rx->fd, &seen, sizeof(seen)) < 0)
		seen = 0;
	for (; n < max && ring_pop(&e->rx->full, &d); n++) {
		f[n].data = e->rx->bufs + (size_t)d.buf * e->link->cap;
		f[n].len = d.len;
		f[n].cap = e->link->cap;
		f[n].handle = d.buf;
		e->stats.rx_bytes += d.len;
	}
	e->stats.rx_frames += n;
	if (n == max) /* there may be more: stay readable */
		eventfd_write(e->rx->fd, 1);
	return n;
}

static void mem_release(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct mem_end *e = (struct mem_end *)io;

	for (unsigned i = 0; i < n; i++)
		ring_push(&e->rx->free, (struct desc){.buf = (uint32_t)f[i].handle});
}

static unsigned mem_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
{
	struct mem_end *e = (struct mem_end *)io;
	unsigned got = 0;

	for (; got < n; got++) {
		struct desc d;

		if (e->tx->nstash)
			d.buf = e->tx->stash[--e->tx->nstash];
		else if (!ring_pop(&e->tx->free, &d))
			break;
		f[got].data = e->tx->bufs + (size_t)d.buf * e->link->cap;
		f[got].len = 0;
		f[got].cap = e->link->cap;
		f[got].handle = d.buf;
	}
	if (got < n)
		e->stats.tx_full++;
	return got;
}

static void mem_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct mem_end *e = (struct mem_end *)io;

	for (unsigned i = 0; i < n; i++) {
		ring_push(&e->tx->full, (struct desc){(uint32_t)f[i].handle, f[i].len});
		e->stats.tx_bytes += f[i].len;
	}
	e->stats.tx_frames += n;
	e->kick = e->kick || n;
}

static void mem_tx_cancel(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct mem_end *e = (struct mem_end *)io;

	for (unsigned i = 0; i < n; i++)
		e->tx->stash[e->tx->nstash++] = (uint32_t)f[i].handle;
}

/* Without room for a frame of it, that one is lost, as on a wire. */
static void mem_tx_burst(struct pktio *io, const struct pktio_burst *b)
{
	for (unsigned i = 0; i < pktio_cut_count(b); i++) {
		struct pktio_frame f;

		if (!mem_tx_reserve(io, &f, 1))
			break;
		f.len = (uint32_t)pktio_cut(b, i, f.data);
		mem_tx_submit(io, &f, 1);
	}
	((struct mem_end *)io)->stats.tx_bursts++;
}

static int mem_flush(struct pktio *io)
{
	struct mem_end *e = (struct mem_end *)io;

	if (e->kick)
		eventfd_write(e->tx->fd, 1);
	e->kick = false;
	return 0;
}

static int mem_fd(struct pktio *io)
{
	return ((struct mem_end *)io)->rx->fd;
}

static void mem_stats(struct pktio *io, struct pktio_stats *s)
{
	*s = ((struct mem_end *)io)->stats;
}

static void link_put(struct link *l)
{
	if (atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	for (int i = 0; i < 2; i++) {
		free(l->dir[i].full.d);
		free(l->dir[i].free.d);
		free(l->dir[i].bufs);
		free(l->dir[i].stash);
		if (l->dir[i].fd >= 0)
			close(l->dir[i].fd);
	}
	free(l);
}

static void mem_close(struct pktio *io)
{
	link_put(((struct mem_end *)io)->link);
	free(io);
}

static const struct pktio_ops mem_ops = {
	.rx = mem_rx,
	.release = mem_release,
	.tx_reserve = mem_tx_reserve,
	.tx_submit = mem_tx_submit,
	.tx_cancel = mem_tx_cancel,
	.flush = mem_flush,
	.tx_burst = mem_tx_burst,
	.fd = mem_fd,
	.stats = mem_stats,
	.close = mem_close,
};

static int direction_init(struct direction *d, unsigned frames, uint32_t cap)
{
	d->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (d->fd < 0)
		return -errno;
	d->bufs = calloc(frames, cap);
	d->stash = calloc(frames, sizeof(*d->stash));
	if (!d->bufs || !d->stash || ring_init(&d->full, frames) || ring_init(&d->free, frames))
		return -ENOMEM;
	for (uint32_t i = 0; i < frames; i++)
		ring_push(&d->free, (struct desc){.buf = i});
	return 0;
}

int pktio_mem_pair(struct pktio *ends[2], unsigned frames, uint32_t mtu)
{
	struct link *l = aligned_alloc(64, (sizeof(*l) + 63) & ~(size_t)63);
	struct mem_end *e[2] = {NULL, NULL};
	int err = -ENOMEM;

	if (!l)
		return -ENOMEM;
	memset(l, 0, sizeof(*l));
	l->dir[0].fd = l->dir[1].fd = -1;
	l->refs = 1;
	l->cap = (mtu + HEADROOM + 15) & ~15U;
	for (int i = 0; i < 2; i++) {
		e[i] = calloc(1, sizeof(*e[i]));
		if (!e[i])
			goto fail;
		err = direction_init(&l->dir[i], frames, l->cap);
		if (err)
			goto fail;
	}
	l->refs = 2;
	for (int i = 0; i < 2; i++) {
		e[i]->io = (struct pktio){.ops = &mem_ops, .mode = "mem", .mtu = mtu};
		e[i]->link = l;
		e[i]->tx = &l->dir[i];
		e[i]->rx = &l->dir[!i];
		ends[i] = &e[i]->io;
	}
	return 0;
fail:
	free(e[0]);
	free(e[1]);
	link_put(l);
	return err;
}
