/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "cli/conf_run.h"

#define NAME_MAX_LEN 64

/* ---- values ---------------------------------------------------------------------- */

int conf_each(struct conf *c, struct conf_node *n, const char *what,
	      int (*fn)(struct conf *c, struct conf_node *text, void *arg), void *arg)
{
	struct conf_node *m = n->kind == CONF_LIST ? n->first : n;
	int rc = 0;

	for (; m && !rc; m = n->kind == CONF_LIST ? m->next : NULL) {
		if (m->kind == CONF_TEXT)
			rc = fn(c, m, arg);
		else
			rc = conf_bad(c, m->at, "%s: %s is wanted here, or a list of such", n->key,
				      what);
	}
	return rc;
}

static int one_call(struct conf *c, struct conf_node *text, void *arg)
{
	const struct arg *row = arg;
	char why[512];

	if (args_set(row, text->text, why, sizeof(why)))
		return conf_bad(c, text->at, "%s", why);
	return 0;
}

static void set_flag(struct conf *c, struct conf_node *n, const struct arg *row)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false",
									       "off"};

	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(n->text, yes[i]) || !strcmp(n->text, no[i])) {
			*(bool *)row->dest = !strcmp(n->text, yes[i]);
			return;
		}
	}
	conf_bad(c, n->at, "%s: '%s' is neither yes nor no", n->key, n->text);
}

void conf_set(struct conf *c, struct conf_node *n, const struct arg *row)
{
	char why[512];

	if (row->kind == ARG_CALL) {
		conf_each(c, n, "a value", one_call, (void *)row);
		return;
	}
	if (n->kind != CONF_TEXT)
		conf_bad(c, n->at, "%s: one value is wanted here", n->key);
	else if (row->kind == ARG_FLAG)
		set_flag(c, n, row);
	else if (args_set(row, n->text, why, sizeof(why)))
		conf_bad(c, n->at, "%s: %s", n->key, why);
}

/* ---- names ------------------------------------------------------------------------- */

/* The file has words where the command line has letters to save. */
static const struct {
	const char *key, *option;
} other_names[] = {{"interface", "iface"}};

static void swap(char *to, const char *name, char from, char into)
{
	size_t i;

	for (i = 0; i < NAME_MAX_LEN - 1 && name[i]; i++)
		to[i] = name[i] == from ? into : name[i];
	to[i] = '\0';
}

static const struct arg *row_of(const struct arg *table, const char *key)
{
	char name[NAME_MAX_LEN];

	for (unsigned i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++) {
		if (!strcmp(key, other_names[i].key))
			return args_find(table, other_names[i].option,
					 strlen(other_names[i].option));
	}
	/* One name for one thing: no dashes here. */
	if (strchr(key, '-') || strlen(key) >= NAME_MAX_LEN)
		return NULL;
	swap(name, key, '_', '-');
	return args_find(table, name, strlen(name));
}

static const char *nth_name(const void *arg, unsigned i)
{
	static char name[NAME_MAX_LEN];
	const struct arg *a = arg;

	for (; a->name; a++) {
		if (a->kind == ARG_HEADING || a->line_only || i--)
			continue;
		swap(name, a->name, '-', '_');
		for (unsigned k = 0; k < sizeof(other_names) / sizeof(other_names[0]); k++) {
			if (!strcmp(name, other_names[k].option))
				swap(name, other_names[k].key, '-', '_');
		}
		return name;
	}
	return i == 0 ? "services" : NULL;
}

struct conf_at conf_where(struct conf *c, const char *option)
{
	const struct conf_node *n;
	char key[NAME_MAX_LEN];

	swap(key, option, '-', '_');
	for (unsigned k = 0; k < sizeof(other_names) / sizeof(other_names[0]); k++) {
		if (!strcmp(option, other_names[k].option))
			swap(key, other_names[k].key, '-', '_');
	}
	n = c->root ? conf_get(c->root, key) : NULL;
	return n ? n->at : (struct conf_at){0};
}

int conf_run(struct conf *c, const struct arg *table, struct services *services,
	     struct policy *policy)
{
	struct conf_node *n, *list;

	for (n = c->root->first; n; n = n->next) {
		const struct arg *row = row_of(table, n->key);

		if (!row || row->line_only)
			continue;
		n->used = true;
		conf_set(c, n, row);
	}
	list = conf_get(c->root, "services");
	if (list)
		conf_services(c, list, table, services, policy);
	conf_unused(c, c->root, "", nth_name, table);
	conf_sort(c);
	return c->ndiags ? -EINVAL : 0;
}
