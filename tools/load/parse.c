// SPDX-License-Identifier: BSD-2-Clause
#include "parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* strtod() also takes spaces, signs, hex, "inf" and "nan". */
static int number(const char *s, double *v, const char **end)
{
	char *e;

	if (!((*s >= '0' && *s <= '9') || *s == '.') || (s[0] == '0' && (s[1] | 32) == 'x'))
		return -EINVAL;
	errno = 0;
	*v = strtod(s, &e);
	*end = e;
	return e == s || errno || !isfinite(*v) ? -EINVAL : 0;
}

int parse_count(const char *s, double min, double max, double *out)
{
	const char *end;
	double v;

	if (number(s, &v, &end))
		return -EINVAL;
	if (*end == 'k')
		v *= 1e3, end++;
	else if (*end == 'M')
		v *= 1e6, end++;
	if (*end || v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_bytes(const char *s, uint64_t max, uint64_t *out)
{
	static const char units[] = "kMG";
	const char *end, *unit;
	double v;

	if (number(s, &v, &end))
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end++);
		if (!unit)
			return -EINVAL;
		v *= (double)(1ull << (10 * (unit - units + 1)));
	}
	if (*end || v < 0 || v > (double)max || v != floor(v))
		return -EINVAL;
	*out = (uint64_t)v;
	return 0;
}

int parse_time(const char *s, double min, double max, double *seconds)
{
	const char *end;
	double v;

	if (number(s, &v, &end))
		return -EINVAL;
	if (!strcmp(end, "ms"))
		v /= 1e3;
	else if (!strcmp(end, "us"))
		v /= 1e6;
	else if (*end && strcmp(end, "s") != 0)
		return -EINVAL;
	if (v < min || v > max)
		return -EINVAL;
	*seconds = v;
	return 0;
}

static int address(const char *s, size_t len, union be_addr *a)
{
	char text[INET6_ADDRSTRLEN];
	bool v6;

	if (!len || len >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = '\0';
	memset(a, 0, sizeof(*a));
	v6 = strchr(text, ':');
	a->sa.sa_family = v6 ? AF_INET6 : AF_INET;
	return inet_pton(a->sa.sa_family, text,
			 v6 ? (void *)&a->in6.sin6_addr : (void *)&a->in.sin_addr) == 1
		       ? 0
		       : -EINVAL;
}

int parse_target(const char *s, union be_addr *to)
{
	const char *colon = strrchr(s, ':');
	size_t len = colon ? (size_t)(colon - s) : 0;
	bool v6 = len > 2 && s[0] == '[' && s[len - 1] == ']';
	double port;

	if (!len || parse_count(colon + 1, 1, 65535, &port) || port != floor(port))
		return -EINVAL;
	if (v6)
		s++, len -= 2;
	if (address(s, len, to) || (to->sa.sa_family == AF_INET6) != v6)
		return -EINVAL;
	to->in.sin_port = htons((uint16_t)port); /* at the same place in both */
	return 0;
}

/* The lowest 32 bits, which a range may not leave. */
static uint32_t low(const union be_addr *a)
{
	uint32_t v;

	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr);
	memcpy(&v, a->in6.sin6_addr.s6_addr + 12, 4);
	return ntohl(v);
}

static int prefix(const char *s, unsigned int max, union be_addr *first, unsigned int *n)
{
	unsigned int bits = first->sa.sa_family == AF_INET ? 32 : 128, host;
	char *end;
	unsigned long len = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || len > bits || bits - len > 31)
		return -EINVAL;
	host = bits - (unsigned int)len;
	if (low(first) & ((1u << host) - 1))
		return -EINVAL; /* "10.0.0.1/24" is one address, or a mistake */
	*n = 1u << host;
	if (first->sa.sa_family == AF_INET && host > 1) {
		/* Neither the network's own address nor its broadcast. */
		first->in.sin_addr.s_addr = htonl(low(first) + 1);
		*n -= 2;
	}
	return *n <= max ? 0 : -EINVAL;
}

int parse_range(const char *s, unsigned int max, union be_addr *first, unsigned int *n)
{
	size_t len = strcspn(s, "-/");
	union be_addr last;

	if (address(s, len, first))
		return -EINVAL;
	*n = 1;
	if (!s[len])
		return 0;
	if (s[len] == '/')
		return prefix(s + len + 1, max, first, n);
	if (address(s + len + 1, strlen(s + len + 1), &last) ||
	    last.sa.sa_family != first->sa.sa_family || low(&last) < low(first) ||
	    low(&last) - low(first) >= max ||
	    (last.sa.sa_family == AF_INET6 &&
	     memcmp(&last.in6.sin6_addr, &first->in6.sin6_addr, 12) != 0))
		return -EINVAL;
	*n = low(&last) - low(first) + 1;
	return 0;
}
