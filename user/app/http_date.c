// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "app/http_date.h"

#define DAY 86400

static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static bool leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
	static const uint8_t n[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return n[month] + (month == 1 && leap(year));
}

/* Days from 1970-01-01 to the first of January of a year from 1970 on. */
static int64_t year_start(int year)
{
	int64_t y = year - 1;

	return (y * 365 + y / 4 - y / 100 + y / 400) - 719162;
}

void http_date_format(int64_t t, char out[HTTP_DATE_LEN + 1])
{
	const int64_t last = 253402300799; /* the end of the year 9999 */
	int64_t day, sec;
	int year, month = 0;

	t = t < 0 ? 0 : t > last ? last : t;
	day = t / DAY;
	sec = t % DAY;
	year = 1970 + (int)(day / 366);
	while (year_start(year + 1) <= day)
		year++;
	day -= year_start(year);
	for (; day >= month_days(year, month); month++)
		day -= month_days(year, month);
	snprintf(out, HTTP_DATE_LEN + 1, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[t / DAY % 7],
		 (unsigned)(day + 1) % 100, months[month], (unsigned)year % 10000,
		 (unsigned)(sec / 3600) % 100, (unsigned)(sec / 60 % 60), (unsigned)(sec % 60));
}

static int month_of(const char *name)
{
	for (int i = 0; i < 12; i++)
		if (!strcmp(name, months[i]))
			return i;
	return -1;
}

bool http_date_parse(struct http_str s, int64_t *t)
{
	int d, y, h, m, sec, mon, end = 0;
	char buf[40], name[4];

	if (!s.len || s.len >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	if (sscanf(buf, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &d, name, &y, &h, &m,
		   &sec, &end) != 6 ||
	    !end) {
		end = 0;
		if (sscanf(buf, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &d, name, &y,
			   &h, &m, &sec, &end) == 6 &&
		    end)
			y += y < 70 ? 2000 : 1900;
	}
	if (!end && sscanf(buf, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", name, &d, &h, &m,
			   &sec, &y, &end) != 6)
		return false;
	mon = end && (size_t)end == s.len ? month_of(name) : -1;
	if (mon < 0 || y < 1970 || y > 9999 || d < 1 || d > month_days(y, mon) || h < 0 || h > 23 ||
	    m < 0 || m > 59 || sec < 0 || sec > 60)
		return false;
	for (d--; mon > 0; mon--)
		d += month_days(y, mon - 1);
	*t = (year_start(y) + d) * DAY + h * 3600 + m * 60 + sec;
	return true;
}
