/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* Three digits that say something, and never wider than six characters up to 1e15. */
const char *units_count(double n, char buf[UNITS_MAX])
{
	static const char letters[] = "kMGT";
	int i = -1;

	if (n < 9.95) {
		snprintf(buf, UNITS_MAX, n < 0.05 || n - (double)(long)n == 0 ? "%.0f" : "%.1f", n);
		return buf;
	}
	for (; n >= 999.5 && i < 3; i++)
		n /= 1000;
	if (i < 0)
		snprintf(buf, UNITS_MAX, "%.0f", n);
	else
		snprintf(buf, UNITS_MAX,
			 n < 9.995   ? "%.2f%c"
			 : n < 99.95 ? "%.1f%c"
				     : "%.0f%c",
			 n, letters[i]);
	return buf;
}

const char *units_bits(double per_s, char buf[UNITS_MAX])
{
	char n[UNITS_MAX];
	size_t digits = strspn(units_count(per_s, n), "0123456789.");

	snprintf(buf, UNITS_MAX, "%.*s %.1sbit/s", (int)digits, n, n + digits);
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
