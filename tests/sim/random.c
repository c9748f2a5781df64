/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "random.h"

#define END (6 * 3600 * SIM_SEC)

/* Between lo (not 0) and hi, as often in each octave. */
static uint64_t octave(uint64_t *rng, uint64_t lo, uint64_t hi)
{
	uint64_t n = 1, from, to;

	while (lo << n < hi)
		n++;
	from = lo << sim_below(rng, n);
	to = 2 * from < hi ? 2 * from : hi;
	return from + sim_below(rng, to - from + 1);
}

static bool one_in(uint64_t *rng, uint64_t n)
{
	return !sim_below(rng, n);
}

/* ---- the path -------------------------------------------------------------------------- */

static void impair(struct sim_world *w, int dir, uint64_t *rng)
{
	switch (sim_below(rng, 6)) {
	case 0:
		sim_add_loss(w, dir, (uint32_t)octave(rng, 1000, 150000));
		break;
	case 1:
		sim_add_burst(w, dir, (uint32_t)octave(rng, 1000, 30000),
			      100000 + (uint32_t)sim_below(rng, 400000),
			      500000 + (uint32_t)sim_below(rng, 500000));
		break;
	case 2:
		sim_add_reorder(w, dir, (uint32_t)octave(rng, 1000, 300000),
				octave(rng, 100 * SIM_US, 100 * SIM_MS));
		break;
	case 3:
		sim_add_duplicate(w, dir, (uint32_t)octave(rng, 1000, 200000),
				  octave(rng, SIM_US, 50 * SIM_MS));
		break;
	case 4:
		sim_add_corrupt(w, dir, (uint32_t)octave(rng, 1000, 100000));
		break;
	default: {
		uint64_t from = 1 + sim_below(rng, 100);

		sim_add_dropper(w, dir, from, from + sim_below(rng, 12));
	}
	}
}

static void path(struct sim_world *w, int dir, uint64_t *rng)
{
	uint64_t n = one_in(rng, 5) ? 0 : sim_below(rng, 4);
	uint32_t limit = (uint32_t)octave(rng, 3100, 400000);

	for (uint64_t i = 0; i < n; i++)
		impair(w, dir, rng);
	if (one_in(rng, 6))
		sim_add_hole(w, dir, 600 + (uint32_t)sim_below(rng, 900),
			     one_in(rng, 2) ? octave(rng, SIM_US, 100 * SIM_MS) : SIM_NEVER);
	if (!one_in(rng, 4))
		sim_add_bottleneck(w, dir, octave(rng, 200000, 200000000), limit,
				   one_in(rng, 2) ? limit / 3 : 0);
	sim_add_delay(w, dir, octave(rng, 50 * SIM_US, 200 * SIM_MS));
	if (one_in(rng, 4))
		impair(w, dir, rng);
}

/* ---- the ends ---------------------------------------------------------------------------- */

static void settings(struct sim_end_opt *o, enum sim_open how, uint64_t *rng)
{
	sim_end_defaults(o, how, 0);
	o->cfg.rcvbuf = o->cfg.rcvbuf_max = (uint32_t)octave(rng, 2000, 400000);
	o->cfg.sndbuf = o->cfg.sndbuf_max = (uint32_t)octave(rng, 2000, 400000);
	if (one_in(rng, 3)) {
		o->cfg.rcvbuf_max = o->cfg.rcvbuf * 8;
		o->cfg.sndbuf_max = o->cfg.sndbuf * 8;
	}
	o->blocks = (o->cfg.rcvbuf_max + o->cfg.sndbuf_max) / TCP_BLOCK_DATA * 8 / 7 + 64;
	o->cfg.wscale = (uint8_t)sim_below(rng, 8);
	o->cfg.nagle = one_in(rng, 2);
	o->ecn = one_in(rng, 2);
	o->cc = one_in(rng, 2) ? "reno" : "cubic";
	o->cfg.mtu_probe = one_in(rng, 2);
	o->cfg.quick_acks = (uint8_t)sim_below(rng, 17);
	o->mtu_mss = one_in(rng, 3) ? (uint16_t)(200 + sim_below(rng, 1261)) : 1460;
	o->rows = one_in(rng, 2);
	if (one_in(rng, 10)) {
		o->hog = o->blocks - sim_below(rng, 4);
		o->hog_ns = octave(rng, 10 * SIM_MS, SIM_SEC);
	}
}

/* A pool too small for the buffers: the window has to follow the pool. */
static void starve(struct sim_end_opt *o, uint64_t *rng)
{
	o->blocks = 8 + sim_below(rng, 16);
	o->hog = 0;
}

static void reading(struct sim_app *a, uint64_t *rng)
{
	if (!one_in(rng, 4))
		return;
	a->read_most = octave(rng, 200, 50000);
	a->read_ns = octave(rng, SIM_MS, 300 * SIM_MS);
}

static void writing(struct sim_app *a, uint64_t *rng)
{
	a->total = octave(rng, 1, 400000);
	if (one_in(rng, 8))
		a->total = 0;
	if (one_in(rng, 5)) {
		a->burst = a->total / 20 + octave(rng, 1, 30000);
		a->pause_ns = octave(rng, SIM_MS, 2 * SIM_SEC);
	}
}

static void turns(struct sim_app *a, struct sim_app *b, uint64_t *rng)
{
	uint64_t n = 1 + sim_below(rng, 30), out = octave(rng, 1, 5000);
	uint64_t in = octave(rng, 1, 20000);

	*a = (struct sim_app){.total = n * out, .turn_out = out, .turn_in = in};
	*b = (struct sim_app){.total = n * in, .turn_out = in, .turn_in = out, .second = true};
}

/* Returns whether data goes one way only. */
static bool applications(struct sim_app *a, struct sim_app *b, bool cookie, uint64_t *rng)
{
	bool one_way = false;

	*a = *b = (struct sim_app){0};
	if (one_in(rng, 4)) {
		turns(a, b, rng);
	} else {
		writing(a, rng);
		writing(b, rng);
		if (one_in(rng, 3))
			b->total = 0;
		else if (one_in(rng, 3))
			b->after_eof = true;
		else if (!cookie && one_in(rng, 3))
			a->total = 0;
		one_way = !a->total || !b->total;
	}
	reading(a, rng);
	reading(b, rng);
	/*
	 * Who waits with its FIN for what waits for its FIN waits for ever; who says
	 * nothing at first does not open a connection that a cookie holds.
	 */
	a->close = one_in(rng, 4) && !b->after_eof && !(cookie && !a->total);
	b->close = one_in(rng, 4);
	return one_way;
}

static void build(struct sim_world *w, uint64_t *rng)
{
	static const enum sim_open other[] = {SIM_LISTEN, SIM_LISTEN, SIM_COOKIE, SIM_COOKIE,
					      SIM_ACTIVE};
	enum sim_open how = other[sim_below(rng, 5)];
	struct sim_end_opt a, b;
	struct sim_app app_a, app_b;
	bool one_way = applications(&app_a, &app_b, how == SIM_COOKIE, rng);

	path(w, 0, rng);
	path(w, 1, rng);
	settings(&a, SIM_ACTIVE, rng);
	settings(&b, how, rng);
	/* A box on the path, which sees both SYNs. */
	if (one_in(rng, 3))
		a.strip = b.strip = (uint8_t)sim_below(rng, 16);
	if (one_way && one_in(rng, 4)) {
		starve(&a, rng);
		starve(&b, rng);
	}
	sim_world_flow(w, &a, &b, 0);
	sim_world_apps(w, 0, &app_a, &app_b);
}

void sim_random(uint64_t seed, bool verbose, struct sim_verdict *v)
{
	struct sim_world w;
	uint64_t rng = seed;

	sim_world_init(&w, seed);
	w.sim.verbose = verbose;
	build(&w, &rng);
	sim_run(&w.sim, END);
	sim_world_finished(&w);
	*v = (struct sim_verdict){.hash = w.sim.hash, .took_ns = w.sim.now - SIM_SEC};
	for (int side = 0; side < 2; side++) {
		const struct sim_end *e = w.end[0][side];

		v->segments += e->segments;
		v->rejected += e->rejected;
		v->retransmits += e->retransmits;
		v->timeouts += e->counters[WEIR_C_rtx_timeouts];
	}
	for (unsigned i = 0; i < w.n; i++)
		v->dropped += w.nodes[i]->dropped;
	sim_world_free(&w);
	v->failed = w.sim.failed;
	memcpy(v->why, w.sim.why, sizeof(v->why));
}
