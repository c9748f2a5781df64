/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handing a socket over. libxdp knows none but those it has opened: here the rings of one
 * that came as a descriptor are mapped, and filled in for its inline functions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/pktio_xsk_adopt.h"
#include "net/pktio_xsk_io.h"

#define FRAMES_MAX  (1u << 24)
#define FLAGS_KNOWN (PKTIO_XSK_ZEROCOPY | PKTIO_XSK_LARGE)
#define TAKE_TRIES  100 /* of a millisecond */

/* ---- giver -------------------------------------------------------------------- */

void pktio_xsk_describe(const struct pktio *io, struct pktio_xsk_state *s, int *sock_fd,
			int *area_fd)
{
	const struct xsk_io *x = (const struct xsk_io *)io;

	*s = (struct pktio_xsk_state){
		.size = sizeof(*s),
		.queue = x->queue,
		.mtu = io->mtu,
		.frame_size = x->frame_size,
		.rx_frames = x->rx_frames,
		.tx_frames = x->tx_frames,
		.tx_slots = XSK_TX_SLOTS(x),
		.flags = (xsk_copies(x) ? 0 : PKTIO_XSK_ZEROCOPY) |
			 (x->big.mem ? PKTIO_XSK_LARGE : 0),
		.refusal = x->refusal,
	};
	*sock_fd = x->fd;
	*area_fd = x->area_fd;
}

static uint32_t frames_of(const struct xsk_io *x)
{
	return x->rx_frames + x->tx_frames;
}

static size_t bitmap_size(uint32_t frames)
{
	return frames / 8 + 1;
}

size_t pktio_xsk_held_size(const struct pktio_xsk_state *s)
{
	return bitmap_size(s->rx_frames + s->tx_frames);
}

static bool bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
	bits[i / 8] |= (uint8_t)(1 << i % 8);
}

int pktio_xsk_held(const struct pktio *io, uint8_t *bits, size_t len)
{
	const struct xsk_io *x = (const struct xsk_io *)io;
	uint32_t i;

	if (len != bitmap_size(frames_of(x)))
		return -EINVAL;
	memset(bits, 0, len);
	for (i = 0; i < x->n_rx_spare; i++)
		set_bit(bits, (uint32_t)(x->rx_spare[i] / x->frame_size));
	for (i = 0; i < x->n_tx_free; i++)
		set_bit(bits, (uint32_t)(x->tx_free[i] / x->frame_size));
	if (x->big.filling)
		set_bit(bits, frames_of(x));
	return 0;
}

bool pktio_xsk_untouched(const struct pktio *io)
{
	const struct xsk_io *x = (const struct xsk_io *)io;

	/* The indices that are this side's to move. */
	return *x->fill.producer == x->fill.cached_prod && *x->tx.producer == x->tx.cached_prod &&
	       *x->rx.consumer == x->rx.cached_cons && *x->comp.consumer == x->comp.cached_cons;
}

/* ---- taker: what it was given --------------------------------------------------- */

static const char *unfit(const struct pktio_xsk_config *cfg, const struct pktio_xsk_state *s)
{
	if (s->size != sizeof(*s))
		return "another version of weir has described it";
	if (s->queue != cfg->queue)
		return "it is of another queue";
	if (s->flags & ~FLAGS_KNOWN)
		return "it has features that are unknown here";
	if (s->frame_size != 2048 && s->frame_size != 4096)
		return "its frames have a size that there is not";
	if (!xsk_pow2(s->rx_frames) || s->rx_frames > FRAMES_MAX || !xsk_pow2(s->tx_frames) ||
	    s->tx_frames > FRAMES_MAX)
		return "its numbers of frames are none that there can be";
	if (s->tx_slots != 2 * s->tx_frames)
		return "its ring for sending has another size";
	if (cfg->force_zerocopy && !(s->flags & PKTIO_XSK_ZEROCOPY))
		return "it copies, and zero-copy is asked for";
	if (cfg->force_copy && s->flags & PKTIO_XSK_ZEROCOPY)
		return "it is a zero-copy one, and copying is asked for";
	return NULL;
}

static const char *wrong_socket(int fd, const struct pktio_xsk_state *s)
{
	struct xdp_options opts = {0};
	socklen_t len = sizeof(int);
	int domain = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) || domain != AF_XDP)
		return "the descriptor is not of an AF_XDP socket";
	len = sizeof(opts);
	if (!getsockopt(fd, SOL_XDP, XDP_OPTIONS, &opts, &len) &&
	    !(opts.flags & XDP_OPTIONS_ZEROCOPY) != !(s->flags & PKTIO_XSK_ZEROCOPY))
		return "it is not in the mode that is said";
	return NULL;
}

/* Were it to shrink, reading a frame would be a signal. */
static const char *wrong_area(int fd, const struct pktio_xsk_state *s)
{
	uint64_t len = (uint64_t)(s->rx_frames + s->tx_frames) * s->frame_size;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st))
		return "the descriptor is not of its frames";
	if ((uint64_t)st.st_size != len)
		return "its frames are more or fewer than said";
	return NULL;
}

/* ---- taker: the rings --------------------------------------------------------------- */

static uint8_t *map_ring(struct xsk_io *x, unsigned i, size_t len, uint64_t at)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, x->fd,
		       (off_t)at);

	if (p == MAP_FAILED)
		return NULL;
	x->ring[i].at = p;
	x->ring[i].len = len;
	return p;
}

/* The kernel fills some and empties others: libxdp's types differ, their members do not. */
#define MAP_RING(x_, i_, r_, off_, slots_, each_, pgoff_)                                          \
	({                                                                                         \
		uint8_t *at_ = map_ring(x_, i_, (off_)->desc + (slots_) * (each_), pgoff_);        \
                                                                                                   \
		if (at_) {                                                                         \
			(r_)->mask = (slots_)-1;                                                   \
			(r_)->size = (slots_);                                                     \
			(r_)->producer = (uint32_t *)(at_ + (off_)->producer);                     \
			(r_)->consumer = (uint32_t *)(at_ + (off_)->consumer);                     \
			(r_)->flags = (uint32_t *)(at_ + (off_)->flags);                           \
			(r_)->ring = at_ + (off_)->desc;                                           \
		}                                                                                  \
		at_ ? 0 : -errno;                                                                  \
	})

static int map_rings(struct xsk_io *x)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int rc;

	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len))
		return -errno;
	if (len != sizeof(off))
		return -EINVAL;
	rc = MAP_RING(x, 0, &x->rx, &off.rx, x->rx_frames, sizeof(struct xdp_desc),
		      XDP_PGOFF_RX_RING);
	if (!rc)
		rc = MAP_RING(x, 1, &x->tx, &off.tx, XSK_TX_SLOTS(x), sizeof(struct xdp_desc),
			      XDP_PGOFF_TX_RING);
	if (!rc)
		rc = MAP_RING(x, 2, &x->fill, &off.fr, x->rx_frames, sizeof(__u64),
			      XDP_UMEM_PGOFF_FILL_RING);
	if (!rc)
		rc = MAP_RING(x, 3, &x->comp, &off.cr, x->tx_frames, sizeof(__u64),
			      XDP_UMEM_PGOFF_COMPLETION_RING);
	return rc;
}

static const char *why_no_rings(int *rc)
{
	switch (-*rc) {
	case EBUSY:
		*rc = -EOPNOTSUPP;
		return "the kernel maps the rings of no socket that is bound; it takes Linux 6.4";
	case EINVAL:
		return "its rings have other sizes than said";
	}
	return strerror(-*rc);
}

/* ---- taker: adopting ------------------------------------------------------------------ */

static int refuse(const struct pktio_xsk_config *cfg, int rc, const char *why, char *err,
		  size_t len)
{
	snprintf(err, len, "%s queue %u: cannot take its AF_XDP socket over: %s", cfg->ifname,
		 cfg->queue, why);
	return rc;
}

static int check(const struct pktio_xsk_config *cfg, const struct pktio_xsk_state *s, int sock_fd,
		 int area_fd, char *err, size_t errlen)
{
	const char *why = unfit(cfg, s);

	if (!why)
		why = wrong_socket(sock_fd, s);
	if (!why)
		why = wrong_area(area_fd, s);
	if (why)
		return refuse(cfg, -EINVAL, why, err, errlen);
	if (cfg->mtu > PKTIO_XSK_MTU_MAX || xsk_frame_size(cfg->mtu) > s->frame_size)
		return refuse(cfg, -EMSGSIZE, "the MTU has grown beyond its frames", err, errlen);
	return 0;
}

int pktio_xsk_adopt(struct pktio **out, const struct pktio_xsk_config *cfg,
		    const struct pktio_xsk_state *s, int sock_fd, int area_fd, char *err,
		    size_t errlen)
{
	int rc = check(cfg, s, sock_fd, area_fd, err, errlen);
	const char *why;
	struct xsk_io *x;

	if (rc)
		return rc;
	x = xsk_new(cfg);
	if (!x)
		return refuse(cfg, -ENOMEM, strerror(ENOMEM), err, errlen);
	x->rx_frames = s->rx_frames;
	x->tx_frames = s->tx_frames;
	x->frame_size = s->frame_size;
	x->fill_level = s->rx_frames;
	x->refusal = s->refusal;
	x->adopted = true;
	x->fd = sock_fd;
	rc = map_rings(x);
	if (rc) {
		why = why_no_rings(&rc);
		goto fail;
	}
	rc = xsk_area_map(x, area_fd, s->flags & PKTIO_XSK_LARGE);
	if (rc) {
		why = strerror(-rc);
		goto fail;
	}
	xsk_ready(x, cfg);
	*out = &x->io;
	return 0;
fail:
	x->fd = -1;
	xsk_free(x);
	return refuse(cfg, rc, why, err, errlen);
}

/* ---- taker: taking ------------------------------------------------------------------ */

/* What was found where: every frame at most once. */
struct census {
	const struct xsk_io *x;
	uint8_t *seen;
	bool clash;
};

static void count(struct census *c, uint64_t addr, uint32_t first, uint32_t n)
{
	uint64_t i = addr / c->x->frame_size;

	if (i < first || i >= (uint64_t)first + n || bit(c->seen, (uint32_t)i))
		c->clash = true;
	else
		set_bit(c->seen, (uint32_t)i);
}

static void count_rx(struct census *c)
{
	const struct xsk_io *x = c->x;
	uint32_t to = __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE), i;

	for (i = *x->rx.consumer; i != to && !c->clash; i++)
		count(c, xsk_ring_cons__rx_desc(&x->rx, i)->addr, 0, x->rx_frames);
}

static void count_comp(struct census *c)
{
	const struct xsk_io *x = c->x;
	uint32_t to = __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE), i;

	for (i = *x->comp.consumer; i != to && !c->clash; i++)
		count(c, *xsk_ring_cons__comp_addr(&x->comp, i), x->rx_frames, x->tx_frames);
}

static void count_fill(struct census *c)
{
	struct xsk_ring_prod r = c->x->fill;
	uint32_t i;

	for (i = __atomic_load_n(r.consumer, __ATOMIC_ACQUIRE); i != *r.producer && !c->clash; i++)
		count(c, *xsk_ring_prod__fill_addr(&r, i), 0, c->x->rx_frames);
}

static void count_tx(struct census *c)
{
	struct xsk_ring_prod r = c->x->tx;
	uint32_t i;

	/* A kernel that says it late leaves frames in it that are long completed. */
	if (!xsk_copies(c->x) || !c->x->tx_tells)
		return;
	for (i = __atomic_load_n(r.consumer, __ATOMIC_ACQUIRE); i != *r.producer && !c->clash; i++)
		count(c, xsk_ring_prod__tx_desc(&r, i)->addr, c->x->rx_frames, c->x->tx_frames);
}

/* The rings that the kernel fills go before those it empties: a frame moves the other way. */
static int frames_apart(const struct xsk_io *x, const uint8_t *bits, size_t len)
{
	struct census c = {.x = x, .seen = malloc(len)};

	if (!c.seen)
		return -ENOMEM;
	memcpy(c.seen, bits, len);
	count_rx(&c);
	count_comp(&c);
	count_fill(&c);
	count_tx(&c);
	free(c.seen);
	return c.clash ? -EINVAL : 0;
}

static void sync_prod(struct xsk_ring_prod *r)
{
	r->cached_prod = *r->producer;
	r->cached_cons = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE) + r->size;
}

static void sync_cons(struct xsk_ring_cons *r)
{
	r->cached_cons = *r->consumer;
	r->cached_prod = r->cached_cons; /* the first peek looks */
}

static void own_frames(struct xsk_io *x, const uint8_t *bits)
{
	uint32_t i;

	for (i = x->rx_frames; i > 0; i--) {
		if (bit(bits, i - 1))
			x->rx_spare[x->n_rx_spare++] = (uint64_t)(i - 1) * x->frame_size;
	}
	for (i = frames_of(x); i > x->rx_frames; i--) {
		if (bit(bits, i - 1))
			x->tx_free[x->n_tx_free++] = (uint64_t)(i - 1) * x->frame_size;
	}
	/* The rest of a frame whose beginning is gone: dropped, as one that is too large. */
	if (bit(bits, frames_of(x))) {
		x->big.filling = true;
		x->big.slot = x->big.free[--x->big.n_free];
		x->big.len = BIG_SIZE + 1;
	}
}

static bool can_be(const struct xsk_io *x, const uint8_t *bits, size_t len)
{
	if (len != bitmap_size(frames_of(x)) || (bit(bits, frames_of(x)) && !x->big.mem))
		return false;
	for (uint32_t i = frames_of(x) + 1; i < 8 * len; i++) {
		if (bit(bits, i))
			return false;
	}
	return true;
}

int pktio_xsk_take(struct pktio *io, const uint8_t *bits, size_t len)
{
	struct xsk_io *x = to_xsk(io);
	unsigned tries = 0;
	int rc;

	if (!x->adopted || x->taken || !can_be(x, bits, len))
		return -EINVAL;
	/* The kernel puts a frame into the rx ring before it says that it left the fill ring. */
	while ((rc = frames_apart(x, bits, len)) == -EINVAL && ++tries < TAKE_TRIES)
		usleep(1000);
	if (rc)
		return rc;
	sync_prod(&x->fill);
	sync_prod(&x->tx);
	sync_cons(&x->rx);
	sync_cons(&x->comp);
	own_frames(x, bits);
	x->taken = true;
	return 0;
}
