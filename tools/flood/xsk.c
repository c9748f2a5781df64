// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sending by AF_XDP: one socket that only transmits, on one queue of the interface,
 * in copy mode where the driver has no other.
 *
 *	free[] ──► tx ring ──► kernel ──► completion ring ──► free[]
 *
 * A call sends a bounded number of frames, 32 on older kernels; EAGAIN, EBUSY and
 * ENOBUFS all mean that there is more to do.
 */
#include "flood.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include "flood_fill.h"

#define TICK	   0.001
#define FRAMES	   1024
#define FRAME_SIZE 2048
#define AREA	   ((size_t)FRAMES * FRAME_SIZE)
#define BURST	   256
#define BIND_TRIES 50
#define IDLE_CALLS 10000 /* without a completion: the device is stuck */
#define IDLE_SPIN  100	 /* of them without a pause; a slow device needs some milliseconds */

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

struct xsk_sender {
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	unsigned char *area;
	uint32_t free[FRAMES], n_free;
	__u64 rng;
	uint64_t at;
	uint64_t sent[FLOOD_TEMPLATES];
};

/* A socket that was just closed frees its queue a little late. */
static int bind_queue(struct xsk_sender *x, const struct args *a)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	const struct xsk_socket_config cfg = {.tx_size = FRAMES,
					      .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					      .bind_flags = XDP_USE_NEED_WAKEUP};
	int tries, err = -EBUSY;

	for (tries = 0; tries < BIND_TRIES && err == -EBUSY; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		err = xsk_socket__create(&x->xsk, a->ifname, a->queue, x->umem, NULL, &x->tx, &cfg);
	}
	return err;
}

static int make_socket(struct xsk_sender *x, const struct args *a, const char **why)
{
	const struct xsk_umem_config ucfg = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_SIZE};
	int err, budget = BURST;

	*why = "cannot make an AF_XDP socket; the kernel needs CONFIG_XDP_SOCKETS";
	err = xsk_umem__create(&x->umem, x->area, AREA, &x->fill, &x->comp, &ucfg);
	if (err)
		return err;
	err = bind_queue(x, a);
	if (err == -EBUSY)
		*why = "another AF_XDP socket has that queue; say another --queue";
	else if (err == -EINVAL)
		*why = "the interface has no such queue";
	if (err)
		return err;
	/* Newer kernels send more a call when asked to; others refuse, and that is fine. */
	setsockopt(xsk_socket__fd(x->xsk), SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	*why = NULL;
	return 0;
}

static void xsk_sender_close(struct sender *s)
{
	struct xsk_sender *x = s->own;

	if (x->xsk)
		xsk_socket__delete(x->xsk);
	if (x->umem)
		xsk_umem__delete(x->umem);
	if (x->area != MAP_FAILED)
		munmap(x->area, AREA);
	free(x);
	s->own = NULL;
}

static int xsk_sender_open(struct sender *s, const struct args *a, const char **why)
{
	struct xsk_sender *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	s->own = x;
	s->tick = TICK;
	x->rng = s->seed;
	for (; x->n_free < FRAMES; x->n_free++)
		x->free[x->n_free] = x->n_free * FRAME_SIZE;
	x->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	err = x->area == MAP_FAILED ? -ENOMEM : make_socket(x, a, why);
	if (err)
		xsk_sender_close(s);
	return err;
}

static void reclaim(struct xsk_sender *x)
{
	uint32_t idx, i, n = xsk_ring_cons__peek(&x->comp, FRAMES, &idx);

	for (i = 0; i < n; i++)
		x->free[x->n_free++] = (uint32_t)*xsk_ring_cons__comp_addr(&x->comp, idx + i);
	if (n)
		xsk_ring_cons__release(&x->comp, n);
}

/* Has the kernel send; 0 also when it could not send all. */
static int kick(struct xsk_sender *x)
{
	if (sendto(xsk_socket__fd(x->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	if (errno == EAGAIN || errno == EBUSY || errno == ENOBUFS || errno == EINTR)
		return 0;
	return -errno;
}

/* Puts up to n frames onto the ring; how many. */
static uint32_t put(struct sender *s, uint32_t n)
{
	struct xsk_sender *x = s->own;
	const struct flood_template *t;
	struct xdp_desc *d;
	unsigned char *at;
	uint32_t idx, i;
	unsigned int k;

	if (n > x->n_free)
		n = x->n_free;
	if (n > BURST)
		n = BURST;
	/* The ring has as many slots as there are frames. */
	if (!n || !xsk_ring_prod__reserve(&x->tx, n, &idx))
		return 0;
	for (i = 0; i < n; i++) {
		k = s->cfg.slot[x->at++ % FLOOD_SLOTS];
		t = &s->cfg.tpl[k];
		d = xsk_ring_prod__tx_desc(&x->tx, idx + i);
		d->addr = x->free[--x->n_free];
		d->len = t->len;
		d->options = 0;
		at = x->area + d->addr;
		flood_fill(&s->cfg, t, &x->rng, at, at + t->len);
		__atomic_store_n(&x->sent[k], x->sent[k] + 1, __ATOMIC_RELAXED);
	}
	xsk_ring_prod__submit(&x->tx, n);
	return n;
}

/* Returns once the kernel has sent all of them, so that a count is a count. */
static int xsk_sender_burst(struct sender *s, uint64_t n, const volatile int *stop)
{
	struct xsk_sender *x = s->own;
	uint32_t idle = 0, had;
	int err;

	while (((n && !*stop) || x->n_free < FRAMES) && idle < IDLE_CALLS) {
		if (n && !*stop)
			n -= put(s, n > BURST ? BURST : (uint32_t)n);
		err = kick(x);
		if (err)
			return err;
		had = x->n_free;
		reclaim(x);
		idle = x->n_free == had ? idle + 1 : 0;
		if (idle > IDLE_SPIN)
			usleep(1000);
	}
	return idle < IDLE_CALLS ? 0 : -ETIMEDOUT;
}

static uint64_t xsk_sender_sent(const struct sender *s, unsigned int template)
{
	const struct xsk_sender *x = s->own;

	return __atomic_load_n(&x->sent[template], __ATOMIC_RELAXED);
}

const struct backend backend_xsk = {
	.name = "xsk",
	.open = xsk_sender_open,
	.burst = xsk_sender_burst,
	.sent = xsk_sender_sent,
	.close = xsk_sender_close,
};
