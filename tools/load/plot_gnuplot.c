// SPDX-License-Identifier: BSD-2-Clause
#include "plot.h"

/* Between single quotes gnuplot knows nothing special but the quote, doubled. */
static void quoted(FILE *out, const char *s)
{
	fputc('\'', out);
	for (; *s; s++) {
		if (*s == '\'')
			fputc('\'', out);
		if ((unsigned char)*s >= ' ')
			fputc(*s, out);
	}
	fputc('\'', out);
}

static void data(const struct plot *p, FILE *out)
{
	fputs("$points << END\n", out);
	for (unsigned int i = 0; i < p->n; i++) {
		const struct plot_point *t = &p->point[i];

		fprintf(out, "%g %g %g", t->x, 100 * t->success, t->rate);
		for (int q = 0; q < 4; q++)
			if (t->us[q] > 0)
				fprintf(out, " %g", t->us[q]);
			else
				fputs(" NaN", out);
		fputc('\n', out);
	}
	fputs("END\n", out);
}

static void labels(const struct plot *p, FILE *out)
{
	if (!p->point[0].label[0])
		return;
	fputs("set xtics (", out);
	for (unsigned int i = 0; i < p->n; i++) {
		fputs(i ? ", " : "", out);
		quoted(out, p->point[i].label);
		fprintf(out, " %g", p->point[i].x);
	}
	fputs(") noenhanced\n", out);
}

void plot_gnuplot(const struct plot *p, const char *file, FILE *out)
{
	static const char *const names[] = {"p50", "p90", "p99", "p99.9"};

	data(p, out);
	fputs("set terminal pngcairo size 900,700\nset output ", out);
	quoted(out, file);
	fputs("\nset multiplot layout 2,1\nset grid\nset key outside right top\n"
	      "set title ",
	      out);
	quoted(out, p->title);
	fputc('\n', out);
	labels(p, out);
	fputs("set logscale y\nset ylabel 'latency, us'\nplot ", out);
	for (int q = 0; q < 4; q++)
		fprintf(out, "%s$points using 1:%d with linespoints title '%s'", q ? ", " : "",
			4 + q, names[q]);
	fputs("\nunset logscale y\nunset title\nset ylabel 'success, %'\nset yrange [0:105]\n"
	      "set y2label 'per second'\nset y2tics\nset ytics nomirror\nset y2range [0:*]\n"
	      "set xlabel ",
	      out);
	quoted(out, p->x_title);
	fputs("\nplot $points using 1:2 with linespoints title 'success', "
	      "$points using 1:3 axes x1y2 with linespoints title 'rate'\nunset multiplot\n",
	      out);
}
