/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors that quote a segment of ours (RFC 1122 4.2.3.9): to the connection whose
 * tuple they name, or to the worker that owns it. What they may do there, and whether
 * the sequence number they quote is believed (RFC 5927 4.1), is the core's to say.
 */
#include <weir/icmp.h>
#include "engine/engine_priv.h"
#include "engine/worker.h"

static enum tcp_icmp_kind kind_of(const struct weir_icmp *m)
{
	switch ((enum weir_icmp_kind)m->kind) {
	case WEIR_ICMP_TOO_BIG:
		return TCP_ICMP_TOO_BIG;
	case WEIR_ICMP_HARD:
		return TCP_ICMP_HARD;
	case WEIR_ICMP_SOFT:
	case WEIR_ICMP_NONE:
		break;
	}
	return TCP_ICMP_SOFT;
}

static void tell(struct worker *w, struct weir_conn *c, const struct weir_icmp *m)
{
	const struct tcp_icmp icmp = {
		.kind = kind_of(m),
		.error = weir_icmp_errno(m),
		.seq = m->seq,
		.mtu = m->mtu,
		.headers = m->family == 4 ? 40 : 60,
	};
	int before = tcp_get_error(conn_tcp(c));

	tcp_icmp(conn_tcp(c), &icmp, w->now_us);
	if (tcp_get_state(conn_tcp(c)) != WEIR_CLOSED && tcp_get_error(conn_tcp(c)) != before)
		c->flags |= CONN_SOFT_ERROR;
	conn_half_open_over(c);
	conn_wake(w, c);
	worker_count(w, WEIR_C_icmp_taken);
}

int icmp_frame(struct worker *w, struct rx_pkt *p)
{
	struct weir_icmp m;
	uint32_t ref;

	p->state_after = WEIR_TCP_NSTATES; /* the trace is of segments */
	if (p->data[0] & 1 || !weir_icmp_parse(p->data, p->len, &p->v, &m))
		return WEIR_C_drop_frame_malformed;
	if (m.family == 6 && weir_tuple_is_v4(&m.tuple))
		return WEIR_C_drop_frame_malformed;
	p->v.tuple = m.tuple;
	p->hash = table_hash(&w->table, &m.tuple);
	if (table_find(&w->table, p->hash, &m.tuple, &ref))
		return rx_hand_over(w, p, WEIR_C_drop_icmp_unknown);
	if (REF_TYPE(ref) != REF_CONN)
		return WEIR_C_drop_icmp_unknown;
	tell(w, slab_at(&w->conns, REF_INDEX(ref)), &m);
	return 0;
}
