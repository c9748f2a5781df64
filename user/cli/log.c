/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/log.h"

const char *const log_level_names[] = {"error", "warning", "notice", "info", "debug", NULL};

static _Atomic int threshold = LOG_NOTICE;

void log_set_level(int level)
{
	atomic_store(&threshold, level);
}

void log_msg(int level, const char *fmt, ...)
{
	char line[1024];
	int len, n;
	va_list ap;

	if (level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	len = snprintf(line, sizeof(line) - 1, "weir: %s",
		       level <= LOG_ERR	      ? "error: "
		       : level == LOG_WARNING ? "warning: "
					      : "");
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - 1 - (size_t)len, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len += n;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	/* Messages of libraries may bring their own newline. */
	if (line[len - 1] != '\n')
		line[len++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nobody left to tell */
}
