/* SPDX-License-Identifier: BSD-2-Clause */
/* One thing at a time: what a path does, and what it must cost; peers that cheat. */
#include <weir/seq.h>

#include "check.h"
#include "wire.h"
#include "world.h"

/* ---- two cores ------------------------------------------------------------------------ */

struct run {
	struct sim_world w;
	struct sim_end_opt a, b;
};

/* The path is the caller's to add to: 10 ms each way are there, and 50 Mbit/s. */
static struct run *run_new(void)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sim_world_init(&r->w, 1);
	sim_end_defaults(&r->a, SIM_ACTIVE, 256 * 1024);
	sim_end_defaults(&r->b, SIM_COOKIE, 256 * 1024);
	for (int dir = 0; dir < 2; dir++) {
		sim_add_bottleneck(&r->w, dir, 50000000, 1 << 20, 0);
		sim_add_delay(&r->w, dir, 10 * SIM_MS);
	}
	return r;
}

/* A sends `bytes`, both close; returns when B had read all, in ms after the start. */
static uint64_t transfer(struct run *r, uint64_t bytes)
{
	struct sim_app a = {.total = bytes}, b = {0};
	uint64_t ms = 0;

	sim_world_flow(&r->w, &r->a, &r->b, 0);
	sim_world_apps(&r->w, 0, &a, &b);
	while (r->w.end[0][1]->app.read < bytes && ms < 120000 && !r->w.sim.failed)
		sim_run(&r->w.sim, SIM_SEC + ++ms * SIM_MS);
	CHECK(r->w.end[0][1]->app.read == bytes, "%llu of %llu bytes: %s",
	      (unsigned long long)r->w.end[0][1]->app.read, (unsigned long long)bytes,
	      r->w.sim.why);
	return ms;
}

static uint64_t counted(const struct run *r, enum weir_counter c)
{
	return r->w.end[0][0]->counters[c];
}

static void run_end(struct run *r)
{
	sim_run(&r->w.sim, 7200 * SIM_SEC);
	sim_world_finished(&r->w);
	sim_world_free(&r->w);
	CHECK(!r->w.sim.failed, "%s", r->w.sim.why);
	free(r);
}

/* RFC 8985 7: the last segment of a transfer has none behind it to tell of its loss. */
static void a_lost_tail_is_probed_for(void **state)
{
	(void)state;
	for (uint64_t lost = 1; lost <= 5; lost++) {
		struct run *r = run_new();

		sim_add_dropper(&r->w, 0, 51 - lost, 50);
		transfer(r, 50 * 1448);
		CHECK(!counted(r, WEIR_C_rtx_timeouts), "the last %llu lost: a timeout",
		      (unsigned long long)lost);
		run_end(r);
	}
}

static void a_reported_hole_costs_no_timeout(void **state)
{
	(void)state;
	for (uint32_t mtu = 600; mtu < 1500; mtu += 299) {
		struct run *r = run_new();
		uint64_t ms;

		sim_add_hole(&r->w, 0, mtu, 5 * SIM_MS);
		ms = transfer(r, 1000000);
		CHECK(ms < 3000 && !counted(r, WEIR_C_rtx_timeouts),
		      "MTU %u: %llu ms, %llu timeouts", mtu, (unsigned long long)ms,
		      (unsigned long long)counted(r, WEIR_C_rtx_timeouts));
		run_end(r);
	}
}

static void a_silent_hole_is_found(void **state)
{
	(void)state;
	for (int probing = 0; probing < 2; probing++) {
		for (uint32_t mtu = 600; mtu < 1500; mtu += 299) {
			struct run *r = run_new();
			uint64_t ms;

			r->a.cfg.mtu_probe = r->b.cfg.mtu_probe = probing;
			sim_add_hole(&r->w, 0, mtu, SIM_NEVER);
			ms = transfer(r, 1000000);
			CHECK(ms < 60000, "MTU %u: %llu ms", mtu, (unsigned long long)ms);
			run_end(r);
		}
	}
}

/* It opens in the middle of a transfer, and closes again. */
static void a_hole_that_comes_and_goes(void **state)
{
	struct run *r = run_new();
	struct sim_hole *h = sim_add_hole(&r->w, 0, 0, 5 * SIM_MS);
	struct sim_app a = {.total = 20000000}, b = {0};

	(void)state;
	sim_world_flow(&r->w, &r->a, &r->b, 0);
	sim_world_apps(&r->w, 0, &a, &b);
	sim_run(&r->w.sim, 2 * SIM_SEC);
	h->mtu = 1300;
	sim_run(&r->w.sim, 3 * SIM_SEC);
	assert_true(h->node.dropped > 0);
	h->mtu = 0;
	run_end(r);
}

/* RFC 8985 6.2: a path that only reorders is soon taken for what it is. */
static void reordering_is_not_loss(void **state)
{
	struct run *r = run_new();
	uint64_t ms;

	(void)state;
	sim_add_reorder(&r->w, 0, 50000, 4 * SIM_MS);
	ms = transfer(r, 10000000);
	/* 1.6 s at the rate of the link; 345 of 6900 segments are late. */
	CHECK(ms < 3200, "%llu ms", (unsigned long long)ms);
	CHECK(r->w.end[0][0]->data_segments < 7400, "%llu segments",
	      (unsigned long long)r->w.end[0][0]->data_segments);
	run_end(r);
}

static void every_frame_twice(void **state)
{
	struct run *r = run_new();

	(void)state;
	sim_add_duplicate(&r->w, 0, 1000000, 2 * SIM_MS);
	sim_add_duplicate(&r->w, 1, 1000000, 2 * SIM_MS);
	transfer(r, 2000000);
	assert_int_equal(counted(r, WEIR_C_rtx_timeouts), 0);
	run_end(r);
}

/* ---- a core and a scripted peer ---------------------------------------------------------- */

enum manner {
	PLAIN,	    /* no option but the MSS, an ACK a segment */
	DIVIDES,    /* ten ACKs a segment, each for a tenth (Savage et al. 1999) */
	REPEATS,    /* each ACK four times */
	RUNS_AHEAD, /* acknowledges what has not come yet, and then what was never sent */
	SHRINKS,    /* takes its window back, for ten seconds */
};

struct peer {
	struct sim_node node;
	enum manner manner;
	uint32_t iss, nxt, end; /* of what has come, and how far that reaches */
	uint64_t segments, shut_at;
	bool fin;
};

static void peer_send(struct peer *p, uint8_t flags, uint32_t ack, uint16_t wnd)
{
	struct sim_frame *f = sim_frame_new(p->node.sim);
	struct tcp_seg seg = {.sport = 1001,
			      .dport = 1000,
			      .seq = p->iss + !(flags & TCP_SYN),
			      .ack = ack,
			      .flags = flags,
			      .wnd = wnd,
			      .mss = 1460,
			      .wscale = WEIR_WSCALE_NONE};

	sim_build(f, &seg);
	f->side = 1;
	sim_pass(&p->node, f);
}

static void peer_ack(struct peer *p, uint32_t before)
{
	uint16_t wnd = 65535;

	switch (p->manner) {
	case DIVIDES:
		for (uint32_t i = 1; i < 10; i++)
			peer_send(p, TCP_ACK, before + (p->nxt - before) * i / 10, wnd);
		break;
	case REPEATS:
		for (int i = 0; i < 3; i++)
			peer_send(p, TCP_ACK, p->nxt, wnd);
		break;
	case RUNS_AHEAD:
		peer_send(p, TCP_ACK, p->nxt + 1460, wnd);
		peer_send(p, TCP_ACK, p->nxt + 10000000, wnd);
		break;
	case SHRINKS:
		if (p->segments == 100)
			p->shut_at = p->node.sim->now;
		if (p->shut_at && p->node.sim->now < p->shut_at + 10 * SIM_SEC) {
			peer_send(p, TCP_ACK, p->nxt, 0);
			return;
		}
		break;
	case PLAIN:
		break;
	}
	peer_send(p, TCP_ACK, p->nxt, wnd);
}

static void peer_arrive(struct sim_node *n, struct sim_frame *f)
{
	struct peer *p = (struct peer *)n;
	struct tcp_seg s;
	uint32_t before;
	bool shut = p->shut_at && n->sim->now < p->shut_at + 10 * SIM_SEC;

	assert_int_equal(tcp_seg_parse(&s, f->bytes, f->len), 0);
	sim_frame_free(n->sim, f);
	if (s.flags & TCP_SYN) {
		p->nxt = s.seq + 1;
		peer_send(p, TCP_SYN | TCP_ACK, p->nxt, 65535);
		return;
	}
	before = p->nxt;
	p->segments += s.len > 0;
	if (s.seq == p->nxt && !shut) {
		p->nxt += s.len + !!(s.flags & TCP_FIN);
		p->fin |= s.flags & TCP_FIN;
	}
	if (s.len || s.flags & TCP_FIN)
		peer_ack(p, before);
	if (p->fin && s.flags & TCP_FIN)
		peer_send(p, TCP_FIN | TCP_ACK, p->nxt, 65535);
}

static const struct sim_node_ops peer_ops = {"peer", peer_arrive, peer_arrive};

struct duel {
	struct sim s;
	struct sim_end a;
	struct peer p;
	struct sim_delay there, back;
};

static struct duel *duel_new(enum manner manner, uint64_t bytes)
{
	struct duel *d = calloc(1, sizeof(*d));
	struct sim_end_opt opt;

	assert_non_null(d);
	sim_init(&d->s, 1);
	sim_end_defaults(&opt, SIM_ACTIVE, 256 * 1024);
	opt.cc = "reno";
	sim_end_init(&d->a, &d->s, &opt, 0, 0);
	sim_node_init(&d->p.node, &d->s, &peer_ops);
	d->p.manner = manner;
	d->p.iss = 0xfffffff0;
	sim_delay_init(&d->there, &d->s, 10 * SIM_MS);
	sim_delay_init(&d->back, &d->s, 10 * SIM_MS);
	d->a.node.to = &d->there.node;
	d->there.node.to = &d->p.node;
	d->p.node.to = &d->back.node;
	d->back.node.to = &d->a.node;
	d->a.app = (struct sim_app){.total = bytes};
	sim_end_start(&d->a, d->s.now);
	return d;
}

static void duel_end(struct duel *d)
{
	sim_run(&d->s, 7200 * SIM_SEC);
	CHECK(!d->s.failed, "%s", d->s.why);
	CHECK(sim_end_done(&d->a), "not done in %s", tcp_state_name(tcp_get_state(d->a.c)));
	sim_end_free(&d->a);
	sim_free(&d->s);
	CHECK(!d->s.failed, "%s", d->s.why);
	free(d);
}

static void a_peer_without_options(void **state)
{
	struct duel *d = duel_new(PLAIN, 500000);

	(void)state;
	duel_end(d);
}

static uint32_t cwnd_after(enum manner manner, uint64_t ns)
{
	struct duel *d = duel_new(manner, 300000);
	struct tcp_info info;

	sim_run(&d->s, SIM_SEC + ns);
	tcp_get_info(d->a.c, &info);
	duel_end(d);
	return info.cwnd;
}

/* RFC 5681 3.1 and RFC 3465: bytes acknowledged open the window, not ACKs. */
static void divided_acks_gain_nothing(void **state)
{
	uint32_t honest = cwnd_after(PLAIN, 75 * SIM_MS);

	(void)state;
	assert_in_range(honest, 2 * 14600, 5 * 14600);
	assert_in_range(cwnd_after(DIVIDES, 75 * SIM_MS), honest / 2, honest);
	assert_in_range(cwnd_after(REPEATS, 75 * SIM_MS), 1, honest);
}

/* Each ACK of what was never sent is answered, but not for ever: RFC 5961 5, 7. */
static void acks_of_unsent_data_start_no_war(void **state)
{
	struct duel *d = duel_new(RUNS_AHEAD, 200000);

	(void)state;
	d->a.opt.may_die = true;
	sim_run(&d->s, 61 * SIM_SEC);
	CHECK(!d->s.failed, "%s", d->s.why);
	assert_true(d->a.counters[WEIR_C_drop_ack_unsent] > 0);
	/* 140 of data, ten challenges a second at most. */
	CHECK(d->a.segments < 140 + 600 + 200, "%llu segments", (unsigned long long)d->a.segments);
	sim_end_free(&d->a);
	sim_free(&d->s);
	CHECK(!d->s.failed, "%s", d->s.why);
	free(d);
}

static void a_window_taken_back_is_waited_for(void **state)
{
	struct duel *d = duel_new(SHRINKS, 500000);

	(void)state;
	sim_run(&d->s, 5 * SIM_SEC);
	assert_true(d->p.shut_at > 0);
	/* Probes, with the back-off of RFC 9293 3.8.6.1. */
	assert_in_range(d->p.segments, 100, 170);
	duel_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_tail_is_probed_for),
		cmocka_unit_test(a_reported_hole_costs_no_timeout),
		cmocka_unit_test(a_silent_hole_is_found),
		cmocka_unit_test(a_hole_that_comes_and_goes),
		cmocka_unit_test(reordering_is_not_loss),
		cmocka_unit_test(every_frame_twice),
		cmocka_unit_test(a_peer_without_options),
		cmocka_unit_test(divided_acks_gain_nothing),
		cmocka_unit_test(acks_of_unsent_data_start_no_war),
		cmocka_unit_test(a_window_taken_back_is_waited_for),
	};

	return cmocka_run_group_tests_name("sim_paths", tests, NULL, NULL);
}
