/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "control/gate.h"
#include "control/instance_takeover.h"
#include "control/takeover.h"

#define LEGACY_BATCH (TAKEOVER_DATA_MAX / sizeof(struct engine_legacy))
#define SAY_MS	     1000

struct takeover_give {
	struct takeover_giver by;
	int sock;
	pid_t pid;
	uint64_t deadline_us;
	bool anew; /* our sockets are to be closed */
	struct engine_legacy *legacy;
	size_t nlegacy;
	struct takeover_msg msg;
};

/* ---- what is offered ---------------------------------------------------------------- */

static void describe(const struct takeover_give *g, const struct attach_given *hook,
		     struct takeover_offer *o)
{
	const struct weir_instance *inst = g->by.inst;
	const struct instance_priv *p = inst->priv;

	memset(o, 0, sizeof(*o));
	o->size = sizeof(*o);
	snprintf(o->version, sizeof(o->version), "%s", WEIR_VERSION);
	snprintf(o->iface, sizeof(o->iface), "%s", inst->nif.name);
	snprintf(o->pin_name, sizeof(o->pin_name), "%s", hook->pin_name);
	o->netns = takeover_netns();
	o->pid = (uint32_t)getpid();
	o->ifindex = inst->nif.ifindex;
	o->queues = inst->queues;
	o->workers = engine_workers(inst->engine);
	o->flows = inst->cfg.flows;
	o->mtu = p->mtu_max;
	o->generic = hook->generic;
	o->shared = hook->shared;
	o->keys_shared = instance_keys_shared(inst);
	o->key_wscale = p->keys.set.wscale;
	o->key_mtu = p->keys.set.mtu;
	o->counts = inst->gate->counts;
	o->bss_off = inst->gate->presence_off;
	o->bss_bias = inst->gate->presence_bias;
	o->tick_ns = p->clock.tick_ns;
	o->base_mono_ns = p->clock.base_mono_ns;
	o->clock = inst->gate->cfg->clock;
}

static void add_fd(struct takeover_offer *o, int *fds, unsigned *n, enum takeover_fd which, int fd)
{
	if (fd < 0)
		return;
	o->has |= 1u << which;
	fds[(*n)++] = fd;
}

static int send_offer(struct takeover_give *g)
{
	const struct weir_instance *inst = g->by.inst;
	struct attach_given hook;
	struct takeover_offer o;
	struct takeover_out out = {.type = TAKEOVER_OFFER, .data = &o, .len = sizeof(o)};
	int fds[TAKEOVER_FDS];
	bool metrics;

	attach_give(&inst->priv->at, &hook);
	describe(g, &hook, &o);
	metrics = g->by.metrics && strlen(g->by.metrics) < sizeof(o.metrics);
	if (metrics)
		strcpy(o.metrics, g->by.metrics);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_FLOWS4, inst->gate->flows4_fd);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_FLOWS6, inst->gate->flows6_fd);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_BSS, inst->gate->bss_fd);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_CTL, g->by.ctl_fd);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_LINK, hook.link_fd);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_METRICS, metrics ? g->by.metrics_fd : -1);
	add_fd(&o, fds, &out.nfds, TAKEOVER_FD_PIN_DIR, hook.pin_dir_fd);
	out.fd = fds;
	return takeover_send(g->sock, &out, 0);
}

/* It never waits: who asks reads, or is not served. */
static int offer(struct takeover_give *g)
{
	const struct weir_instance *inst = g->by.inst;
	int rc = send_offer(g), fds[2];
	unsigned q;

	for (q = 0; !rc && q < inst->queues; q++) {
		struct takeover_queue tq = {.queue = q};
		const struct takeover_out out = {.type = TAKEOVER_QUEUE,
						 .data = &tq,
						 .len = sizeof(tq),
						 .fd = fds,
						 .nfds = 2};

		pktio_xsk_describe(inst->priv->io[q], &tq.state, &fds[0], &fds[1]);
		rc = takeover_send(g->sock, &out, 0);
	}
	return rc ? rc : takeover_say(g->sock, TAKEOVER_OFFERED, 0);
}

static int refuse(char *why, size_t len, const char *text)
{
	snprintf(why, len, "%s", text);
	return -EPERM;
}

int takeover_give_open(struct takeover_give **out, const struct takeover_giver *by, int sock,
		       unsigned abi, uint64_t now_us, char *why, size_t len)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct takeover_give *g;
	int rc;

	/* With the keys and the link it gets more than who may only change settings. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
	    (peer.uid && peer.uid != by->owner))
		return refuse(why, len, "only root, or who has started this weir, may take over");
	if (abi != TAKEOVER_ABI) {
		snprintf(why, len,
			 "this is weir %s, whose flow tables and keys are not of your version: "
			 "stop it, and start without --takeover",
			 WEIR_VERSION);
		return -EPROTONOSUPPORT;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return refuse(why, len, "out of memory");
	g->by = *by;
	g->sock = sock;
	g->pid = peer.pid;
	g->deadline_us = now_us + TAKEOVER_GO_MS * 1000ull;
	takeover_phase("asked");
	rc = offer(g);
	if (rc) {
		free(g);
		snprintf(why, len, "the offer cannot be sent: %s", strerror(-rc));
		return rc;
	}
	takeover_phase("offered");
	*out = g;
	return 0;
}

void takeover_give_close(struct takeover_give *g)
{
	if (!g)
		return;
	close(g->sock);
	free(g->legacy);
	free(g);
}

int takeover_give_fd(const struct takeover_give *g)
{
	return g->sock;
}

pid_t takeover_give_pid(const struct takeover_give *g)
{
	return g->pid;
}

/* 0: that message. */
static int expect(struct takeover_give *g, enum takeover_type type, int timeout_ms)
{
	int rc = takeover_recv(g->sock, &g->msg, timeout_ms);

	if (rc)
		return rc;
	takeover_msg_close(&g->msg);
	return g->msg.type == type ? 0 : -EPROTO;
}

int takeover_give_look(struct takeover_give *g, uint64_t now_us)
{
	struct takeover_terms terms;
	char c;
	ssize_t n = recv(g->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return now_us < g->deadline_us ? 0 : -ETIMEDOUT;
	rc = expect(g, TAKEOVER_GO, 0);
	if (rc)
		return rc;
	if (g->msg.len != sizeof(terms))
		return -EPROTO;
	memcpy(&terms, g->msg.data, sizeof(terms));
	g->anew = terms.anew;
	return 1;
}

/* ---- what is given --------------------------------------------------------------------- */

static int send_legacy(struct takeover_give *g)
{
	size_t done = 0, n;
	int rc = 0;

	for (; !rc && done < g->nlegacy; done += n) {
		struct takeover_out out = {.type = TAKEOVER_LEGACY, .data = &g->legacy[done]};

		n = g->nlegacy - done < LEGACY_BATCH ? g->nlegacy - done : LEGACY_BATCH;
		out.len = n * sizeof(*g->legacy);
		rc = takeover_send(g->sock, &out, TAKEOVER_STOPPED_MS);
	}
	return rc;
}

static int send_held(struct takeover_give *g, unsigned q)
{
	const struct pktio *io = g->by.inst->priv->io[q];
	const struct takeover_held head = {.queue = q};
	struct takeover_out out = {
		.type = TAKEOVER_HELD, .data = &head, .len = sizeof(head), .more = g->msg.data};
	struct pktio_xsk_state s;
	int rc, sock, area;

	pktio_xsk_describe(io, &s, &sock, &area);
	out.more_len = pktio_xsk_held_size(&s);
	if (out.len + out.more_len > TAKEOVER_DATA_MAX)
		return -EMSGSIZE;
	rc = pktio_xsk_held(io, g->msg.data, out.more_len);
	return rc ? rc : takeover_send(g->sock, &out, TAKEOVER_STOPPED_MS);
}

static int send_estate(struct takeover_give *g, uint64_t conns)
{
	const struct weir_instance *inst = g->by.inst;
	struct takeover_stopped s = {.clock = inst->gate->cfg->clock,
				     .keys = inst->gate->cfg->keys,
				     .rotate_at_us = inst->priv->keys.rotate_at_us,
				     .conns = conns};
	const struct takeover_out out = {.type = TAKEOVER_STOPPED, .data = &s, .len = sizeof(s)};
	uint64_t capacity;
	unsigned q;
	int rc = send_legacy(g);

	instance_flows(inst, &s.flows, &capacity);
	for (q = 0; !rc && q < inst->queues; q++)
		rc = send_held(g, q);
	if (!rc)
		rc = takeover_send(g->sock, &out, TAKEOVER_STOPPED_MS);
	explicit_bzero(&s, sizeof(s));
	return rc;
}

/*
 * No word from it: whatever it says from now on comes too late, and it learns so. True: it
 * came in time after all.
 */
static bool cut_off(struct takeover_give *g)
{
	takeover_say(g->sock, TAKEOVER_BACK, SAY_MS);
	shutdown(g->sock, SHUT_RDWR);
	return !expect(g, TAKEOVER_TAKEN, 0);
}

static enum takeover_end serve_on(struct takeover_give *g, bool taken, int why,
				  struct weir_err *err)
{
	struct weir_instance *inst = g->by.inst;

	if (instance_resume(inst, g->legacy, g->nlegacy, taken, err))
		return TAKEOVER_FAILED;
	inst->cfg.log(LOG_WARNING, "process %d did not take over (%s): serving on", (int)g->pid,
		      why == -ETIMEDOUT	   ? "it says nothing"
		      : why == -ECONNRESET ? "it has ended"
					   : strerror(-why));
	return TAKEOVER_BACKED;
}

/* Until TAKEN. 0, or -errno, and the rings are ours. */
static int give_all(struct takeover_give *g)
{
	struct weir_instance *inst = g->by.inst;
	uint64_t conns = instance_leave(inst);
	int rc;

	takeover_phase("left");
	rc = engine_legacy(inst->engine, &g->legacy, &g->nlegacy);
	if (!rc)
		rc = send_estate(g, conns);
	instance_drop_engine(inst);
	if (g->anew)
		instance_drop_sockets(inst);
	inst->cfg.log(LOG_NOTICE, "handing over to process %d: %" PRIu64 " connections reset",
		      (int)g->pid, conns);
	takeover_phase("stopped");
	if (!rc)
		rc = expect(g, TAKEOVER_TAKEN, TAKEOVER_TAKEN_MS);
	return rc && cut_off(g) ? 0 : rc;
}

enum takeover_end takeover_give(struct takeover_give *g, struct weir_err *err)
{
	int rc = give_all(g);

	if (rc)
		return serve_on(g, false, rc, err);
	takeover_phase("taken");
	rc = expect(g, TAKEOVER_DONE, TAKEOVER_DONE_MS);
	if (!rc)
		return TAKEOVER_GIVEN;
	if (rc == -ECONNRESET)
		return serve_on(g, true, rc, err);
	err_set(err, rc,
		"process %d has taken over and says nothing any more (%s): it has the interface",
		(int)g->pid, strerror(-rc));
	return TAKEOVER_LOST;
}
