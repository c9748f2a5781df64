/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arrived twice, for the next ACK to report: RFC 2883. One duplicate range,
 * once, as the first block of the SACK option; when there are several, that of the
 * newest segment, and of those its first.
 */
#include "tcp/tcp_conn.h"

static void note(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	if (!c->sack_ok || !seq_lt(start, end))
		return;
	c->dsack = true;
	c->dsack_start = start;
	c->dsack_end = end;
	c->ack_due = true;
}

/* The part below rcv_nxt of a segment, all of it or not (2883 4.1.1 to 4.1.3). */
void tcp_dsack_below(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (seg_span(s))
		note(c, s->seq, seq_min(s->seq + seg_span(s), c->rcv_nxt));
}

/* The first part of it that an island has already (4.2): call before it is added. */
void tcp_dsack_beyond(struct tcp_conn *c, const struct tcp_seg *s)
{
	const struct tcp_range *r = ranges_after(c->islands, s->seq);
	uint32_t end = s->seq + s->len;

	/* What was cut off below it has been noted, and comes before. */
	if (c->dsack && c->dsack_end == s->seq)
		return;
	if (r && seq_lt(r->start, end))
		note(c, seq_max(s->seq, r->start), seq_min(end, r->end));
}
