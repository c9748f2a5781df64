/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "cli/args.h"
#include "cli/complete.h"

struct completion {
	char **words; /* after the subcommand's name */
	int n;
	const char *typed; /* what candidates begin with */
	FILE *f;
	bool looking; /* nothing is offered yet */
	bool group;   /* the subcommand has subcommands, */
	bool deeper;  /* and words[0] is one of them */
};

/* ---- candidates ------------------------------------------------------------------------- */

/* `before` is what the shell takes for part of the word: "--mode=". */
static void offer(const struct completion *c, const char *before, const char *word, size_t len,
		  const char *help)
{
	size_t typed = strlen(c->typed);

	if (c->looking || typed > len || strncmp(word, c->typed, typed))
		return;
	fprintf(c->f, "%s%.*s", before, (int)len, word);
	if (help)
		fprintf(c->f, "\t%.*s", (int)strcspn(help, "\n"), help);
	fputc('\n', c->f);
}

static void offer_interfaces(const struct completion *c, const char *before)
{
	struct if_nameindex *all = if_nameindex(), *i;

	if (!all)
		return;
	for (i = all; i->if_index; i++)
		offer(c, before, i->if_name, strlen(i->if_name), "interface");
	if_freenameindex(all);
}

/* What a usage or a table calls a value, as FILE, says what it is. */
static void offer_kind(const struct completion *c, const char *before, const char *kind, size_t len)
{
	static const char *const files[] = {"FILE", "PATH", "DIR"};

	if (len == 5 && !memcmp(kind, "IFACE", 5))
		offer_interfaces(c, before);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!c->looking && len == strlen(files[i]) && !memcmp(kind, files[i], len))
			fputs(COMPLETE_FILES "\n", c->f);
	}
}

static void offer_values(struct completion *c, const struct arg *a, const char *before)
{
	if (a->kind == ARG_CHOICE) {
		for (unsigned i = 0; a->choices[i]; i++)
			offer(c, before, a->choices[i], strlen(a->choices[i]), NULL);
	} else if (a->value) {
		offer_kind(c, before, a->value, strlen(a->value));
	}
}

static void offer_options(struct completion *c, const struct arg *table)
{
	char word[64];

	for (const struct arg *a = table; a->name; a++) {
		if (a->kind == ARG_HEADING)
			continue;
		snprintf(word, sizeof(word), "--%s", a->name);
		offer(c, "", word, strlen(word), a->help);
	}
	offer(c, "", "--help", 6, "what it does, and its options");
}

/* ---- words that are no options, from the usage ------------------------------------------- */

/* Behind "weir NAME" of a line of the usage; NULL: it is no such line. */
static const char *synopsis(const char *line, const char **name)
{
	const char *at = line;

	if (!strncmp(at, "usage: ", 7) || !strncmp(at, "       ", 7))
		at += 7;
	if (at == line || strncmp(at, "weir ", 5))
		return NULL;
	*name = at + 5;
	return *name + strcspn(*name, " \n");
}

/* What of a token remains without the brackets around it. */
static const char *bare(const char *token, size_t *len)
{
	while (*len && strchr("[(", *token)) {
		token++;
		--*len;
	}
	while (*len && strchr("])", token[*len - 1]))
		--*len;
	return token;
}

static bool is_literal(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!islower((unsigned char)word[i]) && word[i] != '-')
			return false;
	}
	return len > 0 && word[0] != '-';
}

/* One of "always|auto|never", "test", "IFACE". */
static void offer_token(struct completion *c, const char *token, size_t len)
{
	token = bare(token, &len);
	while (len) {
		const char *bar = memchr(token, '|', len);
		size_t one = bar ? (size_t)(bar - token) : len;

		if (is_literal(token, one)) {
			c->deeper |= c->group && c->n > 1 && strlen(c->words[0]) == one &&
				     !memcmp(c->words[0], token, one);
			offer(c, "", token, one, NULL);
		} else {
			offer_kind(c, "", token, one);
		}
		if (!bar)
			return;
		token += one + 1;
		len -= one + 1;
	}
}

/* To the end of the line, or to where an explanation begins. Options and their values are not
 * words: "-i IFACE", "[--ctl PATH]". */
static void offer_line(struct completion *c, const char *at)
{
	bool value = false;

	while (*at == ' ' && at[1] != ' ') {
		const char *token = ++at, *inner;
		size_t len = strcspn(token, " \n"), rest = len;

		at += len;
		inner = bare(token, &rest);
		if (rest && *inner == '-')
			value = token[len - 1] != ']';
		else if (value || *inner == '|')
			value = *inner == '|';
		else
			offer_token(c, token, len);
		if (c->group)
			return;
	}
}

static void offer_words(struct completion *c, const char *usage)
{
	const char *name, *at;

	while (*usage && *usage != '\n') {
		at = synopsis(usage, &name);
		/* "weir key new FILE" is of key new, once that is typed. */
		if (at && c->deeper && !c->looking)
			at += *at == ' ' ? 1 + strcspn(at + 1, " \n") : 0;
		if (at)
			offer_line(c, at);
		usage += strcspn(usage, "\n");
		usage += *usage == '\n';
	}
}

/* ---- what is being typed ------------------------------------------------------------------ */

/* The option whose value is the last word: bash gives "--mode=a" as three words. */
static const struct arg *awaited(const struct completion *c, const struct arg *table)
{
	const char *value, *prev = c->n > 1 ? c->words[c->n - 2] : "";
	const struct arg *a;

	if (!strcmp(c->words[c->n - 1], "=") || (!strcmp(prev, "=") && c->n < 3))
		return *prev == '-' ? args_word(table, prev, &value) : NULL;
	if (!strcmp(prev, "="))
		prev = c->words[c->n - 3];
	if (*prev != '-' || !prev[1])
		return NULL;
	a = args_word(table, prev, &value);
	return a && a->kind != ARG_FLAG && !value ? a : NULL;
}

/* "--mode=a", which other shells than bash leave in one piece. */
static void offer_assigned(struct completion *c, const struct arg *table, const char *last)
{
	const char *value;
	const struct arg *a = args_word(table, last, &value);
	char before[64];

	if (!a)
		return;
	snprintf(before, sizeof(before), "--%s=", a->name);
	c->typed = value;
	offer_values(c, a, before);
}

static void look(const struct arg *table, const char *usage, void *arg)
{
	struct completion *c = arg;
	const char *last = c->words[c->n - 1];
	const struct arg *a;

	c->group = !table->name && !c->deeper;
	if (c->looking) {
		offer_words(c, usage);
		return;
	}
	a = awaited(c, table);
	c->typed = strcmp(last, "=") || !a ? last : "";
	if (a) {
		offer_values(c, a, "");
		return;
	}
	if (!strncmp(last, "--", 2) && strchr(last, '=')) {
		offer_assigned(c, table, last);
		return;
	}
	if (*last != '-')
		offer_words(c, usage);
	if (*last == '-' || !*last)
		offer_options(c, table);
}

/* The subcommand says what it takes: it is called for its help. */
static void ask(const struct cmd *cmd, struct completion *c)
{
	char name[64], help[] = "--help", deeper[64];
	char *argv[] = {name, help, NULL, NULL};

	snprintf(name, sizeof(name), "%s", cmd->name);
	if (c->deeper) {
		snprintf(deeper, sizeof(deeper), "%s", c->words[0]);
		argv[1] = deeper;
		argv[2] = help;
	}
	args_show(look, c);
	cmd->run(c->deeper ? 3 : 2, argv);
	args_show(NULL, NULL);
}

static void offer_commands(const struct cmd *table, const char *typed, FILE *f)
{
	const struct completion c = {.typed = typed, .f = f};

	for (; table->name; table++)
		offer(&c, "", table->name, strlen(table->name), table->help);
	if (*typed == '-') {
		offer(&c, "", "--help", 6, "the commands");
		offer(&c, "", "--version", 9, "print the version");
	}
}

void complete(const struct cmd *table, char **words, int n, FILE *f)
{
	struct completion c = {.words = words + 1, .n = n - 1, .typed = "", .f = f};

	if (n < 2) {
		offer_commands(table, n ? words[0] : "", f);
		return;
	}
	while (table->name && strcmp(table->name, words[0]))
		table++;
	if (!table->name)
		return;
	c.looking = true;
	ask(table, &c);
	c.looking = false;
	ask(table, &c);
}
