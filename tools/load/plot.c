// SPDX-License-Identifier: BSD-2-Clause
/* The points, and which file. The pictures are in plot_html.c and plot_gnuplot.c. */
#include "plot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const double quantile[4] = {0.5, 0.9, 0.99, 0.999};

static double share(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

static void from_phase(struct plot_point *p, unsigned int i, const struct phase *ph,
		       const struct tally *t, bool connects)
{
	const struct hist *h = connects ? &t->connect : &t->response;

	p->x = i;
	snprintf(p->label, sizeof(p->label), "%s", ph->label);
	if (!p->label[0])
		snprintf(p->label, sizeof(p->label), ph->rate > 0 ? "%.0f/s" : "closed", ph->rate);
	p->success = share(t->succeeded, t->attempted);
	p->rate = t->end > t->begin ? (double)t->completed / tally_seconds(t) : 0;
	for (int q = 0; q < 4; q++)
		p->us[q] = (double)hist_quantile(h, quantile[q]) / 1e3;
}

static void from_sample(struct plot_point *p, const struct sample *s)
{
	*p = (struct plot_point){.x = s->at_s,
				 .success = share(s->completed, s->completed + s->failed),
				 .rate = s->rate,
				 .us = {s->p50_us, s->p90_us, s->p99_us, s->p999_us}};
}

int plot_make(struct plot *p, const struct load_args *a, const struct result *r)
{
	unsigned int reported = 0, i;

	for (i = 0; i < r->phases; i++)
		reported += !a->phase[i].warmup && r->phase[i].begin;
	*p = (struct plot){.title = a->info->name, .x_title = reported > 1 ? "phase" : "seconds"};
	p->point = calloc(r->samples + r->phases + 1, sizeof(*p->point));
	if (!p->point)
		return -ENOMEM;
	for (i = 0; reported > 1 && i < r->phases; i++)
		if (!a->phase[i].warmup && r->phase[i].begin) {
			from_phase(&p->point[p->n], p->n, &a->phase[i], &r->phase[i],
				   a->pattern == LOAD_CONNECT);
			p->n++;
		}
	for (i = 0; reported == 1 && i < r->samples; i++)
		from_sample(&p->point[p->n++], &r->sample[i]);
	if (p->n)
		return 0;
	plot_free(p);
	return -ENODATA;
}

void plot_free(struct plot *p)
{
	free(p->point);
	p->point = NULL;
	p->n = 0;
}

static int write_png(const struct plot *p, const char *file, const char **why)
{
	FILE *out = popen("gnuplot", "we");
	int status;

	if (!out)
		return -errno;
	plot_gnuplot(p, file, out);
	status = pclose(out);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		*why = "gnuplot is missing; install it, or name a .html";
		return -ENOENT;
	}
	if (status) {
		*why = "gnuplot failed";
		return -EIO;
	}
	return 0;
}

static int write_html(const struct plot *p, const char *file)
{
	FILE *out = fopen(file, "we");
	int err = 0;

	if (!out)
		return -errno;
	plot_html(p, out);
	err = ferror(out) ? -EIO : 0;
	return fclose(out) || err ? -EIO : 0;
}

int plot_write(const char *file, const struct load_args *a, const struct result *r,
	       const char **why)
{
	const char *dot = strrchr(file, '.');
	struct plot p;
	int err = plot_make(&p, a, r);

	if (err) {
		*why = "nothing to be drawn";
		return err;
	}
	err = dot && !strcmp(dot, ".png") ? write_png(&p, file, why) : write_html(&p, file);
	plot_free(&p);
	return err;
}
