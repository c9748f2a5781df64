/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "control/ctl_metrics_http.h"

int metrics_parse(const char *where, struct weir_addr *a)
{
	const char *end;

	memset(a, 0, sizeof(*a));
	if (!strncmp(where, METRICS_UNIX, strlen(METRICS_UNIX)))
		return where[strlen(METRICS_UNIX)] == '/' ? 0 : -EINVAL;
	if (services_parse_addr(a, where, &end) || *end || !a->port)
		return -EINVAL;
	return 0;
}
