/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top_ui.h"

unsigned top_interval(unsigned now_ms, bool longer)
{
	static const unsigned offered[] = {TOP_INTERVAL_MIN_MS, 500, 1000, 2000, 5000, 10000, 30000,
					   TOP_INTERVAL_MAX_MS};
	unsigned n = sizeof(offered) / sizeof(offered[0]);

	if (longer) {
		for (unsigned i = 0; i < n; i++)
			if (offered[i] > now_ms)
				return offered[i];
		return offered[n - 1];
	}
	for (unsigned i = n; i > 0; i--)
		if (offered[i - 1] < now_ms)
			return offered[i - 1];
	return offered[0];
}

/* As far as there is something to scroll to. */
static void scroll(struct top_view *v, const struct top_model *m, int by)
{
	unsigned n = v->pane == TOP_REFUSED ? m->nreasons : v->pane == TOP_PARTS ? m->nservices : 0;
	int to = (int)v->scroll + by;

	v->scroll = to < 0 ? 0 : (unsigned)to < n ? (unsigned)to : n ? n - 1 : 0;
}

static void show(struct top_view *v, enum top_pane pane)
{
	v->pane = pane;
	v->scroll = 0;
	v->help = false;
}

static bool character(struct top_view *v, unsigned c)
{
	switch (c) {
	case 'q':
	case 'Q':
		return false;
	case '1':
	case '2':
	case '3':
		show(v, c - '1');
		break;
	case 's':
		v->sort = (v->sort + 1) % TOP_NSORTS;
		break;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		break;
	case 'h':
	case '?':
		v->help = !v->help;
		break;
	case '+':
	case '=':
		v->interval_ms = top_interval(v->interval_ms, true);
		break;
	case '-':
	case '_':
		v->interval_ms = top_interval(v->interval_ms, false);
		break;
	}
	return true;
}

bool top_key(struct top_view *v, const struct top_model *m, unsigned key, unsigned page)
{
	if (key >= TOP_KEY_CHAR)
		return character(v, key - TOP_KEY_CHAR);
	if (key == TOP_KEY_UP || key == TOP_KEY_DOWN)
		scroll(v, m, key == TOP_KEY_UP ? -1 : 1);
	if (key == TOP_KEY_PAGE_UP || key == TOP_KEY_PAGE_DOWN)
		scroll(v, m, key == TOP_KEY_PAGE_UP ? -(int)page : (int)page);
	return true;
}
