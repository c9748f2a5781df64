/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/top_chart.h"
#include "cli/top_sections.h"
#include "cli/units.h"
#include "control/counter_names.h"
#include "engine/engine.h"

#define LABEL  9 /* columns of a row's name */
#define VALUE  8 /* and of its number, a blank behind it included */
#define NARROW 56

static unsigned one(const struct top_model *m, unsigned cols)
{
	(void)m;
	(void)cols;
	return 1;
}

/* ---- rates, with the last minutes ------------------------------------------------------- */

static const struct {
	const char *label;
	enum history_series series;
	enum top_look look;
} rates[] = {
	{"SYN/s", HISTORY_syns, TOP_FLOOD},
	{"cookies", HISTORY_cookies, TOP_BAR},
	{"accepted", HISTORY_accepted, TOP_GOOD},
	{"refused", HISTORY_refused, TOP_WARN},
};

#define NRATES (sizeof(rates) / sizeof(rates[0]))

static unsigned want_rates(const struct top_model *m, unsigned cols)
{
	(void)m;
	(void)cols;
	return NRATES;
}

static uint64_t highest(const struct top_model *m, enum history_series s)
{
	uint64_t max = 0;

	for (unsigned i = 0; i < m->nhistory; i++)
		max = m->history[s][i] > max ? m->history[s][i] : max;
	return max;
}

static void draw_rate(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		      unsigned i, unsigned row, unsigned height)
{
	bool narrow = s->cols < NARROW;
	struct top_chart c = {.v = m->history[rates[i].series],
			      .n = m->nhistory,
			      .newest = m->taken,
			      .height = height,
			      .look = rates[i].look,
			      .unicode = v->unicode};
	unsigned left = LABEL + VALUE, base = row + height - 1;
	char text[UNITS_MAX];

	top_put(s, base, 0, TOP_LABEL, rates[i].label);
	if (m->updates > 1)
		top_put_right(s, base, left - 1, TOP_STRONG,
			      units_count(m->rate[rates[i].series], text));
	if (s->cols < left + 8)
		return;
	c.width = s->cols - left - (narrow ? 0 : 12);
	top_chart(s, row, left, &c);
	if (!narrow && m->nhistory)
		top_putf(s, base, s->cols - 11, TOP_DIM, "peak %s",
			 units_count((double)highest(m, rates[i].series), text));
	if (!narrow && m->nhistory && height > 1)
		top_putf(s, row, s->cols - 11, TOP_DIM, m->nhistory < 120 ? "of %u s" : "of %u min",
			 m->nhistory < 120 ? m->nhistory : m->nhistory / 60);
}

/* What there is beyond one row each goes to the first one, then to the others. */
static void draw_rates(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		       unsigned row, unsigned rows)
{
	static const unsigned most[NRATES] = {5, 0, 3, 3};
	unsigned extra = rows > NRATES ? rows - NRATES : 0;

	for (unsigned i = 0; i < NRATES && i < rows; i++) {
		unsigned more = extra < most[i] ? extra : most[i];

		extra -= more;
		draw_rate(s, m, v, i, row, 1 + more);
		row += 1 + more;
	}
}

const struct top_section top_section_rates = {NRATES, false, want_rates, draw_rates};

/* ---- single lines ------------------------------------------------------------------------- */

static void draw_traffic(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			 unsigned row, unsigned rows)
{
	char in[UNITS_MAX], out[UNITS_MAX], a[UNITS_MAX], b[UNITS_MAX];

	(void)v;
	(void)rows;
	top_put(s, row, 0, TOP_LABEL, "traffic");
	if (m->updates > 1)
		top_putf(s, row, LABEL + 1, TOP_PLAIN, "in %s  out %s  opened %s/s  closed %s/s",
			 units_bits(8 * m->rate[HISTORY_rx_bytes], in),
			 units_bits(8 * m->rate[HISTORY_tx_bytes], out),
			 units_count(m->rate[HISTORY_opened], a),
			 units_count(m->rate[HISTORY_closed], b));
}

static enum top_look fill_look(double part)
{
	return part > 0.9 ? TOP_BAD : part > 0.7 ? TOP_WARN : TOP_GOOD;
}

static double share(uint64_t used, uint64_t all)
{
	return all ? (double)used / (double)all : 0;
}

static void draw_flows(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		       unsigned row, unsigned rows)
{
	double part = share(m->flows, m->flows_max);
	unsigned bar = s->cols >= NARROW ? 14 : 8;

	(void)rows;
	top_put(s, row, 0, TOP_LABEL, "flows");
	top_bar(s, row, LABEL + 1, bar, part, fill_look(part), v->unicode);
	top_putf(s, row, LABEL + 2 + bar, TOP_PLAIN,
		 "%" PRIu64 " of %" PRIu64 " (%.1f%%)  tombstones %" PRIu64 "  buffers %.0f%%",
		 m->flows, m->flows_max, 100 * part, m->tombstones,
		 100 * share(m->buffers, m->buffers_max));
}

const struct top_section top_section_traffic = {1, false, one, draw_traffic};
const struct top_section top_section_flows = {1, false, one, draw_flows};

/* ---- connections by state ----------------------------------------------------------------- */

/* Draws on s, or, with s NULL, only counts the rows. */
static unsigned states(struct top_screen *s, const struct top_model *m, unsigned cols, unsigned row,
		       unsigned rows)
{
	unsigned col = LABEL + 1, at = 0;
	char text[64];

	for (int i = 0; i < WEIR_TCP_NSTATES; i++) {
		unsigned w;

		if (!m->states[i])
			continue;
		w = (unsigned)snprintf(text, sizeof(text), "%s %" PRIu64, tcp_state_name(i),
				       m->states[i]);
		if (col > LABEL + 1 && col + w > cols) {
			col = LABEL + 1;
			at++;
		}
		if (s && at < rows)
			top_put(s, row + at, col, TOP_PLAIN, text);
		col += w + 2;
	}
	return at + 1;
}

static unsigned want_states(const struct top_model *m, unsigned cols)
{
	return states(NULL, m, cols, 0, 0);
}

static void draw_states(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			unsigned row, unsigned rows)
{
	uint64_t total = 0;

	(void)v;
	for (int i = 0; i < WEIR_TCP_NSTATES; i++)
		total += m->states[i];
	top_put(s, row, 0, TOP_LABEL, "conns");
	if (!total)
		top_put(s, row, LABEL + 1, TOP_DIM, "none");
	states(s, m, s->cols, row, rows);
}

const struct top_section top_section_states = {1, false, want_states, draw_states};

/* ---- workers ------------------------------------------------------------------------------- */

#define CPU_CELL 34

static unsigned cpus_per_row(unsigned cols)
{
	unsigned n = (cols - LABEL) / CPU_CELL;

	return cols < LABEL + CPU_CELL ? 1 : n;
}

static unsigned want_cpu(const struct top_model *m, unsigned cols)
{
	unsigned per = cpus_per_row(cols);

	return (m->workers + per - 1) / per;
}

static void draw_cpu(struct top_screen *s, const struct top_model *m, const struct top_view *v,
		     unsigned row, unsigned rows)
{
	unsigned per = cpus_per_row(s->cols), shown = rows * per;
	bool some = shown < m->workers;

	top_put(s, row, 0, TOP_LABEL, "CPU");
	for (unsigned w = 0; w < m->workers && w < shown - some; w++) {
		unsigned col = LABEL + 1 + w % per * CPU_CELL, r = row + w / per;
		double cpu = m->worker[w].cpu;
		char conns[UNITS_MAX];

		top_putf(s, r, col, TOP_LABEL, "%2u", w);
		top_bar(s, r, col + 3, 12, cpu, fill_look(cpu), v->unicode);
		top_putf(s, r, col + 16, TOP_PLAIN, "%3.0f%%", 100 * cpu);
		top_putf(s, r, col + 22, TOP_DIM, "%s conns",
			 units_count((double)m->worker[w].conns, conns));
	}
	if (some)
		top_putf(s, row + rows - 1, LABEL + 1 + (per - 1) * CPU_CELL, TOP_DIM,
			 "and %u workers more", m->workers - (shown - 1));
}

static unsigned want_machine(const struct top_model *m, unsigned cols)
{
	(void)cols;
	return m->looks > 1;
}

static void draw_machine(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			 unsigned row, unsigned rows)
{
	unsigned col = LABEL + 1;

	(void)rows;
	top_put(s, row, 0, TOP_LABEL, "softirq");
	top_bar(s, row, col + 3, 12, m->softirq, fill_look(m->softirq), v->unicode);
	top_putf(s, row, col + 16, TOP_PLAIN, "%3.0f%%", 100 * m->softirq);
	top_putf(s, row, col + 22, TOP_DIM, "of the machine, where the gate runs; all %.0f%%",
		 100 * m->busy);
}

const struct top_section top_section_machine = {1, false, want_machine, draw_machine};
const struct top_section top_section_cpu = {1, false, want_cpu, draw_cpu};

/* ---- lists ---------------------------------------------------------------------------------- */

/* The heading is drawn; calls `line` for what fits below it, and says what does not. */
static void list(struct top_screen *s, const struct top_model *m, unsigned row, unsigned rows,
		 unsigned n, unsigned skip,
		 void (*line)(struct top_screen *, const struct top_model *, unsigned, unsigned))
{
	unsigned room = rows - 1;

	if (skip + room > n)
		skip = n > room ? n - room : 0;
	for (unsigned i = 0; i < room && skip + i < n; i++) {
		if (i + 1 == room && skip + room < n && room > 1) {
			top_putf(s, row + rows - 1, 2, TOP_DIM, "and %u more", n - skip - i);
			break;
		}
		line(s, m, row + 1 + i, skip + i);
	}
}

static void queue_line(struct top_screen *s, const struct top_model *m, unsigned row, unsigned i)
{
	const struct top_queue *q = &m->queue[i];
	char rx[UNITS_MAX], tx[UNITS_MAX], d[UNITS_MAX], all[UNITS_MAX];

	top_putf(s, row, 0, TOP_PLAIN, "%5u %7u %9s %9s", i, q->worker, units_count(q->rx_rate, rx),
		 units_count(q->tx_rate, tx));
	top_putf(s, row, 33, q->drop_rate > 0 ? TOP_BAD : TOP_PLAIN, " %10s %10s",
		 units_count(q->drop_rate, d), units_count((double)q->drops, all));
}

static unsigned want_queues(const struct top_model *m, unsigned cols)
{
	(void)cols;
	return m->queues ? 1 + m->queues : 0;
}

static void draw_queues(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			unsigned row, unsigned rows)
{
	(void)v;
	top_put(s, row, 0, TOP_LABEL, "queue  worker      RX/s      TX/s  ring drops/s    drops");
	list(s, m, row, rows, m->queues, 0, queue_line);
}

const struct top_section top_section_queues = {2, true, want_queues, draw_queues};

static void refused_line(struct top_screen *s, const struct top_model *m, unsigned row, unsigned i)
{
	const struct top_reason *r = &m->reason[i];
	char rate[UNITS_MAX], total[UNITS_MAX];

	top_put_right(s, row, 8, r->rate > 0 ? TOP_WARN : TOP_DIM, units_count(r->rate, rate));
	top_put_right(s, row, 16, TOP_PLAIN, units_count((double)r->total, total));
	top_put(s, row, 18, TOP_PLAIN, counter_name(r->counter));
	if (s->cols >= NARROW)
		top_put(s, row, 38, TOP_DIM, counter_text(r->counter));
}

static unsigned want_refused(const struct top_model *m, unsigned cols)
{
	(void)cols;
	return m->nreasons ? 1 + m->nreasons : 0;
}

static void draw_refused(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			 unsigned row, unsigned rows)
{
	top_put(s, row, 0, TOP_LABEL, "refused/s   total  reason");
	if (!m->nreasons && rows > 1)
		top_put(s, row + 1, 2, TOP_DIM, "nothing so far");
	list(s, m, row, rows, m->nreasons, v->pane == TOP_REFUSED ? v->scroll : 0, refused_line);
}

const struct top_section top_section_refused = {2, true, want_refused, draw_refused};

static void service_line(struct top_screen *s, const struct top_model *m, unsigned row, unsigned i)
{
	const struct top_service *v = &m->service[i];
	unsigned narrow = s->cols < NARROW ? 24 : 34;

	top_putf(s, row, 0, TOP_PLAIN, "%-*.*s", (int)narrow - 1, (int)narrow - 1, v->listen);
	top_putf(s, row, narrow, TOP_PLAIN, "%-9.8s%s", v->app, v->mode);
	if (s->cols >= NARROW)
		top_put(s, row, narrow + 17, v->cookies ? TOP_BAR : TOP_GOOD,
			v->cookies ? "gate, cookies" : "worker");
}

static unsigned want_services(const struct top_model *m, unsigned cols)
{
	(void)cols;
	return m->nservices ? 1 + m->nservices : 0;
}

static void draw_services(struct top_screen *s, const struct top_model *m, const struct top_view *v,
			  unsigned row, unsigned rows)
{
	unsigned narrow = s->cols < NARROW ? 24 : 34;

	top_putf(s, row, 0, TOP_LABEL, m->nservices < 2 ? "service" : "services: %u", m->nservices);
	top_put(s, row, narrow, TOP_LABEL, "app      mode");
	if (s->cols >= NARROW)
		top_put(s, row, narrow + 17, TOP_LABEL, "SYNs answered by");
	list(s, m, row, rows, m->nservices < TOP_SERVICES ? m->nservices : TOP_SERVICES,
	     v->pane == TOP_PARTS ? v->scroll : 0, service_line);
}

const struct top_section top_section_services = {2, true, want_services, draw_services};
