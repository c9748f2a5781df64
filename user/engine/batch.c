/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A batch of received frames. With many connections, most of a frame's cost is waiting for
 * memory: its own headers, the table's slot, then the connection, each address known only
 * when the one before has arrived. Over a batch these waits are had side by side:
 *
 *     all headers ─► all hashes, all slots ─► a few connections ahead of the frame at hand
 *
 * Whatever is not a plain TCP frame goes its way without; so does a frame by itself.
 */
#include <string.h>

#include <weir/packet.h>
#include "engine/worker.h"

/* Frames ahead: what is fetched must not push out what was fetched and not used yet. */
#define FAR  4 /* the connection */
#define NEAR 2 /* what its timer is linked to */
#define LINE 64

static bool frame_hash(const struct table *t, const struct pktio_frame *f, uint32_t *hash)
{
	const uint8_t *ip = f->data + WEIR_ETH_HLEN;
	uint32_t a[2], ports;
	weir_tuple v6;

	if (f->len < WEIR_ETH_HLEN + 40)
		return false;
	if (f->data[12] == 0x08 && f->data[13] == 0x00 && ip[0] == 0x45 &&
	    ip[9] == WEIR_PROTO_TCP) {
		memcpy(a, ip + 12, sizeof(a));
		memcpy(&ports, ip + 20, sizeof(ports));
		*hash = table_hash4(t, a[0], a[1], ports);
		return true;
	}
	if (f->data[12] == 0x86 && f->data[13] == 0xdd && ip[6] == WEIR_PROTO_TCP &&
	    f->len >= WEIR_ETH_HLEN + 60) {
		memcpy(&v6, ip + 8, sizeof(v6));
		*hash = table_hash(t, &v6);
		return true;
	}
	return false;
}

static struct weir_conn *fetch_conn(const struct worker *w, const struct rx_hint *h)
{
	struct weir_conn *c;
	uint32_t ref;

	if (!h->hashed || !table_guess(&w->table, h->hash, &ref) || REF_TYPE(ref) != REF_CONN)
		return NULL;
	c = slab_at(&w->conns, REF_INDEX(ref));
	for (size_t i = 0; i < w->conns.slot_size; i += LINE)
		__builtin_prefetch((const uint8_t *)c + i, 1);
	return c;
}

/* Its timer's neighbours in the wheel, written when it is moved: any two connections. */
static void fetch_timer(const struct weir_conn *c)
{
	if (!c)
		return;
	__builtin_prefetch(c->timer.pprev, 1);
	__builtin_prefetch(c->timer.next, 1);
}

void worker_batch(struct worker *w, unsigned io, const struct pktio_frame *f, unsigned n)
{
	struct weir_conn *conn[PKTIO_BATCH + FAR];
	struct rx_hint hint[PKTIO_BATCH];

	if (n == 1) {
		hint[0].hashed = false;
		worker_frame(w, io, &f[0], &hint[0]);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(f[i].data);
	for (unsigned i = 0; i < n; i++) {
		hint[i].hashed = frame_hash(&w->table, &f[i], &hint[i].hash);
		if (hint[i].hashed)
			table_prefetch(&w->table, hint[i].hash);
	}
	for (unsigned i = 0; i < n + FAR; i++) {
		conn[i] = i < n ? fetch_conn(w, &hint[i]) : NULL;
		if (i >= FAR - NEAR)
			fetch_timer(conn[i - (FAR - NEAR)]);
		if (i >= FAR)
			worker_frame(w, io, &f[i - FAR], &hint[i - FAR]);
	}
}
