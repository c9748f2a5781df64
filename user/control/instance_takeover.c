/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/instance_takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <weir/cookie.h>

#include "control/gate.h"
#include "control/gate_inherit.h"
#include "control/takeover.h"
#include "net/pktio_xsk_adopt.h"

/* Longer than a hand-over may take; the gate of a giver that dies meanwhile goes with it. */
#define LEAVE_HEARTBEAT_MS 60000
#define WALK_BATCH	   256

static void beat(struct weir_instance *inst)
{
	uint64_t now = clock_gate_mono_ms(&inst->priv->clock, &inst->gate->cfg->clock);
	unsigned q;

	for (q = 0; q < inst->queues; q++)
		__atomic_store_n(&inst->gate->heartbeat[q], now, __ATOMIC_RELAXED);
}

/* ---- taker, before GO -------------------------------------------------------------------- */

int instance_accept_offer(struct weir_instance *inst, struct weir_err *err)
{
	const struct takeover_offer *o = takeover_offer(inst->cfg.takeover);
	struct instance_config *cfg = &inst->cfg;

	if (o->ifindex != inst->nif.ifindex || o->netns != takeover_netns())
		return err_unsuited(err, -EINVAL,
				    "--takeover: process %d serves %s%s: that is another interface",
				    (int)takeover_pid(cfg->takeover), o->iface,
				    o->netns != takeover_netns() ? " of another network namespace"
								 : "");
	if (o->queues > inst->queues)
		return err_unsuited(err, -EINVAL,
				    "--takeover: %u RX queues are served, and %s has %u", o->queues,
				    inst->nif.name, inst->queues);
	if (!cfg->fit_flows && cfg->flows != o->flows)
		cfg->log(LOG_NOTICE,
			 "--flows %u: the flow tables are taken over as they are, with %u entries; "
			 "a restart changes that",
			 cfg->flows, o->flows);
	cfg->flows = o->flows;
	cfg->fit_flows = false;
	return 0;
}

int instance_open_gate(struct weir_instance *inst, struct weir_err *err)
{
	const struct takeover *t = inst->cfg.takeover;
	const struct takeover_offer *o;
	struct gate_maps maps;
	int rc;

	if (!t)
		return gate_open(&inst->gate, inst->cfg.flows, inst->cfg.log, err);
	o = takeover_offer(t);
	maps = (struct gate_maps){takeover_fd(t, TAKEOVER_FD_FLOWS4),
				  takeover_fd(t, TAKEOVER_FD_FLOWS6)};
	rc = gate_inherit_check(&maps, o->flows, err);
	if (!rc)
		rc = gate_cells_open(&inst->priv->cells, takeover_fd(t, TAKEOVER_FD_BSS),
				     o->bss_off, err);
	return rc ? rc : gate_open_on(&inst->gate, o->flows, &maps, inst->cfg.log, err);
}

int instance_choose_given(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_priv *p = inst->priv;
	struct attach_given given;

	takeover_given(inst->cfg.takeover, &given);
	return attach_choose_given(&p->at, &inst->nif, &p->want, &given, err);
}

void instance_continue_clock(struct weir_instance *inst)
{
	const struct takeover_offer *o = takeover_offer(inst->cfg.takeover);

	clock_continue(&inst->priv->clock, inst->gate->clock_fd, o->tick_ns, o->base_mono_ns);
	inst->gate->cfg->clock = o->clock;
	inst->gate->counts = o->counts;
	inst->gate->presence_bias = o->bss_bias;
}

/* What is asked for and cannot be, as what there is has other sizes. */
static void tell_frames(struct weir_instance *inst, const struct pktio_xsk_state *s)
{
	struct instance_config *cfg = &inst->cfg;

	if (cfg->rx_frames != s->rx_frames || cfg->tx_frames != s->tx_frames)
		cfg->log(LOG_NOTICE,
			 "--rx-frames %u, --tx-frames %u: the buffers are taken over as they are, "
			 "%u and %u; a restart changes that",
			 cfg->rx_frames, cfg->tx_frames, s->rx_frames, s->tx_frames);
	cfg->rx_frames = s->rx_frames;
	cfg->tx_frames = s->tx_frames;
}

int instance_adopt_queue(struct weir_instance *inst, unsigned q, struct weir_err *err)
{
	const struct pktio_xsk_config xc = instance_queue_config(inst, q);
	struct takeover *t = inst->cfg.takeover;
	struct pktio_xsk_state s;
	int rc, sock, area;
	char why[256];

	if (q >= takeover_offer(t)->queues)
		return instance_bind_queue(inst, q, err);
	takeover_queue(t, q, &s, &sock, &area);
	rc = takeover_anew()
		     ? -EOPNOTSUPP
		     : pktio_xsk_adopt(&inst->priv->io[q], &xc, &s, sock, area, why, sizeof(why));
	if (rc) {
		close(sock);
		close(area);
	}
	if (rc == -EOPNOTSUPP) {
		inst->priv->anew = true;
		return 0;
	}
	if (rc)
		return err_unsuited(err, rc, "--takeover: %s", why);
	if (!q)
		tell_frames(inst, &s);
	return instance_queue_serve(inst, q, err);
}

/* ---- taker, from GO on ------------------------------------------------------------------- */

/* Its last references were the giver's, who has closed them or is about to. */
static int open_sockets(struct weir_instance *inst, struct weir_err *err)
{
	int rc = instance_open_queues(inst, instance_bind_queue, err);

	return rc ? rc : instance_make_engine(inst, err);
}

static int take_frames(struct weir_instance *inst, const struct takeover_estate *e,
		       struct weir_err *err)
{
	unsigned q, given = takeover_offer(inst->cfg.takeover)->queues;
	int rc;

	if (inst->priv->anew)
		return open_sockets(inst, err);
	for (q = 0; q < given; q++) {
		rc = pktio_xsk_take(inst->priv->io[q], e->held[q].bits, e->held[q].len);
		if (rc)
			return err_set(err, rc,
				       "--takeover: %s queue %u: its frames are not all there: %s",
				       inst->nif.name, q, strerror(-rc));
	}
	return 0;
}

/* From now on the flows' counts by source, too, are ours. */
static void count_flows(struct weir_instance *inst)
{
	struct gate *g = inst->gate;

	g->flows = &inst->priv->flows;
	flowmap_bpf_count(g->flows, g->policy.flow_limit ? g->counts : 0);
}

static int start(struct weir_instance *inst, const struct takeover_estate *e, struct weir_err *err)
{
	int rc;

	count_flows(inst);
	rc = engine_inherit(inst->engine, e->legacy, e->nlegacy, clock_mono_ns() / 1000);
	if (rc)
		return err_set(err, rc, "--takeover: cannot set up the engine: %s", strerror(-rc));
	beat(inst);
	return instance_start_workers(inst, err);
}

static int attach(struct weir_instance *inst, const struct takeover_estate *e, struct weir_err *err)
{
	struct instance_priv *p = inst->priv;
	struct attach_prog prog = instance_prog(inst);
	struct attach_given given;
	uint64_t since;
	int rc;

	takeover_given(inst->cfg.takeover, &given);
	rc = attach_take(&p->at, &inst->nif, &prog, &p->want, &given, inst->cfg.log, err);
	if (rc)
		return rc;
	since = gate_inherit_end(inst->gate, &p->cells);
	atomic_fetch_add(&p->flows.inserted, e->stopped->flows + since);
	/* Entries say in which of the other's counts they are. */
	if (takeover_offer(inst->cfg.takeover)->counts || inst->gate->policy.flow_limit)
		flowmap_bpf_recount(&p->flows);
	return 0;
}

int instance_take_over(struct weir_instance *inst, struct weir_err *err)
{
	struct takeover *t = inst->cfg.takeover;
	const struct takeover_estate *e;
	uint64_t go_ns = clock_mono_ns(), read_ns;
	int rc = takeover_go(t, inst->priv->anew, &e, err);

	if (rc)
		return rc;
	inst->gate->cfg->clock = e->stopped->clock;
	instance_keys_continue(inst, e->stopped);
	gate_inherit_begin(inst->gate, &inst->priv->cells);
	rc = takeover_taken(t, err);
	if (!rc)
		rc = take_frames(inst, e, err);
	inst->priv->untaken = rc;
	if (!rc)
		rc = start(inst, e, err);
	read_ns = clock_mono_ns();
	if (!rc)
		rc = attach(inst, e, err);
	if (rc)
		return rc;
	if (inst->priv->anew)
		inst->cfg.log(LOG_NOTICE,
			      "the sockets could not be had (it takes Linux 6.4) and were "
			      "opened anew: what came in meanwhile has to be sent again");
	inst->cfg.log(LOG_NOTICE,
		      "took over from process %d (weir %s): %" PRIu64
		      " connections of it were reset, nobody read frames for %.1f ms",
		      (int)takeover_pid(t), takeover_offer(t)->version, e->stopped->conns,
		      (double)(read_ns - go_ns) / 1e6);
	return 0;
}

void instance_own(struct weir_instance *inst)
{
	attach_own(&inst->priv->at);
	gate_cells_close(&inst->priv->cells);
	inst->cfg.takeover = NULL;
}

/* ---- giver ---------------------------------------------------------------------------------- */

uint64_t instance_leave(struct weir_instance *inst)
{
	__atomic_store_n(&inst->gate->cfg->heartbeat_max_ms, LEAVE_HEARTBEAT_MS, __ATOMIC_RELAXED);
	return engine_leave(inst->engine);
}

void instance_drop_engine(struct weir_instance *inst)
{
	engine_destroy(inst->engine);
	inst->engine = NULL;
	netops_close(inst->priv->net);
	inst->priv->net = NULL;
}

void instance_drop_sockets(struct weir_instance *inst)
{
	struct pktio **io = inst->priv->io;
	unsigned q;

	for (q = 0; q < inst->queues; q++) {
		if (io[q])
			io[q]->ops->close(io[q]);
		io[q] = NULL;
	}
}

void instance_given(struct weir_instance *inst)
{
	attach_release(&inst->priv->at);
}

static bool untouched(const struct weir_instance *inst)
{
	unsigned q;

	for (q = 0; q < inst->queues; q++)
		if (!inst->priv->io[q] || !pktio_xsk_untouched(inst->priv->io[q]))
			return false;
	return true;
}

/* What is in the old rings is lost, and comes again. */
static int new_sockets(struct weir_instance *inst, struct weir_err *err)
{
	unsigned q;
	int rc = 0;

	instance_drop_sockets(inst);
	for (q = 0; !rc && q < inst->queues; q++)
		rc = instance_bind_queue(inst, q, err);
	return rc;
}

/* What the dead one had let in cannot be told from what nobody has claimed yet: all is over. */
static int bury_all(struct weir_instance *inst)
{
	struct flowmap *m = &inst->priv->flows.map;
	struct engine_legacy l[WALK_BATCH];
	struct weir_flow f[WALK_BATCH];
	weir_tuple t[WALK_BATCH];
	uint64_t cursor = 0;
	int i, n, rc = 0;

	do {
		n = m->ops->walk(m, &cursor, t, f, WALK_BATCH);
		for (i = 0; i < n; i++)
			l[i] = (struct engine_legacy){.tuple = t[i],
						      .queue = f[i].owner,
						      .dead_ms = f[i].created_ms +
								 WEIR_COOKIE_LIFE_MS + 1000,
						      .irs = f[i].irs,
						      .snd_nxt = f[i].iss + 1,
						      .rcv_nxt = f[i].irs + 1};
		if (n > 0)
			rc = engine_inherit(inst->engine, l, (size_t)n, clock_mono_ns() / 1000);
	} while (cursor && n >= 0 && !rc);
	return rc;
}

int instance_resume(struct weir_instance *inst, const struct engine_legacy *l, size_t n, bool taken,
		    struct weir_err *err)
{
	struct instance_priv *p = inst->priv;
	struct attach_prog prog = instance_prog(inst);
	int rc;

	if (taken)
		gate_presence_unsure(inst->gate);
	rc = attach_put_back(&p->at, &inst->nif, &prog, &p->want, inst->cfg.log, err);
	if (!rc && !untouched(inst))
		rc = new_sockets(inst, err);
	if (!rc)
		rc = instance_make_engine(inst, err);
	if (rc)
		return rc;
	rc = engine_inherit(inst->engine, l, n, clock_mono_ns() / 1000);
	if (!rc && taken)
		rc = bury_all(inst);
	if (rc)
		return err_set(err, rc, "cannot set up the engine again: %s", strerror(-rc));
	beat(inst);
	rc = instance_start_workers(inst, err);
	__atomic_store_n(&inst->gate->cfg->heartbeat_max_ms, HEARTBEAT_MAX_MS, __ATOMIC_RELAXED);
	if (inst->drain.state == DRAIN_CLOSING)
		engine_drain(inst->engine);
	return rc;
}
