/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/cookie.h>
#include "pd.h"
#include "sock/stack.h"

#define CONNS	   1024
#define BUFFERS	   (32 << 20)
#define TURNS_MAX  64	  /* at one moment */
#define UPKEEP_US  100000 /* a turn at least so often: heartbeat, sweep, deletes */
#define HORIZON_US (3 * 3600 * 1000000ULL)

struct pd_host {
	struct flowmap *flows; /* in memory; the front's are its own */
	struct netops *net;
	struct engine *engine;
	struct pktio *queue;
	struct weir_gate_config gate; /* where no front has one */
	uint64_t heartbeat[WEIR_MAX_QUEUES];
	uint64_t turned_us;
};

/*
 * A cookie holds no MSS but the next lower of eight: here those that scripts offer, so
 * that their segments have the size that they expect.
 */
static const uint16_t mss_classes[8] = {536, 600, 1000, 1012, 1220, 1400, 1440, 1460};

/* What a gate would have: keys, clock, MSS. `gate` may be the program's own memory. */
static void configure(const struct pd *pd, struct weir_gate_config *g)
{
	memset(g, 0, sizeof(*g));
	g->clock.fixed = 1;
	g->clock.fixed_ms = pd->now_us / 1000;
	g->clock.wall_offset_ms = 0;
	g->keys.key[0][0] = 0x1122334455667788ULL;
	g->keys.key[0][1] = 0x99aabbccddeeff00ULL;
	g->keys.key[1][0] = 0x0f1e2d3c4b5a6978ULL;
	g->keys.key[1][1] = 0x8796a5b4c3d2e1f0ULL;
	memcpy(g->mss_class, mss_classes, sizeof(mss_classes));
	g->window = pd->set.tcp.rcvbuf < UINT16_MAX ? (uint16_t)pd->set.tcp.rcvbuf : UINT16_MAX;
	g->mss4 = (uint16_t)(pd->set.mtu - 40);
	g->mss6 = (uint16_t)(pd->set.mtu - 60);
	g->wscale = pd->set.tcp.wscale;
	g->ttl = 64;
	g->rst_per_sec = 1000000; /* scripts expect each RST that the RFC asks for */
	memcpy(g->mac, wire_mac, 6);
}

static struct weir_gate_config *gate_of(const struct pd *pd)
{
	return pd->front ? front_gate(pd->front)->cfg : &pd->host->gate;
}

/* ---- what the stack asks of its surroundings -------------------------------------- */

static uint64_t env_now(void *arg)
{
	return ((struct pd *)arg)->now_us;
}

static int env_serve(void *arg, const struct weir_addr *a)
{
	struct pd *pd = arg;

	return pd->front ? gate_serve(front_serve(pd->front), a) : 0;
}

static void env_unserve(void *arg, const struct weir_addr *a)
{
	struct pd *pd = arg;

	if (pd->front)
		gate_unserve(front_serve(pd->front), a);
}

static int open_engine(struct pd *pd)
{
	struct pd_host *h = pd->host;
	struct engine_config cfg;
	struct engine_env env;

	engine_config_default(&cfg);
	cfg.conns = CONNS;
	cfg.timewaits = CONNS;
	cfg.tombstones = CONNS;
	cfg.buffer_bytes = BUFFERS;
	cfg.rst_unknown = !pd->front; /* behind a front the gate does */
	cfg.tcp = pd->set.tcp;
	env = (struct engine_env){
		.queues = &h->queue,
		.nqueues = 1,
		.flows = pd->front ? front_flowmap(pd->front) : h->flows,
		.net = h->net,
		.gate = gate_of(pd),
		.heartbeat = pd->front ? front_gate(pd->front)->heartbeat : h->heartbeat,
	};
	return engine_create(&h->engine, &cfg, &env);
}

static int open_stack(struct pd *pd)
{
	const struct stack_env env = {
		.engine = pd->host->engine,
		.tcp = &pd->set.tcp,
		.net = pd->host->net,
		.socks = CONNS,
		.arg = pd,
		.now = env_now,
		.serve = env_serve,
		.unserve = env_unserve,
	};

	return stack_create(&pd->stack, &env);
}

int host_open(struct pd *pd, char *why, size_t len)
{
	struct pd_host *h = calloc(1, sizeof(*h));
	int err = -ENOMEM;

	if (!h)
		return -ENOMEM;
	pd->host = h;
	h->queue = &pd->wire.io;
	h->flows = host_flowmap_new();
	h->net = host_net_new(pd);
	if (h->flows && h->net)
		err = pd->set.xdp ? front_open(pd, why, len) : 0;
	if (err)
		return err;
	configure(pd, gate_of(pd));
	err = open_engine(pd);
	return err ? err : open_stack(pd);
}

void host_close(struct pd *pd)
{
	struct pd_host *h = pd->host;

	if (!h)
		return;
	if (pd->stack)
		weir_stack_close(pd->stack);
	engine_destroy(h->engine);
	front_close(pd->front);
	host_net_free(h->net);
	host_flowmap_free(h->flows);
	free(h);
	pd->host = NULL;
}

void host_run(struct pd *pd)
{
	gate_of(pd)->clock.fixed_ms = pd->now_us / 1000;
	pd->host->turned_us = pd->now_us;
	for (int i = 0; i < TURNS_MAX; i++) {
		struct wire_frame **last = pd->wire.out.last;

		/* Twice at least: what a frame or a timer began may go on in the next turn. */
		if (stack_turn(pd->stack) <= 0 && last == pd->wire.out.last && i)
			return;
	}
}

uint64_t host_next(struct pd *pd)
{
	uint64_t at = stack_next(pd->stack);

	/* No timer of a connection: then upkeep alone is no reason to go on. */
	if (at == PD_NEVER || at > pd->now_us + HORIZON_US)
		return PD_NEVER;
	return at < pd->host->turned_us + UPKEEP_US ? at : pd->host->turned_us + UPKEEP_US;
}
