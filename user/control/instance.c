/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <weir/cookie.h>

#include "app/app.h"
#include "control/gate.h"
#include "control/gate_policy.h"
#include "control/holder.h"
#include "control/instance_priv.h"
#include "control/instance_reload.h"
#include "control/instance_takeover.h"
#include "control/memory.h"
#include "control/takeover.h"
#include "net/pktio_xsk.h"

#define RST_PER_SEC 100 /* per CPU */
#define TTL	    64
#define WARNED	    10 /* services of which the log speaks by name */

/* ---- the interface ---------------------------------------------------------- */

void instance_warn_of_foreign(const struct weir_instance *inst, const struct services *s,
			      struct services *told)
{
	struct netif_addrs own;
	unsigned i, foreign = 0;

	if (netif_addrs_get(&inst->nif, &own))
		return;
	for (i = 0; i < s->n; i++) {
		const struct service *v = &s->v[i];

		if (!v->addr.family || netif_addrs_have(&own, &v->addr) ||
		    (told && services_find(told, &v->addr)) || foreign++ >= WARNED)
			continue;
		inst->cfg.log(LOG_WARNING,
			      "%s: not an address of %s: unless it is routed here, nobody "
			      "answers %s for it",
			      v->text, inst->nif.name,
			      v->addr.family == 6 ? "neighbour discovery" : "ARP");
	}
	if (foreign > WARNED)
		inst->cfg.log(LOG_WARNING, "and so %u services more", foreign - WARNED);
	free(own.v);
}

static int look_at_interface(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_config *cfg = &inst->cfg;
	struct netif *n = &inst->nif;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int rc;

	rc = netif_query(n, cfg->iface, err);
	if (rc)
		return rc;
	inst->queues = n->rx_queues;
	inst->priv->mtu_max = n->mtu;
	if (cfg->queues && cfg->queues != n->rx_queues)
		return err_unsuited(err, -EINVAL,
				    "--queues %u: %s has %u RX queues, and all must be served; "
				    "`ethtool -L` changes how many it has",
				    cfg->queues, n->name, n->rx_queues);
	if (cfg->engine.workers > inst->queues)
		return err_unsuited(err, -EINVAL, "--workers %u: more than %s has RX queues (%u)",
				    cfg->engine.workers, n->name, n->rx_queues);
	if (!cfg->engine.workers)
		cfg->engine.workers =
			cpus > 0 && (unsigned)cpus < inst->queues ? (unsigned)cpus : inst->queues;
	if (n->vlan_offload)
		cfg->log(LOG_INFO,
			 "%s takes VLAN tags off before XDP sees them; for services in a VLAN: "
			 "`ethtool -K %s rxvlan off`",
			 n->name, n->name);
	instance_warn_of_foreign(inst, cfg->services, NULL);
	return 0;
}

/* ---- the gate's configuration ----------------------------------------------- */

static int configure_gate(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_priv *p = inst->priv;
	struct weir_gate_config *c = inst->gate->cfg;
	uint32_t rcvbuf = inst->cfg.engine.tcp.rcvbuf;
	unsigned q;
	int rc = 0;

	if (inst->cfg.takeover)
		instance_continue_clock(inst);
	else
		rc = clock_calibrate(&p->clock, inst->gate->clock_fd, &c->clock);
	if (rc)
		return err_set(err, rc, "cannot calibrate the gate's clock: %s", strerror(-rc));
	instance_keys_start(inst);
	c->flags = inst->cfg.accept_partial_csum ? WEIR_CFG_ACCEPT_PARTIAL_CSUM : 0;
	c->heartbeat_max_ms = HEARTBEAT_MAX_MS;
	c->rst_per_sec = RST_PER_SEC;
	c->window = rcvbuf < 65535 ? (uint16_t)rcvbuf : 65535;
	c->mss4 = (uint16_t)(inst->nif.mtu - 40);
	c->mss6 = (uint16_t)(inst->nif.mtu - 60);
	c->ttl = TTL;
	memcpy(c->mac, inst->nif.mac, sizeof(c->mac));
	/* Alive from the start; the workers take over. */
	for (q = 0; q < inst->queues; q++)
		inst->gate->heartbeat[q] = clock_gate_mono_ms(&p->clock, &c->clock);
	flowmap_bpf_init(&p->flows, inst->gate->flows4_fd, inst->gate->flows6_fd,
			 inst->gate->presence);
	flow_counts_init(&p->flows.counts, inst->gate->sources, inst->gate->source_key);
	/* Until another weir's are ours, nothing changes in the entries. */
	inst->gate->flows = inst->cfg.takeover ? NULL : &p->flows;
	rc = gate_services(inst->gate, inst->cfg.services, &inst->cfg.mode, err);
	if (!rc && inst->cfg.policy)
		rc = gate_policy_apply(inst->gate, inst->cfg.policy, err);
	return rc;
}

/* ---- sockets ---------------------------------------------------------------- */

/* What the driver refused of the first queue it is not asked for of the others. */
static bool copy_only(const struct weir_instance *inst)
{
	return inst->cfg.force_copy || inst->priv->at.mode == XDP_MODE_GENERIC ||
	       (inst->priv->io[0] && pktio_xsk_refusal(inst->priv->io[0]));
}

struct pktio_xsk_config instance_queue_config(const struct weir_instance *inst, unsigned q)
{
	return (struct pktio_xsk_config){
		.ifname = inst->nif.name,
		.queue = q,
		.mtu = inst->nif.mtu,
		.rx_frames = inst->cfg.rx_frames,
		.tx_frames = inst->cfg.tx_frames,
		.force_copy = inst->cfg.force_copy,
		.force_zerocopy = inst->cfg.force_zerocopy,
		.large_frames = inst->priv->at.mode == XDP_MODE_GENERIC,
		.bursts = !bursts_unfit(inst->cfg.bursts, &inst->nif),
	};
}

int instance_queue_serve(struct weir_instance *inst, unsigned q, struct weir_err *err)
{
	struct pktio **io = &inst->priv->io[q];
	int rc = gate_bind(inst->gate, q, pktio_xsk_fd(*io));

	if (!rc)
		return 0;
	(*io)->ops->close(*io);
	*io = NULL;
	return err_set(err, rc, "%s queue %u: cannot give its socket to the gate: %s",
		       inst->nif.name, q, strerror(-rc));
}

int instance_bind_queue(struct weir_instance *inst, unsigned q, struct weir_err *err)
{
	struct pktio_xsk_config xc = instance_queue_config(inst, q);
	struct holder by;
	char why[256];
	int rc;

	xc.force_copy = copy_only(inst);
	rc = pktio_xsk_open(&inst->priv->io[q], &xc, why, sizeof(why));
	if (rc == -EBUSY && holder_of_queue(&by, inst->nif.ifindex, q))
		return err_unsuited(err, rc, "%s: process %d (%s)", why, (int)by.pid, by.comm);
	if (rc == -EPERM || rc == -ENOBUFS || rc == -ENOMEM)
		return err_set(err, rc, "%s", why);
	if (rc)
		return err_unsuited(err, rc, "%s", why);
	return instance_queue_serve(inst, q, err);
}

static void log_bursts(const struct weir_instance *inst)
{
	const char *why = bursts_unfit(inst->cfg.bursts, &inst->nif);

	if (!why && !inst->priv->io[0]->burst_max)
		why = strcmp(inst->xsk, "copy") ? "zero-copy AF_XDP needs no help"
						: "no AF_PACKET socket could be had";
	if (why)
		inst->cfg.log(inst->cfg.bursts == BURSTS_ON ? LOG_WARNING : LOG_INFO,
			      "%s: bulk data is sent frame by frame: %s", inst->nif.name, why);
	else
		inst->cfg.log(LOG_INFO,
			      "%s: bulk data is sent in bursts by AF_PACKET, which the device cuts",
			      inst->nif.name);
}

static void say_zero_copy(struct weir_instance *inst)
{
	int refusal = pktio_xsk_refusal(inst->priv->io[0]);
	char *to = inst->zero_copy;
	size_t len = sizeof(inst->zero_copy);

	if (inst->cfg.force_copy)
		snprintf(to, len, "not tried: as asked for");
	else if (inst->priv->at.mode == XDP_MODE_GENERIC)
		snprintf(to, len, "not tried: generic XDP has none");
	else if (refusal)
		snprintf(to, len, "refused: %s", strerror(-refusal));
	else
		snprintf(to, len, "granted");
}

int instance_open_queues(struct weir_instance *inst, instance_queue_fn *one, struct weir_err *err)
{
	struct pktio **io = inst->priv->io;
	unsigned q;
	int rc = 0;

	if (inst->cfg.force_zerocopy && inst->priv->at.mode == XDP_MODE_GENERIC)
		return err_unsuited(err, -EOPNOTSUPP,
				    "%s: --zerocopy: generic XDP copies; it needs native XDP",
				    inst->nif.name);
	inst->xsk = "zerocopy";
	for (q = 0; q < inst->queues; q++) {
		if (!io[q])
			rc = one(inst, q, err);
		if (rc)
			return rc;
		if (io[q] && strcmp(io[q]->mode, "zerocopy"))
			inst->xsk = "copy";
	}
	if (!io[0])
		return 0; /* once more when another weir has closed its own */
	say_zero_copy(inst);
	inst->cfg.log(LOG_INFO, "%s: AF_XDP in %s mode, zero-copy %s", inst->nif.name, inst->xsk,
		      inst->zero_copy);
	log_bursts(inst);
	return 0;
}

/* ---- the engine ------------------------------------------------------------- */

static struct weir_service *service_at(void *arg, const struct weir_addr *a)
{
	return gate_service_at(arg, a);
}

static void port_active(void *gate, uint16_t port, bool on)
{
	gate_port_active(gate, port, on);
}

/* Well below where instance_step() lets no new client in. */
static unsigned flows_of_worker(const struct weir_instance *inst)
{
	return (unsigned)((uint64_t)inst->cfg.flows * 3 / 4 / inst->cfg.engine.workers);
}

/* -EAGAIN: a thread's stack is memory, too. */
static int engine_failed(const struct engine_config *cfg, int rc, struct weir_err *err)
{
	return err_set(err, rc,
		       "cannot set up the engine (%u workers, each --conns %u and --buffers %llu): "
		       "%s%s",
		       cfg->workers, cfg->conns, (unsigned long long)(cfg->buffer_bytes >> 20),
		       strerror(-rc), rc == -ENOMEM || rc == -EAGAIN ? ": ask for less" : "");
}

static int start_threads(void *engine)
{
	return engine_start(engine);
}

int instance_start_workers(struct weir_instance *inst, struct weir_err *err)
{
	const struct instance_config *cfg = &inst->cfg;
	int rc = cfg->spawn ? cfg->spawn(cfg->spawn_arg, start_threads, inst->engine)
			    : engine_start(inst->engine);

	return rc ? engine_failed(&cfg->engine, rc, err) : 0;
}

static int start_app(struct weir_instance *inst, const struct service *s, struct weir_err *err)
{
	char why[256] = "";
	int rc = weir_app_start(s->app_arg, inst->cfg.log, why, sizeof(why));

	return rc ? err_set(err, rc, "%s: %s", s->text, why) : 0;
}

int instance_make_engine(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_priv *p = inst->priv;
	struct engine_config *cfg = &inst->cfg.engine;
	const struct services *s = inst->cfg.services;
	struct engine_env env = {
		.queues = p->io,
		.nqueues = inst->queues,
		.flows = &p->flows.map,
		.gate = inst->gate->cfg,
		.base_mono_us = p->clock.base_mono_ns / 1000,
		.heartbeat = inst->gate->heartbeat,
		.service = service_at,
		.service_arg = inst->gate,
		.log = inst->cfg.log,
	};
	unsigned i;
	int rc;

	rc = netops_open(&p->net, &inst->nif, port_active, inst->gate);
	if (rc)
		return err_set(err, rc, "cannot ask for routes: %s", strerror(-rc));
	env.net = p->net;
	cfg->flows = flows_of_worker(inst);
	rc = engine_create(&inst->engine, cfg, &env);
	if (rc)
		return engine_failed(cfg, rc, err);
	for (i = 0; i < s->n; i++) {
		const struct worker_listen l = {.addr = s->v[i].addr,
						.app = s->v[i].app,
						.arg = s->v[i].app_arg,
						.users = s->v[i].shared ? &s->v[i].shared->users
									: NULL};

		rc = engine_serve(inst->engine, &l);
		if (rc)
			return err_set(err, rc, "%s: cannot listen: %s", s->v[i].text,
				       strerror(-rc));
	}
	return 0;
}

/* Workers that wait for another weir's rings are made, but do not run. */
static int start_engine(struct weir_instance *inst, struct weir_err *err)
{
	const struct services *s = inst->cfg.services;
	unsigned i;
	int rc = 0;

	for (i = 0; !rc && i < s->n; i++)
		rc = services_first_of_app(s, i) ? start_app(inst, &s->v[i], err) : 0;
	if (inst->priv->anew)
		return rc; /* it takes the sockets */
	if (!rc)
		rc = instance_make_engine(inst, err);
	if (rc)
		return rc;
	if (!inst->cfg.caller_driven && !inst->cfg.takeover)
		return instance_start_workers(inst, err);
	return engine_worker(inst->engine, 0) ? 0 : engine_failed(&inst->cfg.engine, -ENOMEM, err);
}

/* ---- up and down ------------------------------------------------------------ */

static struct bpf_object *gate_once_more(void *gate)
{
	return gate_again(gate);
}

struct attach_prog instance_prog(const struct weir_instance *inst)
{
	return (struct attach_prog){
		.fd = inst->gate->prog_fd, .again = gate_once_more, .arg = inst->gate};
}

static int attach(struct weir_instance *inst, struct weir_err *err)
{
	struct attach_prog prog = instance_prog(inst);
	struct instance_priv *p = inst->priv;
	int rc;

	/* In the place of one that lives it is the last thing: instance_take_over(). */
	rc = inst->cfg.takeover
		     ? 0
		     : attach_gate(&p->at, &inst->nif, &prog, &p->want, inst->cfg.log, err);
	if (rc)
		return rc;
	inst->mode = attach_mode_name(p->at.mode);
	inst->hook = p->at.shared ? "dispatcher" : "link";
	inst->started_us = clock_mono_ns() / 1000;
	return 0;
}

int instance_open(struct weir_instance **out, const struct instance_config *cfg,
		  struct weir_err *err)
{
	struct weir_instance *inst = calloc(1, sizeof(*inst));
	struct instance_priv *p = calloc(1, sizeof(*p));
	int rc;

	if (!inst || !p) {
		free(inst);
		free(p);
		return err_set(err, -ENOMEM, "out of memory");
	}
	inst->cfg = *cfg;
	inst->cfg.engine.accept_partial_csum = cfg->accept_partial_csum;
	inst->priv = p;
	p->at = (struct attachment)ATTACHMENT_NONE;
	p->untaken = cfg->takeover;
	p->keys.watch.fd = -1;
	events_init(&p->events, &cfg->events);
	p->pin = (struct pin)PIN_NONE;
	p->want = (struct attach_want){.mode = cfg->xdp_mode,
				       .share = cfg->share,
				       .prio = cfg->xdp_prio,
				       .keep = cfg->on_crash_drop,
				       .pin = cfg->pin_dir ? &p->pin : NULL};

	rc = look_at_interface(inst, err);
	if (!rc && cfg->takeover)
		rc = instance_accept_offer(inst, err);
	if (!rc && cfg->pin_dir)
		rc = pin_open(&p->pin, cfg->pin_dir, inst->nif.ifindex, cfg->on_crash_drop, err);
	if (!rc)
		instance_limits(inst);
	if (!rc)
		rc = instance_fit(inst, memory_available("/proc"), err);
	if (!rc)
		rc = cfg->takeover ? instance_choose_given(inst, err)
				   : attach_choose(&p->at, &inst->nif, &p->want, cfg->log, err);
	if (!rc)
		rc = instance_keys_open(inst, err);
	if (!rc)
		rc = instance_open_gate(inst, err);
	if (!rc)
		rc = configure_gate(inst, err);
	/*
	 * Sockets before the attaching: a flow's frame that finds no socket is lost,
	 * and before there is a gate none is a flow's.
	 */
	if (!rc)
		rc = instance_open_queues(
			inst, cfg->takeover ? instance_adopt_queue : instance_bind_queue, err);
	if (!rc)
		rc = start_engine(inst, err);
	if (!rc && !cfg->caller_driven) {
		rc = history_open(&p->history, inst->cfg.engine.workers);
		if (rc)
			err_set(err, rc, "out of memory");
	}
	if (!rc)
		rc = attach(inst, err);
	if (rc) {
		instance_close(inst);
		return rc;
	}
	*out = inst;
	return 0;
}

void instance_settle(struct weir_instance *inst)
{
	struct attach_given given;

	if (!inst->cfg.takeover) {
		attach_settle(&inst->priv->at, &inst->priv->want);
		return;
	}
	takeover_given(inst->cfg.takeover, &given);
	attach_settle_given(&inst->priv->at, &given);
}

int instance_give_pin(struct weir_instance *inst, uid_t uid)
{
	return pin_give(&inst->priv->pin, uid);
}

void instance_drain(struct weir_instance *inst)
{
	inst->draining = true;
	inst->drain.state = DRAIN_CLOSING;
	gate_flag(inst->gate, WEIR_CFG_DRAINING, true);
	engine_drain(inst->engine);
}

bool instance_drained(const struct weir_instance *inst)
{
	return engine_drained(inst->engine);
}

void instance_close(struct weir_instance *inst)
{
	struct instance_priv *p = inst->priv;
	unsigned q;

	/* The last RSTs leave while our flows are still kept from the host's stack. */
	if (inst->engine && !p->untaken)
		engine_stop(inst->engine);
	attach_end(&p->at);
	pin_close(&p->pin);
	if (inst->engine)
		engine_destroy(inst->engine);
	instance_reap(inst, true);
	netops_close(p->net);
	for (q = 0; q < inst->queues; q++) {
		if (p->io[q])
			p->io[q]->ops->close(p->io[q]);
	}
	gate_cells_close(&p->cells);
	gate_close(inst->gate);
	history_close(p->history);
	instance_keys_close(inst);
	explicit_bzero(p, sizeof(*p));
	free(p);
	free(inst);
}

/* ---- looking in ------------------------------------------------------------- */

void instance_counters(const struct weir_instance *inst, uint64_t *v)
{
	memset(v, 0, WEIR_C_MAX * sizeof(*v));
	engine_get_counters(inst->engine, v);
	gate_counters(inst->gate, v);
	weir_app_counters(v);
}

const struct history *instance_history(const struct weir_instance *inst)
{
	return inst->priv->history;
}

static bool unwelcome(void *gate, const struct weir_addr *local, const struct weir_addr *remote)
{
	return !gate_policy_welcome(gate, local, remote);
}

int instance_policy(struct weir_instance *inst, const struct policy *p, struct weir_err *err)
{
	int rc = gate_policy_apply(inst->gate, p, err);

	if (!rc && p->denied_flows == POLICY_RESET)
		engine_reset_if(inst->engine, unwelcome, inst->gate);
	return rc;
}

void instance_get_policy(const struct weir_instance *inst, const struct weir_addr *source,
			 struct ctl_policy *out)
{
	uint64_t now = clock_gate_mono_ms(&inst->priv->clock, &inst->gate->cfg->clock);

	memset(out, 0, sizeof(*out));
	out->policy = &inst->gate->policy;
	if (source)
		gate_policy_now(inst->gate, source, now, &out->now);
}

void instance_flows(const struct weir_instance *inst, uint64_t *used, uint64_t *capacity)
{
	const struct flowmap_bpf *m = &inst->priv->flows;
	uint64_t removed = atomic_load(&m->removed);
	uint64_t made = gate_counter(inst->gate, WEIR_C_ack_accepted) + atomic_load(&m->inserted);

	*used = made > removed ? made - removed : 0;
	*capacity = inst->cfg.flows;
}

int instance_trace(struct weir_instance *inst, bool on, const struct weir_trace_filter *filter)
{
	if (filter && filter->family && filter->family != 4 && filter->family != 6)
		return -EINVAL;
	engine_trace(inst->engine, on, filter);
	gate_trace(inst->gate, on, filter);
	return 0;
}

int instance_trace_fd(const struct weir_instance *inst)
{
	return inst->gate->trace_fd;
}

int instance_service_mode(struct weir_instance *inst, unsigned service, enum weir_mode mode)
{
	const struct services *s = inst->cfg.services;

	if (service >= s->n)
		return -EINVAL;
	return gate_service_mode(inst->gate, s->v[service].gate_id, mode);
}

void instance_service(const struct weir_instance *inst, unsigned service,
		      struct instance_service *out)
{
	const struct service *v = &inst->cfg.services->v[service];
	const struct weir_service *s = &inst->gate->services[v->gate_id];
	uint64_t until = __atomic_load_n(&s->cookies_ms, __ATOMIC_RELAXED);
	uint64_t now = clock_gate_mono_ms(&inst->priv->clock, &inst->gate->cfg->clock);

	out->mode.mode = gate_service_mode_now(inst->gate, v->gate_id);
	out->mode.syn_per_sec = s->syn_per_sec;
	out->mode.hold_ms = s->hold_ms;
	out->cookies = out->mode.mode == WEIR_MODE_ALWAYS ||
		       (out->mode.mode == WEIR_MODE_AUTO && until > now);
}
