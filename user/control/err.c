/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "control/err.h"

static int fill(struct weir_err *e, int status, int rc, const char *fmt, va_list ap)
{
	e->status = status;
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	return rc;
}

int err_set(struct weir_err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, WEIR_EXIT_FAILURE, rc, fmt, ap);
	va_end(ap);
	return rc;
}

int err_unsuited(struct weir_err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, WEIR_EXIT_UNSUITED, rc, fmt, ap);
	va_end(ap);
	return rc;
}
