/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "sim.h"

/* So many events at one time are a loop, not a network. */
#define STEPS_AT_ONCE 200000

/* ---- random numbers -------------------------------------------------- */

uint64_t sim_rand(uint64_t *rng)
{
	return splitmix64(rng);
}

uint64_t sim_below(uint64_t *rng, uint64_t n)
{
	return n ? sim_rand(rng) % n : 0;
}

bool sim_chance(uint64_t *rng, uint32_t ppm)
{
	return ppm && sim_rand(rng) % 1000000 < ppm;
}

/* ---- the heap ----------------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *s, struct sim_event e)
{
	size_t i = s->nheap++;

	if (i == s->heap_cap) {
		s->heap_cap = s->heap_cap ? 2 * s->heap_cap : 1024;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	for (; i && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event top = s->heap[0], last = s->heap[--s->nheap];
	size_t i = 0, kid;

	while ((kid = 2 * i + 1) < s->nheap) {
		if (kid + 1 < s->nheap && before(&s->heap[kid + 1], &s->heap[kid]))
			kid++;
		if (!before(&s->heap[kid], &last))
			break;
		s->heap[i] = s->heap[kid];
		i = kid;
	}
	s->heap[i] = last;
	return top;
}

void sim_at(struct sim_node *n, uint64_t at, struct sim_frame *f)
{
	struct sim *s = n->sim;

	push(s,
	     (struct sim_event){
		     .at = at < s->now ? s->now : at, .order = s->order++, .node = n, .frame = f});
}

/* ---- the run -------------------------------------------------------------------------- */

void sim_init(struct sim *s, uint64_t seed)
{
	*s = (struct sim){.now = SIM_SEC, .rng = seed, .hash = 0xcbf29ce484222325ull};
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->nheap; i++)
		if (s->heap[i].frame)
			sim_frame_free(s, s->heap[i].frame);
	s->nheap = 0;
	while (s->free) {
		struct sim_frame *f = s->free;

		s->free = f->next;
		free(f);
	}
	free(s->heap);
	s->heap = NULL;
}

void sim_run(struct sim *s, uint64_t end)
{
	uint64_t since = s->steps;

	while (!s->failed && s->nheap && s->heap[0].at <= end) {
		struct sim_event e = pop(s);

		if (e.at != s->now)
			since = s->steps;
		s->now = e.at;
		if (++s->steps - since > STEPS_AT_ONCE)
			sim_fail(s, "time stands still at node %s", e.node->ops->name);
		e.node->ops->due(e.node, e.frame);
	}
	if (!s->failed && s->now < end && s->nheap)
		s->now = end;
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->failed)
		return;
	s->failed = true;
	n = snprintf(s->why, sizeof(s->why),
		     "at %llu.%06llu s: ", (unsigned long long)(s->now / SIM_SEC),
		     (unsigned long long)(s->now % SIM_SEC / SIM_US));
	va_start(ap, fmt);
	vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, fmt, ap);
	va_end(ap);
	if (s->verbose)
		printf("FAILED %s\n", s->why);
}

/* FNV's way, eight bytes a step: every frame of every run passes here. */
void sim_hash(struct sim *s, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t h = s->hash, w;

	for (; len >= 8; b += 8, len -= 8) {
		memcpy(&w, b, 8);
		h = (h ^ w) * 0x100000001b3ull;
		h ^= h >> 29;
	}
	for (; len; b++, len--)
		h = (h ^ *b) * 0x100000001b3ull;
	s->hash = h;
}

/* ---- frames and nodes ------------------------------------------------------------------ */

struct sim_frame *sim_frame_new(struct sim *s)
{
	struct sim_frame *f = s->free;

	if (f)
		s->free = f->next;
	else
		f = malloc(sizeof(*f));
	if (!f)
		abort();
	memset(f, 0, offsetof(struct sim_frame, bytes));
	f->sent = s->now;
	f->id = s->frames++;
	s->in_flight++;
	return f;
}

struct sim_frame *sim_frame_copy(struct sim *s, const struct sim_frame *f)
{
	struct sim_frame *g = sim_frame_new(s);
	uint64_t id = g->id;

	memcpy(g, f, offsetof(struct sim_frame, bytes) + f->len);
	g->id = id;
	return g;
}

void sim_frame_free(struct sim *s, struct sim_frame *f)
{
	f->next = s->free;
	s->free = f;
	s->in_flight--;
}

void sim_node_init(struct sim_node *n, struct sim *s, const struct sim_node_ops *ops)
{
	*n = (struct sim_node){.ops = ops, .sim = s, .rng = sim_rand(&s->rng)};
}

void sim_pass(struct sim_node *n, struct sim_frame *f)
{
	n->to->ops->arrive(n->to, f);
}

void sim_drop(struct sim_node *n, struct sim_frame *f, const char *why)
{
	n->dropped++;
	sim_trace(n->sim, n->ops->name, f, why);
	sim_frame_free(n->sim, f);
}
