/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a key file (keyfile.h). */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/keyfile.h"

#define WORDS 12

/* ---- values ------------------------------------------------------------------------------- */

static bool hex64(uint64_t *v, const char *s)
{
	if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16)
		return false;
	*v = strtoull(s, NULL, 16);
	return true;
}

static bool number(unsigned long *v, const char *s, unsigned long min, unsigned long max)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*v = strtoul(s, &end, 10);
	return !*end && !errno && *v >= min && *v <= max;
}

const char *keyfile_time(int64_t t, char buf[KEYFILE_TIME_MAX])
{
	time_t sec = (time_t)t;
	struct tm tm;

	if (t == KEYS_NEVER || !gmtime_r(&sec, &tm) ||
	    !strftime(buf, KEYFILE_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "never";
	return buf;
}

/* `shape`: a 0 is a digit, anything else itself. */
static bool shaped(const char *text, const char *shape)
{
	for (; *shape; text++, shape++)
		if (*shape == '0' ? !isdigit((unsigned char)*text) : *text != *shape)
			return false;
	return !*text;
}

int keyfile_parse_time(int64_t *t, const char *text)
{
	char again[KEYFILE_TIME_MAX];
	struct tm tm = {0};

	if (!strcmp(text, "never")) {
		*t = KEYS_NEVER;
		return 0;
	}
	if (!shaped(text, "0000-00-00T00:00:00Z") ||
	    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6 ||
	    tm.tm_year < 1970)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*t = timegm(&tm);
	/* The 31st of June would have become the 1st of July. */
	return strcmp(keyfile_time(*t, again), text) ? -EINVAL : 0;
}

static bool named_time(int64_t *t, char *const w[2], const char *name)
{
	return !strcmp(w[0], name) && !keyfile_parse_time(t, w[1]);
}

/* ---- lines -------------------------------------------------------------------------------- */

struct parser {
	struct key_set *set;
	unsigned long version;
	unsigned lines;		  /* that mean something */
	unsigned where[KEYS_MAX]; /* the line of each key */
};

static const char *mtu_line(struct key_set *s, char *const w[], unsigned words)
{
	unsigned long v;

	if (words != 2 || strcmp(w[0], "mtu") || !number(&v, w[1], 1280, 65535))
		return "expected `mtu` and a number from 1280 to 65535";
	s->mtu = (uint32_t)v;
	return NULL;
}

static const char *wscale_line(struct key_set *s, char *const w[], unsigned words)
{
	unsigned long v;

	if (words != 2 || strcmp(w[0], "wscale") || !number(&v, w[1], 0, 14))
		return "expected `wscale` and a number from 0 to 14";
	s->wscale = (uint8_t)v;
	return NULL;
}

/* The line's own sense; how the keys' times fit is looked at in the end. */
static const char *key_line(struct key_set *s, char *const w[], unsigned words)
{
	struct key *k = &s->key[s->n];
	unsigned long id;

	if (s->n == KEYS_MAX)
		return "more than 8 keys";
	if (words < 2 || strcmp(w[0], "key") || !number(&id, w[1], 1, UINT32_MAX))
		return "expected `key` and an id from 1";
	if (words != 11)
		return "a key is: key ID accept_from TIME issue_from TIME retire_at TIME secret "
		       "HEX HEX";
	if (!named_time(&k->accept_from, &w[2], "accept_from") || k->accept_from == KEYS_NEVER)
		return "expected `accept_from` and a time as 2026-11-21T14:00:00Z";
	if (!named_time(&k->issue_from, &w[4], "issue_from") || k->issue_from == KEYS_NEVER)
		return "expected `issue_from` and a time as 2026-11-21T14:00:00Z";
	if (!named_time(&k->retire_at, &w[6], "retire_at"))
		return "expected `retire_at` and a time as 2026-11-21T14:00:00Z, or `never`";
	if (strcmp(w[8], "secret") || !hex64(&k->secret[0], w[9]) || !hex64(&k->secret[1], w[10]))
		return "expected `secret` and twice 16 hexadecimal digits";
	k->id = (uint32_t)id;
	s->n++;
	return NULL;
}

static const char *old_key_line(struct key_set *s, char *const w[], unsigned words)
{
	uint64_t secret[2];

	if (words != 3 || strcmp(w[0], "key") || !hex64(&secret[0], w[1]) ||
	    !hex64(&secret[1], w[2]))
		return "expected `key` and twice 16 hexadecimal digits";
	keys_single(s, secret);
	return NULL;
}

static const char *one_line(struct parser *p, char *const w[], unsigned words)
{
	static const char *(*const v1[])(struct key_set *, char *const[],
					 unsigned) = {old_key_line, mtu_line, wscale_line};
	static const char *(*const v2[])(struct key_set *, char *const[],
					 unsigned) = {mtu_line, wscale_line, key_line};
	unsigned n = p->lines++;

	if (!n) {
		if (words != 2 || strcmp(w[0], "weir-key") || !number(&p->version, w[1], 1, 2))
			return "the first line must be `weir-key 2` (or 1)";
		return NULL;
	}
	if (p->version == 1)
		return n <= 3 ? v1[n - 1](p->set, w, words) : "more than is expected";
	return v2[n < 3 ? n - 1 : 2](p->set, w, words);
}

static unsigned split(char *line, char *w[WORDS])
{
	unsigned words = 0;
	char *word, *save;

	line[strcspn(line, "#\r")] = '\0';
	for (word = strtok_r(line, " \t", &save); word && words < WORDS;
	     word = strtok_r(NULL, " \t", &save))
		w[words++] = word;
	return words;
}

static const char *parse(struct parser *p, char *text, unsigned *line)
{
	char *w[WORDS], *next;
	const char *why;
	unsigned words, at;

	for (*line = 0; text && *text; text = next) {
		++*line;
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		words = split(text, w);
		why = words ? one_line(p, w, words) : NULL;
		if (why)
			return why;
		if (p->set->n && !p->where[p->set->n - 1])
			p->where[p->set->n - 1] = *line;
	}
	if (p->lines < 4)
		return "it ends too early";
	why = p->version == 1 ? NULL : keys_check(p->set, &at);
	if (why)
		*line = p->where[at];
	return why;
}

int keyfile_parse(struct key_set *s, char *text, unsigned *line, const char **why)
{
	struct key_set set = {0};
	struct parser p = {.set = &set};

	*why = parse(&p, text, line);
	if (!*why)
		*s = set;
	explicit_bzero(&set, sizeof(set));
	return *why ? -EINVAL : 0;
}

size_t keyfile_format(const struct key_set *s, char *buf, size_t cap)
{
	char accept[KEYFILE_TIME_MAX], issue[KEYFILE_TIME_MAX], retire[KEYFILE_TIME_MAX];
	int n = snprintf(
		buf, cap,
		"# The cookies' keys, for every node: see weir key --help. Keep it secret.\n"
		"weir-key 2\nmtu %" PRIu32 "\nwscale %u\n",
		s->mtu, s->wscale);
	size_t len = (size_t)n;

	for (unsigned i = 0; i < s->n && len < cap; i++) {
		const struct key *k = &s->key[i];

		n = snprintf(buf + len, cap - len,
			     "key %" PRIu32 " accept_from %s issue_from %s retire_at %s secret "
			     "%016" PRIx64 " %016" PRIx64 "\n",
			     k->id, keyfile_time(k->accept_from, accept),
			     keyfile_time(k->issue_from, issue), keyfile_time(k->retire_at, retire),
			     k->secret[0], k->secret[1]);
		len += (size_t)n;
	}
	return len < cap ? len : 0;
}
