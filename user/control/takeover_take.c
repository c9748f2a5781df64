/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/takeover_priv.h"

#define SAY_MS	   1000
#define LEGACY_MAX (1u << 25)

int takeover_ended(struct weir_err *err, int rc, const char *when)
{
	const char *why = rc == -ETIMEDOUT		      ? "it says nothing"
			  : rc == -ECONNRESET || rc == -EPIPE ? "it has ended"
			  : rc == -EPROTO ? "it says what is not understood here"
					  : strerror(-rc);

	return err_set(err, rc, "--takeover: the running weir does not hand over (%s): %s", when,
		       why);
}

/* ---- the offer ---------------------------------------------------------------------------- */

static int take_offer(struct takeover *t)
{
	struct takeover_msg *m = &t->msg;
	struct takeover_offer *o = &t->offer;
	unsigned which, i = 0;

	if (m->len != sizeof(*o))
		return -EPROTO;
	memcpy(o, m->data, sizeof(*o));
	if (o->size != sizeof(*o) || !o->queues || o->queues > WEIR_MAX_QUEUES || !o->workers ||
	    o->workers > o->queues || o->has >> TAKEOVER_FDS || o->counts > 2 ||
	    !memchr(o->version, 0, sizeof(o->version)) || !memchr(o->iface, 0, sizeof(o->iface)) ||
	    !memchr(o->metrics, 0, sizeof(o->metrics)) ||
	    !memchr(o->pin_name, 0, sizeof(o->pin_name)) || strchr(o->pin_name, '/'))
		return -EPROTO;
	for (which = 0; which < TAKEOVER_FDS; which++) {
		if (!(o->has >> which & 1))
			continue;
		if (i == m->nfds)
			return -EPROTO;
		t->fd[which] = m->fd[i];
		m->fd[i++] = -1;
	}
	/* A link, or a seat; the others there are in any case. */
	if (i != m->nfds || t->fd[TAKEOVER_FD_FLOWS4] < 0 || t->fd[TAKEOVER_FD_FLOWS6] < 0 ||
	    t->fd[TAKEOVER_FD_BSS] < 0 || t->fd[TAKEOVER_FD_CTL] < 0 ||
	    (t->fd[TAKEOVER_FD_LINK] < 0) != !!o->shared)
		return -EPROTO;
	return 0;
}

static int take_queue(struct takeover *t)
{
	struct takeover_msg *m = &t->msg;
	struct takeover_given_queue *to;
	struct takeover_queue tq;

	if (m->len != sizeof(tq) || m->nfds != 2)
		return -EPROTO;
	memcpy(&tq, m->data, sizeof(tq));
	if (tq.queue >= t->offer.queues || t->queue[tq.queue].sock >= 0)
		return -EPROTO;
	to = &t->queue[tq.queue];
	to->state = tq.state;
	to->sock = m->fd[0];
	to->area = m->fd[1];
	m->fd[0] = m->fd[1] = -1;
	return 0;
}

static bool all_queues(const struct takeover *t)
{
	unsigned q;

	for (q = 0; q < t->offer.queues; q++)
		if (t->queue[q].sock < 0)
			return false;
	return t->offer.queues;
}

int takeover_offers(struct takeover *t)
{
	int rc;

	for (;;) {
		rc = takeover_recv(t->sock, &t->msg, TAKEOVER_OFFER_MS);
		if (rc)
			return rc;
		if (t->msg.type == TAKEOVER_OFFERED && !t->msg.nfds)
			return all_queues(t) ? 0 : -EPROTO;
		rc = -EPROTO;
		if (t->msg.type == TAKEOVER_OFFER && !t->offer.queues)
			rc = take_offer(t);
		else if (t->msg.type == TAKEOVER_QUEUE && t->offer.queues)
			rc = take_queue(t);
		takeover_msg_close(&t->msg);
		if (rc)
			return rc;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void takeover_free(struct takeover *t)
{
	unsigned i;

	if (!t)
		return;
	close_fd(&t->sock);
	for (i = 0; i < TAKEOVER_FDS; i++)
		close_fd(&t->fd[i]);
	for (i = 0; i < WEIR_MAX_QUEUES; i++) {
		close_fd(&t->queue[i].sock);
		close_fd(&t->queue[i].area);
		free(t->estate.held[i].bits);
	}
	free(t->legacy);
	explicit_bzero(t, sizeof(*t));
	free(t);
}

pid_t takeover_pid(const struct takeover *t)
{
	return (pid_t)t->offer.pid;
}

const struct takeover_offer *takeover_offer(const struct takeover *t)
{
	return &t->offer;
}

int takeover_fd(const struct takeover *t, enum takeover_fd which)
{
	return t->fd[which];
}

void takeover_given(const struct takeover *t, struct attach_given *given)
{
	const struct takeover_offer *o = &t->offer;

	*given = (struct attach_given){
		.shared = o->shared,
		.generic = o->generic,
		.pinned = t->fd[TAKEOVER_FD_PIN_DIR] >= 0,
		.link_fd = t->fd[TAKEOVER_FD_LINK],
		.pin_dir_fd = t->fd[TAKEOVER_FD_PIN_DIR],
	};
	memcpy(given->pin_name, o->pin_name, sizeof(given->pin_name));
}

void takeover_queue(struct takeover *t, unsigned q, struct pktio_xsk_state *s, int *sock_fd,
		    int *area_fd)
{
	*s = t->queue[q].state;
	*sock_fd = t->queue[q].sock;
	*area_fd = t->queue[q].area;
	t->queue[q].sock = t->queue[q].area = -1;
}

/* ---- what is left -------------------------------------------------------------------------- */

static int take_legacy(struct takeover *t)
{
	size_t n = t->msg.len / sizeof(*t->legacy);

	if (t->msg.len % sizeof(*t->legacy) || t->nlegacy + n > LEGACY_MAX)
		return -EPROTO;
	if (t->nlegacy + n > t->legacy_room) {
		size_t room = 2 * (t->nlegacy + n);
		void *more = realloc(t->legacy, room * sizeof(*t->legacy));

		if (!more)
			return -ENOMEM;
		t->legacy = more;
		t->legacy_room = room;
	}
	memcpy(&t->legacy[t->nlegacy], t->msg.data, t->msg.len);
	t->nlegacy += n;
	return 0;
}

static int take_held(struct takeover *t)
{
	struct takeover_bits *to;
	struct takeover_held h;

	if (t->msg.len <= sizeof(h))
		return -EPROTO;
	memcpy(&h, t->msg.data, sizeof(h));
	if (h.queue >= t->offer.queues || t->estate.held[h.queue].bits)
		return -EPROTO;
	to = &t->estate.held[h.queue];
	to->len = t->msg.len - sizeof(h);
	to->bits = malloc(to->len);
	if (!to->bits)
		return -ENOMEM;
	memcpy(to->bits, t->msg.data + sizeof(h), to->len);
	return 0;
}

static int take_stopped(struct takeover *t)
{
	unsigned q;

	if (t->msg.len != sizeof(t->stopped))
		return -EPROTO;
	memcpy(&t->stopped, t->msg.data, sizeof(t->stopped));
	explicit_bzero(t->msg.data, sizeof(t->stopped));
	for (q = 0; q < t->offer.queues; q++)
		if (!t->estate.held[q].bits)
			return -EPROTO;
	return 0;
}

static int take_estate(struct takeover *t)
{
	int rc;

	do {
		rc = takeover_recv(t->sock, &t->msg, TAKEOVER_STOPPED_MS);
		if (rc)
			return rc;
		switch (t->msg.nfds ? 0 : t->msg.type) {
		case TAKEOVER_LEGACY:
			rc = take_legacy(t);
			break;
		case TAKEOVER_HELD:
			rc = take_held(t);
			break;
		case TAKEOVER_STOPPED:
			rc = take_stopped(t);
			break;
		default:
			rc = -EPROTO;
		}
		takeover_msg_close(&t->msg);
	} while (!rc && t->msg.type != TAKEOVER_STOPPED);
	return rc;
}

int takeover_go(struct takeover *t, bool anew, const struct takeover_estate **out,
		struct weir_err *err)
{
	const struct takeover_terms terms = {.anew = anew};
	const struct takeover_out go = {.type = TAKEOVER_GO, .data = &terms, .len = sizeof(terms)};
	int rc;

	rc = takeover_send(t->sock, &go, SAY_MS);
	takeover_phase("go");
	if (!rc)
		rc = take_estate(t);
	if (rc)
		return takeover_ended(err, rc, "told to go");
	takeover_phase("stopped");
	t->estate.stopped = &t->stopped;
	t->estate.legacy = t->legacy;
	t->estate.nlegacy = t->nlegacy;
	*out = &t->estate;
	return 0;
}

/* Nobody hears it: either the giver is dead, or it has taken all back and has said so. */
int takeover_taken(struct takeover *t, struct weir_err *err)
{
	int rc = takeover_say(t->sock, TAKEOVER_TAKEN, SAY_MS);

	if (rc && !takeover_recv(t->sock, &t->msg, 0)) {
		takeover_msg_close(&t->msg);
		return err_set(
			err, rc,
			"--takeover: too slow: the running weir, process %d, serves on itself",
			(int)t->offer.pid);
	}
	if (rc == -EAGAIN)
		return takeover_ended(err, rc, "stopped");
	takeover_phase("taken");
	return 0;
}

void takeover_done(struct takeover *t)
{
	takeover_phase("attached");
	takeover_say(t->sock, TAKEOVER_DONE, SAY_MS);
	close_fd(&t->sock);
}
