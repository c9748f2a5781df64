/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a configuration file, and where. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conf.h"

#define LINE_SHOWN  100
#define NAME_LENGTH 32 /* of names that are compared */

int conf_bad(struct conf *c, struct conf_at at, const char *fmt, ...)
{
	struct conf_diag *d;
	va_list ap;
	int n;

	if (c->ndiags++ >= CONF_DIAGS)
		return -EINVAL;
	d = &c->diag[c->ndiags - 1];
	d->at = at;
	va_start(ap, fmt);
	n = vsnprintf(d->msg, sizeof(d->msg), fmt, ap);
	va_end(ap);
	/* Not half a letter at the end. */
	for (size_t end = strlen(d->msg);
	     (size_t)n >= sizeof(d->msg) && end && d->msg[end - 1] & 0x80;)
		d->msg[--end] = '\0';
	/* It quotes what was written, and stays one line for all that. */
	for (char *p = d->msg; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return -EINVAL;
}

/* ---- what was meant -------------------------------------------------------------- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Letters to be changed, added or left out (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_LENGTH + 1], n = (unsigned)strlen(b), i, j;

	if (strlen(a) > NAME_LENGTH || n > NAME_LENGTH)
		return NAME_LENGTH;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= n; j++) {
			unsigned same = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(row[j] + 1, row[j - 1] + 1, same);
		}
	}
	return row[n];
}

/* The closest of the known names, "" if none is close. */
static void meant(char *closest, size_t len, const char *key,
		  const char *(*known)(const void *arg, unsigned i), const void *arg)
{
	unsigned best = (unsigned)strlen(key) / 3 + 2, d;
	const char *name;

	closest[0] = '\0';
	for (unsigned i = 0; (name = known(arg, i)); i++) {
		d = distance(key, name);
		if (d < best) {
			best = d;
			snprintf(closest, len, "%s", name);
		}
	}
}

void conf_unused(struct conf *c, const struct conf_node *group, const char *where,
		 const char *(*known)(const void *arg, unsigned i), const void *arg)
{
	const struct conf_node *n;

	for (n = group->first; n; n = n->next) {
		char name[NAME_LENGTH + 1];

		if (n->used)
			continue;
		meant(name, sizeof(name), n->key, known, arg);
		if (name[0])
			conf_bad(c, n->key_at, "%s: no such setting%s: is %s meant?", n->key, where,
				 name);
		else
			conf_bad(c, n->key_at, "%s: no such setting%s", n->key, where);
	}
}

/* ---- in order ----------------------------------------------------------------------- */

static int by_place(const void *x, const void *y)
{
	const struct conf_at *a = &((const struct conf_diag *)x)->at;
	const struct conf_at *b = &((const struct conf_diag *)y)->at;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

void conf_sort(struct conf *c)
{
	qsort(c->diag, c->ndiags < CONF_DIAGS ? c->ndiags : CONF_DIAGS, sizeof(c->diag[0]),
	      by_place);
}

/* ---- shown ------------------------------------------------------------------------- */

const char *conf_line(const struct conf *c, unsigned line, size_t *len)
{
	const char *s = c->text, *end = s + c->len, *nl;

	*len = 0;
	for (; line > 1; line--) {
		nl = memchr(s, '\n', (size_t)(end - s));
		if (!nl)
			return end;
		s = nl + 1;
	}
	nl = memchr(s, '\n', (size_t)(end - s));
	*len = (size_t)((nl ? nl : end) - s);
	return s;
}

static bool begins_letter(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

/* The caret stands below its letter, whatever bytes that has; tabs stay tabs. */
static void print_line(const struct conf *c, struct conf_at at, FILE *to)
{
	unsigned from = at.column > LINE_SHOWN ? at.column - LINE_SHOWN / 2 : 1, column = 0;
	size_t len, i;
	const char *s = conf_line(c, at.line, &len);
	char below[LINE_SHOWN + 2];
	unsigned n = 0;

	fputs("    ", to);
	for (i = 0; i < len; i++) {
		column += begins_letter(s[i]);
		if (column < from || column >= from + LINE_SHOWN)
			continue;
		fputc(((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f ? '?' : s[i], to);
		if (begins_letter(s[i]) && column < at.column)
			below[n++] = s[i] == '\t' ? '\t' : ' ';
	}
	/* Behind the end of the line. */
	for (; column + 1 < at.column && n < LINE_SHOWN; column++)
		below[n++] = ' ';
	fprintf(to, "\n    %.*s^\n", (int)n, below);
}

static void print_place(const struct conf *c, const struct conf_diag *d, char *buf, size_t len)
{
	if (d->at.line)
		snprintf(buf, len, "%s:%u:%u: %s", c->name, d->at.line, d->at.column, d->msg);
	else
		snprintf(buf, len, "%s: %s", c->name ? c->name : "", d->msg);
}

void conf_print(const struct conf *c, FILE *to)
{
	char line[1024];

	for (unsigned i = 0; i < c->ndiags && i < CONF_DIAGS; i++) {
		print_place(c, &c->diag[i], line, sizeof(line));
		fprintf(to, "%s\n", line);
		if (c->diag[i].at.line && c->text)
			print_line(c, c->diag[i].at, to);
	}
	if (c->ndiags > CONF_DIAGS)
		fprintf(to, "%s: and %u more\n", c->name, c->ndiags - CONF_DIAGS);
}

void conf_first(const struct conf *c, char *buf, size_t len)
{
	if (c->ndiags)
		print_place(c, &c->diag[0], buf, len);
	else
		snprintf(buf, len, "%s", "");
}

json_t *conf_json(const struct conf *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < c->ndiags && i < CONF_DIAGS; i++)
		json_array_append_new(
			list, json_pack("{s:s,s:i,s:i,s:s}", "file", c->name ? c->name : "", "line",
					(int)c->diag[i].at.line, "column",
					(int)c->diag[i].at.column, "message", c->diag[i].msg));
	return list;
}
