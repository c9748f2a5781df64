/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "measure.h"

#define LEAST_BUFFER (10 * SIM_FULL)
#define LEAST_WINDOW (256 * 1024)
#define MOST_WINDOW  (8 * 1024 * 1024 - 1024)

uint64_t sim_bdp(uint64_t rate, uint64_t rtt)
{
	return rate / 8 * (rtt / SIM_US) / 1000000;
}

uint32_t sim_share(uint64_t bytes, uint64_t ns, uint64_t rate)
{
	uint64_t ceiling = rate / 8 * (ns / SIM_MS) / 1000 * SIM_PAYLOAD / SIM_FULL;

	return (uint32_t)(bytes * 10000 / ceiling);
}

uint32_t sim_jain(const uint64_t *bytes, unsigned n)
{
	unsigned __int128 sum = 0, squares = 0;

	for (unsigned i = 0; i < n; i++) {
		sum += bytes[i];
		squares += (unsigned __int128)bytes[i] * bytes[i];
	}
	return squares ? (uint32_t)(sum * sum * 10000 / (squares * n)) : 0;
}

struct path {
	struct sim_bottleneck *bottleneck;
	struct sim_loss *loss;
};

static void build(struct sim_world *w, const struct sim_cell *cell, struct path *p)
{
	uint64_t bdp = sim_bdp(cell->rate, cell->rtt), queue = bdp * cell->buffer_pct / 100;
	uint64_t window = 4 * (bdp + queue);
	struct sim_app a = {.total = UINT64_MAX}, b = {.after_eof = true};
	struct sim_end_opt opt[2];

	queue = queue > LEAST_BUFFER ? queue : LEAST_BUFFER;
	window = window > LEAST_WINDOW ? window : LEAST_WINDOW;
	window = window < MOST_WINDOW ? window : MOST_WINDOW;
	if (cell->drop_to)
		sim_add_dropper(w, 0, cell->drop_from, cell->drop_to);
	p->loss = sim_add_loss(w, 0, cell->loss);
	p->bottleneck = sim_add_bottleneck(w, 0, cell->rate, (uint32_t)queue,
					   (uint32_t)(queue * cell->mark_pct / 100));
	sim_add_delay(w, 0, cell->rtt / 2);
	sim_add_delay(w, 1, cell->rtt / 2);
	for (int side = 0; side < 2; side++) {
		sim_end_defaults(&opt[side], side ? SIM_COOKIE : SIM_ACTIVE, (uint32_t)window);
		opt[side].cc = cell->cc;
		opt[side].ecn = cell->mark_pct;
	}
	for (unsigned i = 0; i < cell->flows; i++) {
		sim_world_flow(w, &opt[0], &opt[1],
			       i ? sim_below(&w->sim.rng, cell->stagger + 1) : 0);
		sim_world_apps(w, i, &a, &b);
	}
}

static uint64_t has_read(const struct sim_world *w, unsigned flow)
{
	return w->end[flow][1]->app.read;
}

void sim_measure(const struct sim_cell *cell, struct sim_measure *m)
{
	uint64_t start[SIM_FLOWS];
	struct sim_world w;
	struct path p;

	*m = (struct sim_measure){0};
	sim_world_init(&w, cell->seed);
	w.sim.verbose = cell->verbose;
	build(&w, cell, &p);
	sim_run(&w.sim, SIM_SEC + cell->from);
	for (unsigned i = 0; i < cell->flows; i++)
		start[i] = has_read(&w, i);
	sim_run(&w.sim, SIM_SEC + cell->to);
	for (unsigned i = 0; i < cell->flows; i++) {
		const struct sim_end *e = w.end[i][0];
		struct tcp_info info;

		tcp_get_info(e->c, &info);
		m->bytes[i] = has_read(&w, i) - start[i];
		m->sum += m->bytes[i];
		m->again += info.retransmits;
		m->timeouts += e->counters[WEIR_C_rtx_timeouts];
	}
	m->share = sim_share(m->sum, cell->to - cell->from, cell->rate);
	m->dropped = p.bottleneck->node.dropped + p.loss->node.dropped;
	m->marked = p.bottleneck->marked;
	m->queue_most = p.bottleneck->most;
	m->hash = w.sim.hash;
	sim_world_free(&w);
	m->failed = w.sim.failed;
	memcpy(m->why, w.sim.why, sizeof(m->why));
}
