/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "control/services.h"

const char *const service_mode_names[] = {"always", "auto", "never", NULL};

const char *service_mode_name(enum weir_mode mode)
{
	return mode <= WEIR_MODE_NEVER ? service_mode_names[mode] : "unknown";
}

int service_mode_parse(enum weir_mode *mode, const char *name)
{
	unsigned i;

	for (i = 0; service_mode_names[i]; i++) {
		if (!strcmp(name, service_mode_names[i])) {
			*mode = (enum weir_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct service_mode service_mode_of(const struct service *s, const struct service_mode *common)
{
	struct service_mode m = *common;

	if (s->speaks_first && m.mode == WEIR_MODE_ALWAYS)
		m.mode = WEIR_MODE_AUTO;
	if (s->own & SERVICE_OWN_MODE)
		m.mode = s->mode.mode;
	if (s->own & SERVICE_OWN_RATE)
		m.syn_per_sec = s->mode.syn_per_sec;
	if (s->own & SERVICE_OWN_HOLD)
		m.hold_ms = s->mode.hold_ms;
	return m;
}
