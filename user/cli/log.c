/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/log_limit.h"

const char *const log_level_names[] = {"error", "warning", "notice", "info", "debug", NULL};
const char *const log_format_names[] = {"auto", "text", "json", "journal", NULL};

static _Atomic int threshold = LOG_NOTICE;
static _Atomic int format = LOG_FORMAT_TEXT;
static struct log_limit limit;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;

/* systemd says which socket it gave us; stderr may be another by now. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

void log_set_level(int level)
{
	atomic_store(&threshold, level);
}

void log_set_format(enum log_format f)
{
	if (f == LOG_FORMAT_AUTO)
		f = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	atomic_store(&format, (int)f);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void emit(struct log_line *l)
{
	char buf[LOG_LINE_MAX];
	size_t len;

	clock_gettime(CLOCK_REALTIME, &l->time);
	len = log_line(buf, l, (enum log_format)atomic_load(&format));
	if (len && write(STDERR_FILENO, buf, len) < 0)
		return; /* nobody left to tell */
}

static void log_va(struct log_line l, const void *kind, const char *fmt, va_list ap)
{
	char text[1024];
	bool pass = true;

	if (l.level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	if (l.level < LOG_ERR)
		l.level = LOG_ERR;
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	l.text = text;
	if (l.level < LOG_DEBUG) {
		pthread_mutex_lock(&limit_lock);
		pass = log_limit_pass(&limit, kind, l.level, text, now_us(), &l.held);
		pthread_mutex_unlock(&limit_lock);
	}
	if (pass)
		emit(&l);
}

void log_msg(int level, const char *fmt, ...)
{
	struct log_line l = {.level = level};
	va_list ap;

	va_start(ap, fmt);
	log_va(l, fmt, fmt, ap);
	va_end(ap);
}

void log_event(int level, const char *name, const struct weir_field *fields, const char *fmt, ...)
{
	struct log_line l = {.level = level, .event = name, .fields = fields};
	va_list ap;

	va_start(ap, fmt);
	log_va(l, name, fmt, ap);
	va_end(ap);
}

void log_always(const char *name, const struct weir_field *fields, const char *fmt, ...)
{
	struct log_line l = {.level = LOG_NOTICE, .event = name, .fields = fields};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l.text = text;
	emit(&l);
}

void log_step(void)
{
	char text[LOG_LIMIT_LIKE + 80];
	const struct log_kind *k;
	uint32_t held;

	for (;;) {
		struct log_line l = {.event = "log_suppressed", .text = text};
		struct weir_field fields[] = {FIELD_NUMBER("suppressed", 0), FIELD_END};

		pthread_mutex_lock(&limit_lock);
		k = log_limit_held(&limit, now_us(), &held);
		if (k) {
			l.level = k->level;
			snprintf(text, sizeof(text), "%u messages were not logged, like this: %s",
				 held, k->like);
		}
		pthread_mutex_unlock(&limit_lock);
		if (!k)
			return;
		fields[0].number = held;
		l.fields = fields;
		emit(&l);
	}
}
