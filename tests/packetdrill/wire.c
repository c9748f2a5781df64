/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ethernet, two tags, IPv6, TCP with options beyond the MTU's */
#define HEADROOM 192

const uint8_t wire_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t wire_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

static void push(struct wire_queue *q, struct wire_frame *f)
{
	f->next = NULL;
	*q->last = f;
	q->last = &f->next;
}

static struct wire_frame *pop(struct wire_queue *q)
{
	struct wire_frame *f = q->first;

	if (!f)
		return NULL;
	q->first = f->next;
	if (!q->first)
		q->last = &q->first;
	return f;
}

static struct wire *to_wire(struct pktio *io)
{
	return (struct wire *)io;
}

static struct wire_frame *frame_of(const struct pktio_frame *f)
{
	return (struct wire_frame *)(uintptr_t)f->handle;
}

static unsigned io_rx(struct pktio *io, struct pktio_frame *f, unsigned max)
{
	struct wire *w = to_wire(io);
	struct wire_frame *in;
	unsigned n = 0;

	for (; n < max && (in = pop(&w->in)); n++) {
		f[n] = (struct pktio_frame){
			.data = in->data, .len = in->len, .cap = in->len, .handle = (uintptr_t)in};
		w->stats.rx_frames++;
		w->stats.rx_bytes += in->len;
	}
	return n;
}

static void io_free(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	(void)io;
	for (unsigned i = 0; i < n; i++)
		free(frame_of(&f[i]));
}

static unsigned io_tx_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
{
	uint32_t cap = io->mtu + HEADROOM;

	for (unsigned i = 0; i < n; i++) {
		struct wire_frame *out = malloc(sizeof(*out) + cap);

		if (!out)
			return i;
		f[i] = (struct pktio_frame){
			.data = out->data, .cap = cap, .handle = (uintptr_t)out};
	}
	return n;
}

static void io_tx_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	struct wire *w = to_wire(io);

	for (unsigned i = 0; i < n; i++) {
		frame_of(&f[i])->len = f[i].len;
		wire_emit(w, frame_of(&f[i]));
		w->stats.tx_frames++;
		w->stats.tx_bytes += f[i].len;
	}
}

static int io_flush(struct pktio *io)
{
	(void)io;
	return 0;
}

static int io_fd(struct pktio *io)
{
	(void)io;
	return -1;
}

static void io_stats(struct pktio *io, struct pktio_stats *s)
{
	*s = to_wire(io)->stats;
}

static void io_close(struct pktio *io)
{
	(void)io; /* the instance's, which outlives the stack */
}

static const struct pktio_ops wire_ops = {
	.rx = io_rx,
	.release = io_free,
	.tx_reserve = io_tx_reserve,
	.tx_submit = io_tx_submit,
	.tx_cancel = io_free,
	.flush = io_flush,
	.fd = io_fd,
	.stats = io_stats,
	.close = io_close,
};

void wire_init(struct wire *w, uint32_t mtu, const uint64_t *now_us)
{
	memset(w, 0, sizeof(*w));
	w->io = (struct pktio){.ops = &wire_ops, .mode = "script", .mtu = mtu};
	w->in.last = &w->in.first;
	w->out.last = &w->out.first;
	w->now_us = now_us;
}

void wire_fini(struct wire *w)
{
	struct wire_frame *f;

	while ((f = pop(&w->in)))
		free(f);
	while ((f = pop(&w->out)))
		free(f);
}

struct wire_frame *wire_frame_new(const void *packet, size_t len)
{
	uint8_t version = len ? *(const uint8_t *)packet >> 4 : 0;
	struct wire_frame *f;

	if ((version != 4 && version != 6) || len > UINT16_MAX + 40)
		return NULL;
	f = malloc(sizeof(*f) + WIRE_ETH + len);
	if (!f)
		return NULL;
	memcpy(f->data, wire_mac, 6);
	memcpy(f->data + 6, wire_peer_mac, 6);
	f->data[12] = version == 4 ? 0x08 : 0x86;
	f->data[13] = version == 4 ? 0x00 : 0xdd;
	memcpy(f->data + WIRE_ETH, packet, len);
	f->len = (uint32_t)(WIRE_ETH + len);
	return f;
}

void wire_deliver(struct wire *w, struct wire_frame *f)
{
	push(&w->in, f);
}

void wire_emit(struct wire *w, struct wire_frame *f)
{
	f->time_us = *w->now_us;
	push(&w->out, f);
}

struct wire_frame *wire_take(struct wire *w)
{
	return pop(&w->out);
}
