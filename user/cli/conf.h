/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file as a tree that knows where everything stands in it. The format is
 * YAML as libyaml reads it, without what a configuration has no use for: one document, and
 * no anchors, aliases or tags. Scalars are text: what they mean is for the setting to say,
 * so that `no` is not a boolean by surprise nor 010 an octal number.
 *
 *     conf_read() or conf_parse() ─► tree ─► conf_bad() by whoever reads it ─► conf_print()
 *
 * What is wrong is collected, the first CONF_DIAGS of it, each with line and column. A tree
 * with anything wrong is not used.
 */
#ifndef WEIR_CLI_CONF_H
#define WEIR_CLI_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#define CONF_DIAGS 20
#define CONF_DEPTH 8
#define CONF_BYTES (4 << 20)

enum conf_kind { CONF_TEXT, CONF_LIST, CONF_GROUP };

struct conf_at {
	unsigned line, column; /* from 1, in letters; 0: the file as a whole */
};

struct conf_node {
	enum conf_kind kind;
	struct conf_at at;
	char *text;		 /* CONF_TEXT */
	struct conf_node *first; /* CONF_LIST, CONF_GROUP */
	struct conf_node *next;	 /* its neighbour */
	char *key;		 /* in a group */
	struct conf_at key_at;
	bool used; /* of a member: somebody knew its key */
};

struct conf_diag {
	struct conf_at at;
	char msg[320];
};

struct conf {
	char *name; /* as it was given */
	char *text;
	size_t len;
	struct conf_node *root; /* a group; NULL when it could not be read */
	struct conf_diag diag[CONF_DIAGS];
	unsigned ndiags; /* all of them, also those that are not kept */
};

/*
 * 0; -EINVAL: what is wrong is in diag[]; -errno: the file cannot be read, of which diag[]
 * tells, too. In any case conf_free().
 */
int conf_read(struct conf *c, const char *path);
int conf_parse(struct conf *c, const char *name, const char *text, size_t len);
void conf_free(struct conf *c);

/* Notes what is wrong at a place. Returns -EINVAL. */
int conf_bad(struct conf *c, struct conf_at at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The member of this key, now used; NULL: there is none. */
struct conf_node *conf_get(struct conf_node *group, const char *key);
/* Notes every member that nobody used; `known` is asked for names, to mean one of them. */
void conf_unused(struct conf *c, const struct conf_node *group, const char *where,
		 const char *(*known)(const void *arg, unsigned i), const void *arg);

/* What is wrong, in the order of the file. */
void conf_sort(struct conf *c);
/* A line of it, not terminated; nothing behind the last. */
const char *conf_line(const struct conf *c, unsigned line, size_t *len);

/* FILE:LINE:COLUMN: message, and the line with a caret below. */
void conf_print(const struct conf *c, FILE *to);
/* The first that is wrong, on one line. */
void conf_first(const struct conf *c, char *buf, size_t len);
/* [{file, line, column, message}] */
json_t *conf_json(const struct conf *c);

#endif
