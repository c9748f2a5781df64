// SPDX-License-Identifier: BSD-2-Clause
/* Two panels of an SVG in an HTML page: latency on a logarithmic scale, success and rate. */
#include "plot.h"

#include <math.h>

#define WIDTH  900
#define LEFT   70
#define RIGHT  130
#define TOP_1  40
#define TOP_2  380
#define HEIGHT 270

static const char *const colours[] = {"#1b7837", "#2166ac", "#b2182b", "#762a83"};
static const char *const names[] = {"p50", "p90", "p99", "p99.9"};

static void escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if ((unsigned char)*s >= ' ')
			fputc(*s, out);
	}
}

static void text(FILE *out, double x, double y, const char *anchor, const char *s)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	escaped(out, s);
	fputs("</text>\n", out);
}

static double x_of(const struct plot *p, unsigned int i)
{
	double first = p->point[0].x, last = p->point[p->n - 1].x;
	double share = last > first ? (p->point[i].x - first) / (last - first) : 0.5;

	return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static void line(FILE *out, double y, const char *label)
{
	fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, y, WIDTH - RIGHT);
	text(out, LEFT - 8, y + 4, "end", label);
}

static void frame(const struct plot *p, FILE *out, int top, bool labels)
{
	unsigned int step = p->n > 12 ? (p->n + 11) / 12 : 1;
	char s[32];

	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, top,
		WIDTH - LEFT - RIGHT, HEIGHT);
	for (unsigned int i = 0; labels && i < p->n; i += step) {
		snprintf(s, sizeof(s), "%.3g", p->point[i].x);
		text(out, x_of(p, i), top + HEIGHT + 18, "middle",
		     p->point[i].label[0] ? p->point[i].label : s);
	}
}

static void curve(FILE *out, const char *colour, const char *name, int top, int row)
{
	fprintf(out, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">", WIDTH - RIGHT + 12,
		top + 16 + 20 * row, colour);
	escaped(out, name);
	fputs("</text>\n", out);
}

static void latency(const struct plot *p, FILE *out)
{
	double low = 1e300, high = 0, y;
	char s[32];

	for (unsigned int i = 0; i < p->n; i++)
		for (int q = 0; q < 4; q++)
			if (p->point[i].us[q] > 0) {
				low = fmin(low, p->point[i].us[q]);
				high = fmax(high, p->point[i].us[q]);
			}
	low = high > 0 ? floor(log10(low)) : 0;
	high = high > 0 ? fmax(ceil(log10(high)), low + 1) : 1;
	frame(p, out, TOP_1, false);
	for (double e = low; e <= high; e++) {
		snprintf(s, sizeof(s), "%g us", pow(10, e));
		line(out, TOP_1 + HEIGHT * (high - e) / (high - low), s);
	}
	for (int q = 0; q < 4; q++) {
		bool pen = false;

		fprintf(out, "<path class=\"curve\" stroke=\"%s\" d=\"", colours[q]);
		for (unsigned int i = 0; i < p->n; i++) {
			if (p->point[i].us[q] <= 0) {
				pen = false;
				continue;
			}
			y = TOP_1 + HEIGHT * (high - log10(p->point[i].us[q])) / (high - low);
			fprintf(out, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(p, i), y);
			pen = true;
		}
		curve(out, colours[q], names[q], TOP_1, q);
	}
}

static void success(const struct plot *p, FILE *out)
{
	double most = 1, v;
	char s[48];

	for (unsigned int i = 0; i < p->n; i++)
		most = fmax(most, p->point[i].rate);
	frame(p, out, TOP_2, true);
	for (int i = 0; i <= 100; i += 25) {
		snprintf(s, sizeof(s), "%d %%", i);
		line(out, TOP_2 + HEIGHT * (100 - i) / 100.0, s);
	}
	for (int which = 0; which < 2; which++) {
		fprintf(out, "<path class=\"curve\" stroke=\"%s\" d=\"", colours[which]);
		for (unsigned int i = 0; i < p->n; i++) {
			v = which ? p->point[i].rate / most : p->point[i].success;
			fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(p, i),
				TOP_2 + HEIGHT * (1 - v));
		}
		snprintf(s, sizeof(s), "rate, of %.0f/s", most);
		curve(out, colours[which], which ? s : "success", TOP_2, which);
	}
	text(out, (LEFT + WIDTH - RIGHT) / 2.0, TOP_2 + HEIGHT + 40, "middle", p->x_title);
}

void plot_html(const struct plot *p, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", out);
	escaped(out, p->title);
	fprintf(out,
		"</title>\n<style>svg{font:13px sans-serif;background:#fff}"
		"rect{fill:none;stroke:#444}"
		".grid{stroke:#ddd}.curve{fill:none;stroke-width:2}</style></head><body>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n",
		WIDTH, TOP_2 + HEIGHT + 60);
	text(out, LEFT, 24, "start", p->title);
	latency(p, out);
	success(p, out);
	fputs("</svg>\n</body></html>\n", out);
}
