// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xdp/xsk.h>

#include "lo_socket.h"

#define FRAMES	   64
#define FRAME_SIZE 2048
#define AREA	   (FRAMES * FRAME_SIZE)

struct lo_socket {
	struct xsk_socket *xsk;
	struct xsk_umem *umem;
	void *area;
	/* libxdp keeps pointers to them */
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp, rx;
};

static int open_socket(struct lo_socket *s)
{
	const struct xsk_umem_config u = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_SIZE};
	const struct xsk_socket_config c = {
		.rx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	int rc;

	s->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED) {
		s->area = NULL;
		return -errno;
	}
	rc = xsk_umem__create(&s->umem, s->area, AREA, &s->fill, &s->comp, &u);
	return rc ? rc : xsk_socket__create(&s->xsk, "lo", 0, s->umem, &s->rx, NULL, &c);
}

int lo_socket_open(struct lo_socket **out)
{
	struct lo_socket *s = calloc(1, sizeof(*s));
	int rc = s ? open_socket(s) : -ENOMEM;

	if (rc)
		lo_socket_close(s);
	else
		*out = s;
	return rc;
}

void lo_socket_close(struct lo_socket *s)
{
	if (!s)
		return;
	if (s->xsk)
		xsk_socket__delete(s->xsk);
	if (s->umem)
		xsk_umem__delete(s->umem);
	if (s->area)
		munmap(s->area, AREA);
	free(s);
}

int lo_socket_fd(const struct lo_socket *s)
{
	return xsk_socket__fd(s->xsk);
}
