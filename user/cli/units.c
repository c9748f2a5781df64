/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "cli/units.h"

const char *units_bytes(uint64_t bytes, char buf[UNITS_MAX])
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes / 1024;
	unsigned i = 0;

	if (bytes < 1024) {
		snprintf(buf, UNITS_MAX, "%u bytes", (unsigned)bytes);
		return buf;
	}
	while (v >= 1024 && i < 4) {
		v /= 1024;
		i++;
	}
	snprintf(buf, UNITS_MAX, v < 10 ? "%.1f %s" : "%.0f %s", v, names[i]);
	return buf;
}

const char *units_us(uint64_t us, char buf[UNITS_MAX])
{
	if (us < 1000)
		snprintf(buf, UNITS_MAX, "%uus", (unsigned)us);
	else if (us < 10000)
		snprintf(buf, UNITS_MAX, "%.1fms", (double)us / 1e3);
	else if (us < 1000000)
		snprintf(buf, UNITS_MAX, "%.0fms", (double)us / 1e3);
	else
		snprintf(buf, UNITS_MAX, "%.1fs", (double)us / 1e6);
	return buf;
}

const char *units_uptime(uint64_t s, char buf[UNITS_MAX])
{
	unsigned h = (unsigned)(s / 3600 % 24), m = (unsigned)(s / 60 % 60), sec = s % 60;

	if (s >= 86400)
		snprintf(buf, UNITS_MAX, "%" PRIu64 "d %02u:%02u:%02u", s / 86400, h, m, sec);
	else
		snprintf(buf, UNITS_MAX, "%02u:%02u:%02u", h, m, sec);
	return buf;
}
