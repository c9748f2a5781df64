/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Success and latency, as a picture: over the phases where there are several, else over
 * the time of the run. FILE.png is made by gnuplot, FILE.html holds an SVG and needs
 * nothing.
 */
#ifndef LOAD_PLOT_H
#define LOAD_PLOT_H

#include <stdio.h>

#include "args.h"
#include "result.h"

struct plot_point {
	double x;
	char label[32]; /* over the phases: what stands below; else empty */
	double success; /* 0 to 1 */
	double rate;
	double us[4]; /* p50, p90, p99, p99.9; 0: none */
};

struct plot {
	const char *title, *x_title;
	struct plot_point *point;
	unsigned int n;
};

/* 0, -ENODATA where there is nothing to be seen, or -ENOMEM. Free with plot_free(). */
int plot_make(struct plot *p, const struct load_args *a, const struct result *r);
void plot_free(struct plot *p);
void plot_html(const struct plot *p, FILE *out);
/* The data and the commands as gnuplot reads them; `file` is the picture. */
void plot_gnuplot(const struct plot *p, const char *file, FILE *out);

/* All of it, by the file's extension. `why` as elsewhere. */
int plot_write(const char *file, const struct load_args *a, const struct result *r,
	       const char **why);

#endif
