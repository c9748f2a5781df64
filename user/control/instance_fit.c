/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what an instance may come to need is there. Its pools are only filled as
 * connections come, so that nothing else would say that they are too large before the
 * kernel, out of memory, kills the process with all its connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "control/instance_priv.h"
#include "control/memory.h"
#include "net/pktio_xsk.h"

#define MIB	     ((uint64_t)1 << 20)
#define RESERVE	     8 /* this part of what is available is left to the kernel's own buffers */
#define BUFFERS_MIN  (4 * MIB)
#define CONNS_MIN    1024
#define FLOWS_MIN    4096
#define FILES_OWN    256  /* sockets, maps, control */
#define FILES_SERVED 4096 /* where nobody has said how many there may be */

/* An entry of the flow table, its share of the buckets and of the free list. */
#define FLOW4_BYTES (48 + 16 + sizeof(struct weir_flow) + 32)
#define FLOW6_BYTES (48 + 40 + sizeof(struct weir_flow) + 32)

struct need {
	struct engine_memory engine;
	uint64_t frames, flows, total;
};

/* A flow entry for each is all that they can have. */
static void bound_residue(struct instance_config *cfg)
{
	if (cfg->engine.tombstones > cfg->flows)
		cfg->engine.tombstones = cfg->flows;
	if (cfg->engine.timewaits > cfg->flows)
		cfg->engine.timewaits = cfg->flows;
}

static void reckon(const struct instance_config *cfg, unsigned mtu, unsigned queues, struct need *n)
{
	struct engine_config e = cfg->engine;

	for (unsigned i = 0; cfg->services && i < cfg->services->n; i++) {
		if (cfg->services->v[i].app->conn_size > e.state_max)
			e.state_max = (unsigned)cfg->services->v[i].app->conn_size;
	}
	engine_memory(&e, mtu, &n->engine);
	n->frames = queues * pktio_xsk_memory(mtu, cfg->rx_frames, cfg->tx_frames);
	n->flows = (uint64_t)cfg->flows * (FLOW4_BYTES + FLOW6_BYTES);
	if (cfg->takeover) /* they are there already */
		n->frames = n->flows = 0;
	n->total = n->engine.conns + n->engine.buffers + n->engine.residue + n->engine.rings +
		   n->frames + n->flows;
}

uint64_t instance_needs(const struct instance_config *cfg, unsigned mtu, unsigned queues,
			uint64_t *frames)
{
	struct need n;

	reckon(cfg, mtu, queues, &n);
	*frames = n.frames;
	return n.total;
}

/* Halves the largest part that nobody has asked for. False: there is none to be had less of. */
static bool shrink(struct instance_config *cfg, const struct need *n)
{
	uint64_t buffers = 0, conns = 0, flows = 0;

	if (cfg->fit_buffers && cfg->engine.buffer_bytes / 2 >= BUFFERS_MIN)
		buffers = n->engine.buffers;
	if (cfg->fit_conns && cfg->engine.conns / 2 >= CONNS_MIN)
		conns = n->engine.conns;
	if (cfg->fit_flows && cfg->flows / 2 >= FLOWS_MIN)
		flows = n->flows + n->engine.residue;
	if (!buffers && !conns && !flows)
		return false;
	if (buffers >= conns && buffers >= flows)
		cfg->engine.buffer_bytes /= 2;
	else if (conns >= flows)
		cfg->engine.conns /= 2;
	else
		cfg->flows /= 2;
	bound_residue(cfg);
	return true;
}

static int too_large(const struct weir_instance *inst, const struct need *n, uint64_t available,
		     struct weir_err *err)
{
	const struct instance_config *cfg = &inst->cfg;

	return err_set(err, -ENOMEM,
		       "up to %" PRIu64 " MiB may be needed, %" PRIu64
		       " MiB are available: %u workers' connections %" PRIu64
		       " MiB (--conns %u), buffers %" PRIu64 " MiB (--buffers %" PRIu64
		       "), flow tables %" PRIu64 " MiB (--flows %u), %u queues' frames %" PRIu64
		       " MiB (--rx-frames, --tx-frames): ask for less",
		       n->total / MIB, available / MIB, cfg->engine.workers, n->engine.conns / MIB,
		       cfg->engine.conns, n->engine.buffers / MIB, cfg->engine.buffer_bytes / MIB,
		       (n->flows + n->engine.residue) / MIB, cfg->flows, inst->queues,
		       n->frames / MIB);
}

int instance_fit(struct weir_instance *inst, uint64_t available, struct weir_err *err)
{
	struct instance_config *cfg = &inst->cfg;
	bool less = false;
	struct need n;

	bound_residue(cfg);
	for (;;) {
		reckon(cfg, inst->nif.mtu, inst->queues, &n);
		if (n.total <= available - available / RESERVE)
			break;
		if (!shrink(cfg, &n))
			return too_large(inst, &n, available, err);
		less = true;
	}
	if (less)
		cfg->log(LOG_WARNING,
			 "for the %" PRIu64 " MiB that are available: --conns %u --buffers %" PRIu64
			 " --flows %u",
			 available / MIB, cfg->engine.conns, cfg->engine.buffer_bytes / MIB,
			 cfg->flows);
	return 0;
}

static bool serves(const struct instance_config *cfg, const char *app)
{
	for (unsigned i = 0; cfg->services && i < cfg->services->n; i++) {
		if (!strcmp(cfg->services->v[i].app->name, app))
			return true;
	}
	return false;
}

/* A proxied connection has one to its backend, a response of http its file. */
static uint64_t files_needed(const struct instance_config *cfg)
{
	bool proxy = serves(cfg, "proxy");

	if (proxy && !cfg->fit_conns)
		return (uint64_t)cfg->engine.conns * cfg->engine.workers + FILES_OWN;
	return proxy || serves(cfg, "http") ? FILES_SERVED : FILES_OWN;
}

void instance_limits(struct weir_instance *inst)
{
	struct host_limits *l = &inst->priv->limits;
	struct host_warnings *w = &inst->priv->warnings;
	struct host_needs needs = {.workers = inst->cfg.engine.workers,
				   .files = files_needed(&inst->cfg)};

	needs.memory = instance_needs(&inst->cfg, inst->nif.mtu, inst->queues, &needs.locked);
	host_limits_read(l, "/proc");
	host_limits_judge(l, &needs, w);
	for (unsigned i = 0; i < w->n; i++)
		inst->cfg.log(LOG_WARNING, "%s", w->text[i]);
}

const struct host_limits *instance_limits_of(const struct weir_instance *inst,
					     const struct host_warnings **w)
{
	*w = &inst->priv->warnings;
	return &inst->priv->limits;
}
