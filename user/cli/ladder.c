/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A row is made of fixed columns around the arrow's, which takes what is left:
 *
 *   A   0.000012  SYN_SENT     │─ SYN seq=0 (1) win=64240 ────────▶│ LISTEN       gate
 *   label  time   client's state                                    weir's state, where
 *
 * Words that do not fit beside the arrow go below it, then what it means.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/ladder.h"
#include "cli/ladder_text.h"
#include "cli/ladder_track.h"
#include "control/trace_wire.h"
#include "engine/engine.h"

#define COL_TIME  3
#define COL_STATE 15 /* the client's state, 12 wide */
#define COL_LEFT  28 /* the left rail */
#define RIGHT	  19 /* from the right rail to the edge */

struct glyphs {
	const char *rail, *dash, *left, *right, *lost, *rule, *thick, *dot, *dots;
};

static const struct glyphs utf8 = {"│", "─", "◀", "▶", "✗", "╌", "━", "·", "…"};
static const struct glyphs plain = {"|", "-", "<", ">", "x", "-", "=", "*", "..."};

#define STYLE_DIM  "2"
#define STYLE_BOLD "1"
#define STYLE_OFF  "0"

struct ladder {
	struct ladder_opts opts;
	const struct glyphs *g;
	FILE *out;
	struct ladder_tracker *tracker;
	struct canvas line;
	unsigned right; /* column of the right rail */
	bool begun;
	unsigned last; /* the connection drawn last */
	uint64_t start_ns;
	uint64_t frames, dropped, lost, other;
};

struct ladder *ladder_new(const struct ladder_opts *opts, FILE *out)
{
	struct ladder *l = calloc(1, sizeof(*l));
	unsigned width = opts->width;

	if (!l)
		return NULL;
	l->tracker = ladder_tracker_new();
	if (!l->tracker) {
		free(l);
		return NULL;
	}
	l->opts = *opts;
	l->g = opts->ascii ? &plain : &utf8;
	l->out = out;
	width = width < LADDER_WIDTH_MIN ? LADDER_WIDTH_MIN : width;
	width = width > LADDER_WIDTH_MAX ? LADDER_WIDTH_MAX : width;
	l->right = width - RIGHT - 1;
	return l;
}

void ladder_free(struct ladder *l)
{
	if (!l)
		return;
	ladder_tracker_free(l->tracker);
	free(l);
}

/* ---- lines between the rows ------------------------------------------------------ */

static const char *conn_color(unsigned nr)
{
	static const char *const colors[] = {"36", "33", "35", "32", "34", "31"};

	return colors[nr % (sizeof(colors) / sizeof(colors[0]))];
}

static void endpoint(const struct weir_addr *a, char *buf, size_t len)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, text, sizeof(text));
	snprintf(buf, len, a->family == 4 ? "%s:%u" : "[%s]:%u", text, a->port);
}

static void start(struct ladder *l)
{
	canvas_start(&l->line, l->opts.color);
}

static void finish(struct ladder *l)
{
	canvas_flush(&l->line, l->out);
}

static void legend(struct ladder *l)
{
	if (l->opts.brief)
		return;
	start(l);
	canvas_style(&l->line, STYLE_DIM);
	canvas_put(&l->line,
		   "States are after each frame. The client's is inferred from the frames "
		   "seen;");
	canvas_style(&l->line, STYLE_OFF);
	finish(l);
	start(l);
	canvas_style(&l->line, STYLE_DIM);
	canvas_put(&l->line, "with a ? no frame of its own has confirmed it yet.");
	canvas_style(&l->line, STYLE_OFF);
	finish(l);
}

/* The connection's letters; beyond three of them they come round again. */
static const char *label(const struct ladder_step *s, char buf[8])
{
	ladder_label(s->conn->nr % (26 + 26 * 26 + 26 * 26 * 26), buf);
	return buf;
}

/*
 * Names both ends: a thick rule when a connection appears, a thin one on return
 * to it. Two long addresses take a line each.
 */
static void heading(struct ladder *l, const struct ladder_step *s)
{
	const char *rule = s->fresh ? l->g->thick : l->g->rule;
	char name[8], client[64], local[64];
	struct canvas *c = &l->line;
	unsigned weir_at, edge = l->right + RIGHT + 1;

	endpoint(&s->conn->remote, client, sizeof(client));
	endpoint(&s->conn->local, local, sizeof(local));
	weir_at = l->right - text_width(local) - 6;
	start(l);
	canvas_style(c, conn_color(s->conn->nr));
	canvas_putf(c, "%-2s ", label(s, name));
	canvas_fill(c, rule, COL_STATE - 1);
	canvas_putf(c, " client %s ", client);
	if (c->col > weir_at) {
		canvas_fill(c, rule, edge);
		canvas_style(c, STYLE_OFF);
		finish(l);
		start(l);
		canvas_style(c, conn_color(s->conn->nr));
		canvas_fill(c, " ", COL_TIME);
		weir_at = COL_STATE - 1;
	}
	canvas_fill(c, rule, weir_at);
	canvas_putf(c, " weir %s ", local);
	canvas_fill(c, rule, edge);
	canvas_style(c, STYLE_OFF);
	finish(l);
}

/* ---- the columns of a row ----------------------------------------------------------- */

static void left_side(struct ladder *l, const struct weir_trace_rec *rec,
		      const struct ladder_step *s)
{
	double t = (double)(int64_t)(rec->mono_ns - l->start_ns) / 1e9;
	char name[8];

	canvas_style(&l->line, conn_color(s->conn->nr));
	canvas_putf(&l->line, "%-2s", label(s, name));
	canvas_style(&l->line, STYLE_OFF);
	canvas_putf(&l->line, t < 1000 ? "%11.6f" : "%11.3f", t);
	canvas_fill(&l->line, " ", COL_STATE);
	canvas_style(&l->line, s->peer_changed ? STYLE_BOLD : STYLE_DIM);
	if (s->peer_known)
		canvas_putf(&l->line, "%s%s", tcp_state_name(s->peer), s->peer_sure ? "" : "?");
	else
		canvas_put(&l->line, "unknown");
	canvas_style(&l->line, STYLE_OFF);
	canvas_fill(&l->line, " ", COL_LEFT);
}

static void right_side(struct ladder *l, const struct weir_trace_rec *rec,
		       const struct ladder_step *s)
{
	canvas_put(&l->line, " ");
	canvas_style(&l->line, s->weir_changed ? STYLE_BOLD : STYLE_DIM);
	canvas_put(&l->line, tcp_state_name(s->weir));
	canvas_style(&l->line, STYLE_OFF);
	canvas_fill(&l->line, " ", l->right + 14);
	canvas_style(&l->line, STYLE_DIM);
	if (rec->where == WEIR_TRACE_GATE)
		canvas_put(&l->line, "gate");
	else
		canvas_putf(&l->line, "w%u", rec->source);
	canvas_style(&l->line, STYLE_OFF);
}

static const char *flag_style(const struct ladder_step *s)
{
	if (s->f.flags & TCP_RST)
		return "1;31";
	if (s->f.flags & TCP_SYN)
		return "1;32";
	if (s->f.flags & TCP_FIN)
		return "1;33";
	return STYLE_OFF;
}

/* As many of the words from *at on as fit into `room` columns; at least one. */
static void fit(const struct ladder_words *w, unsigned *at, unsigned room, char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	while (*at < w->n) {
		const char *word = w->w[*at];
		/* "<mss 1460," and what follows are set without blanks. */
		size_t gap = n > 0 && buf[n - 1] != ',';
		size_t need = n + gap + strlen(word);

		if (n > 0 && text_width(buf) + gap + text_width(word) > room)
			return;
		if (need >= len)
			return;
		if (gap)
			buf[n++] = ' ';
		strcpy(buf + n, word);
		n = need;
		(*at)++;
	}
}

static void arrow(struct ladder *l, const struct ladder_step *s, const struct ladder_words *w,
		  unsigned *at)
{
	const char *head = s->dropped ? l->g->lost : l->g->right;
	struct canvas *c = &l->line;
	char text[160];

	fit(w, at, l->right - COL_LEFT - 6, text, sizeof(text));
	canvas_put(c, l->g->rail);
	if (!s->in)
		canvas_put(c, s->dropped ? l->g->lost : l->g->left);
	canvas_put(c, l->g->dash);
	canvas_style(c, flag_style(s));
	canvas_putf(c, " %s ", text);
	canvas_style(c, STYLE_OFF);
	canvas_fill(c, l->g->dash, s->in ? l->right - 1 : l->right);
	if (s->in)
		canvas_put(c, head);
	canvas_put(c, l->g->rail);
}

/* The words left over, on rows of their own; `aside` goes beside the first. */
static void below(struct ladder *l, const struct ladder_words *w, unsigned at, const char **aside)
{
	struct canvas *c = &l->line;
	char text[160];

	while (at < w->n) {
		fit(w, &at, l->right - COL_LEFT - 5, text, sizeof(text));
		start(l);
		canvas_fill(c, " ", COL_LEFT);
		canvas_put(c, l->g->rail);
		canvas_style(c, STYLE_DIM);
		canvas_putf(c, "   %s", text);
		canvas_style(c, STYLE_OFF);
		canvas_fill(c, " ", l->right);
		canvas_put(c, l->g->rail);
		if (*aside) {
			canvas_style(c, STYLE_DIM);
			canvas_putf(c, " %s", *aside);
			canvas_style(c, STYLE_OFF);
			*aside = NULL;
		}
		finish(l);
	}
}

static void row(struct ladder *l, const struct weir_trace_rec *rec, const struct ladder_step *s)
{
	const char *aside = l->opts.brief ? NULL : s->aside;
	struct ladder_words w;
	char outcome[96];
	unsigned at = 0;

	ladder_words(&w, s, &l->opts);
	start(l);
	left_side(l, rec, s);
	arrow(l, s, &w, &at);
	right_side(l, rec, s);
	finish(l);
	below(l, &w, at, &aside);
	if (rec->outcome) {
		snprintf(outcome, sizeof(outcome), "%s: %.64s", s->dropped ? "dropped" : "outcome",
			 trace_outcome_name(rec->outcome));
		ladder_sentence(&w, s->dropped ? l->g->lost : l->g->dot, outcome);
		below(l, &w, 0, &aside);
	} else if (s->note && !l->opts.brief) {
		ladder_sentence(&w, l->g->dot, s->note);
		below(l, &w, 0, &aside);
	}
}

/* ---- what callers see ------------------------------------------------------------------ */

/* A frame that is no TCP, or too short to be read: said, not drawn. */
static void other_frame(struct ladder *l, const struct weir_trace_rec *rec)
{
	const char *outcome = trace_outcome_name(rec->outcome);

	l->other++;
	start(l);
	canvas_putf(&l->line, "%13.6f", (double)(int64_t)(rec->mono_ns - l->start_ns) / 1e9);
	canvas_fill(&l->line, " ", COL_STATE);
	canvas_putf(&l->line, "%s a frame of %u bytes that is not TCP%s%s", l->g->dots, rec->len,
		    *outcome ? ", " : "", outcome);
	finish(l);
}

void ladder_record(struct ladder *l, const struct weir_trace_rec *rec)
{
	struct ladder_step s;

	if (!l->begun) {
		legend(l);
		l->start_ns = rec->mono_ns;
		l->last = UINT32_MAX;
		l->begun = true;
	}
	l->frames++;
	if (!ladder_track(l->tracker, rec, &s)) {
		other_frame(l, rec);
		return;
	}
	l->dropped += s.dropped;
	if (s.fresh || s.conn->nr != l->last)
		heading(l, &s);
	if (s.midway && !l->opts.brief) {
		start(l);
		canvas_fill(&l->line, " ", COL_STATE);
		canvas_putf(&l->line, "%s joined midway: relative numbers count from this frame",
			    l->g->dots);
		finish(l);
	}
	l->last = s.conn->nr;
	row(l, rec, &s);
}

void ladder_lost(struct ladder *l, uint64_t n)
{
	l->lost += n;
	start(l);
	canvas_fill(&l->line, " ", COL_STATE);
	canvas_style(&l->line, "1;31");
	canvas_putf(&l->line, "%s %llu events lost %s", l->g->dots, (unsigned long long)n,
		    l->g->dots);
	canvas_style(&l->line, STYLE_OFF);
	finish(l);
}

void ladder_summary(struct ladder *l)
{
	unsigned conns = ladder_tracker_count(l->tracker);

	fprintf(l->out, "%llu frame%s of %u connection%s", (unsigned long long)l->frames,
		l->frames == 1 ? "" : "s", conns, conns == 1 ? "" : "s");
	if (l->other)
		fprintf(l->out, ", %llu not TCP", (unsigned long long)l->other);
	fprintf(l->out, ", %llu dropped, %llu events lost\n", (unsigned long long)l->dropped,
		(unsigned long long)l->lost);
}
