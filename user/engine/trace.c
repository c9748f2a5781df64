/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/trace.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <weir/cookie.h>
#include "engine/mem.h"

#define RING_BYTES (TRACE_SLOTS * sizeof(struct weir_trace_rec))

int trace_init(struct trace_ring *r)
{
	memset(r, 0, sizeof(*r));
	r->recs = mem_map(RING_BYTES);
	if (!r->recs)
		return -ENOMEM;
	return 0;
}

void trace_fini(struct trace_ring *r)
{
	mem_unmap(r->recs, RING_BYTES);
	r->recs = NULL;
}

bool trace_matches(const struct weir_trace_filter *f, const weir_tuple *t)
{
	int v4 = weir_tuple_is_v4(t);

	if (f->port && f->port != t->rport && f->port != t->lport)
		return false;
	if (!f->family)
		return true;
	if ((f->family == 4) != v4)
		return false;
	if (v4)
		return !f->addr[0] || f->addr[0] == t->raddr[3] || f->addr[0] == t->laddr[3];
	if (!f->addr[0] && !f->addr[1] && !f->addr[2] && !f->addr[3])
		return true;
	return !memcmp(f->addr, t->raddr, 16) || !memcmp(f->addr, t->laddr, 16);
}

void trace_write(struct trace_ring *r, const struct weir_trace_rec *meta, const uint8_t *frame)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	struct weir_trace_rec *rec = &r->recs[head % TRACE_SLOTS];

	if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == TRACE_SLOTS) {
		atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
		return;
	}
	memcpy(rec, meta, offsetof(struct weir_trace_rec, data));
	rec->caplen = meta->len < WEIR_TRACE_SNAP ? meta->len : WEIR_TRACE_SNAP;
	memcpy(rec->data, frame, rec->caplen);
	/* release: the record before the index that shows it */
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

unsigned trace_read(struct trace_ring *r, struct weir_trace_rec *recs, unsigned max)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	unsigned n = 0;

	for (; n < max && tail != head; n++, tail++)
		recs[n] = r->recs[tail % TRACE_SLOTS];
	atomic_store_explicit(&r->tail, tail, memory_order_release);
	return n;
}
