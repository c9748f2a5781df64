/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Why what somebody wrote is refused: a line of text in a buffer of the caller's. */
#ifndef WEIR_WHY_H
#define WEIR_WHY_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct why {
	char *buf;
	size_t len;
};

/* -EINVAL. It quotes what was written, and stays one line for all that. */
static inline int __attribute__((format(printf, 2, 3)))
why_not(const struct why *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->buf, w->len, fmt, ap);
	va_end(ap);
	for (char *p = w->buf; w->len && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return -EINVAL;
}

#endif
