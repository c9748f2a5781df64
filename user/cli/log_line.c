/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/log_line.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cli/log.h"

#define TEXT_MAX 1000 /* what is left of a message that is cut */

/* Messages of libraries may bring their own newline. */
static size_t trimmed(const char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		len--;
	return len;
}

static size_t append(char *buf, size_t len, size_t cap, const char *p, size_t n)
{
	if (n > cap - len)
		n = cap - len;
	memcpy(buf + len, p, n);
	return len + n;
}

static size_t appends(char *buf, size_t len, size_t cap, const char *s)
{
	return append(buf, len, cap, s, strlen(s));
}

/* Each line of the message begins with `prefix`; the last brings the newline. */
static size_t plain(char *buf, const struct log_line *l, const char *prefix, bool every)
{
	const char *p = l->text, *end = l->text + trimmed(l->text);
	size_t len = 0, cap = LOG_LINE_MAX - 1;
	char held[64] = "";

	if (l->held)
		snprintf(held, sizeof(held), " (and %u like it before)", l->held);
	cap -= strlen(held);
	do {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);

		if (every || p == l->text)
			len = appends(buf, len, cap, prefix);
		len = append(buf, len, cap, p, n);
		p += n + 1;
		if (p < end)
			len = appends(buf, len, cap, "\n");
	} while (p < end);
	len = appends(buf, len, LOG_LINE_MAX - 1, held);
	buf[len++] = '\n';
	return len;
}

/* Names of files and devices are bytes; JSON wants UTF-8. */
static json_t *string(const char *text, size_t len)
{
	char ascii[TEXT_MAX];
	json_t *s = json_stringn(text, len);

	if (s)
		return s;
	if (len > sizeof(ascii))
		len = sizeof(ascii);
	for (size_t i = 0; i < len; i++)
		ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(ascii, len);
}

static void stamp(const struct timespec *ts, char *buf, size_t cap)
{
	struct tm tm;
	size_t len;

	gmtime_r(&ts->tv_sec, &tm);
	len = strftime(buf, cap, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, cap - len, ".%06ldZ", ts->tv_nsec / 1000);
}

static size_t json(char *buf, const struct log_line *l)
{
	size_t len = trimmed(l->text), n = 0;
	json_t *o = json_object();
	char time[40];

	stamp(&l->time, time, sizeof(time));
	if (len > TEXT_MAX)
		len = TEXT_MAX;
	json_object_set_new(o, "time", json_string(time));
	json_object_set_new(o, "level", json_string(log_level_names[l->level - LOG_LEVEL_FIRST]));
	if (l->event)
		json_object_set_new(o, "event", json_string(l->event));
	json_object_set_new(o, "message", string(l->text, len));
	for (const struct weir_field *f = l->fields; f && f->key; f++)
		json_object_set_new(o, f->key,
				    f->text ? string(f->text, strlen(f->text))
					    : json_integer((json_int_t)f->number));
	if (l->held)
		json_object_set_new(o, "suppressed", json_integer(l->held));
	n = json_dumpb(o, buf, LOG_LINE_MAX - 1, 0);
	if (n > LOG_LINE_MAX - 1) { /* half an object is none: the fields go */
		struct log_line less = *l;

		json_decref(o);
		less.fields = NULL;
		return l->fields ? json(buf, &less) : 0;
	}
	json_decref(o);
	if (n)
		buf[n++] = '\n';
	return n;
}

size_t log_line(char buf[LOG_LINE_MAX], const struct log_line *l, enum log_format format)
{
	char prefix[24];

	if (format == LOG_FORMAT_JSON)
		return json(buf, l);
	if (format == LOG_FORMAT_JOURNAL)
		snprintf(prefix, sizeof(prefix), "<%d>", l->level);
	else
		snprintf(prefix, sizeof(prefix), "weir: %s",
			 l->level <= LOG_ERR	   ? "error: "
			 : l->level == LOG_WARNING ? "warning: "
						   : "");
	return plain(buf, l, prefix, format == LOG_FORMAT_JOURNAL);
}
