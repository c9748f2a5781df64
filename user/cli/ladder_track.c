/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "cli/ladder_track.h"
#include "control/trace_wire.h"
#include "engine/engine.h"

#define BUCKETS LADDER_CONNS

struct ladder_tracker {
	struct ladder_conn conns[LADDER_CONNS];
	int32_t bucket[BUCKETS]; /* slot + 1 */
	unsigned count;
};

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

struct ladder_tracker *ladder_tracker_new(void)
{
	return calloc(1, sizeof(struct ladder_tracker));
}

void ladder_tracker_free(struct ladder_tracker *t)
{
	free(t);
}

unsigned ladder_tracker_count(const struct ladder_tracker *t)
{
	return t->count;
}

void ladder_label(unsigned nr, char buf[8])
{
	char rev[8];
	int n = 0, i = 0;

	do {
		rev[n++] = (char)('A' + nr % 26);
		nr = nr / 26;
	} while (nr-- > 0 && n < 7);
	while (n > 0)
		buf[i++] = rev[--n];
	buf[i] = '\0';
}

/* ---- the table --------------------------------------------------------------- */

static bool same(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && a->port == b->port && !memcmp(a->addr, b->addr, 16);
}

static uint32_t mix(uint32_t h, const struct weir_addr *a)
{
	for (int i = 0; i < 16; i++)
		h = (h ^ a->addr[i]) * 16777619u;
	return (h ^ a->port) * 16777619u;
}

static void unlink_slot(struct ladder_tracker *t, int32_t slot)
{
	int32_t *p = &t->bucket[t->conns[slot].bucket];

	while (*p && *p != slot + 1)
		p = &t->conns[*p - 1].hash_next;
	if (*p)
		*p = t->conns[slot].hash_next;
}

static struct ladder_conn *find(struct ladder_tracker *t, const struct weir_addr *remote,
				const struct weir_addr *local, uint32_t bucket)
{
	for (int32_t s = t->bucket[bucket]; s; s = t->conns[s - 1].hash_next)
		if (same(&t->conns[s - 1].remote, remote) && same(&t->conns[s - 1].local, local))
			return &t->conns[s - 1];
	return NULL;
}

static struct ladder_conn *add(struct ladder_tracker *t, const struct weir_addr *remote,
			       const struct weir_addr *local, uint32_t bucket)
{
	int32_t slot = (int32_t)(t->count % LADDER_CONNS);
	struct ladder_conn *c = &t->conns[slot];

	if (c->in_use)
		unlink_slot(t, slot);
	memset(c, 0, sizeof(*c));
	c->in_use = true;
	c->remote = *remote;
	c->local = *local;
	c->nr = t->count++;
	c->weir = WEIR_LISTEN;
	c->bucket = bucket;
	c->hash_next = t->bucket[bucket];
	t->bucket[bucket] = slot + 1;
	return c;
}

/* ---- the peer's state from what is known about it ------------------------------ */

static enum weir_tcp_state peer_state(const struct ladder_conn *c, bool *sure)
{
	*sure = c->open != FACT_MAYBE && c->has_our_fin != FACT_MAYBE;
	if (c->reset)
		return WEIR_CLOSED;
	if (c->open == FACT_NO)
		return WEIR_SYN_SENT;
	if (!c->peer.fin)
		return c->has_our_fin ? WEIR_CLOSE_WAIT : WEIR_ESTABLISHED;
	*sure = *sure && c->fin_acked != FACT_MAYBE;
	if (!c->has_our_fin)
		return c->fin_acked ? WEIR_FIN_WAIT_2 : WEIR_FIN_WAIT_1;
	if (c->fin_second)
		return c->fin_acked ? WEIR_CLOSED : WEIR_LAST_ACK;
	return c->fin_acked ? WEIR_TIME_WAIT : WEIR_CLOSING;
}

static void from_peer(struct ladder_conn *c, const struct trace_frame *f)
{
	bool acks_fin = c->ours.fin && f->flags & TCP_ACK && !before(f->ack, c->ours.fin_end);

	if (f->flags & TCP_RST) {
		c->reset = true;
		c->open = FACT_SURE;
		return;
	}
	if (f->flags & TCP_SYN)
		return;
	c->open = FACT_SURE;
	if (acks_fin) {
		c->has_our_fin = FACT_SURE;
		if (c->fin_acked == FACT_MAYBE && c->our_fin_acks)
			c->fin_acked = FACT_SURE;
	}
	if (f->flags & TCP_FIN && !c->peer.fin)
		c->fin_second = acks_fin;
}

static void to_peer(struct ladder_conn *c, const struct trace_frame *f)
{
	bool acks_fin;

	if (f->flags & TCP_RST) {
		c->reset = true;
		c->has_our_fin = c->has_our_fin ? c->has_our_fin : FACT_MAYBE;
		return;
	}
	if (c->open == FACT_NO && f->flags & TCP_ACK)
		c->open = FACT_MAYBE;
	acks_fin = c->peer.fin && f->flags & TCP_ACK && !before(f->ack, c->peer.fin_end);
	if (acks_fin && c->fin_acked == FACT_NO)
		c->fin_acked = FACT_MAYBE;
	if (!(f->flags & TCP_FIN))
		return;
	if (c->has_our_fin == FACT_NO) {
		c->has_our_fin = FACT_MAYBE;
		c->our_fin_acks = true;
	}
	c->our_fin_acks = c->our_fin_acks && acks_fin;
}

/* ---- numbers ------------------------------------------------------------------- */

static uint32_t span(const struct trace_frame *f)
{
	return f->len + !!(f->flags & TCP_SYN) + !!(f->flags & TCP_FIN);
}

/* What a segment teaches about the direction it travels in. True: nothing new. */
static bool learn(struct ladder_half *h, const struct trace_frame *f)
{
	uint32_t end = f->seq + span(f);
	bool again = h->known && span(f) > 0 && !before(h->next, end);

	if (f->flags & TCP_SYN) {
		h->known = h->syn = true;
		h->isn = f->seq;
		h->wscale_on = f->has_wscale;
		h->wscale = f->wscale > 14 ? 14 : f->wscale;
	} else if (!h->known) {
		h->known = true;
		h->isn = f->seq - 1;
		h->next = f->seq;
	}
	if (f->flags & TCP_SYN || before(h->next, end))
		h->next = end;
	if (f->flags & TCP_FIN) {
		h->fin = true;
		h->fin_end = end;
	}
	return again;
}

static void numbers(struct ladder_conn *c, struct ladder_step *s)
{
	struct ladder_half *to = s->in ? &c->ours : &c->peer;
	struct ladder_half *from = s->in ? &c->peer : &c->ours;

	s->again = learn(from, &s->f);
	if (s->f.flags & TCP_ACK && !to->known) {
		to->known = true;
		to->isn = s->f.ack - 1;
		to->next = s->f.ack;
	}
	s->rel_seq = s->f.seq - from->isn;
	s->rel_ack = s->f.ack - to->isn;
	s->win = s->f.wnd;
	/* RFC 7323 2.2: the window of a SYN is never scaled. */
	s->scaled = s->f.flags & TCP_SYN || (c->peer.syn && c->ours.syn);
	if (!(s->f.flags & TCP_SYN) && s->scaled && c->peer.wscale_on && c->ours.wscale_on)
		s->win <<= from->wscale;
}

/* ---- one record ------------------------------------------------------------------ */

static enum weir_tcp_state weir_state(struct ladder_conn *c, const struct weir_trace_rec *rec,
				      const struct ladder_step *s)
{
	uint8_t flags = s->f.flags;

	if (rec->where != WEIR_TRACE_GATE)
		return rec->state_after < WEIR_TCP_NSTATES ? rec->state_after : WEIR_CLOSED;
	/* The gate keeps no state of a connection: it is what its answer claims. */
	if (s->in && flags & TCP_SYN && !rec->outcome)
		return WEIR_LISTEN;
	if (!s->in && flags & TCP_SYN)
		return WEIR_SYN_RCVD;
	return rec->state_after == WEIR_CLOSED ? WEIR_CLOSED : c->weir;
}

static const char *note_in(const struct ladder_conn *c, const struct ladder_step *s)
{
	if (s->f.flags & TCP_RST)
		return "the client resets the connection";
	if (s->again)
		return "sent again";
	if (s->f.flags & TCP_SYN)
		return "the client asks to open";
	if (s->f.flags & TCP_FIN)
		return s->weir == WEIR_TIME_WAIT ? "the client closes too; weir waits 2 MSL"
						 : "the client has nothing more to send";
	if (s->weir_changed && s->weir == WEIR_ESTABLISHED)
		return c->cookie ? "the cookie comes back valid: open" : "open";
	if (s->weir_changed && s->weir == WEIR_FIN_WAIT_2)
		return "the client acknowledges weir's FIN";
	if (s->weir_changed && s->weir == WEIR_TIME_WAIT)
		return "all is acknowledged; weir waits 2 MSL";
	if (s->weir_changed && s->weir == WEIR_CLOSED)
		return s->peer == WEIR_TIME_WAIT ? "closed; the client waits 2 MSL"
						 : "all is acknowledged: closed";
	return s->f.wnd ? NULL : "the client's window is full";
}

static const char *note_out(const struct weir_trace_rec *rec, const struct ladder_step *s)
{
	if (s->f.flags & TCP_RST)
		return "weir resets the connection";
	if (s->f.flags & TCP_SYN)
		return rec->where == WEIR_TRACE_GATE ? "seq is the cookie; weir remembers nothing"
						     : "weir keeps the half-open connection";
	if (s->again)
		return "sent again";
	if (s->f.flags & TCP_FIN)
		return "weir has nothing more to send";
	if (s->peer_changed && s->peer == WEIR_FIN_WAIT_2)
		return "weir acknowledges the client's FIN";
	if (s->peer_changed && s->peer == WEIR_TIME_WAIT)
		return "both FINs are acknowledged";
	if (s->peer_changed && s->peer == WEIR_CLOSED)
		return "the last ACK";
	return s->f.wnd ? NULL : "weir's window is full";
}

/* A SYN with a new number where both ends are through: the 4-tuple is used anew. */
static bool reused(const struct ladder_conn *c, const struct trace_frame *f)
{
	bool sure, over;
	enum weir_tcp_state peer = peer_state(c, &sure);

	over = peer == WEIR_CLOSED || peer == WEIR_TIME_WAIT || c->weir == WEIR_CLOSED ||
	       c->weir == WEIR_LISTEN || c->weir == WEIR_TIME_WAIT || c->open != FACT_SURE;
	return f->flags & TCP_SYN && !(f->flags & TCP_ACK) && over &&
	       !(c->peer.syn && c->peer.isn == f->seq);
}

static struct ladder_conn *connection(struct ladder_tracker *t, struct ladder_step *s)
{
	const struct weir_addr *remote = s->in ? &s->f.src : &s->f.dst;
	const struct weir_addr *local = s->in ? &s->f.dst : &s->f.src;
	uint32_t bucket = mix(mix(2166136261u, remote), local) % BUCKETS;
	struct ladder_conn *c = find(t, remote, local, bucket);

	s->fresh = !c || (s->in && reused(c, &s->f));
	if (!s->fresh)
		return c;
	if (c)
		unlink_slot(t, (int32_t)(c - t->conns));
	s->midway = !(s->f.flags & TCP_SYN);
	if (c)
		c->in_use = false;
	return add(t, remote, local, bucket);
}

bool ladder_track(struct ladder_tracker *t, const struct weir_trace_rec *rec, struct ladder_step *s)
{
	enum weir_tcp_state peer_was, weir_was;
	struct ladder_conn *c;
	bool was_sure;

	memset(s, 0, sizeof(*s));
	s->in = rec->dir == WEIR_TRACE_IN;
	if (!trace_frame_parse(&s->f, rec->data,
			       rec->caplen < WEIR_TRACE_SNAP ? rec->caplen : WEIR_TRACE_SNAP))
		return false;
	c = connection(t, s);
	s->conn = c;
	s->dropped = !strncmp(trace_outcome_name(rec->outcome), "drop_", 5);
	peer_was = peer_state(c, &was_sure);
	weir_was = c->weir;
	/* A frame that was dropped on the way in did happen at the peer. */
	if (s->in)
		from_peer(c, &s->f);
	else if (!s->dropped)
		to_peer(c, &s->f);
	numbers(c, s);
	s->peer_known = c->peer.syn || c->open != FACT_NO || c->reset;
	s->peer = peer_state(c, &s->peer_sure);
	s->weir = c->weir = weir_state(c, rec, s);
	s->peer_changed = s->fresh || s->peer != peer_was || s->peer_sure != was_sure;
	s->weir_changed = s->fresh || s->weir != weir_was;
	if (rec->where == WEIR_TRACE_GATE && !s->in && s->f.flags & TCP_SYN) {
		c->cookie = true;
		s->aside = "cookie, stateless";
	}
	if (!rec->outcome)
		s->note = s->in ? note_in(c, s) : note_out(rec, s);
	return true;
}
