/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command lines by table: one entry per option, from which both the parser and
 * --help come. `--name value`, `--name=value` and `-n value` are the same.
 */
#ifndef WEIR_CLI_ARGS_H
#define WEIR_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arg_kind {
	ARG_HEADING, /* help only */
	ARG_FLAG,    /* bool *dest */
	ARG_STRING,  /* const char **dest */
	ARG_NUMBER,  /* uint64_t *dest, min..max */
	ARG_TIME_MS, /* uint64_t *dest in ms, min..max: 500, 500ms, 30s, 10m */
	ARG_CHOICE,  /* unsigned *dest: index into choices */
	ARG_CALL,    /* call(value, dest, why); may be given more than once */
};

struct arg {
	enum arg_kind kind;
	const char *name;  /* without the dashes; a heading's text; NULL ends the table */
	char letter;	   /* 0: none */
	const char *value; /* what --help calls the value */
	const char *help;  /* lines separated by \n */
	void *dest;
	uint64_t min, max;
	const char *const *choices;
	/* 0, or a negative value and why, without the option's name. */
	int (*call)(const char *value, void *dest, char *why, size_t len);
	bool live;	/* in a running process, too (weir reload) */
	bool line_only; /* not in the configuration file */
};

#define ARGS_HELP 1 /* --help was asked for and printed */

/*
 * Instead of parsing: while somebody looks, args_parse() shows him its table and usage and
 * returns ARGS_HELP. It is how completion knows the options of every subcommand. NULL: no more.
 */
typedef void (*args_look_fn)(const struct arg *table, const char *usage, void *arg);
void args_show(args_look_fn fn, void *arg);

/* The option that a word such as -n, --name or --name=value is; *value is NULL without one. */
const struct arg *args_word(const struct arg *table, const char *word, const char **value);

/* The option of this name, which need not be terminated; NULL: there is none. */
const struct arg *args_find(const struct arg *table, const char *name, size_t len);

/* What a value means, into dest. 0, or -EINVAL and why. */
int args_set(const struct arg *a, const char *value, char *why, size_t len);

/* args_parse() of what was parsed before: no words, and nothing is printed. 0, or -EINVAL and why.
 */
int args_again(int argc, char **argv, const struct arg *table, char *why, size_t len);
/* The value that a command line gives to an option, the last one; NULL: none. */
const char *args_look(int argc, char **argv, const struct arg *table, const char *name);

/*
 * 0, ARGS_HELP, or -EINVAL after one line on stderr. `usage` opens the help.
 * Words that are no options are refused unless npos is given: then argv is
 * rearranged, argv[1..*npos] being those words.
 */
int args_parse(int argc, char **argv, const struct arg *table, const char *usage, int *npos);

/* The only word, `what` by its name; NULL when there is none to go on with: *status then. */
const char *args_one(int argc, char **argv, const struct arg *table, const char *usage,
		     const char *what, int *status);

#endif
