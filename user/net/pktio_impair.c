/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/pktio_impair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFS	1024
#define BUF_CAP 10240

enum buf_state { BUF_FREE, BUF_HELD, BUF_READY, BUF_LENT };

struct buf {
	uint64_t due; /* the call of rx() that lets it go */
	uint32_t len;
	uint32_t next; /* in the ready queue */
	enum buf_state state;
};

struct impair {
	struct pktio io;
	struct pktio *inner;
	struct impair_config cfg;
	struct impair_stats stats;
	uint64_t rng;
	uint64_t calls;
	uint32_t hint; /* where the search for a free buffer starts */
	uint32_t ready_head, ready_tail;
	struct buf buf[BUFS];
	uint8_t *mem;
};

#define NIL UINT32_MAX

/* xorshift64* (Vigna) */
static uint32_t rnd(struct impair *m)
{
	m->rng ^= m->rng >> 12;
	m->rng ^= m->rng << 25;
	m->rng ^= m->rng >> 27;
	return (uint32_t)((m->rng * 0x2545f4914f6cdd1dULL) >> 32);
}

static bool hits(struct impair *m, uint32_t ppm)
{
	return rnd(m) % 1000000 < ppm;
}

static void make_ready(struct impair *m, uint32_t i)
{
	m->buf[i].state = BUF_READY;
	m->buf[i].next = NIL;
	if (m->ready_head == NIL)
		m->ready_head = i;
	else
		m->buf[m->ready_tail].next = i;
	m->ready_tail = i;
}

static void take(struct impair *m, const struct pktio_frame *f)
{
	uint32_t i = m->hint;

	for (uint32_t n = 0; m->buf[i].state != BUF_FREE; n++) {
		if (n == BUFS) {
			m->stats.lost++;
			return;
		}
		i = (i + 1) % BUFS;
	}
	m->hint = (i + 1) % BUFS;
	m->buf[i].len = f->len < BUF_CAP ? f->len : BUF_CAP;
	memcpy(m->mem + (size_t)i * BUF_CAP, f->data, m->buf[i].len);
	if (m->cfg.reorder_max && hits(m, m->cfg.reorder_ppm)) {
		m->buf[i].state = BUF_HELD;
		m->buf[i].due = m->calls + 1 + rnd(m) % m->cfg.reorder_max;
		m->stats.reordered++;
	} else {
		make_ready(m, i);
	}
	m->stats.passed++;
}

static void pull(struct impair *m)
{
	struct pktio_frame f[PKTIO_BATCH];
	unsigned n = m->inner->ops->rx(m->inner, f, PKTIO_BATCH);

	for (unsigned i = 0; i < n; i++) {
		if (hits(m, m->cfg.loss_ppm)) {
			m->stats.lost++;
			continue;
		}
		take(m, &f[i]);
		if (hits(m, m->cfg.dup_ppm)) {
			m->stats.duplicated++;
			take(m, &f[i]);
		}
	}
	m->inner->ops->release(m->inner, f, n);
}

static unsigned impair_rx(struct pktio *io, struct pktio_frame *f, unsigned max)
{
	struct impair *m = (struct impair *)io;
	unsigned n = 0;

	m->calls++;
	pull(m);
	for (uint32_t i = 0; i < BUFS; i++) {
		if (m->buf[i].state == BUF_HELD && m->buf[i].due <= m->calls)
			make_ready(m, i);
	}
	for (; n < max && m->ready_head != NIL; n++) {
		uint32_t i = m->ready_head;

		m->ready_head = m->buf[i].next;
		m->buf[i].state = BUF_LENT;
		f[n].data = m->mem + (size_t)i * BUF_CAP;
		f[n].len = m->buf[i].len;
		f[n].cap = BUF_CAP;
		f[n].handle = i;
	}
	return n;
}

static void impair_release(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct impair *m = (struct impair *)io;

	for (unsigned i = 0; i < n; i++)
		m->buf[f[i].handle].state = BUF_FREE;
}

static struct pktio *inner_of(struct pktio *io)
{
	return ((struct impair *)io)->inner;
}

static unsigned impair_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
{
	return inner_of(io)->ops->tx_reserve(inner_of(io), f, n);
}

static void impair_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	inner_of(io)->ops->tx_submit(inner_of(io), f, n);
}

static void impair_tx_cancel(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	inner_of(io)->ops->tx_cancel(inner_of(io), f, n);
}

static int impair_flush(struct pktio *io)
{
	return inner_of(io)->ops->flush(inner_of(io));
}

static int impair_fd(struct pktio *io)
{
	return inner_of(io)->ops->fd(inner_of(io));
}

static void impair_io_stats(struct pktio *io, struct pktio_stats *s)
{
	inner_of(io)->ops->stats(inner_of(io), s);
}

static void impair_close(struct pktio *io)
{
	struct impair *m = (struct impair *)io;

	m->inner->ops->close(m->inner);
	free(m->mem);
	free(m);
}

static const struct pktio_ops impair_ops = {
	.rx = impair_rx,
	.release = impair_release,
	.tx_reserve = impair_tx_reserve,
	.tx_submit = impair_tx_submit,
	.tx_cancel = impair_tx_cancel,
	.flush = impair_flush,
	.fd = impair_fd,
	.stats = impair_io_stats,
	.close = impair_close,
};

int pktio_impair(struct pktio **out, struct pktio *inner, const struct impair_config *cfg)
{
	struct impair *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->mem = calloc(BUFS, BUF_CAP);
	if (!m->mem) {
		free(m);
		return -ENOMEM;
	}
	m->io = (struct pktio){.ops = &impair_ops, .mode = inner->mode, .mtu = inner->mtu};
	m->inner = inner;
	m->cfg = *cfg;
	m->rng = cfg->seed | 1;
	m->ready_head = NIL;
	*out = &m->io;
	return 0;
}

void pktio_impair_stats(const struct pktio *io, struct impair_stats *s)
{
	*s = ((const struct impair *)io)->stats;
}
