/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"
#include "world.h"

/* ---- the fork at the end of a shared path -------------------------------------------- */

struct fork {
	struct sim_node node;
	struct sim_world *w;
	int side; /* whom it delivers to */
};

static void fork_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct fork *k = (struct fork *)n;
	struct sim_node *to = &k->w->end[f->flow][k->side]->node;

	to->ops->arrive(to, f);
}

static const struct sim_node_ops fork_ops = {"fork", fork_arrive, fork_arrive};

static void *node_new(struct sim_world *w, size_t size)
{
	struct sim_node *n = calloc(1, size);

	if (!n || w->n == SIM_NODES)
		abort();
	w->nodes[w->n++] = n;
	return n;
}

/* Between the last node of a direction and its fork. */
static void append(struct sim_world *w, int dir, struct sim_node *n)
{
	n->to = w->fork[dir];
	if (w->last[dir])
		w->last[dir]->to = n;
	else
		w->first[dir] = n;
	w->last[dir] = n;
}

void sim_world_init(struct sim_world *w, uint64_t seed)
{
	*w = (struct sim_world){0};
	sim_init(&w->sim, seed);
	for (int dir = 0; dir < 2; dir++) {
		struct fork *k = node_new(w, sizeof(*k));

		sim_node_init(&k->node, &w->sim, &fork_ops);
		k->w = w;
		k->side = !dir;
		w->fork[dir] = w->first[dir] = &k->node;
	}
}

void sim_world_flow(struct sim_world *w, const struct sim_end_opt *a, const struct sim_end_opt *b,
		    uint64_t start)
{
	const struct sim_end_opt *opt[2] = {a, b};
	unsigned flow = w->flows++;

	for (int side = 0; side < 2; side++) {
		struct sim_end *e = malloc(sizeof(*e));

		if (!e || flow >= SIM_FLOWS)
			abort();
		sim_end_init(e, &w->sim, opt[side], (uint8_t)flow, (uint8_t)side);
		e->node.to = w->first[side];
		w->end[flow][side] = e;
		sim_end_start(e, w->sim.now + (side == 0 || b->how == SIM_ACTIVE ? start : 0));
	}
}

void sim_world_apps(struct sim_world *w, unsigned flow, const struct sim_app *a,
		    const struct sim_app *b)
{
	const struct sim_app *app[2] = {a, b};

	for (int side = 0; side < 2; side++) {
		struct sim_app *to = &w->end[flow][side]->app;

		*to = *app[side];
		to->expect = app[!side]->total;
		to->salt = (uint32_t)(2 * flow) + (uint32_t)side * 7919;
		to->salt_in = (uint32_t)(2 * flow) + (uint32_t)!side * 7919;
	}
}

void sim_world_finished(struct sim_world *w)
{
	for (unsigned i = 0; i < w->flows; i++) {
		for (int side = 0; side < 2; side++) {
			struct sim_end *e = w->end[i][side];

			if (sim_end_done(e))
				continue;
			sim_fail(&w->sim,
				 "%s is stuck in %s: wrote %llu of %llu, read %llu of %llu bytes",
				 e->name,
				 e->open ? tcp_state_name(tcp_get_state(e->c)) : "no connection",
				 (unsigned long long)e->app.written,
				 (unsigned long long)e->app.total, (unsigned long long)e->app.read,
				 (unsigned long long)e->app.expect);
		}
	}
}

void sim_world_free(struct sim_world *w)
{
	for (unsigned i = 0; i < w->flows; i++) {
		for (int side = 0; side < 2; side++) {
			sim_end_free(w->end[i][side]);
			free(w->end[i][side]);
		}
	}
	sim_free(&w->sim);
	if (w->sim.in_flight)
		sim_fail(&w->sim, "%zu frames are nowhere", w->sim.in_flight);
	for (unsigned i = 0; i < w->n; i++)
		free(w->nodes[i]);
}

/* ---- nodes ------------------------------------------------------------------------------ */

struct sim_delay *sim_add_delay(struct sim_world *w, int dir, uint64_t ns)
{
	struct sim_delay *n = node_new(w, sizeof(*n));

	sim_delay_init(n, &w->sim, ns);
	append(w, dir, &n->node);
	return n;
}

struct sim_bottleneck *sim_add_bottleneck(struct sim_world *w, int dir, uint64_t rate,
					  uint32_t limit, uint32_t mark)
{
	struct sim_bottleneck *n = node_new(w, sizeof(*n));

	sim_bottleneck_init(n, &w->sim, rate, limit, mark);
	append(w, dir, &n->node);
	return n;
}

struct sim_loss *sim_add_loss(struct sim_world *w, int dir, uint32_t ppm)
{
	struct sim_loss *n = node_new(w, sizeof(*n));

	sim_loss_init(n, &w->sim, ppm);
	append(w, dir, &n->node);
	return n;
}

struct sim_loss *sim_add_burst(struct sim_world *w, int dir, uint32_t to_bad, uint32_t to_good,
			       uint32_t bad)
{
	struct sim_loss *n = node_new(w, sizeof(*n));

	sim_burst_init(n, &w->sim, to_bad, to_good, bad);
	append(w, dir, &n->node);
	return n;
}

struct sim_reorder *sim_add_reorder(struct sim_world *w, int dir, uint32_t chance, uint64_t extra)
{
	struct sim_reorder *n = node_new(w, sizeof(*n));

	sim_reorder_init(n, &w->sim, chance, extra);
	append(w, dir, &n->node);
	return n;
}

struct sim_duplicate *sim_add_duplicate(struct sim_world *w, int dir, uint32_t chance,
					uint64_t extra)
{
	struct sim_duplicate *n = node_new(w, sizeof(*n));

	sim_duplicate_init(n, &w->sim, chance, extra);
	append(w, dir, &n->node);
	return n;
}

struct sim_corrupt *sim_add_corrupt(struct sim_world *w, int dir, uint32_t chance)
{
	struct sim_corrupt *n = node_new(w, sizeof(*n));

	sim_corrupt_init(n, &w->sim, chance);
	append(w, dir, &n->node);
	return n;
}

struct sim_dropper *sim_add_dropper(struct sim_world *w, int dir, uint64_t from, uint64_t to)
{
	struct sim_dropper *n = node_new(w, sizeof(*n));

	sim_dropper_init(n, &w->sim, from, to);
	append(w, dir, &n->node);
	return n;
}

static void too_big(void *ctx, const struct sim_frame *f, uint32_t mtu)
{
	struct sim_world *w = ctx;

	sim_end_too_big(w->end[f->flow][f->side], f, mtu);
}

struct sim_hole *sim_add_hole(struct sim_world *w, int dir, uint32_t mtu, uint64_t back)
{
	struct sim_hole *n = node_new(w, sizeof(*n));

	sim_hole_init(n, &w->sim, mtu, back == SIM_NEVER ? NULL : too_big, w, back);
	append(w, dir, &n->node);
	return n;
}

void sim_end_defaults(struct sim_end_opt *o, enum sim_open how, uint32_t bytes)
{
	*o = (struct sim_end_opt){.how = how, .mtu_mss = SIM_MTU - 40};
	tcp_config_default(&o->cfg);
	o->cfg.rcvbuf = o->cfg.rcvbuf_max = bytes;
	o->cfg.sndbuf = o->cfg.sndbuf_max = bytes;
	o->cfg.wscale = 7;
	/* So many that the buffers' sizes bound, not a connection's share of the pool. */
	o->blocks = 10 * (size_t)bytes / TCP_BLOCK_DATA + 512;
	/* Only what a test asks for ends a connection. */
	o->cfg.msl_us = 3000 * 1000000ull;
	o->cfg.user_timeout_us = 0;
	o->cfg.syn_retries = 30;
	o->cfg.syn_rcvd_us = o->cfg.fin_wait_2_us = 7200 * 1000000ull;
	o->cfg.last_ack_us = o->cfg.persist_limit_us = 7200 * 1000000ull;
}
