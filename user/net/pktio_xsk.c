/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket: opening, statistics, closing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/pktio_xsk_io.h"

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#define BUSY_RETRIES 50 /* of 20 ms: a socket just closed frees its queue late */

static int xsk_fd(struct pktio *io)
{
	return to_xsk(io)->fd;
}

static void xsk_stats(struct pktio *io, struct pktio_stats *s)
{
	struct xsk_io *x = to_xsk(io);
	struct xdp_statistics ks = {0};
	socklen_t len = sizeof(ks);

	*s = x->st;
	s->tx_invalid_descs = x->tx_refused;
	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &ks, &len))
		return;
	s->rx_dropped = ks.rx_dropped + x->rx_oversized;
	s->rx_ring_full = ks.rx_ring_full;
	s->rx_fill_empty = ks.rx_fill_ring_empty_descs;
	s->rx_invalid_descs = ks.rx_invalid_descs;
	s->tx_invalid_descs += ks.tx_invalid_descs;
}

void xsk_free(struct xsk_io *x)
{
	if (x->xsk)
		xsk_socket__delete(x->xsk);
	if (x->umem)
		xsk_umem__delete(x->umem); /* and with it the descriptor of the socket */
	else if (x->fd >= 0)
		close(x->fd);
	for (unsigned i = 0; i < XSK_RINGS; i++) {
		if (x->ring[i].at)
			munmap(x->ring[i].at, x->ring[i].len);
	}
	xsk_area_free(x);
	pktio_gso_close(x->gso);
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

static const char *reason(int rc)
{
	switch (-rc) {
	case EPERM:
		return "not permitted; run as root or with CAP_NET_RAW";
	case ENOBUFS:
	case ENOMEM:
		return "not enough memory, or not enough that may be locked: raise RLIMIT_MEMLOCK "
		       "(ulimit -l), or ask for fewer --rx-frames and --tx-frames";
	case EFBIG:
		return "files may not be as large (ulimit -f): the frames are in one without a "
		       "name";
	case ENODEV:
		return "no such interface";
	case EBUSY:
		return "another AF_XDP socket has this queue";
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		return "this kernel or device has no AF_XDP (CONFIG_XDP_SOCKETS)";
	case ENETDOWN:
		return "the interface is down; bring it up with `ip link set ... up`";
	case EINVAL:
		return "the device has no such queue or cannot do AF_XDP";
	}
	return strerror(-rc);
}

static int explain(const struct pktio_xsk_config *cfg, int rc, const char *what, const char *why,
		   char *err, size_t len)
{
	snprintf(err, len, "%s queue %u: cannot %s: %s", cfg->ifname, cfg->queue, what, why);
	return rc;
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
 * `how`: XDP_ZEROCOPY or XDP_COPY. With neither the kernel would fall back to copying
 * by itself, and nobody would learn why.
 */
static int bind_socket(struct xsk_io *x, const struct pktio_xsk_config *cfg, uint16_t how)
{
	struct xsk_socket_config sc = {
		.rx_size = x->rx_frames,
		/*
		 * Before 6.17 the kernel says what it has taken from the ring only when that
		 * is empty, while frames complete and come back: as many slots may be
		 * behind the times as there are frames.
		 */
		.tx_size = XSK_TX_SLOTS(x),
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP | how | (x->big.mem ? XDP_USE_SG : 0),
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
	int fd = x->fd;
	/* Copy mode charges every frame in flight to the socket: let the ring be the limit. */
	int sndbuf = (int)(x->tx_frames * (x->frame_size + 1024));
	__u32 budget = x->tx_frames < 1024 ? x->tx_frames : 1024;
	struct xdp_options opts = {0};
	socklen_t len = sizeof(opts);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	/* Refused before 6.17, which costs more system calls and nothing else. */
	x->tx_tells = !setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	x->io.mode = "copy";
	if (!getsockopt(fd, SOL_XDP, XDP_OPTIONS, &opts, &len) &&
	    (opts.flags & XDP_OPTIONS_ZEROCOPY))
		x->io.mode = "zerocopy";
	x->fill_adapts = xsk_copies(x) && x->rx_frames > FILL_MIN;
	if (x->fill_adapts)
		x->fill_level = FILL_MIN;
}

void xsk_ready(struct xsk_io *x, const struct pktio_xsk_config *cfg)
{
	tune_socket(x);
	if (cfg->bursts && xsk_copies(x) && !pktio_gso_open(&x->gso, cfg->ifname))
		x->io.burst_max = PKTIO_GSO_MAX;
}

static int open_io(struct xsk_io *x, const struct pktio_xsk_config *cfg, uint16_t how,
		   const char **what)
{
	int rc;

	*what = "allocate the frames";
	rc = xsk_area_new(x, cfg->large_frames);
	if (rc)
		return rc;
	xsk_frames_all(x);
	*what = "register the frames";
	rc = create_umem(x);
	if (rc)
		return rc;
	xsk_refill(x); /* zero-copy drivers take their frames while binding */
	*what = how == XDP_ZEROCOPY ? "bind a zero-copy AF_XDP socket" : "bind an AF_XDP socket";
	return bind_socket(x, cfg, how);
}

struct xsk_io *xsk_new(const struct pktio_xsk_config *cfg)
{
	struct xsk_io *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->fd = x->area_fd = -1;
	x->io.ops = &xsk_ops;
	x->io.mtu = cfg->mtu;
	x->queue = cfg->queue;
	return x;
}

static struct xsk_io *new_io(const struct pktio_xsk_config *cfg)
{
	struct xsk_io *x = xsk_new(cfg);

	if (!x)
		return NULL;
	x->rx_frames = cfg->rx_frames ? cfg->rx_frames : PKTIO_XSK_RX_FRAMES;
	x->tx_frames = cfg->tx_frames ? cfg->tx_frames : PKTIO_XSK_TX_FRAMES;
	x->fill_level = x->rx_frames;
	x->frame_size = xsk_frame_size(cfg->mtu);
	return x;
}

/* Bound in one way, or nothing is left of it. */
static int open_as(struct pktio **out, const struct pktio_xsk_config *cfg, uint16_t how, char *err,
		   size_t errlen)
{
	struct xsk_io *x = new_io(cfg);
	const char *what;
	int rc;

	if (!x)
		return explain(cfg, -ENOMEM, "allocate", reason(-ENOMEM), err, errlen);
	rc = open_io(x, cfg, how, &what);
	if (rc) {
		xsk_free(x);
		/* Why not zero-copy is for the driver to say. */
		return explain(cfg, rc, what, how == XDP_ZEROCOPY ? strerror(-rc) : reason(rc), err,
			       errlen);
	}
	x->fd = xsk_socket__fd(x->xsk);
	xsk_ready(x, cfg);
	*out = &x->io;
	return 0;
}

static int open_copy(struct pktio **out, const struct pktio_xsk_config *cfg, char *err,
		     size_t errlen)
{
	struct pktio_xsk_config plain = *cfg;
	int rc = open_as(out, cfg, XDP_COPY, err, errlen);

	if (rc != -EINVAL || !cfg->large_frames)
		return rc;
	plain.large_frames = false; /* before Linux 6.6 */
	return open_as(out, &plain, XDP_COPY, err, errlen);
}

int pktio_xsk_open(struct pktio **out, const struct pktio_xsk_config *cfg, char *err, size_t errlen)
{
	int refusal = 0, rc;

	if (cfg->mtu > PKTIO_XSK_MTU_MAX) {
		snprintf(err, errlen, "%s: MTU %u is too large for one AF_XDP frame (at most %d)",
			 cfg->ifname, cfg->mtu, PKTIO_XSK_MTU_MAX);
		return -EMSGSIZE;
	}
	if ((cfg->rx_frames && !xsk_pow2(cfg->rx_frames)) ||
	    (cfg->tx_frames && !xsk_pow2(cfg->tx_frames))) {
		snprintf(err, errlen, "frame counts must be powers of two");
		return -EINVAL;
	}
	if (!cfg->force_copy) {
		refusal = open_as(out, cfg, XDP_ZEROCOPY, err, errlen);
		if (!refusal || cfg->force_zerocopy)
			return refusal;
	}
	rc = open_copy(out, cfg, err, errlen);
	if (!rc)
		to_xsk(*out)->refusal = refusal;
	return rc;
}

int pktio_xsk_refusal(const struct pktio *io)
{
	return ((const struct xsk_io *)io)->refusal;
}

int pktio_xsk_fd(const struct pktio *io)
{
	return ((const struct xsk_io *)io)->fd;
}
