/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "cli/conf.h"

struct reader {
	struct conf *c;
	yaml_parser_t yaml;
	yaml_event_t event;
	unsigned depth;
};

static struct conf_at place(const yaml_mark_t *m)
{
	return (struct conf_at){(unsigned)m->line + 1, (unsigned)m->column + 1};
}

/* ---- what libyaml says ---------------------------------------------------------- */

/* `*:80` and `[fd00::2]:80` are something else in YAML, which an operator need not know. */
static const char *hint(const struct conf *c, struct conf_at at)
{
	size_t len;
	const char *s = conf_line(c, at.line, &len), *end = s + len;

	for (; s < end && *s != '#'; s++) {
		if (*s == '"' || *s == '\'')
			return "";
		if (*s == '\t')
			return " (indent with blanks, not with tabs)";
		if (*s == '*' || (*s == ']' && s + 1 < end && s[1] == ':'))
			return " (addresses that begin with * or [ need quotes: \"*:80\", "
			       "\"[fd00::2]:80\")";
	}
	return "";
}

static int syntax_error(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	struct conf_at at = place(&y->problem_mark), from = place(&y->context_mark);
	const char *what = y->problem ? y->problem : "this cannot be read";

	if (y->error == YAML_MEMORY_ERROR)
		return conf_bad(r->c, (struct conf_at){0}, "out of memory");
	if (y->error == YAML_READER_ERROR) {
		size_t off = y->problem_offset < r->c->len ? y->problem_offset : r->c->len;
		size_t bol = off;

		at = (struct conf_at){1, 1};
		for (size_t i = 0; i < off; i++)
			at.line += r->c->text[i] == '\n';
		while (bol && r->c->text[bol - 1] != '\n')
			bol--;
		at.column = (unsigned)(off - bol) + 1;
		return conf_bad(r->c, at, "%s", what);
	}
	if (y->context && (from.line != at.line || from.column != at.column))
		return conf_bad(r->c, at, "%s, %s that begins at line %u, column %u%s", what,
				y->context, from.line, from.column, hint(r->c, at));
	return conf_bad(r->c, at, "%s%s", what, hint(r->c, at));
}

static int next(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->yaml, &r->event))
		return 0;
	memset(&r->event, 0, sizeof(r->event));
	return syntax_error(r);
}

/* ---- the tree ---------------------------------------------------------------------- */

static void node_free(struct conf_node *n)
{
	struct conf_node *m;

	if (!n)
		return;
	while ((m = n->first)) {
		n->first = m->next;
		node_free(m);
	}
	free(n->text);
	free(n->key);
	free(n);
}

static struct conf_node *out_of_memory(struct reader *r)
{
	conf_bad(r->c, (struct conf_at){0}, "out of memory");
	return NULL;
}

/* Neither anchors nor tags: of scalars, lists and groups alike. */
static int plain_only(struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct conf_at at = place(&r->event.start_mark);

	if (anchor)
		return conf_bad(r->c, at, "anchors (&%s) are not used here", (const char *)anchor);
	if (tag)
		return conf_bad(r->c, at, "tags (%s) are not used here", (const char *)tag);
	return 0;
}

static struct conf_node *read_node(struct reader *r);

static struct conf_node *read_text(struct reader *r, struct conf_node *n)
{
	const char *s = (const char *)r->event.data.scalar.value;
	size_t len = r->event.data.scalar.length;

	if (plain_only(r, r->event.data.scalar.anchor, r->event.data.scalar.tag))
		return NULL;
	if (memchr(s, '\0', len)) {
		conf_bad(r->c, n->at, "a zero byte");
		return NULL;
	}
	n->kind = CONF_TEXT;
	n->text = strdup(s);
	return n->text ? n : out_of_memory(r);
}

static struct conf_node *read_list(struct reader *r, struct conf_node *n)
{
	struct conf_node **tail = &n->first;

	n->kind = CONF_LIST;
	if (plain_only(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag))
		return NULL;
	for (;;) {
		if (next(r))
			return NULL;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return n;
		*tail = read_node(r);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
	}
}

/* The tree is known to `n` at any time, so that whoever fails leaves nothing behind. */
static int read_member(struct reader *r, struct conf_node *group, struct conf_node **tail)
{
	struct conf_at at = place(&r->event.start_mark);
	struct conf_node *m;
	char *key;

	if (r->event.type != YAML_SCALAR_EVENT)
		return conf_bad(r->c, at, "a name of a setting is wanted here");
	for (m = group->first; m; m = m->next) {
		if (!strcmp(m->key, (const char *)r->event.data.scalar.value))
			return conf_bad(r->c, at, "%s was set before, at line %u, column %u",
					m->key, m->key_at.line, m->key_at.column);
	}
	key = strdup((const char *)r->event.data.scalar.value);
	if (!key || next(r) || !(m = read_node(r))) {
		if (!key)
			out_of_memory(r);
		free(key);
		return -EINVAL;
	}
	m->key = key;
	m->key_at = at;
	*tail = m;
	return 0;
}

static struct conf_node *read_group(struct reader *r, struct conf_node *n)
{
	struct conf_node **tail = &n->first;

	n->kind = CONF_GROUP;
	if (plain_only(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag))
		return NULL;
	for (;;) {
		if (next(r))
			return NULL;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return n;
		if (read_member(r, n, tail))
			return NULL;
		tail = &(*tail)->next;
	}
}

static struct conf_node *read_kind(struct reader *r, struct conf_node *n)
{
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_text(r, n);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, n);
	case YAML_MAPPING_START_EVENT:
		return read_group(r, n);
	case YAML_ALIAS_EVENT:
		conf_bad(r->c, n->at, "aliases (*%s) are not used here%s",
			 (const char *)r->event.data.alias.anchor, hint(r->c, n->at));
		return NULL;
	default:
		conf_bad(r->c, n->at, "a value is wanted here");
		return NULL;
	}
}

/* The value whose first event has been read. */
static struct conf_node *read_node(struct reader *r)
{
	struct conf_node *n = calloc(1, sizeof(*n)), *whole = NULL;

	if (!n)
		return out_of_memory(r);
	n->at = place(&r->event.start_mark);
	if (r->depth == CONF_DEPTH) {
		conf_bad(r->c, n->at, "too many groups within groups");
	} else {
		r->depth++;
		whole = read_kind(r, n);
		r->depth--;
	}
	if (!whole)
		node_free(n);
	return whole;
}

/* An empty file is an empty group. */
static struct conf_node *nothing(void)
{
	struct conf_node *n = calloc(1, sizeof(*n));

	if (n)
		*n = (struct conf_node){.kind = CONF_GROUP, .at = {1, 1}};
	return n;
}

static int read_document(struct reader *r)
{
	struct conf *c = r->c;

	if (next(r) || next(r)) /* the stream's start, the document's */
		return -EINVAL;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		c->root = nothing();
		return c->root ? 0 : conf_bad(c, (struct conf_at){0}, "out of memory");
	}
	if (next(r))
		return -EINVAL;
	c->root = read_node(r);
	if (!c->root || next(r) || next(r)) /* the ends of both */
		return -EINVAL;
	if (r->event.type != YAML_STREAM_END_EVENT)
		return conf_bad(c, place(&r->event.start_mark), "a second document");
	if (c->root->kind == CONF_TEXT && !c->root->text[0])
		c->root->kind = CONF_GROUP; /* comments alone */
	if (c->root->kind != CONF_GROUP)
		return conf_bad(c, c->root->at, "settings are wanted here, as NAME: VALUE");
	return 0;
}

static int parse(struct conf *c)
{
	struct reader r = {.c = c};
	int rc;

	if (!yaml_parser_initialize(&r.yaml))
		return conf_bad(c, (struct conf_at){0}, "out of memory");
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)c->text, c->len);
	rc = read_document(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.yaml);
	if (rc) {
		node_free(c->root);
		c->root = NULL;
	}
	return rc;
}

int conf_parse(struct conf *c, const char *name, const char *text, size_t len)
{
	memset(c, 0, sizeof(*c));
	c->name = strdup(name);
	c->text = malloc(len + 1);
	if (!c->name || !c->text)
		return conf_bad(c, (struct conf_at){0}, "out of memory");
	memcpy(c->text, text, len);
	c->text[len] = '\0';
	c->len = len;
	return parse(c);
}

/* ---- the file ------------------------------------------------------------------------ */

static int read_all(struct conf *c, FILE *f)
{
	struct stat st;

	if (fstat(fileno(f), &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
	if (st.st_size > CONF_BYTES)
		return -EFBIG;
	c->text = malloc(CONF_BYTES + 1);
	if (!c->text)
		return -ENOMEM;
	c->len = fread(c->text, 1, CONF_BYTES + 1, f);
	if (ferror(f))
		return -EIO;
	if (c->len > CONF_BYTES)
		return -EFBIG;
	c->text[c->len] = '\0';
	return 0;
}

int conf_read(struct conf *c, const char *path)
{
	FILE *f;
	int fd, rc;

	memset(c, 0, sizeof(*c));
	c->name = strdup(path);
	/* What is no file, and is refused, may not keep us waiting. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	rc = f ? read_all(c, f) : -errno;
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	if (rc || !c->name) {
		conf_bad(c, (struct conf_at){0}, "%s", strerror(rc ? -rc : ENOMEM));
		return rc ? rc : -ENOMEM;
	}
	return parse(c);
}

void conf_free(struct conf *c)
{
	node_free(c->root);
	free(c->name);
	free(c->text);
	memset(c, 0, sizeof(*c));
}

struct conf_node *conf_get(struct conf_node *group, const char *key)
{
	struct conf_node *n;

	for (n = group->first; n; n = n->next) {
		if (!strcmp(n->key, key)) {
			n->used = true;
			return n;
		}
	}
	return NULL;
}
