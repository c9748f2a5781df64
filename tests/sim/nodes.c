/* SPDX-License-Identifier: BSD-2-Clause */
#include <weir/seq.h>
#include "nodes.h"

/* ---- delay ------------------------------------------------------------------------ */

static void delay_arrive(struct sim_node *n, struct sim_frame *f)
{
	sim_at(n, n->sim->now + ((struct sim_delay *)n)->ns, f);
}

static const struct sim_node_ops delay_ops = {"delay", delay_arrive, sim_pass};

void sim_delay_init(struct sim_delay *n, struct sim *s, uint64_t ns)
{
	sim_node_init(&n->node, s, &delay_ops);
	n->ns = ns;
}

/* ---- bottleneck --------------------------------------------------------------------- */

static void bottleneck_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_bottleneck *b = (struct sim_bottleneck *)n;
	uint32_t len = sim_wire_len(f);

	if (b->queued + len > b->limit) {
		sim_drop(n, f, "queue full");
		return;
	}
	if (b->mark && b->queued > b->mark && f->ecn) {
		f->ecn = SIM_CE;
		b->marked++;
	}
	b->queued += len;
	if (b->queued > b->most)
		b->most = b->queued;
	if (b->free_at < n->sim->now)
		b->free_at = n->sim->now;
	b->free_at += len * 8 * SIM_SEC / b->rate;
	sim_at(n, b->free_at, f);
}

static void bottleneck_due(struct sim_node *n, struct sim_frame *f)
{
	struct sim_bottleneck *b = (struct sim_bottleneck *)n;

	b->queued -= sim_wire_len(f);
	b->passed++;
	sim_pass(n, f);
}

static const struct sim_node_ops bottleneck_ops = {"bottleneck", bottleneck_arrive, bottleneck_due};

void sim_bottleneck_init(struct sim_bottleneck *n, struct sim *s, uint64_t rate, uint32_t limit,
			 uint32_t mark)
{
	*n = (struct sim_bottleneck){.rate = rate, .limit = limit, .mark = mark};
	sim_node_init(&n->node, s, &bottleneck_ops);
}

/* ---- loss ----------------------------------------------------------------------------- */

static void loss_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_loss *l = (struct sim_loss *)n;

	if (sim_chance(&n->rng, l->in_bad ? l->to_good : l->to_bad))
		l->in_bad = !l->in_bad;
	if (sim_chance(&n->rng, l->in_bad ? l->bad : l->good))
		sim_drop(n, f, "lost");
	else
		sim_pass(n, f);
}

static const struct sim_node_ops loss_ops = {"loss", loss_arrive, sim_pass};

void sim_loss_init(struct sim_loss *n, struct sim *s, uint32_t ppm)
{
	*n = (struct sim_loss){.good = ppm};
	sim_node_init(&n->node, s, &loss_ops);
}

void sim_burst_init(struct sim_loss *n, struct sim *s, uint32_t to_bad, uint32_t to_good,
		    uint32_t bad)
{
	*n = (struct sim_loss){.bad = bad, .to_bad = to_bad, .to_good = to_good};
	sim_node_init(&n->node, s, &loss_ops);
}

/* ---- reorder, duplicate, corrupt --------------------------------------------------------- */

static void reorder_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_reorder *r = (struct sim_reorder *)n;

	if (sim_chance(&n->rng, r->chance)) {
		sim_trace(n->sim, "reorder", f, "held");
		sim_at(n, n->sim->now + sim_below(&n->rng, r->extra + 1), f);
	} else {
		sim_pass(n, f);
	}
}

static const struct sim_node_ops reorder_ops = {"reorder", reorder_arrive, sim_pass};

void sim_reorder_init(struct sim_reorder *n, struct sim *s, uint32_t chance, uint64_t extra)
{
	*n = (struct sim_reorder){.chance = chance, .extra = extra};
	sim_node_init(&n->node, s, &reorder_ops);
}

static void duplicate_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_duplicate *d = (struct sim_duplicate *)n;

	if (sim_chance(&n->rng, d->chance)) {
		sim_trace(n->sim, "duplicate", f, "twice");
		sim_at(n, n->sim->now + sim_below(&n->rng, d->extra + 1),
		       sim_frame_copy(n->sim, f));
	}
	sim_pass(n, f);
}

static const struct sim_node_ops duplicate_ops = {"duplicate", duplicate_arrive, sim_pass};

void sim_duplicate_init(struct sim_duplicate *n, struct sim *s, uint32_t chance, uint64_t extra)
{
	*n = (struct sim_duplicate){.chance = chance, .extra = extra};
	sim_node_init(&n->node, s, &duplicate_ops);
}

/*
 * One to three bits of one 16-bit word: that changes the word by less than 65535,
 * so the sum in one's complement always shows it.
 */
static void corrupt_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_corrupt *c = (struct sim_corrupt *)n;

	/* Once: a second time might mend it. */
	if (!f->damaged && sim_chance(&n->rng, c->chance)) {
		uint32_t at = (uint32_t)sim_below(&n->rng, f->len / 2) * 2;
		uint32_t bit = (uint32_t)sim_below(&n->rng, 14);
		uint16_t mask = (uint16_t)((1 + 2 * sim_below(&n->rng, 4)) << bit);

		weir_store16(f->bytes + at, weir_load16(f->bytes + at) ^ mask);
		f->damaged = true;
		sim_trace(n->sim, "corrupt", f, "damaged");
	}
	sim_pass(n, f);
}

static const struct sim_node_ops corrupt_ops = {"corrupt", corrupt_arrive, sim_pass};

void sim_corrupt_init(struct sim_corrupt *n, struct sim *s, uint32_t chance)
{
	*n = (struct sim_corrupt){.chance = chance};
	sim_node_init(&n->node, s, &corrupt_ops);
}

/* ---- by count, by size -------------------------------------------------------------------- */

static void dropper_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_dropper *d = (struct sim_dropper *)n;

	if (f->data)
		d->seen++;
	if (f->data && d->seen >= d->from && d->seen <= d->to)
		sim_drop(n, f, "by count");
	else
		sim_pass(n, f);
}

static const struct sim_node_ops dropper_ops = {"dropper", dropper_arrive, sim_pass};

void sim_dropper_init(struct sim_dropper *n, struct sim *s, uint64_t from, uint64_t to)
{
	*n = (struct sim_dropper){.from = from, .to = to};
	sim_node_init(&n->node, s, &dropper_ops);
}

static void hole_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct sim_hole *h = (struct sim_hole *)n;

	if (!h->mtu || f->len + SIM_IP <= h->mtu) {
		sim_pass(n, f);
		return;
	}
	n->dropped++;
	sim_trace(n->sim, "hole", f, h->report ? "too big, reported" : "too big");
	if (h->report)
		sim_at(n, n->sim->now + h->back, f);
	else
		sim_frame_free(n->sim, f);
}

static void hole_due(struct sim_node *n, struct sim_frame *f)
{
	struct sim_hole *h = (struct sim_hole *)n;

	h->report(h->ctx, f, h->mtu);
	sim_frame_free(n->sim, f);
}

static const struct sim_node_ops hole_ops = {"hole", hole_arrive, hole_due};

void sim_hole_init(struct sim_hole *n, struct sim *s, uint32_t mtu, sim_report report, void *ctx,
		   uint64_t back)
{
	*n = (struct sim_hole){.mtu = mtu, .report = report, .ctx = ctx, .back = back};
	sim_node_init(&n->node, s, &hole_ops);
}
