/* SPDX-License-Identifier: BSD-2-Clause */
#include "fsm_watch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcp/tcp.h"
#include "tcp/tcp_conn.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct fsm_row rows[] = {
#define TRANSITION(from, event, to) {WEIR_##from, FSM_##event, WEIR_##to, #from " " #event " " #to},
#include "tcp/transitions.def"
#undef TRANSITION
};
static atomic_uint taken[LEN(rows)];

/* The core calls itself (tcp_close() shuts down): only what the test called counts. */
static _Thread_local unsigned depth;

unsigned fsm_rows(void)
{
	return LEN(rows);
}

const struct fsm_row *fsm_row(unsigned i)
{
	return &rows[i];
}

unsigned fsm_taken(unsigned i)
{
	return atomic_load(&taken[i]);
}

/* One row, or the first of at most `steps`; the shortest path is what counts as taken. */
static bool path(enum weir_tcp_state from, const enum fsm_event *e, unsigned n,
		 enum weir_tcp_state to, unsigned steps)
{
	if (from == to)
		return true;
	for (unsigned k = 0; k < n && steps; k++) {
		for (unsigned i = 0; i < LEN(rows); i++) {
			if (rows[i].from != from || rows[i].event != e[k])
				continue;
			if (!path(rows[i].to, e + k + 1, n - k - 1, to, steps - 1))
				continue;
			atomic_fetch_add(&taken[i], 1);
			return true;
		}
	}
	return false;
}

bool fsm_legal(enum weir_tcp_state from, const enum fsm_event *events, unsigned n,
	       enum weir_tcp_state to)
{
	for (unsigned steps = 0; steps <= n; steps++)
		if (path(from, events, n, to, steps))
			return true;
	return false;
}

static void saw(enum weir_tcp_state from, const enum fsm_event *e, unsigned n,
		const struct tcp_conn *c)
{
	enum weir_tcp_state to = tcp_get_state(c);

	if (depth || fsm_legal(from, e, n, to))
		return;
	fprintf(stderr, "not in transitions.def: %s by", tcp_state_name(from));
	for (unsigned i = 0; i < n; i++)
		fprintf(stderr, " %u", e[i]);
	fprintf(stderr, " to %s\n", tcp_state_name(to));
	abort();
}

static void saw_one(enum weir_tcp_state from, enum fsm_event e, const struct tcp_conn *c)
{
	saw(from, &e, 1, c);
}

/* In the order of 3.10.7. A FIN that waited behind a hole comes with what fills it. */
static unsigned events_of(const struct tcp_conn *c, const struct tcp_seg *s, enum fsm_event *e)
{
	unsigned n = 0;

	if (s->flags & TCP_RST) {
		e[n++] = FSM_rst;
		return n;
	}
	if (s->flags & TCP_SYN)
		e[n++] = s->flags & TCP_ACK ? FSM_syn_ack : FSM_syn;
	else if (s->flags & TCP_ACK)
		e[n++] = FSM_ack;
	if (s->len)
		e[n++] = FSM_text;
	if (s->flags & TCP_FIN || c->fin_seen)
		e[n++] = FSM_fin;
	return n;
}

/* ---- around the core ---------------------------------------------------------- */

#define WRAP(ret, name, ...)                                                                       \
	ret __real_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__)

WRAP(void, tcp_input, struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);
	enum fsm_event e[4];
	unsigned n = events_of(c, seg, e);

	depth++;
	__real_tcp_input(c, seg, now);
	depth--;
	saw(from, e, n, c);
}

WRAP(void, tcp_timeout, struct tcp_conn *c, uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);

	depth++;
	__real_tcp_timeout(c, now);
	depth--;
	saw_one(from, FSM_timeout, c);
}

WRAP(void, tcp_shutdown, struct tcp_conn *c)
{
	enum weir_tcp_state from = tcp_get_state(c);

	depth++;
	__real_tcp_shutdown(c);
	depth--;
	saw_one(from, FSM_close, c);
}

WRAP(void, tcp_close, struct tcp_conn *c, uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);

	depth++;
	__real_tcp_close(c, now);
	depth--;
	/* SO_LINGER with 0: an abort by another name */
	saw_one(from, c->linger ? FSM_abort : FSM_close, c);
}

WRAP(void, tcp_abort, struct tcp_conn *c, enum tcp_reason why)
{
	enum weir_tcp_state from = tcp_get_state(c);

	depth++;
	__real_tcp_abort(c, why);
	depth--;
	saw_one(from, FSM_abort, c);
}

WRAP(void, tcp_icmp, struct tcp_conn *c, const struct tcp_icmp *icmp, uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);

	depth++;
	__real_tcp_icmp(c, icmp, now);
	depth--;
	saw_one(from, FSM_icmp, c);
}

WRAP(size_t, tcp_output, struct tcp_conn *c, uint8_t *buf, size_t cap, uint8_t *ecn, uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);
	size_t n;

	depth++;
	n = __real_tcp_output(c, buf, cap, ecn, now);
	depth--;
	saw(from, NULL, 0, c);
	return n;
}

WRAP(size_t, tcp_output_burst, struct tcp_conn *c, uint8_t *buf, size_t cap, struct tcp_burst *b,
     uint64_t now)
{
	enum weir_tcp_state from = tcp_get_state(c);
	size_t n;

	depth++;
	n = __real_tcp_output_burst(c, buf, cap, b, now);
	depth--;
	saw(from, NULL, 0, c);
	return n;
}

WRAP(void, tcp_open_cookie, struct tcp_conn *c, const struct tcp_open *o, const struct weir_flow *f,
     uint64_t now)
{
	__real_tcp_open_cookie(c, o, f, now);
	saw_one(WEIR_CLOSED, FSM_cookie, c);
}

WRAP(void, tcp_open_passive, struct tcp_conn *c, const struct tcp_open *o,
     const struct tcp_seg *syn, uint32_t iss, uint32_t ts_ours, uint64_t now)
{
	__real_tcp_open_passive(c, o, syn, iss, ts_ours, now);
	saw_one(WEIR_CLOSED, FSM_syn_in, c);
}

WRAP(void, tcp_open_active, struct tcp_conn *c, const struct tcp_open *o, uint32_t iss,
     uint32_t ts_ours, uint64_t now)
{
	__real_tcp_open_active(c, o, iss, ts_ours, now);
	saw_one(WEIR_CLOSED, FSM_active, c);
}

WRAP(void, tcp_open_listen, struct tcp_conn *c, const struct tcp_open *o, uint32_t iss,
     uint64_t now)
{
	__real_tcp_open_listen(c, o, iss, now);
	saw_one(WEIR_CLOSED, FSM_listen, c);
}
