/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <weir/seq.h>
#include "watch.h"

void sim_watch_init(struct sim_watch *w, struct sim *s, const char *who, uint16_t mtu_mss)
{
	memset(w, 0, sizeof(*w));
	w->sim = s;
	w->who = who;
	w->mtu_mss = mtu_mss;
	w->shift_out = w->shift_in = WEIR_WSCALE_NONE;
}

static bool scaled(const struct sim_watch *w)
{
	return w->shift_out != WEIR_WSCALE_NONE && w->shift_in != WEIR_WSCALE_NONE;
}

#define RULE(w, ok, ...)                                                                           \
	do {                                                                                       \
		if (!(ok))                                                                         \
			broken(w, __VA_ARGS__);                                                    \
	} while (0)

static void broken(struct sim_watch *w, const char *rule, uint32_t a, uint32_t b)
{
	sim_fail(w->sim, "%s breaks a rule: %s (%u, %u)", w->who, rule, a, b);
}

/* ---- what has arrived ------------------------------------------------------------- */

static void arrived(struct sim_watch *w, uint32_t start, uint32_t end)
{
	uint32_t lo, hi = w->n;

	if (seq_lt(start, w->base))
		start = w->base;
	if (!seq_lt(start, end))
		return;
	while (hi && seq_gt(w->r[hi - 1].start, end))
		hi--;
	for (lo = hi; lo && seq_geq(w->r[lo - 1].end, start); lo--)
		;
	if (lo == hi) {
		if (w->n == SIM_RANGES) {
			sim_fail(w->sim, "the tap has no room for more holes");
			return;
		}
		memmove(&w->r[lo + 1], &w->r[lo], (w->n - lo) * sizeof(w->r[0]));
		w->n++;
	} else {
		if (seq_lt(w->r[lo].start, start))
			start = w->r[lo].start;
		if (seq_gt(w->r[hi - 1].end, end))
			end = w->r[hi - 1].end;
		memmove(&w->r[lo + 1], &w->r[hi], (w->n - hi) * sizeof(w->r[0]));
		w->n -= hi - lo - 1;
	}
	w->r[lo].start = start;
	w->r[lo].end = end;
	if (w->r[0].start == w->base) {
		w->base = w->r[0].end;
		memmove(&w->r[0], &w->r[1], --w->n * sizeof(w->r[0]));
	}
}

static bool has_arrived(const struct sim_watch *w, uint32_t start, uint32_t end)
{
	if (seq_leq(end, w->base))
		return true;
	for (uint32_t i = 0; i < w->n; i++)
		if (seq_geq(start, w->r[i].start) && seq_leq(end, w->r[i].end))
			return true;
	return false;
}

static void syn_in(struct sim_watch *w, const struct tcp_seg *s)
{
	if (w->syn_in)
		return;
	w->syn_in = true;
	w->irs = s->seq;
	w->base = s->seq + 1;
	w->mss_in = s->mss ? s->mss : 536;
	w->ts_in = s->has_ts;
	w->sack_in = s->sack_permitted;
	w->shift_in = s->wscale;
	w->ecn_in = (s->flags & TCP_ECE) && !(s->flags & TCP_ACK) == !!(s->flags & TCP_CWR);
	w->peer_edge = w->iss + 1;
}

void sim_watch_in(struct sim_watch *w, const struct tcp_seg *s)
{
	uint32_t seq = s->seq, edge;

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_SYN) {
		syn_in(w, s);
		seq++;
	}
	if (!w->syn_in)
		return;
	arrived(w, seq, seq + s->len + !!(s->flags & TCP_FIN));
	if (!(s->flags & TCP_ACK) && !(s->flags & TCP_SYN))
		return;
	edge = s->flags & TCP_ACK ? s->ack : w->iss + 1;
	edge += (uint32_t)s->wnd << (scaled(w) && !(s->flags & TCP_SYN) ? w->shift_in : 0);
	if (seq_gt(edge, w->peer_edge))
		w->peer_edge = edge;
}

/* ---- what leaves -------------------------------------------------------------------- */

static void syn_out(struct sim_watch *w, const struct tcp_seg *s)
{
	RULE(w, !(s->flags & TCP_FIN), "SYN with FIN", s->flags, 0);
	if (!w->syn_out) {
		w->syn_out = true;
		w->iss = s->seq;
		w->snd_max = s->seq + 1;
		/* That of a SYN which came first was counted from 0. */
		w->peer_edge = w->syn_in ? w->peer_edge + s->seq : s->seq + 1;
	}
	w->ts_out = s->has_ts;
	w->sack_out = s->sack_permitted;
	w->shift_out = s->wscale;
	w->ecn_out |= !!(s->flags & TCP_ECE); /* a SYN sent again may offer less */
	RULE(w, s->seq == w->iss, "two initial numbers", s->seq, w->iss);
	RULE(w, s->mss && s->mss <= w->mtu_mss, "MSS announced", s->mss, w->mtu_mss);
}

static void sequence(struct sim_watch *w, const struct sim_frame *f, const struct tcp_seg *s,
		     uint32_t una)
{
	uint32_t end = s->seq + s->len, fin = !!(s->flags & TCP_FIN);
	bool again = seq_lt(s->seq, w->snd_max - w->probed);

	RULE(w, seq_leq(s->seq, w->snd_max), "a gap before it", s->seq - w->iss,
	     w->snd_max - w->iss);
	if (s->len || fin) {
		bool probe = s->len == 1 && !fin && s->seq == w->peer_edge;
		RULE(w, !again || seq_geq(s->seq, una), "sent again after its ACK", s->seq - w->iss,
		     una - w->iss);
		RULE(w, seq_leq(end, w->peer_edge) || probe, "beyond the window", end - w->iss,
		     w->peer_edge - w->iss);
	}
	RULE(w, !w->fin_out || seq_leq(end, w->fin_seq + !s->len), "data after the FIN",
	     end - w->iss, w->fin_seq - w->iss);
	if (fin) {
		RULE(w, !w->fin_out || end == w->fin_seq, "a second FIN", end - w->iss,
		     w->fin_seq - w->iss);
		w->fin_out = true;
		w->fin_seq = end;
	}
	RULE(w, !f->ecn || (s->len && !again && w->ecn_in && w->ecn_out), "ECN-capable",
	     s->seq - w->iss, s->len);
	if (seq_gt(end + fin, w->snd_max)) {
		w->snd_max = end + fin;
		w->probed = s->len == 1 && !fin; /* the window may have been taken back */
	}
}

static void acknowledgment(struct sim_watch *w, const struct tcp_seg *s)
{
	uint8_t shift = scaled(w) && !(s->flags & TCP_SYN) ? w->shift_out : 0;
	uint32_t edge = s->ack + ((uint32_t)s->wnd << shift);

	RULE(w, !w->any_ack || seq_geq(s->ack, w->last_ack), "the ACK went back", s->ack - w->irs,
	     w->last_ack - w->irs);
	RULE(w, seq_leq(s->ack, w->base), "acknowledges what has not arrived", s->ack - w->irs,
	     w->base - w->irs);
	RULE(w, !w->any_edge || seq_gt(edge + (1u << shift), w->edge),
	     "the window's edge went back", edge - w->irs, w->edge - w->irs);
	w->last_ack = s->ack;
	w->any_ack = true;
	if (!w->any_edge || seq_gt(edge, w->edge))
		w->edge = edge;
	w->any_edge = true;
}

static void sack(struct sim_watch *w, const struct tcp_seg *s)
{
	bool repeats = s->nsack && seq_leq(s->sack[0].start, s->ack);

	RULE(w, !s->nsack || (w->sack_in && w->sack_out), "SACK not agreed on", s->nsack, 0);
	for (uint8_t i = 0; i < s->nsack; i++) {
		uint32_t start = s->sack[i].start, end = s->sack[i].end;

		RULE(w, seq_lt(start, end), "an empty SACK block", start - w->irs, end - w->irs);
		RULE(w, has_arrived(w, start, end), "SACKs what has not arrived", start - w->irs,
		     end - w->irs);
		RULE(w, (i == 0 && repeats) || seq_gt(start, s->ack), "SACKs below the ACK",
		     start - w->irs, s->ack - w->irs);
		/* RFC 2883 4.2.2: a repeat above the ACK lies in the second block. */
		if (i == 1 && !repeats && seq_geq(s->sack[0].start, start) &&
		    seq_leq(s->sack[0].end, end))
			repeats = true;
		for (uint8_t j = repeats; j < i; j++)
			RULE(w, seq_lt(end, s->sack[j].start) || seq_gt(start, s->sack[j].end),
			     "SACK blocks that touch", start - w->irs, end - w->irs);
	}
}

static void timestamps(struct sim_watch *w, const struct tcp_seg *s)
{
	RULE(w, s->has_ts == (w->ts_in && w->ts_out), "timestamps on some", s->has_ts, w->ts_in);
	if (!s->has_ts)
		return;
	RULE(w, !w->any_ts || seq_geq(s->tsval, w->last_ts), "TSval went back", s->tsval,
	     w->last_ts);
	w->any_ts = true;
	w->last_ts = s->tsval;
}

void sim_watch_out(struct sim_watch *w, const struct sim_frame *f, const struct tcp_seg *s,
		   uint32_t una)
{
	uint32_t most = w->mss_in && w->mss_in < w->mtu_mss ? w->mss_in : w->mtu_mss;

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_SYN) {
		syn_out(w, s);
	} else {
		RULE(w, s->flags & TCP_ACK, "no ACK", s->flags, 0);
		RULE(w, f->len - 20 <= most, "larger than the MSS", f->len - 20, most);
		sequence(w, f, s, una);
		sack(w, s);
		timestamps(w, s);
	}
	if (s->flags & TCP_ACK)
		acknowledgment(w, s);
}
