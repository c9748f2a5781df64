/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/why.h>
#include "cli/args.h"

#define HELP_COLUMN 28

/* ---- help ------------------------------------------------------------------- */

static void print_option(const struct arg *a)
{
	const char *line = a->help;
	char left[64];
	int used;

	used = snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", a->letter ? '-' : ' ',
			a->letter ? a->letter : ' ', a->letter ? ',' : ' ', a->name,
			a->value ? " " : "", a->value ? a->value : "");
	printf("%s", left);
	if (used >= HELP_COLUMN - 1) {
		putchar('\n');
		used = 0;
	}
	for (;;) {
		int len = (int)strcspn(line, "\n");

		printf("%*s%.*s\n", HELP_COLUMN - used, "", len, line);
		if (!line[len])
			return;
		line += len + 1;
		used = 0;
	}
}

static void print_help(const struct arg *table, const char *usage)
{
	const struct arg *a;

	printf("%s", usage);
	for (a = table; a->name; a++) {
		if (a->kind == ARG_HEADING)
			printf("\n%s\n", a->name);
		else
			print_option(a);
	}
	printf("  -h, --help%*sthis text\n", HELP_COLUMN - 12, "");
}

/* ---- values ----------------------------------------------------------------- */

static int parse_number(const char *s, const char **rest, uint64_t *v)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*v = strtoull(s, &end, 10);
	*rest = end;
	return errno ? -ERANGE : 0;
}

static int set_number(const struct arg *a, const char *s, const struct why *w)
{
	uint64_t v, unit = 1;
	const char *rest;

	if (parse_number(s, &rest, &v))
		return why_not(w, "'%s' is not a number", s);
	if (a->kind == ARG_TIME_MS && *rest) {
		unit = !strcmp(rest, "ms")  ? 1
		       : !strcmp(rest, "s") ? 1000
		       : !strcmp(rest, "m") ? 60000
					    : 0;
		if (!unit)
			return why_not(w, "'%s' is not a time, as 500ms, 30s or 10m", s);
	} else if (*rest) {
		return why_not(w, "'%s' is not a number", s);
	}
	if (v > UINT64_MAX / unit || v * unit < a->min || v * unit > a->max)
		return why_not(w, "%s is not from %" PRIu64 " to %" PRIu64 "%s", s, a->min, a->max,
			       a->kind == ARG_TIME_MS ? " ms" : "");
	*(uint64_t *)a->dest = v * unit;
	return 0;
}

static int set_choice(const struct arg *a, const char *s, const struct why *w)
{
	size_t used;
	unsigned i;

	for (i = 0; a->choices[i]; i++) {
		if (!strcmp(a->choices[i], s)) {
			*(unsigned *)a->dest = i;
			return 0;
		}
	}
	why_not(w, "'%s' is none of", s);
	for (i = 0; a->choices[i]; i++) {
		used = strlen(w->buf);
		snprintf(w->buf + used, w->len - used, " %s", a->choices[i]);
	}
	return -EINVAL;
}

int args_set(const struct arg *a, const char *s, char *why, size_t len)
{
	const struct why w = {why, len};

	switch (a->kind) {
	case ARG_FLAG:
		*(bool *)a->dest = true;
		return 0;
	case ARG_STRING:
		if (!*s)
			return why_not(&w, "needs a value");
		*(const char **)a->dest = s;
		return 0;
	case ARG_NUMBER:
	case ARG_TIME_MS:
		return set_number(a, s, &w);
	case ARG_CHOICE:
		return set_choice(a, s, &w);
	case ARG_CALL:
		return a->call(s, a->dest, why, len) ? -EINVAL : 0;
	case ARG_HEADING:
		break;
	}
	return why_not(&w, "is no option");
}

/* ---- the walk --------------------------------------------------------------- */

const struct arg *args_find(const struct arg *table, const char *name, size_t len)
{
	const struct arg *a;

	for (a = table; a->name; a++) {
		if (a->kind != ARG_HEADING && strlen(a->name) == len && !memcmp(a->name, name, len))
			return a;
	}
	return NULL;
}

const struct arg *args_word(const struct arg *table, const char *word, const char **value)
{
	const struct arg *a;
	size_t len;

	*value = NULL;
	if (word[1] == '-') {
		word += 2;
		len = strcspn(word, "=");
		if (word[len])
			*value = word + len + 1;
		return args_find(table, word, len);
	}
	for (a = table; a->name; a++) {
		if (a->letter && a->letter == word[1]) {
			if (word[2])
				*value = word + 2;
			return a;
		}
	}
	return NULL;
}

static int set_value(const struct arg *a, const char *value, const struct why *w)
{
	char why[512];

	return args_set(a, value, why, sizeof(why)) ? why_not(w, "--%s: %s", a->name, why) : 0;
}

static int parse_option(int argc, char **argv, int *i, const struct arg *table, const struct why *w)
{
	const char *cmd = argv[0], *word = argv[*i], *value;
	const struct arg *a = args_word(table, word, &value);

	if (!a)
		return why_not(w, "unknown option %s; see weir %s --help", word, cmd);
	if (a->kind == ARG_FLAG && value)
		return why_not(w, "--%s: takes no value ('%s')", a->name, value);
	if (a->kind != ARG_FLAG && !value) {
		if (*i + 1 >= argc)
			return why_not(w, "--%s: needs a value: %s", a->name, a->value);
		value = argv[++*i];
	}
	return set_value(a, value, w);
}

static struct {
	args_look_fn fn;
	void *arg;
} shown;

void args_show(args_look_fn fn, void *arg)
{
	shown.fn = fn;
	shown.arg = arg;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

int args_again(int argc, char **argv, const struct arg *table, char *why, size_t len)
{
	const struct why w = {why, len};

	for (int i = 1; i < argc; i++) {
		if (is_option(argv[i]) && parse_option(argc, argv, &i, table, &w))
			return -EINVAL;
	}
	return 0;
}

const char *args_look(int argc, char **argv, const struct arg *table, const char *name)
{
	const char *found = NULL, *value;

	for (int i = 1; i < argc; i++) {
		const struct arg *a = is_option(argv[i]) ? args_word(table, argv[i], &value) : NULL;

		if (!a || a->kind == ARG_FLAG)
			continue;
		if (!value && ++i < argc)
			value = argv[i];
		if (value && !strcmp(a->name, name))
			found = value;
	}
	return found;
}

int args_parse(int argc, char **argv, const struct arg *table, const char *usage, int *npos)
{
	int i, words = 0;
	char why[600];

	if (shown.fn) {
		shown.fn(table, usage, shown.arg);
		return ARGS_HELP;
	}
	for (i = 1; i < argc; i++) {
		const char *w = argv[i];

		if (!strcmp(w, "--help") || !strcmp(w, "-h")) {
			print_help(table, usage);
			return ARGS_HELP;
		}
		if (is_option(w)) {
			if (parse_option(argc, argv, &i, table, &(struct why){why, sizeof(why)})) {
				fprintf(stderr, "weir %s: %s\n", argv[0], why);
				return -EINVAL;
			}
		} else if (npos) {
			argv[1 + words++] = argv[i];
		} else {
			fprintf(stderr, "weir %s: unexpected word '%s'; see weir %s --help\n",
				argv[0], w, argv[0]);
			return -EINVAL;
		}
	}
	if (npos)
		*npos = words;
	return 0;
}

const char *args_one(int argc, char **argv, const struct arg *table, const char *usage,
		     const char *what, int *status)
{
	int words, rc = args_parse(argc, argv, table, usage, &words);

	*status = rc == ARGS_HELP ? 0 : 2;
	if (rc)
		return NULL;
	if (words == 1)
		return argv[1];
	fprintf(stderr, "weir %s: one %s is wanted; see weir %s --help\n", argv[0], what, argv[0]);
	return NULL;
}
