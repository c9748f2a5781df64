/* SPDX-License-Identifier: BSD-2-Clause */
/* A source in memory for what Prometheus reads: two workers, two services, a SYN flood. */
#ifndef WEIR_METRICS_FIXTURE_H
#define WEIR_METRICS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/ctl_metrics.h"
#include "proxy/backends.h"

extern struct metrics_fake {
	const char *why; /* it does not serve; NULL: it does */
	unsigned renders;
	struct backends *backends; /* of the first service */
} metrics_fake;

extern const struct ctl_source metrics_source;

#endif
