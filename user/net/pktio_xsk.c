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
 * Memory ordering is libxdp's (release on submit, acquire on peek); this file
 * touches ring indices only through it.
 *
 * Waking the kernel (XDP_USE_NEED_WAKEUP): transmit needs a sendto() whenever
 * the tx ring's flag says so, which in copy mode is always. In copy mode one
 * call sends a bounded number of frames (32 on older kernels), and EAGAIN, EBUSY
 * and ENOBUFS all mean "that was not all, go on".
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include "net/pktio_gso.h"
#include "net/pktio_xsk.h"

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#ifndef XDP_USE_SG
#define XDP_USE_SG    (1 << 4) /* Linux 6.6 */
#define XDP_PKT_CONTD (1 << 0)
#endif

#define L2_MAX	     22	 /* Ethernet and two VLAN tags */
#define RX_HEADROOM  256 /* XDP_PACKET_HEADROOM, the kernel's */
#define TX_OFFSET    2	 /* puts the IP header on a multiple of four */
#define BUSY_RETRIES 50	 /* of 20 ms: a socket just closed frees its queue late */

#define FILL_MIN  512	/* frames kept in the fill ring */
#define FILL_CALM 16384 /* batches that needed fewer, before they are fewer */

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
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	uint8_t *area;
	size_t area_len;
	uint32_t frame_size, rx_frames, tx_frames;
	uint64_t *rx_spare, *tx_free;
	uint32_t n_rx_spare, n_tx_free;
	uint32_t fill_level, fill_calm;
	bool fill_adapts;
	struct big big;
	struct pktio_gso *gso; /* NULL: no bursts */
	bool burst_kept;       /* by gso: what it could not send goes before all else */
	uint64_t rx_oversized;
	uint64_t tx_refused; /* descriptors that were not fit to submit */
	struct pktio_stats st;
};

static inline struct xsk_io *to_xsk(struct pktio *io)
{
	return (struct xsk_io *)io;
}

/* ---- receive ---------------------------------------------------------------- */

/* Frames that the kernel has not taken from the fill ring yet. */
static uint32_t in_fill(struct xsk_io *x)
{
	return x->rx_frames - xsk_prod_nb_free(&x->fill, x->rx_frames);
}

static void refill(struct xsk_io *x)
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

static unsigned xsk_rx(struct pktio *io, struct pktio_frame *f, unsigned max)
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
		refill(x);
	return got;
}

static void xsk_release(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);
	unsigned i;

	for (i = 0; i < n; i++) {
		if (f[i].handle & BIG_MARK)
			x->big.free[x->big.n_free++] = (uint8_t)f[i].handle;
		else
			x->rx_spare[x->n_rx_spare++] = f[i].handle;
	}
	refill(x);
}

/* ---- transmit --------------------------------------------------------------- */

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

static unsigned xsk_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
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

static void xsk_tx_cancel(struct pktio *io, const struct pktio_frame *f, unsigned n)
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

static void xsk_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct xsk_io *x = to_xsk(io);
	uint32_t idx = 0, i, fit = 0;

	for (i = 0; i < n; i++)
		fit += tx_fit(x, &f[i]);
	/* tx_frames slots, and no more frames than that exist: this cannot fail. */
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
	return x->tx_frames - xsk_prod_nb_free(&x->tx, x->tx_frames);
}

/* The ring's frames, as far as the device takes them. */
static int send_ring(struct xsk_io *x)
{
	int fd = xsk_socket__fd(x->xsk), stuck = 0;
	uint32_t unsent, before;

	for (unsent = tx_unsent(x); unsent && xsk_ring_prod__needs_wakeup(&x->tx);) {
		ssize_t rc = sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);

		if (rc < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS &&
		    errno != EINTR)
			return -errno;
		reclaim(x); /* ENOBUFS: the completion ring had no room */
		before = unsent;
		unsent = tx_unsent(x);
		/* The device takes no more at present: let the caller do something else. */
		if (unsent >= before && ++stuck == 2)
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

static void xsk_tx_burst(struct pktio *io, const struct pktio_burst *b)
{
	struct xsk_io *x = to_xsk(io);

	if (tx_unsent(x))
		send_ring(x);
	x->st.tx_bursts++;
	x->st.tx_frames += (b->len + b->cut - 1) / b->cut;
	x->st.tx_bytes += b->hdr_len * (uint64_t)((b->len + b->cut - 1) / b->cut) + b->len;
	burst_done(x, pktio_gso_send(x->gso, b));
}

static int xsk_flush(struct pktio *io)
{
	struct xsk_io *x = to_xsk(io);

	if (xsk_ring_prod__needs_wakeup(&x->fill))
		recvfrom(xsk_socket__fd(x->xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
	if (x->burst_kept)
		burst_done(x, pktio_gso_retry(x->gso));
	return x->burst_kept ? -EAGAIN : send_ring(x);
}

/* ---- the rest of the table -------------------------------------------------- */

static int xsk_fd(struct pktio *io)
{
	return xsk_socket__fd(to_xsk(io)->xsk);
}

static void xsk_stats(struct pktio *io, struct pktio_stats *s)
{
	struct xsk_io *x = to_xsk(io);
	struct xdp_statistics ks = {0};
	socklen_t len = sizeof(ks);

	*s = x->st;
	s->tx_invalid_descs = x->tx_refused;
	if (getsockopt(xsk_socket__fd(x->xsk), SOL_XDP, XDP_STATISTICS, &ks, &len))
		return;
	s->rx_dropped = ks.rx_dropped + x->rx_oversized;
	s->rx_ring_full = ks.rx_ring_full;
	s->rx_fill_empty = ks.rx_fill_ring_empty_descs;
	s->rx_invalid_descs = ks.rx_invalid_descs;
	s->tx_invalid_descs += ks.tx_invalid_descs;
}

static void xsk_free(struct xsk_io *x)
{
	if (x->xsk)
		xsk_socket__delete(x->xsk);
	if (x->umem)
		xsk_umem__delete(x->umem);
	if (x->area)
		munmap(x->area, x->area_len);
	if (x->big.mem)
		munmap(x->big.mem, (size_t)BIG_SLOTS * BIG_SIZE);
	pktio_gso_close(x->gso);
	free(x->rx_spare);
	free(x->tx_free);
	free(x);
}

static void xsk_close(struct pktio *io)
{
	xsk_free(to_xsk(io));
}

static const struct pktio_ops xsk_ops = {
	.rx = xsk_rx,
	.release = xsk_release,
	.tx_reserve = xsk_tx_reserve,
	.tx_submit = xsk_tx_submit,
	.tx_cancel = xsk_tx_cancel,
	.flush = xsk_flush,
	.tx_burst = xsk_tx_burst,
	.fd = xsk_fd,
	.stats = xsk_stats,
	.close = xsk_close,
};

/* ---- opening ---------------------------------------------------------------- */

static int explain(const struct pktio_xsk_config *cfg, int rc, const char *what, char *err,
		   size_t len)
{
	const char *why = strerror(-rc);

	switch (-rc) {
	case EPERM:
		why = "not permitted; run as root or with CAP_NET_RAW";
		break;
	case ENOBUFS:
	case ENOMEM:
		why = "not enough memory may be locked; raise RLIMIT_MEMLOCK (ulimit -l) "
		      "or ask for fewer frames";
		break;
	case ENODEV:
		why = "no such interface";
		break;
	case EBUSY:
		why = "another AF_XDP socket has this queue";
		break;
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		why = "this kernel or device has no AF_XDP (CONFIG_XDP_SOCKETS)";
		break;
	case ENETDOWN:
		why = "the interface is down; bring it up with `ip link set ... up`";
		break;
	case EINVAL:
		why = "the device has no such queue or cannot do AF_XDP";
		break;
	}
	snprintf(err, len, "%s queue %u: cannot %s: %s", cfg->ifname, cfg->queue, what, why);
	return rc;
}

static bool pow2(uint32_t n)
{
	return n && !(n & (n - 1));
}

static int alloc_frames(struct xsk_io *x)
{
	uint32_t i;

	x->area_len = (size_t)(x->rx_frames + x->tx_frames) * x->frame_size;
	x->area = mmap(NULL, x->area_len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->area == MAP_FAILED) {
		x->area = NULL;
		return -ENOMEM;
	}
	x->rx_spare = calloc(x->rx_frames, sizeof(*x->rx_spare));
	x->tx_free = calloc(x->tx_frames, sizeof(*x->tx_free));
	if (!x->rx_spare || !x->tx_free)
		return -ENOMEM;
	for (i = x->rx_frames; i > 0; i--)
		x->rx_spare[x->n_rx_spare++] = (uint64_t)(i - 1) * x->frame_size;
	for (i = x->tx_frames; i > 0; i--)
		x->tx_free[x->n_tx_free++] = (uint64_t)(x->rx_frames + i - 1) * x->frame_size;
	return 0;
}

static int alloc_big(struct xsk_io *x)
{
	struct big *b = &x->big;

	b->mem = mmap(NULL, (size_t)BIG_SLOTS * BIG_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->mem == MAP_FAILED) {
		b->mem = NULL;
		return -ENOMEM;
	}
	for (b->n_free = 0; b->n_free < BIG_SLOTS; b->n_free++)
		b->free[b->n_free] = (uint8_t)b->n_free;
	return 0;
}

static int create_umem(struct xsk_io *x)
{
	struct xsk_umem_config uc = {
		.fill_size = x->rx_frames,
		.comp_size = x->tx_frames,
		.frame_size = x->frame_size,
	};

	return xsk_umem__create(&x->umem, x->area, x->area_len, &x->fill, &x->comp, &uc);
}

/*
 * Without XDP_COPY or XDP_ZEROCOPY the kernel tries zero-copy and falls back to
 * copying by itself; XDP_OPTIONS says afterwards which it is.
 */
static int bind_socket(struct xsk_io *x, const struct pktio_xsk_config *cfg)
{
	struct xsk_socket_config sc = {
		.rx_size = x->rx_frames,
		.tx_size = x->tx_frames,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP | (cfg->force_copy ? XDP_COPY : 0) |
			      (x->big.mem ? XDP_USE_SG : 0),
	};
	int rc, i;

	for (i = 0; i < BUSY_RETRIES; i++) {
		rc = xsk_socket__create(&x->xsk, cfg->ifname, cfg->queue, x->umem, &x->rx, &x->tx,
					&sc);
		if (rc != -EBUSY)
			break;
		usleep(20000);
	}
	return rc;
}

static void tune_socket(struct xsk_io *x)
{
	int fd = xsk_socket__fd(x->xsk);
	/* Copy mode charges every frame in flight to the socket: let the ring be the limit. */
	int sndbuf = (int)(x->tx_frames * (x->frame_size + 1024));
	__u32 budget = x->tx_frames < 1024 ? x->tx_frames : 1024;
	struct xdp_options opts = {0};
	socklen_t len = sizeof(opts);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	/* Refused before 6.17, which costs more system calls and nothing else. */
	setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	x->io.mode = "copy";
	if (!getsockopt(fd, SOL_XDP, XDP_OPTIONS, &opts, &len) &&
	    (opts.flags & XDP_OPTIONS_ZEROCOPY))
		x->io.mode = "zerocopy";
	x->fill_adapts = !strcmp(x->io.mode, "copy") && x->rx_frames > FILL_MIN;
	if (x->fill_adapts)
		x->fill_level = FILL_MIN;
}

static int open_io(struct xsk_io *x, const struct pktio_xsk_config *cfg, const char **what)
{
	int rc;

	*what = "allocate the frames";
	rc = alloc_frames(x);
	if (!rc && cfg->large_frames)
		rc = alloc_big(x);
	if (rc)
		return rc;
	*what = "register the frames";
	rc = create_umem(x);
	if (rc)
		return rc;
	refill(x); /* zero-copy drivers take their frames while binding */
	*what = "bind an AF_XDP socket";
	return bind_socket(x, cfg);
}

static struct xsk_io *new_io(const struct pktio_xsk_config *cfg)
{
	struct xsk_io *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->rx_frames = cfg->rx_frames ? cfg->rx_frames : PKTIO_XSK_RX_FRAMES;
	x->tx_frames = cfg->tx_frames ? cfg->tx_frames : PKTIO_XSK_TX_FRAMES;
	x->fill_level = x->rx_frames;
	x->frame_size = cfg->mtu + L2_MAX + RX_HEADROOM <= 2048 ? 2048 : 4096;
	x->io.ops = &xsk_ops;
	x->io.mtu = cfg->mtu;
	return x;
}

int pktio_xsk_open(struct pktio **out, const struct pktio_xsk_config *cfg, char *err, size_t errlen)
{
	struct pktio_xsk_config plain = *cfg;
	const char *what = "allocate";
	struct xsk_io *x;
	int rc;

	if (cfg->mtu > PKTIO_XSK_MTU_MAX) {
		snprintf(err, errlen, "%s: MTU %u is too large for one AF_XDP frame (at most %d)",
			 cfg->ifname, cfg->mtu, PKTIO_XSK_MTU_MAX);
		return -EMSGSIZE;
	}
	if ((cfg->rx_frames && !pow2(cfg->rx_frames)) ||
	    (cfg->tx_frames && !pow2(cfg->tx_frames))) {
		snprintf(err, errlen, "frame counts must be powers of two");
		return -EINVAL;
	}
	x = new_io(cfg);
	if (!x)
		return explain(cfg, -ENOMEM, what, err, errlen);
	rc = open_io(x, cfg, &what);
	if (rc) {
		xsk_free(x);
		if (rc == -EINVAL && cfg->large_frames) { /* before Linux 6.6 */
			plain.large_frames = false;
			return pktio_xsk_open(out, &plain, err, errlen);
		}
		return explain(cfg, rc, what, err, errlen);
	}
	tune_socket(x);
	if (cfg->bursts && !strcmp(x->io.mode, "copy") && !pktio_gso_open(&x->gso, cfg->ifname))
		x->io.burst_max = PKTIO_GSO_MAX;
	*out = &x->io;
	return 0;
}

int pktio_xsk_fd(const struct pktio *io)
{
	return xsk_socket__fd(((const struct xsk_io *)io)->xsk);
}
