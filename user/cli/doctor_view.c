/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cli/canvas.h"
#include "cli/doctor_view.h"

#define LEVEL 6	 /* columns */
#define TEXT  19 /* where the text begins */
#define WIDTH 100

static const char *const styles[DOCTOR_NLEVELS] = {"32", "36", "33", "1;31"};

/* Wrapped at blanks. */
static void text(struct canvas *c, const char *words, FILE *out, bool color)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		if (c->col > TEXT && c->col + n > WIDTH) {
			canvas_flush(c, out);
			canvas_start(c, color);
			canvas_fill(c, " ", TEXT);
		}
		canvas_putf(c, "%.*s ", (int)n, words);
		words += n + (words[n] == ' ');
	}
	canvas_flush(c, out);
}

static void finding(const struct doctor_finding *f, FILE *out, bool color)
{
	struct canvas c;

	canvas_start(&c, color);
	canvas_style(&c, styles[f->level]);
	canvas_put(&c, doctor_level_name(f->level));
	canvas_style(&c, "0");
	canvas_fill(&c, " ", LEVEL);
	canvas_put(&c, f->topic);
	canvas_fill(&c, " ", TEXT);
	text(&c, f->text, out, color);
	/* On a line of its own, however long, to be copied. */
	if (*f->command)
		fprintf(out, "%*s%s%s%s\n", TEXT + 2, "", color ? "\033[1m" : "", f->command,
			color ? "\033[0m" : "");
}

/* What is amiss first. */
void doctor_print(const struct doctor_report *r, FILE *out, bool color)
{
	for (int level = DOCTOR_NLEVELS - 1; level >= 0; level--)
		for (unsigned i = 0; i < r->n; i++)
			if ((int)r->v[i].level == level)
				finding(&r->v[i], out, color);
}

json_t *doctor_json(const struct doctor_report *r, const char *iface)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n; i++) {
		const struct doctor_finding *f = &r->v[i];

		json_array_append_new(list, json_pack("{ss ss ss ss*}", "level",
						      doctor_level_name(f->level), "topic",
						      f->topic, "text", f->text, "command",
						      *f->command ? f->command : NULL));
	}
	return json_pack("{si ss ss so}", "version", 1, "iface", iface, "worst",
			 doctor_level_name(doctor_worst(r)), "findings", list);
}
