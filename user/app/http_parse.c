// SPDX-License-Identifier: BSD-2-Clause
/* A request's head, taken apart: request line, fields, what they say together. */
#include <string.h>

#include "app/http_parse.h"

/* What the fields have said so far and the request does not keep. */
struct fields {
	bool host, length, coding, close, keep, expect_other;
	unsigned ranges, since;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2: tchar. */
static bool is_token_char(char c)
{
	return is_digit(c) || is_alpha(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool http_str_is(struct http_str s, const char *low)
{
	size_t i;

	for (i = 0; i < s.len && low[i]; i++)
		if (lower(s.p[i]) != low[i])
			return false;
	return i == s.len && !low[i];
}

/* Cuts *s at the first `sep`; returns what stood before it. */
static struct http_str cut(struct http_str *s, char sep)
{
	const char *at = s->len ? memchr(s->p, sep, s->len) : NULL;
	struct http_str head = {s->p, at ? (size_t)(at - s->p) : s->len};

	s->p += head.len + (at ? 1 : 0);
	s->len -= head.len + (at ? 1 : 0);
	return head;
}

static struct http_str trim(struct http_str s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.len--;
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Digits alone. False when there is none or another character; *v saturates. */
static bool number(struct http_str s, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]))
			return false;
		*v = *v > (UINT64_MAX - 9) / 10 ? UINT64_MAX : *v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.len > 0;
}

/* ---- the request line ---------------------------------------------------- */

static enum http_method method_of(struct http_str s)
{
	static const char *const others[] = {"POST",	"PUT",	 "DELETE", "CONNECT",
					     "OPTIONS", "TRACE", "PATCH"};

	/* Methods are case-sensitive: RFC 9110 9.1. */
	if (s.len == 3 && !memcmp(s.p, "GET", 3))
		return HTTP_GET;
	if (s.len == 4 && !memcmp(s.p, "HEAD", 4))
		return HTTP_HEAD;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strlen(others[i]) == s.len && !memcmp(others[i], s.p, s.len))
			return HTTP_OTHER;
	return HTTP_UNKNOWN;
}

/*
 * origin-form, or absolute-form with its scheme and authority dropped (RFC 9112
 * 3.2). A backslash is refused: some clients take it for a slash.
 */
static int parse_target(struct http_request *r, struct http_str t)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] <= ' ' || t.p[i] > '~' || t.p[i] == '\\' || t.p[i] == '#')
			return 400;
	if (r->method != HTTP_GET && r->method != HTTP_HEAD)
		return 0; /* answered 405 or 501, whatever the target */
	if (t.len > 7 && http_str_is((struct http_str){t.p, 7}, "http://")) {
		size_t n = 7;

		while (n < t.len && t.p[n] != '/' && t.p[n] != '?')
			n++;
		if (n == 7)
			return 400;
		t.p += n;
		t.len -= n;
		r->path = (struct http_str){"/", 1};
		if (t.len && t.p[0] == '/')
			r->path = (struct http_str){t.p, t.len};
	} else if (t.len && t.p[0] == '/') {
		r->path = t;
	} else {
		return 400;
	}
	if (t.len && memchr(t.p, '?', t.len)) {
		const char *q = memchr(t.p, '?', t.len);

		r->query = (struct http_str){q, t.len - (size_t)(q - t.p)};
		if (r->path.p == t.p)
			r->path.len = (size_t)(q - t.p);
	}
	return 0;
}

static int parse_line(struct http_request *r, struct http_str line)
{
	struct http_str method = cut(&line, ' ');
	struct http_str target = cut(&line, ' ');

	for (size_t i = 0; i < method.len; i++)
		if (!is_token_char(method.p[i]))
			return 400;
	if (!method.len || !target.len)
		return 400;
	if (line.len != 8 || memcmp(line.p, "HTTP/", 5) || !is_digit(line.p[5]) ||
	    line.p[6] != '.' || !is_digit(line.p[7]))
		return 400;
	r->method = method_of(method);
	if (line.p[5] != '1')
		return 505;
	r->minor = line.p[7] != '0'; /* RFC 9110 2.5: a higher minor is our highest */
	return parse_target(r, target);
}

/* ---- the fields ---------------------------------------------------------- */

static int field_host(struct fields *f, struct http_str v)
{
	if (f->host)
		return 400;
	f->host = true;
	for (size_t i = 0; i < v.len; i++)
		if (!is_digit(v.p[i]) && !is_alpha(v.p[i]) &&
		    !strchr("-._~%!$&'()*+,;=:[]", v.p[i]))
			return 400;
	return 0;
}

static int field_length(struct http_request *r, struct fields *f, struct http_str v)
{
	/* A list, or the field again, is refused even where the values agree. */
	if (f->length || !number(v, &r->content_length))
		return 400;
	f->length = true;
	return 0;
}

static void field_connection(struct fields *f, struct http_str v)
{
	while (v.len) {
		struct http_str token = trim(cut(&v, ','));

		if (http_str_is(token, "close"))
			f->close = true;
		else if (http_str_is(token, "keep-alive"))
			f->keep = true;
	}
}

static int parse_field(struct http_request *r, struct fields *f, struct http_str line)
{
	struct http_str v = line, name = cut(&v, ':');

	if (!name.len || name.len == line.len)
		return 400;
	for (size_t i = 0; i < name.len; i++) /* a folded line fails here too */
		if (!is_token_char(name.p[i]))
			return 400;
	v = trim(v);
	for (size_t i = 0; i < v.len; i++)
		if (((unsigned char)v.p[i] < ' ' && v.p[i] != '\t') || v.p[i] == 0x7f)
			return 400;

	if (http_str_is(name, "host"))
		return field_host(f, v);
	if (http_str_is(name, "content-length"))
		return field_length(r, f, v);
	if (http_str_is(name, "transfer-encoding"))
		f->coding = true;
	else if (http_str_is(name, "connection"))
		field_connection(f, v);
	else if (http_str_is(name, "expect"))
		*(http_str_is(v, "100-continue") ? &r->expect_continue : &f->expect_other) = true;
	else if (http_str_is(name, "range"))
		f->ranges++, r->range = v;
	else if (http_str_is(name, "if-range"))
		r->has_if_range = true;
	else if (http_str_is(name, "if-none-match"))
		r->has_if_none_match = true;
	else if (http_str_is(name, "if-modified-since"))
		f->since++, r->if_modified_since = v;
	return 0;
}

/* What the fields say together. */
static int conclude(struct http_request *r, const struct fields *f)
{
	if (r->minor >= 1 && !f->host)
		return 400; /* RFC 9112 3.2 */
	if (f->coding && f->length)
		return 400; /* RFC 9112 6.3: may be an attempt at smuggling */
	if (f->coding)
		return 501;
	if (r->content_length > HTTP_BODY_MAX)
		return 413;
	if (r->minor >= 1 && f->expect_other)
		return 417;
	if (r->minor == 0)
		r->expect_continue = false; /* RFC 9110 10.1.1 */
	r->keep_alive = !f->close && (r->minor >= 1 || f->keep);
	if (f->ranges != 1)
		r->range = (struct http_str){NULL, 0};
	if (f->since != 1)
		r->if_modified_since = (struct http_str){NULL, 0};
	return 0;
}

/* The next line without its CRLF. False at the end or where the CRLF is missing. */
static bool next_line(struct http_str *rest, struct http_str *line)
{
	const char *lf = rest->len ? memchr(rest->p, '\n', rest->len) : NULL;

	if (!lf || lf == rest->p || lf[-1] != '\r')
		return false;
	*line = cut(rest, '\n');
	line->len--;
	return true;
}

int http_parse(struct http_request *r, const char *head, size_t len)
{
	struct http_str rest = {head, len}, line;
	struct fields f = {0};
	int status;

	memset(r, 0, sizeof(*r));
	r->minor = 1;
	if (!next_line(&rest, &line))
		return 400;
	status = parse_line(r, line);
	while (!status) {
		if (!next_line(&rest, &line))
			return 400;
		if (!line.len)
			return rest.len ? 400 : conclude(r, &f);
		status = parse_field(r, &f, line);
	}
	return status;
}

int http_range(struct http_str field, uint64_t size, uint64_t *first, uint64_t *len)
{
	struct http_str to = field, unit, from;
	uint64_t a = 0, b = 0;

	if (!field.p)
		return 200;
	unit = cut(&to, '=');
	if (!http_str_is(unit, "bytes") || unit.len == field.len)
		return 200;
	to = trim(to);
	from = cut(&to, '-');
	if (from.p + from.len == to.p) /* no '-' at all */
		return 200;
	if ((from.len && !number(from, &a)) || (to.len && !number(to, &b)) ||
	    (!from.len && !to.len) || (from.len && to.len && b < a))
		return 200;
	if (!from.len) { /* the last b bytes */
		a = b < size ? size - b : 0;
		if (!b || !size)
			return 416;
		b = size - 1;
	} else if (a >= size) {
		return 416;
	} else if (!to.len || b >= size) {
		b = size - 1;
	}
	*first = a;
	*len = b - a + 1;
	return 206;
}
