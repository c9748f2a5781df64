/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the frames. It is a file without a name (a memfd), so that another process
 * that is given the descriptor can map the very pages that the kernel has of the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/pktio_xsk_io.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8U /* Linux 6.3 */
#endif

#define L2_MAX	    22	/* Ethernet and two VLAN tags */
#define RX_HEADROOM 256 /* XDP_PACKET_HEADROOM, the kernel's */

uint32_t xsk_frame_size(uint32_t mtu)
{
	return mtu + L2_MAX + RX_HEADROOM <= 2048 ? 2048 : 4096;
}

uint64_t pktio_xsk_memory(uint32_t mtu, uint32_t rx_frames, uint32_t tx_frames)
{
	/* Each frame is in a list here and in rings there, the one for sending twice as long. */
	const uint64_t lists = sizeof(uint64_t) + 2 * sizeof(struct xdp_desc) + sizeof(uint64_t);

	return ((uint64_t)rx_frames + tx_frames) * (xsk_frame_size(mtu) + lists) +
	       (uint64_t)BIG_SLOTS * BIG_SIZE;
}

static int lists_new(struct xsk_io *x)
{
	x->rx_spare = calloc(x->rx_frames, sizeof(*x->rx_spare));
	x->tx_free = calloc(x->tx_frames, sizeof(*x->tx_free));
	return x->rx_spare && x->tx_free ? 0 : -ENOMEM;
}

static int big_new(struct big *b)
{
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

/* Of a size that stays: who maps it never finds a page gone. */
static int file_new(size_t len)
{
	struct rlimit files;
	int fd, rc;

	/* The limit on the size of files holds here, too, and reaching it is a signal. */
	if (!getrlimit(RLIMIT_FSIZE, &files) && files.rlim_cur < len)
		return -EFBIG;
	fd = memfd_create("weir-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("weir-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int xsk_area_map(struct xsk_io *x, int fd, bool large)
{
	int rc;

	x->area_len = (size_t)(x->rx_frames + x->tx_frames) * x->frame_size;
	x->area = mmap(NULL, x->area_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (x->area == MAP_FAILED) {
		x->area = NULL;
		return -errno;
	}
	rc = lists_new(x);
	if (!rc && large)
		rc = big_new(&x->big);
	if (!rc)
		x->area_fd = fd;
	return rc;
}

int xsk_area_new(struct xsk_io *x, bool large)
{
	int fd = file_new((size_t)(x->rx_frames + x->tx_frames) * x->frame_size), rc;

	if (fd < 0)
		return fd;
	rc = xsk_area_map(x, fd, large);
	if (rc)
		close(fd);
	return rc;
}

void xsk_frames_all(struct xsk_io *x)
{
	uint32_t i;

	for (i = x->rx_frames; i > 0; i--)
		x->rx_spare[x->n_rx_spare++] = (uint64_t)(i - 1) * x->frame_size;
	for (i = x->tx_frames; i > 0; i--)
		x->tx_free[x->n_tx_free++] = (uint64_t)(x->rx_frames + i - 1) * x->frame_size;
}

void xsk_area_free(struct xsk_io *x)
{
	if (x->area)
		munmap(x->area, x->area_len);
	if (x->area_fd >= 0)
		close(x->area_fd);
	if (x->big.mem)
		munmap(x->big.mem, (size_t)BIG_SLOTS * BIG_SIZE);
	free(x->rx_spare);
	free(x->tx_free);
}
