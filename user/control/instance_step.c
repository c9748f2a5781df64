/* SPDX-License-Identifier: BSD-2-Clause */
/* What a running instance needs now and then: clock, keys, capacity, notices. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <weir/cookie.h>

#include "control/gate.h"
#include "control/instance_priv.h"
#include "control/instance_reload.h"

#define SECOND_US     1000000
#define MINUTE_US     (60 * (uint64_t)SECOND_US)
#define NOTICE_US     MINUTE_US
#define HOOK_LOST_MAX 5 /* times, each within a minute of the one before */
#define DRIFT_MAX_MS  500

/*
 * At 15/16 of a capacity no new client is let in, at 7/8 they are again: the
 * rest has to last for what arrives between two looks.
 */
static bool nearly_full(uint64_t used, uint64_t capacity, bool was_full)
{
	return used >= capacity - capacity / (was_full ? 8 : 16);
}

/* As many as the policy grants, all sources together; what is over does not count. */
static bool enough_open(const struct weir_instance *inst, const struct engine_status *st,
			bool was_full)
{
	uint64_t max = inst->gate->policy.max_flows, open = 0;
	unsigned s;

	for (s = WEIR_SYN_RCVD; s < WEIR_TIME_WAIT; s++)
		open += st->states[s];
	return max && open >= (was_full ? max - max / 8 : max);
}

/* `what` is full; NULL: nothing any more. */
static void tell_capacity(const struct weir_instance *inst, const char *what, uint64_t used,
			  uint64_t capacity)
{
	const struct weir_field fields[] = {FIELD_NUMBER("used", used),
					    FIELD_NUMBER("capacity", capacity), FIELD_END};

	if (!what)
		instance_tell(inst, LOG_NOTICE, "room_again", NULL,
			      "there is room again: answering new clients");
	else if (!strcmp(what, "flows_full"))
		instance_tell(inst, LOG_WARNING, what, fields,
			      "the flow table is nearly full (%" PRIu64 " of %" PRIu64
			      "): new clients are not answered; see --flows",
			      used, capacity);
	else if (!strcmp(what, "max_flows"))
		instance_tell(inst, LOG_WARNING, what, &fields[1],
			      "%" PRIu64 " connections are open: new clients are not answered; see "
			      "--max-flows",
			      capacity);
	else
		instance_tell(inst, LOG_WARNING, what, fields,
			      "a worker's connections are nearly used up (%" PRIu64 " of %" PRIu64
			      "): new clients are not answered; see --conns",
			      used, capacity);
}

/* Flows and connections both: a client must not be welcomed into a hang. */
static void watch_capacity(struct weir_instance *inst)
{
	struct instance_priv *p = inst->priv;
	struct engine_status st;
	uint64_t used, capacity;
	bool flows, conns, open;

	instance_flows(inst, &used, &capacity);
	engine_get_status(inst->engine, &st);
	flows = nearly_full(used, capacity, p->flows_full);
	conns = nearly_full(st.conns_used, st.conns_max, p->flows_full);
	open = enough_open(inst, &st, p->flows_full);
	if ((flows || conns || open) == p->flows_full)
		return;
	p->flows_full = flows || conns || open;
	gate_flag(inst->gate, WEIR_CFG_FLOWS_FULL, p->flows_full);
	if (flows)
		tell_capacity(inst, "flows_full", used, capacity);
	else if (conns)
		tell_capacity(inst, "conns_full", st.conns_used, st.conns_max);
	else if (open)
		tell_capacity(inst, "max_flows", 0, inst->gate->policy.max_flows);
	else
		tell_capacity(inst, NULL, 0, 0);
}

static uint64_t partial_checksums(const uint64_t *v)
{
	return v[WEIR_C_drop_csum_partial] + v[WEIR_C_drop_frame_partial_csum];
}

/* The kernel counts an empty fill ring here too: what remains was too large. */
static uint64_t too_large(const uint64_t *v)
{
	uint64_t empty = v[WEIR_C_xsk_fill_empty], dropped = v[WEIR_C_xsk_rx_dropped];

	return dropped > empty ? dropped - empty : 0;
}

static uint64_t without_socket(const uint64_t *v)
{
	return v[WEIR_C_drop_no_socket];
}

static uint64_t without_buffer(const uint64_t *v)
{
	return v[WEIR_C_drop_recv_no_block] + v[WEIR_C_send_no_block];
}

static uint64_t silent_worker(const uint64_t *v)
{
	return v[WEIR_C_drop_heartbeat];
}

/* Losses whose cause an operator can remove; each is told once a minute at most. */
static const struct {
	uint64_t (*count)(const uint64_t *counters);
	const char *text;
} notices[INSTANCE_NOTICES] = {
	{partial_checksums,
	 "dropped for checksums that their sender left to its device, as on veth and in virtual "
	 "machines: `ethtool -K DEVICE tx off` there, or --accept-partial-csum here"},
	{too_large, "dropped for being larger than a buffer: the sender leaves segmentation to its "
		    "device: `ethtool -K DEVICE tso off gso off` there"},
	{without_socket, "dropped from RX queues that had no socket: the number of queues has "
			 "changed"},
	{without_buffer,
	 "found no free buffer, to be received into or sent from, and are late: see --buffers"},
	{silent_worker,
	 "(SYNs) not answered, as the workers were silent for 2 s: stopped, or short "
	 "of CPU time"},
};

static void give_notice(struct weir_instance *inst, uint64_t now_us)
{
	uint64_t v[WEIR_C_MAX];
	unsigned i;

	instance_counters(inst, v);
	for (i = 0; i < INSTANCE_NOTICES; i++) {
		struct notice *n = &inst->priv->notices[i];
		uint64_t count = notices[i].count(v);

		if (count <= n->told || now_us < n->next_us)
			continue;
		inst->cfg.log(LOG_WARNING, "%" PRIu64 " frames so far %s", count, notices[i].text);
		n->told = count;
		n->next_us = now_us + NOTICE_US;
	}
}

/* Only nodes that share a key need one time. */
static void follow_wall_clock(struct weir_instance *inst, uint64_t now_us)
{
	struct instance_priv *p = inst->priv;
	struct weir_gate_clock *c = &inst->gate->cfg->clock;
	int64_t ahead = clock_ahead(&p->clock, c);
	bool step;

	if (!instance_keys_shared(inst))
		return;
	if (ahead > 1000 && !p->clock_told) {
		p->clock_told = true;
		inst->cfg.log(LOG_WARNING,
			      "the system clock was set back: the gate's, %" PRId64
			      " ms ahead, follows by 1 ms a second; nodes that share a key "
			      "should be restarted",
			      ahead);
	} else if (!ahead) {
		p->clock_told = false;
	}
	step = clock_follow(&p->clock, c, ahead, now_us);
	if (step == p->clock_steps)
		return;
	p->clock_steps = step;
	gate_flag(inst->gate, WEIR_CFG_CLOCK_STEP, step);
	if (step)
		inst->cfg.log(LOG_WARNING,
			      "the system clock was set ahead by %" PRId64
			      " ms: the gate's follows, once the handshakes that have begun are "
			      "done: no new clients for %d s",
			      -ahead, CLOCK_HOLD_US / SECOND_US);
}

static void watch_drift(struct weir_instance *inst)
{
	struct instance_priv *p = inst->priv;
	struct weir_gate_clock *c = &inst->gate->cfg->clock;
	int64_t drift;

	if (!clock_drift(&p->clock, c, &drift) && llabs(drift) > DRIFT_MAX_MS && !p->drift_told) {
		p->drift_told = true;
		inst->cfg.log(LOG_WARNING,
			      "the gate's clock is %" PRId64 " ms off the host's: the kernel loses "
			      "ticks; restart weir before it stops answering (2 s)",
			      drift);
	}
}

/*
 * Buffers are as large as the MTU was: a larger one is of no use. A smaller one holds
 * for what is opened from now on; the gate offers it, too.
 */
static void new_mtu(struct weir_instance *inst)
{
	struct instance_priv *p = inst->priv;
	unsigned mtu = inst->nif.mtu, q;

	if (mtu > p->mtu_max)
		mtu = p->mtu_max;
	if (mtu < NETIF_MTU_MIN)
		mtu = NETIF_MTU_MIN;
	__atomic_store_n(&inst->gate->cfg->mss4, (uint16_t)(mtu - 40), __ATOMIC_RELAXED);
	__atomic_store_n(&inst->gate->cfg->mss6, (uint16_t)(mtu - 60), __ATOMIC_RELAXED);
	for (q = 0; q < inst->queues; q++)
		__atomic_store_n(&p->io[q]->mtu, mtu, __ATOMIC_RELAXED);
	inst->cfg.log(LOG_WARNING, "%s: the MTU is %u now: new connections use %u%s",
		      inst->nif.name, inst->nif.mtu, mtu,
		      inst->nif.mtu > p->mtu_max ? "; for more, restart weir"
		      : mtu > inst->nif.mtu	 ? ", the least: what is larger will be lost"
						 : ", segments of the others may be too large");
}

/* Torn for a moment it is nobody's: at worst a frame goes to the host's stack. */
static void new_mac(struct weir_instance *inst)
{
	const uint8_t *m = inst->nif.mac;

	memcpy(inst->gate->cfg->mac, m, sizeof(inst->gate->cfg->mac));
	inst->cfg.log(LOG_WARNING,
		      "%s: its address is %02x:%02x:%02x:%02x:%02x:%02x now: open connections go "
		      "on once their peers use it",
		      inst->nif.name, m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Binds and hands out sockets for queues that are new. Why not for all of them: in *err. */
static void serve_queues(struct weir_instance *inst, unsigned now, struct weir_err *err)
{
	if (inst->cfg.caller_driven) {
		err_set(err, -EOPNOTSUPP, "a stack is of one thread and the queues it began with");
		return;
	}
	if (inst->priv->at.mode == XDP_MODE_NATIVE && netif_veth_peer(&inst->nif) != VETH_NOT) {
		err_set(err, -EOPNOTSUPP,
			"a veth gives a new queue no XDP program, so that the host's stack gets "
			"its frames");
		return;
	}
	while (inst->queues < now) {
		if (inst->queues == WEIR_MAX_QUEUES) {
			err_set(err, -E2BIG, "at most %d can be served", WEIR_MAX_QUEUES);
			return;
		}
		if (instance_bind_queue(inst, inst->queues, err))
			return;
		inst->queues++;
		engine_add_queue(inst->engine);
	}
}

/*
 * Frames of a queue without a socket would be lost. Fewer there cannot be: the kernel
 * does not take away a queue that an AF_XDP socket has.
 */
static void new_queues(struct weir_instance *inst)
{
	unsigned now = inst->nif.rx_queues, before = inst->queues;
	struct weir_err err = {.msg = ""};

	serve_queues(inst, now, &err);
	if (inst->queues >= now)
		inst->cfg.log(LOG_NOTICE, "%s: %u RX queues now, %u before: all are served",
			      inst->nif.name, now, before);
	else
		inst->cfg.log(LOG_WARNING,
			      "%s: %u RX queues now, but %u are served: %s: restart weir, or make "
			      "them %u again",
			      inst->nif.name, now, inst->queues, err.msg, inst->queues);
}

static void new_link(struct weir_instance *inst)
{
	const struct netif *n = &inst->nif;

	if (n->carrier)
		instance_tell(inst, LOG_NOTICE, "link_up", NULL, "%s: the link is up again",
			      n->name);
	else
		instance_tell(inst, LOG_WARNING, "link_down", NULL,
			      "%s: the link is down%s: connections wait for it", n->name,
			      n->up ? " at its other end" : "");
}

/*
 * False: it has gone, or into another namespace, where the gate would answer clients
 * whom nobody serves: its sockets stay here, unbound.
 */
static bool watch_interface(struct weir_instance *inst)
{
	char name[IFNAMSIZ];
	int changed;

	memcpy(name, inst->nif.name, sizeof(name));
	changed = netif_refresh(&inst->nif);
	if (changed == -ENODEV && attach_look(&inst->priv->at, &inst->nif) > 0)
		inst->cfg.log(LOG_WARNING, "%s is in another network namespace now", name);
	if (changed < 0)
		return changed != -ENODEV;
	if (changed & NETIF_NEW_NAME)
		inst->cfg.log(LOG_NOTICE,
			      "%s: its name is %s now; the control socket keeps its own", name,
			      inst->nif.name);
	if (changed & NETIF_NEW_LINK)
		new_link(inst);
	if (changed & NETIF_NEW_MTU)
		new_mtu(inst);
	if (changed & NETIF_NEW_MAC)
		new_mac(inst);
	if (changed & NETIF_NEW_QUEUES)
		new_queues(inst);
	return true;
}

/*
 * The hook is ours for as long as we run: who wants it back ends us. But no fight for ever
 * with a program that thinks the same.
 */
static int watch_hook(struct weir_instance *inst, uint64_t now_us)
{
	struct instance_priv *p = inst->priv;
	struct attach_prog prog = instance_prog(inst);
	struct weir_err err;
	unsigned times;
	int rc = attach_look(&p->at, &inst->nif);

	if (rc)
		return rc < 0 ? rc : 0;
	inst->hook_lost++;
	times = often_again(&p->lost, now_us, MINUTE_US);
	if (times > HOOK_LOST_MAX) {
		inst->cfg.log(LOG_ERR,
			      "%s: the gate was taken off the XDP hook for the %uth time within "
			      "minutes: giving up",
			      inst->nif.name, times);
		return -EBUSY;
	}
	rc = attach_again(&p->at, &inst->nif, &prog, &p->want, inst->cfg.log, &err);
	if (rc) {
		inst->cfg.log(LOG_ERR, "the gate was taken off the XDP hook: %s", err.msg);
		return -EBUSY;
	}
	inst->hook = p->at.shared ? "dispatcher" : "link";
	instance_tell(inst, LOG_WARNING, "hook_lost", NULL,
		      "%s: somebody took the gate off the XDP hook: put back; connections whose "
		      "frames came in between may have been reset by the host",
		      inst->nif.name);
	return 0;
}

static void step_apps(struct weir_instance *inst, uint64_t now_us)
{
	struct services *s = inst->cfg.services;

	for (unsigned i = 0; i < s->n; i++) {
		if (services_first_of_app(s, i))
			weir_app_step(s->v[i].app_arg, now_us);
	}
	inst->priv->step_us = now_us;
	instance_reap(inst, false);
}

static void remember(struct weir_instance *inst, uint64_t now_us)
{
	uint64_t v[WEIR_C_MAX], cpu_us[WEIR_MAX_QUEUES], capacity;
	struct history_input in = {.counters = v, .cpu_us = cpu_us};
	struct history *h = inst->priv->history;

	if (!h || !history_due(h, now_us))
		return;
	instance_counters(inst, v);
	instance_flows(inst, &in.flows, &capacity);
	for (unsigned w = 0; w < history_workers(h); w++) {
		struct engine_worker_status s;

		engine_get_worker(inst->engine, w, &s);
		cpu_us[w] = s.cpu_us;
	}
	history_take(h, now_us, &in);
}

void instance_drain_wish(struct weir_instance *inst, const struct drain_wish *w, uint64_t now_us)
{
	drain_wish(&inst->drain, w, now_us);
	drain_turn(&inst->drain, now_us);
	inst->draining = inst->drain.state != DRAIN_NONE;
	if (inst->drain.state == DRAIN_CLOSING)
		engine_drain(inst->engine);
	else
		engine_undrain(inst->engine);
	gate_flag(inst->gate, WEIR_CFG_DRAINING, inst->draining);
	inst->cfg.log(LOG_NOTICE,
		      inst->draining ? "draining: new clients are not answered" : "serving again");
}

bool instance_emptied(const struct weir_instance *inst, uint64_t now_us)
{
	struct engine_status st;

	engine_get_status(inst->engine, &st);
	return drain_over(&inst->drain, st.conns_used, now_us);
}

static void drain(struct weir_instance *inst, uint64_t now_us)
{
	if (!drain_turn(&inst->drain, now_us))
		return;
	inst->cfg.log(LOG_NOTICE, "draining: the time is over: closing what is left");
	engine_drain(inst->engine);
}

int instance_step(struct weir_instance *inst, uint64_t now_us)
{
	struct instance_priv *p = inst->priv;
	bool second = now_us >= p->next_second_us;
	int rc;

	watch_capacity(inst);
	give_notice(inst, now_us);
	drain(inst, now_us);
	step_apps(inst, now_us);
	remember(inst, now_us);
	instance_keys_look(inst);
	rc = watch_hook(inst, now_us);
	if (rc || !second)
		return rc;
	p->next_second_us = now_us + SECOND_US;
	follow_wall_clock(inst, now_us);
	instance_keys_step(inst, now_us); /* by the time that it is now */
	watch_drift(inst);
	instance_events(inst, now_us);
	return watch_interface(inst) ? 0 : -ENODEV;
}
