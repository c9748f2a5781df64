/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes as text: one, those of a file, and what is wrong with them as a whole. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy.h"
#include "control/services.h"

/* ---- one prefix --------------------------------------------------------------- */

static unsigned max_len(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Digits alone, up to `max`; what follows them is at *end. -1: there are none. */
static int parse_len(const char *s, unsigned max, const char **end)
{
	unsigned n = 0;
	const char *at = s;

	while (isdigit((unsigned char)*at) && at - s < 4)
		n = n * 10 + (unsigned)(*at++ - '0');
	*end = at;
	return at == s || n > max ? -1 : (int)n;
}

static bool bits_behind(const struct policy_prefix *x)
{
	unsigned bit;

	for (bit = x->len; bit < max_len(x->family); bit++)
		if (x->addr[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

static void clear_behind(struct policy_prefix *x)
{
	unsigned bit;

	for (bit = x->len; bit < max_len(x->family); bit++)
		x->addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

int policy_parse_prefix(struct policy_prefix *out, const char *text)
{
	const char *slash = strchr(text, '/'), *end;
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct policy_prefix x = {0};
	char addr[INET6_ADDRSTRLEN];
	int len;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET, addr, x.addr) == 1)
		x.family = 4;
	else if (inet_pton(AF_INET6, addr, x.addr) == 1)
		x.family = 6;
	else
		return -EINVAL;
	len = (int)max_len(x.family);
	if (slash) {
		len = parse_len(slash + 1, max_len(x.family), &end);
		if (len < 0 || *end)
			return -EINVAL;
	}
	x.len = (uint8_t)len;
	*out = x;
	return bits_behind(&x) ? -ERANGE : 0;
}

void policy_format_prefix(const struct policy_prefix *x, char *buf, size_t len)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(x->family == 4 ? AF_INET : AF_INET6, x->addr, addr, sizeof(addr));
	snprintf(buf, len, "%s/%u", addr, x->len);
}

int policy_parse_source(struct policy_source *s, const char *text)
{
	struct policy_source out = *s;
	const char *end;
	int len = parse_len(text, 32, &end);

	if (len < 1)
		return -EINVAL;
	out.len4 = (uint8_t)len;
	if (*end == ',') {
		len = parse_len(end + 1, 128, &end);
		if (len < 1)
			return -EINVAL;
		out.len6 = (uint8_t)len;
	}
	if (*end)
		return -EINVAL;
	*s = out;
	return 0;
}

/* ---- into a list ---------------------------------------------------------------- */

/* Where a message points to. */
static const char *place(const struct policy *p, const struct policy_prefix *x, char *buf,
			 size_t len)
{
	buf[0] = '\0';
	if (x->file)
		snprintf(buf, len, "%s:%u: ", p->files[x->file - 1], x->line);
	return buf;
}

static int append(struct policy *p, const struct policy_prefix *x, struct weir_err *err)
{
	size_t n = p->nprefixes;

	if (n == POLICY_PREFIXES_MAX)
		return err_unsuited(err, -E2BIG, "more than %d prefixes in the lists",
				    POLICY_PREFIXES_MAX);
	if (n == p->room) {
		size_t room = n ? 2 * n : 16;
		struct policy_prefix *more = reallocarray(p->prefixes, room, sizeof(*more));

		if (!more)
			return err_set(err, -ENOMEM, "out of memory");
		p->prefixes = more;
		p->room = room;
	}
	p->prefixes[p->nprefixes++] = *x;
	p->lists[x->list].entries[x->verdict]++;
	return 0;
}

static int add_one(struct policy *p, const struct policy_prefix *where, const char *text,
		   struct weir_err *err)
{
	struct policy_prefix x;
	int rc = policy_parse_prefix(&x, text);
	char at[300], good[64];

	place(p, where, at, sizeof(at));
	if (rc == -ERANGE) {
		clear_behind(&x);
		policy_format_prefix(&x, good, sizeof(good));
		return err_unsuited(err, -EINVAL, "%s%.60s: bits are set behind its length: %s", at,
				    text, good);
	}
	if (rc)
		return err_unsuited(err, rc,
				    "%s%.60s: no prefix, as 192.0.2.0/24, 2001:db8::/32 or "
				    "192.0.2.7",
				    at, text);
	x.list = where->list;
	x.verdict = where->verdict;
	x.file = where->file;
	x.line = where->line;
	return append(p, &x, err);
}

/* Its number for policy_prefix.file, or a negative value. */
static int name_file(struct policy *p, const char *path)
{
	char **more;

	if (p->nfiles == UINT16_MAX)
		return -E2BIG;
	more = reallocarray(p->files, p->nfiles + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->files = more;
	more[p->nfiles] = strdup(path);
	return more[p->nfiles] ? (int)++p->nfiles : -ENOMEM;
}

/* Without the comment and the space around; NULL: nothing is left. */
static char *content(char *line)
{
	size_t n = strcspn(line, "#\r\n");

	line[n] = '\0';
	while (n && isspace((unsigned char)line[n - 1]))
		line[--n] = '\0';
	while (isspace((unsigned char)*line))
		line++;
	return *line ? line : NULL;
}

static int add_lines(struct policy *p, struct policy_prefix *where, FILE *f, struct weir_err *err)
{
	char line[512], at[300], *text;
	int rc = 0;

	while (!rc && fgets(line, sizeof(line), f)) {
		where->line++;
		if (!strchr(line, '\n') && strlen(line) == sizeof(line) - 1)
			return err_unsuited(err, -EINVAL, "%sthe line is too long",
					    place(p, where, at, sizeof(at)));
		text = content(line);
		if (text)
			rc = add_one(p, where, text, err);
	}
	return rc;
}

static int add_file(struct policy *p, struct policy_prefix *where, const char *path,
		    struct weir_err *err)
{
	FILE *f = fopen(path, "re");
	int rc;

	if (!f) {
		rc = -errno;
		return err_unsuited(err, rc, "%s: %s", path, strerror(-rc));
	}
	rc = name_file(p, path);
	if (rc < 0) {
		err_set(err, rc, "%s: %s", path, strerror(-rc));
	} else {
		where->file = (uint16_t)rc;
		rc = add_lines(p, where, f, err);
		if (!rc && ferror(f))
			rc = err_unsuited(err, -EIO, "%s: cannot be read", path);
	}
	fclose(f);
	return rc;
}

int policy_add(struct policy *p, unsigned list, enum policy_verdict verdict, const char *text,
	       struct weir_err *err)
{
	struct policy_prefix where = {.list = (uint16_t)list, .verdict = (uint8_t)verdict};

	if (list >= p->nlists)
		return err_unsuited(err, -EINVAL, "no list %u", list);
	return *text == '@' ? add_file(p, &where, text + 1, err) : add_one(p, &where, text, err);
}

int policy_add_arg(struct policy *p, enum policy_verdict verdict, const char *text,
		   struct weir_err *err)
{
	const char *rest = text;
	struct weir_addr service;
	char name[80];
	int list = 0, rc;

	if (*text != '@' && strchr(text, '=')) {
		if (services_parse_addr(&service, text, &rest) || *rest++ != '=')
			return err_unsuited(err, -EINVAL,
					    "%.80s: not [ADDR:PORT=]PREFIX or [ADDR:PORT=]@FILE",
					    text);
		services_format(&service, name, sizeof(name));
		list = policy_list(p, name);
		rc = list < 0 ? list : policy_use(p, &service, (unsigned)list);
		if (rc)
			return err_set(err, rc, "%s: %s", name,
				       rc == -EEXIST ? "has another list" : strerror(-rc));
	}
	return policy_add(p, (unsigned)list, verdict, rest, err);
}

/* ---- the whole -------------------------------------------------------------------- */

/* As they are looked for: what is the same lies side by side. */
static int by_prefix(const void *l, const void *r)
{
	const struct policy_prefix *a = l, *b = r;
	int d = a->list - b->list;

	if (!d)
		d = a->family - b->family;
	if (!d)
		d = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (!d)
		d = a->len - b->len;
	return d;
}

static int in_order(const void *l, const void *r)
{
	const struct policy_prefix *a = l, *b = r;
	int d = by_prefix(l, r);

	if (!d)
		d = a->file - b->file;
	if (!d)
		d = (a->line > b->line) - (a->line < b->line);
	return d;
}

static int twice(const struct policy *p, const struct policy_prefix *first, struct weir_err *err)
{
	const struct policy_prefix *second = first + 1;
	char at[300], what[64], other[300] = "";

	place(p, second, at, sizeof(at));
	policy_format_prefix(second, what, sizeof(what));
	if (first->file)
		snprintf(other, sizeof(other), ", first at %s:%u", p->files[first->file - 1],
			 first->line);
	return err_unsuited(err, -EEXIST, "%s%s is %s%s", at, what,
			    first->verdict != second->verdict ? "both allowed and denied"
							      : "listed twice",
			    other);
}

static int check_rate(const struct policy_rate *r, const char *what, struct weir_err *err)
{
	if (r->per_sec > POLICY_PER_SEC_MAX || r->burst > POLICY_PER_SEC_MAX)
		return err_unsuited(err, -ERANGE, "the limit of %s is at most %d", what,
				    POLICY_PER_SEC_MAX);
	if (!r->by.len4 || r->by.len4 > 32 || !r->by.len6 || r->by.len6 > 128)
		return err_unsuited(err, -ERANGE,
				    "%s: a prefix has 1 to 32 bits for IPv4, 1 to 128 for IPv6",
				    what);
	return 0;
}

int policy_check(struct policy *p, struct weir_err *err)
{
	size_t i;
	int rc;

	rc = check_rate(&p->synack, "SYN-ACKs", err);
	if (!rc)
		rc = check_rate(&p->flow, "new flows", err);
	if (rc)
		return rc;
	if (p->nprefixes)
		qsort(p->prefixes, p->nprefixes, sizeof(*p->prefixes), in_order);
	for (i = 0; i + 1 < p->nprefixes; i++)
		if (!by_prefix(&p->prefixes[i], &p->prefixes[i + 1]))
			return twice(p, &p->prefixes[i], err);
	return 0;
}

bool policy_is_empty(const struct policy *p)
{
	return !p->nprefixes && !p->synack.per_sec && !p->flow.per_sec && !p->flow_limit;
}

static bool holds(const struct policy_prefix *x, const struct weir_addr *a)
{
	unsigned whole = x->len / 8, rest = x->len % 8;

	if (x->family != a->family || memcmp(x->addr, a->addr, whole))
		return false;
	return !rest || !((x->addr[whole] ^ a->addr[whole]) >> (8 - rest));
}

struct policy_answer policy_ask(const struct policy *p, unsigned list, const struct weir_addr *a)
{
	struct policy_answer r = {.welcome = true};
	size_t i;

	for (i = 0; i < p->nprefixes; i++) {
		const struct policy_prefix *x = &p->prefixes[i];

		if (x->list == list && holds(x, a) && (!r.by || x->len > r.by->len))
			r.by = x;
	}
	if (r.by)
		r.welcome = r.by->verdict == POLICY_ALLOW;
	else if (list < p->nlists)
		r.welcome = !p->lists[list].entries[POLICY_ALLOW];
	return r;
}
