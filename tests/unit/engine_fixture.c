/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <weir/cookie.h>

void rig_config_default(struct rig_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	engine_config_default(&cfg->engine);
	cfg->engine.conns = 1024;
	cfg->engine.timewaits = 256;
	cfg->engine.tombstones = 1024;
	cfg->engine.buffer_bytes = 16 << 20;
	cfg->engine.handover_slots = 64;
	cfg->engine.tcp.msl_us = 5000000;
	cfg->queues = 1;
	cfg->frames = 512;
	cfg->mtu = RIG_MTU;
	cfg->flows = 4096;
	cfg->app = &echo_test_app;
}

static void gate_init(struct weir_gate_config *g, const struct rig_config *cfg)
{
	memset(g, 0, sizeof(*g));
	g->clock.wall_offset_ms = 1700000000000ULL;
	g->keys.key[0][0] = 0x1122334455667788ULL;
	g->keys.key[0][1] = 0x99aabbccddeeff00ULL;
	weir_mss_classes(g->mss_class, cfg->mtu);
	g->mss4 = (uint16_t)(cfg->mtu - 40);
	g->mss6 = (uint16_t)(cfg->mtu - 60);
	g->wscale = cfg->engine.tcp.wscale;
	g->ttl = 64;
}

static void open_queue(struct rig *r, unsigned q)
{
	struct pktio *ends[2];

	assert_int_equal(pktio_mem_pair(ends, r->cfg.frames, r->cfg.mtu), 0);
	r->server[q] = ends[0];
	r->client[q] = ends[1];
	if (r->cfg.impair) {
		struct impair_config a = *r->cfg.impair, b = a;

		a.seed += 2 * q;
		b.seed += 2 * q + 1;
		assert_int_equal(pktio_impair(&r->server[q], ends[0], &a), 0);
		assert_int_equal(pktio_impair(&r->client[q], ends[1], &b), 0);
	}
}

static struct weir_service *service_of(void *arg, const struct weir_addr *a)
{
	struct rig *r = arg;

	return a->port == RIG_PORT ? &r->service : NULL;
}

struct rig *rig_open(const struct rig_config *cfg)
{
	return rig_open_on(cfg, NULL);
}

struct rig *rig_open_on(const struct rig_config *cfg, struct flowmap_mem *flows)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct weir_addr a = {.family = 0, .port = RIG_PORT};
	struct engine_env env;

	assert_non_null(r);
	r->cfg = *cfg;
	r->now_us = RIG_START_US;
	gate_init(&r->gate, cfg);
	r->shared = flows;
	r->flows = flows ? flows : flowmap_mem_new(cfg->flows);
	for (unsigned q = 0; q < cfg->queues; q++)
		open_queue(r, q);
	if (cfg->net_host)
		r->net = netops_mem_new(cfg->net_host, cfg->mtu);
	env = (struct engine_env){
		.queues = r->server,
		.nqueues = cfg->queues,
		.flows = &r->flows->m,
		.gate = &r->gate,
		.heartbeat = r->heartbeat,
		.net = r->net ? &r->net->n : NULL,
		.service = service_of,
		.service_arg = r,
	};
	assert_int_equal(engine_create(&r->e, &cfg->engine, &env), 0);
	if (!cfg->no_listener)
		assert_int_equal(engine_listen(r->e, &a, cfg->app, cfg->arg), 0);
	return r;
}

void rig_add_queue(struct rig *r)
{
	assert_true(r->cfg.queues < 8);
	open_queue(r, r->cfg.queues++);
	engine_add_queue(r->e);
}

void rig_close(struct rig *r)
{
	engine_destroy(r->e);
	for (unsigned q = 0; q < r->cfg.queues; q++) {
		r->server[q]->ops->close(r->server[q]);
		r->client[q]->ops->close(r->client[q]);
	}
	if (!r->shared)
		flowmap_mem_free(r->flows);
	free(r->net);
	free(r);
}

void rig_poll(struct rig *r)
{
	for (unsigned i = 0; i < engine_workers(r->e); i++)
		worker_poll(engine_worker(r->e, i), r->now_us);
}

void rig_settle(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		rig_poll(r);
}

void rig_pass(struct rig *r, uint64_t us)
{
	uint64_t until = r->now_us + us;

	while (r->now_us < until) {
		/* A worker never sleeps longer than this: upkeep has its turns. */
		uint64_t next = r->now_us + 100000 < until ? r->now_us + 100000 : until;

		for (unsigned i = 0; i < engine_workers(r->e); i++) {
			uint64_t at = worker_next_timeout(engine_worker(r->e, i));

			if (at < next)
				next = at;
		}
		r->now_us = next > r->now_us ? next : r->now_us + 1000;
		if (r->now_us > until)
			r->now_us = until;
		rig_settle(r);
	}
}

uint64_t rig_count(struct rig *r, enum weir_counter c)
{
	uint64_t v[WEIR_C_MAX];

	engine_get_counters(r->e, v);
	return v[c];
}

struct engine_status rig_status(struct rig *r)
{
	struct engine_status s;

	engine_get_status(r->e, &s);
	return s;
}

uint64_t rig_state(struct rig *r, enum weir_tcp_state s)
{
	return rig_status(r).states[s];
}

uint64_t rig_conns(struct rig *r)
{
	struct engine_status s = rig_status(r);
	uint64_t n = 0;

	for (int i = 0; i < WEIR_TIME_WAIT; i++)
		n += s.states[i];
	return n;
}

void rig_inject(struct rig *r, unsigned queue, const void *frame, size_t len)
{
	struct pktio *io = r->client[queue];
	struct pktio_frame f;

	assert_int_equal(io->ops->tx_reserve(io, &f, 1), 1);
	assert_true(len <= f.cap);
	memcpy(f.data, frame, len);
	f.len = (uint32_t)len;
	io->ops->tx_submit(io, &f, 1);
	io->ops->flush(io);
}

bool rig_silent(struct rig *r)
{
	bool silent = true;

	for (unsigned q = 0; q < r->cfg.queues; q++) {
		struct pktio_frame f;

		while (r->client[q]->ops->rx(r->client[q], &f, 1)) {
			silent = false;
			r->client[q]->ops->release(r->client[q], &f, 1);
		}
	}
	return silent;
}

uint64_t rig_gate_ms(const struct rig *r)
{
	return r->now_us / 1000;
}

uint64_t real_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

int echo_rig_setup(void **state)
{
	struct echo_rig *s = calloc(1, sizeof(*s));
	struct rig_config cfg;

	assert_non_null(s);
	rig_config_default(&cfg);
	cfg.arg = &s->log;
	s->r = rig_open(&cfg);
	*state = s;
	return 0;
}

int echo_rig_teardown(void **state)
{
	struct echo_rig *s = *state;

	rig_close(s->r);
	free(s);
	return 0;
}
