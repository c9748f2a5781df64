/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a proxy service: backends, and the options by a table. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <weir/why.h>
#include "proxy/proxy_spec.h"

#define MS_MAX (24 * 3600 * 1000ull)

/* ---- options --------------------------------------------------------------------------- */

enum kind { CHOICE, TIME_MS, NUMBER, CHECK };

struct option {
	struct proxy_option_doc doc;
	enum kind kind;
	size_t at; /* in struct proxy_config: enum, uint64_t or unsigned, as the kind says */
	uint64_t min, max;
	const char *const *choices; /* NULL-terminated, in the order of their enum */
};

static const char *const balances[] = {"rr", "least", "hash", NULL};
static const char *const protocols[] = {"none", "v2", NULL};
static const char *const on_failures[] = {"reset", "close", NULL};
static const char *const all_downs[] = {"try", "refuse", NULL};

#define AT(field) offsetof(struct proxy_config, field)
#define OPT_CHOICE(name, field, names, value, help)                                                \
	{                                                                                          \
		{name, value, help}, CHOICE, AT(field), 0, 0, names                                \
	}
#define OPT_TIME(name, field, min, max, help)                                                      \
	{                                                                                          \
		{name, "TIME", help}, TIME_MS, AT(field), min, max, NULL                           \
	}
#define OPT_NUMBER(name, field, min, max, help)                                                    \
	{                                                                                          \
		{name, "N", help}, NUMBER, AT(field), min, max, NULL                               \
	}

static const struct option options[] = {
	OPT_CHOICE("balance", balance, balances, "rr|least|hash",
		   "to which backend a connection goes: each in turn, the one with the fewest "
		   "connections, or by the client's address"),
	OPT_CHOICE("proxy-protocol", protocol, protocols, "none|v2",
		   "tell the backend the client's address by a header of the PROXY protocol"),
	OPT_TIME("connect-timeout", connect_timeout_ms, 1, 600000,
		 "how long one attempt to connect may take"),
	OPT_TIME("idle-timeout", idle_timeout_ms, 0, MS_MAX,
		 "a connection without a byte either way for so long is closed; 0: never"),
	OPT_NUMBER("retries", retries, 0, PROXY_MAX_BACKENDS,
		   "further backends tried when one cannot be connected to"),
	OPT_CHOICE("on-connect-failure", on_failure, on_failures, "reset|close",
		   "what the client gets when no backend could be connected to"),
	OPT_CHOICE("all-down", all_down, all_downs, "try|refuse",
		   "when every backend is down: pick as if all were up, or none"),
	{{"check", "none|tcp|http:/PATH",
	  "ask backends how they are: by a connect, or by a GET that wants 2xx or 3xx"},
	 CHECK,
	 AT(check),
	 0,
	 0,
	 NULL},
	OPT_TIME("check-interval", check_interval_ms, 200, 3600000,
		 "between two checks of a backend"),
	OPT_TIME("check-timeout", check_timeout_ms, 200, 600000,
		 "an answer that takes longer is a failed check"),
	OPT_NUMBER("check-rise", check_rise, 1, 1000,
		   "so many good checks in a row: the backend is up"),
	OPT_NUMBER("check-fall", check_fall, 1, 1000, "so many failed checks in a row: it is down"),
	OPT_NUMBER("eject-failures", eject_failures, 0, 1000000,
		   "so many failed connects in a row take a backend out for a time; 0: never"),
	OPT_TIME("eject-time", eject_ms, 200, MS_MAX,
		 "for so long, and twice as long each time that follows"),
	OPT_TIME("eject-max", eject_max_ms, 200, MS_MAX, "but no longer than this"),
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

void proxy_config_default(struct proxy_config *c)
{
	memset(c, 0, sizeof(*c));
	c->connect_timeout_ms = 3000;
	c->idle_timeout_ms = 300000;
	c->retries = 2;
	c->check_interval_ms = 2000;
	c->check_timeout_ms = 2000;
	c->check_rise = 2;
	c->check_fall = 3;
	c->eject_failures = 3;
	c->eject_ms = 5000;
	c->eject_max_ms = 300000;
}

const struct proxy_option_doc *proxy_option_doc(unsigned i)
{
	return i < NOPTIONS ? &options[i].doc : NULL;
}

static int parse_u64(const char *s, const char **end, uint64_t *v)
{
	char *e;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*v = strtoull(s, &e, 10);
	*end = e;
	return errno ? -ERANGE : 0;
}

static int parse_number(const struct option *o, const char *s, uint64_t *v, const struct why *w)
{
	uint64_t unit = 1;
	const char *rest;

	if (parse_u64(s, &rest, v))
		return why_not(w, "%s: '%s' is not a number", o->doc.name, s);
	if (o->kind == TIME_MS && *rest) {
		unit = !strcmp(rest, "ms")  ? 1
		       : !strcmp(rest, "s") ? 1000
		       : !strcmp(rest, "m") ? 60000
					    : 0;
		if (!unit)
			return why_not(w, "%s: '%s' is not a time, as 500ms, 30s or 10m",
				       o->doc.name, s);
	} else if (*rest) {
		return why_not(w, "%s: '%s' is not a number", o->doc.name, s);
	}
	if (*v > UINT64_MAX / unit || *v * unit < o->min || *v * unit > o->max)
		return why_not(w, "%s: %s is not from %" PRIu64 " to %" PRIu64 "%s", o->doc.name, s,
			       o->min, o->max, o->kind == TIME_MS ? " ms" : "");
	*v *= unit;
	return 0;
}

static int set_choice(struct proxy_config *c, const struct option *o, const char *s,
		      const struct why *w)
{
	unsigned i;

	for (i = 0; o->choices[i]; i++) {
		if (!strcmp(o->choices[i], s)) {
			memcpy((char *)c + o->at, &i, sizeof(i));
			return 0;
		}
	}
	return why_not(w, "%s: '%s' is none of %s", o->doc.name, s, o->doc.value);
}

/* A path goes into a request line as it is written, so it must not be able to end it. */
static bool path_ok(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int set_check(struct proxy_config *c, const char *s, const struct why *w)
{
	const char *path = "";

	if (!strcmp(s, "none")) {
		c->check = PROXY_CHECK_NONE;
	} else if (!strcmp(s, "tcp")) {
		c->check = PROXY_CHECK_TCP;
	} else if (!strcmp(s, "http") || !strncmp(s, "http:", 5)) {
		path = s[4] ? s + 5 : "/";
		if (!path_ok(path))
			return why_not(w, "check: '%s' is not the path of a URL, as http:/health",
				       s);
		if (strlen(path) >= sizeof(c->check_path))
			return why_not(w, "check: '%.40s...' is longer than %d", s,
				       PROXY_PATH_LEN - 1);
		c->check = PROXY_CHECK_HTTP;
	} else {
		return why_not(w, "check: '%s' is none of none, tcp, http:/PATH", s);
	}
	memset(c->check_path, 0, sizeof(c->check_path));
	memcpy(c->check_path, path, strlen(path));
	return 0;
}

static int set(struct proxy_config *c, const char *name, const char *value, const struct why *w)
{
	const struct option *o = options;
	uint64_t v = 0;
	unsigned u;

	while (o < options + NOPTIONS && strcmp(o->doc.name, name))
		o++;
	if (o == options + NOPTIONS)
		return why_not(w, "'%s' is no option of proxy", name);
	switch (o->kind) {
	case CHOICE:
		return set_choice(c, o, value, w);
	case CHECK:
		return set_check(c, value, w);
	case TIME_MS:
	case NUMBER:
		break;
	}
	if (parse_number(o, value, &v, w))
		return -EINVAL;
	u = (unsigned)v;
	if (o->kind == TIME_MS)
		memcpy((char *)c + o->at, &v, sizeof(v));
	else
		memcpy((char *)c + o->at, &u, sizeof(u));
	return 0;
}

int proxy_config_set(struct proxy_config *c, const char *option, const char *value, char *err,
		     size_t errlen)
{
	return set(c, option, value, &(struct why){err, errlen});
}

void proxy_config_get(const struct proxy_config *c, unsigned i, char *buf, size_t len)
{
	const struct option *o = &options[i];
	const char *at = (const char *)c + o->at;
	uint64_t v;
	unsigned u;

	memcpy(&u, at, sizeof(u));
	switch (o->kind) {
	case CHOICE:
		snprintf(buf, len, "%s", o->choices[u]);
		break;
	case CHECK:
		if (c->check == PROXY_CHECK_HTTP)
			snprintf(buf, len, "http:%s", c->check_path);
		else
			snprintf(buf, len, "%s", c->check == PROXY_CHECK_TCP ? "tcp" : "none");
		break;
	case NUMBER:
		snprintf(buf, len, "%u", u);
		break;
	case TIME_MS:
		memcpy(&v, at, sizeof(v));
		if (v % 1000)
			snprintf(buf, len, "%" PRIu64 "ms", v);
		else
			snprintf(buf, len, "%" PRIu64 "s", v / 1000);
		break;
	}
}

/* ---- backends --------------------------------------------------------------------------- */

static int unix_addr(struct proxy_backend *b, const char *path, const struct why *w)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&b->addr;
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len < 2)
		return why_not(w, "backend 'unix:%s': not unix:/PATH or unix:@NAME", path);
	if (len >= sizeof(un->sun_path))
		return why_not(w, "backend 'unix:%.40s...': a socket's path has at most %zu bytes",
			       path, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	b->addrlen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (*path == '@') {
		un->sun_path[0] = '\0';
		b->addrlen--;
	}
	snprintf(b->name, sizeof(b->name), "unix:%.*s", (int)len, path);
	return 0;
}

static int inet_addr_of(struct proxy_backend *b, const char *host, uint16_t port, bool v6)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&b->addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&b->addr;
	char text[INET6_ADDRSTRLEN];

	if (v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
			return -EINVAL;
		b->addrlen = sizeof(*in6);
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(b->name, sizeof(b->name), "[%s]:%u", text, port);
		return 0;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return -EINVAL;
	b->addrlen = sizeof(*in);
	snprintf(b->name, sizeof(b->name), "%s:%u", host, port);
	return 0;
}

static int tcp_addr(struct proxy_backend *b, char *text, const struct why *w)
{
	bool v6 = *text == '[';
	char *host = text + v6, *colon = strrchr(text, ':');
	const char *end;
	uint64_t port;

	if (!colon || (v6 && (colon < text + 2 || colon[-1] != ']')) ||
	    (!v6 && strchr(text, ':') != colon))
		return why_not(w, "backend '%s': not ADDR:PORT, [V6]:PORT or unix:/PATH", text);
	if (parse_u64(colon + 1, &end, &port) || *end || !port || port > 65535)
		return why_not(w, "backend '%s': '%s' is no port", text, colon + 1);
	colon[-v6] = '\0';
	if (inet_addr_of(b, host, (uint16_t)port, v6))
		return why_not(w, "backend '%s': that is no IPv%d address; names are not resolved",
			       host, v6 ? 6 : 4);
	return 0;
}

/* Takes a "*WEIGHT" off the end of the text. */
static int take_weight(struct proxy_backend *b, char *text, const struct why *w)
{
	char *star = strrchr(text, '*');
	const char *end;
	uint64_t v;

	b->weight = 1;
	if (!star)
		return 0;
	if (parse_u64(star + 1, &end, &v) || *end || !v || v > PROXY_MAX_WEIGHT)
		return why_not(w, "backend '%s': the weight '%s' is not from 1 to %d", text,
			       star + 1, PROXY_MAX_WEIGHT);
	b->weight = (unsigned)v;
	*star = '\0';
	return 0;
}

static int add_backend(struct proxy_config *c, const char *word, const struct why *w)
{
	struct proxy_backend b;
	char text[256];

	if (c->nbackends == PROXY_MAX_BACKENDS) {
		why_not(w, "backend '%s': more than %d of them", word, PROXY_MAX_BACKENDS);
		return -E2BIG;
	}
	if (snprintf(text, sizeof(text), "%s", word) >= (int)sizeof(text))
		return why_not(w, "backend '%.40s...': too long", word);
	memset(&b, 0, sizeof(b));
	if (take_weight(&b, text, w) ||
	    (!strncmp(text, "unix:", 5) ? unix_addr(&b, text + 5, w) : tcp_addr(&b, text, w)))
		return -EINVAL;
	for (unsigned i = 0; i < c->nbackends; i++)
		if (!strcmp(c->backend[i].name, b.name))
			return why_not(w, "backend '%s' is there twice; for more of it write %s*2",
				       b.name, b.name);
	c->backend[c->nbackends++] = b;
	return 0;
}

int proxy_config_backend(struct proxy_config *c, const char *text, char *err, size_t errlen)
{
	return add_backend(c, text, &(struct why){err, errlen});
}

/* ---- the whole --------------------------------------------------------------------------- */

int proxy_config_check(const struct proxy_config *c, char *err, size_t errlen)
{
	const struct why w = {err, errlen};

	if (!c->nbackends)
		return why_not(&w, "proxy needs a backend: proxy:ADDR:PORT");
	if (c->eject_max_ms < c->eject_ms)
		return why_not(&w, "eject-max is shorter than eject-time");
	return 0;
}

/* A path may hold a '=', so a word with one is an option only when a name stands before it. */
static bool is_option(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz-_");

	return len && word[len] == '=';
}

static int parse_word(struct proxy_config *c, char *word, const struct why *w)
{
	char *eq;

	if (!*word)
		return why_not(w,
			       "nothing between two commas, or before the first or after the last");
	if (!is_option(word))
		return add_backend(c, word, w);
	eq = strchr(word, '=');
	*eq = '\0';
	return set(c, word, eq + 1, w);
}

int proxy_config_parse(struct proxy_config *c, const char *text, char *err, size_t errlen)
{
	const struct why w = {err, errlen};
	char *copy, *word, *rest;
	struct proxy_config *n;
	int rc = -ENOMEM;

	copy = rest = strdup(text);
	n = malloc(sizeof(*n));
	if (!copy || !n) {
		why_not(&w, "out of memory");
		goto out;
	}
	proxy_config_default(n);
	rc = *text ? 0 : proxy_config_check(n, err, errlen);
	while (!rc && (word = strsep(&rest, ",")))
		rc = parse_word(n, word, &w);
	if (!rc)
		rc = proxy_config_check(n, err, errlen);
	if (!rc)
		*c = *n;
out:
	free(copy);
	free(n);
	return rc;
}
