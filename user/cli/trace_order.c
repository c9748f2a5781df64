/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "cli/trace_order.h"

struct held {
	uint64_t nr; /* of arrival: equal times stay in their order */
	uint64_t arrived_us;
	struct trace_event ev;
};

/* A heap of slots by (mono_ns, nr); the events themselves do not move. */
struct trace_order {
	unsigned n, capacity;
	uint64_t hold_us, next_nr;
	struct held *slots;
	unsigned *heap; /* heap[0..n) in heap order, heap[n..) the free slots */
};

struct trace_order *trace_order_new(unsigned capacity, uint64_t hold_us)
{
	struct trace_order *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->capacity = capacity;
	o->hold_us = hold_us;
	o->slots = calloc(capacity, sizeof(*o->slots));
	o->heap = calloc(capacity, sizeof(*o->heap));
	if (!o->slots || !o->heap) {
		trace_order_free(o);
		return NULL;
	}
	for (unsigned i = 0; i < capacity; i++)
		o->heap[i] = i;
	return o;
}

void trace_order_free(struct trace_order *o)
{
	if (!o)
		return;
	free(o->slots);
	free(o->heap);
	free(o);
}

bool trace_order_empty(const struct trace_order *o)
{
	return o->n == 0;
}

bool trace_order_full(const struct trace_order *o)
{
	return o->n == o->capacity;
}

static bool earlier(const struct trace_order *o, unsigned i, unsigned j)
{
	const struct held *a = &o->slots[o->heap[i]], *b = &o->slots[o->heap[j]];

	if (a->ev.rec.mono_ns != b->ev.rec.mono_ns)
		return a->ev.rec.mono_ns < b->ev.rec.mono_ns;
	return a->nr < b->nr;
}

static void swap(struct trace_order *o, unsigned i, unsigned j)
{
	unsigned slot = o->heap[i];

	o->heap[i] = o->heap[j];
	o->heap[j] = slot;
}

void trace_order_put(struct trace_order *o, const struct trace_event *ev, uint64_t now_us)
{
	struct held *h = &o->slots[o->heap[o->n]];
	unsigned i = o->n++;

	h->ev = *ev;
	h->nr = o->next_nr++;
	h->arrived_us = now_us;
	for (; i > 0 && earlier(o, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(o, i, (i - 1) / 2);
}

static void sink(struct trace_order *o)
{
	unsigned i = 0;

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= o->n)
			return;
		if (child + 1 < o->n && earlier(o, child + 1, child))
			child++;
		if (!earlier(o, child, i))
			return;
		swap(o, i, child);
		i = child;
	}
}

bool trace_order_take(struct trace_order *o, struct trace_event *ev, uint64_t now_us, bool flush)
{
	const struct held *first;

	if (!o->n)
		return false;
	first = &o->slots[o->heap[0]];
	if (!flush && now_us - first->arrived_us < o->hold_us)
		return false;
	*ev = first->ev;
	o->n--;
	swap(o, 0, o->n);
	sink(o);
	return true;
}
