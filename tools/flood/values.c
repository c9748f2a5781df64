// SPDX-License-Identifier: BSD-2-Clause
/* The values that options take. */
#include "flood.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/ether.h>
#include <stdlib.h>
#include <string.h>

int parse_number(const char *s, double max, bool scaled, double *out)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(s, &end);
	if (end == s || errno)
		return -EINVAL;
	if (scaled && *end == 'k')
		v *= 1e3, end++;
	else if (scaled && *end == 'M')
		v *= 1e6, end++;
	if (*end || !isfinite(v) || v <= 0 || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_count(const char *s, double max, uint64_t *out)
{
	double v;

	if (parse_number(s, max, true, &v) || v < 1)
		return -EINVAL;
	*out = (uint64_t)v;
	return 0;
}

int parse_integer(const char *s, unsigned long max, unsigned long *out)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_ports(const char *s, struct ports *p)
{
	const char *dash = strchr(s, '-');
	size_t n = dash ? (size_t)(dash - s) : strlen(s);
	unsigned long lo, hi;
	char first[6];

	if (n >= sizeof(first))
		return -EINVAL;
	memcpy(first, s, n);
	first[n] = '\0';
	if (parse_integer(first, 65535, &lo) || lo < 1)
		return -EINVAL;
	hi = lo;
	if (dash && (parse_integer(dash + 1, 65535, &hi) || hi < lo))
		return -EINVAL;
	p->lo = (uint16_t)lo;
	p->hi = (uint16_t)hi;
	return 0;
}

static int parse_address(const char *s, int *family, struct in6_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	*family = strchr(s, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*family, s, addr) == 1 ? 0 : -EINVAL;
}

int parse_endpoint(const char *s, int *family, struct in6_addr *addr, struct ports *p)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(s, ':');
	size_t n;

	if (!colon || (n = (size_t)(colon - s)) >= sizeof(host) || n == 0)
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = '\0';
	if (parse_ports(colon + 1, p))
		return -EINVAL;
	if (host[0] != '[')
		return strchr(host, ':') ? -EINVAL : parse_address(host, family, addr);
	if (host[n - 1] != ']')
		return -EINVAL;
	host[n - 1] = '\0';
	return strchr(host, ':') ? parse_address(host + 1, family, addr) : -EINVAL;
}

int parse_net(const char *s, int *family, struct in6_addr *net, unsigned int *len)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	unsigned long v, lowest, most;
	size_t n;

	if (!slash || (n = (size_t)(slash - s)) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (parse_address(addr, family, net))
		return -EINVAL;
	/* Shorter, and the sources would be the whole Internet's. */
	lowest = *family == AF_INET ? 8 : 32;
	most = *family == AF_INET ? 32 : 128;
	if (parse_integer(slash + 1, most, &v) || v < lowest)
		return -EINVAL;
	*len = (unsigned int)v;
	return 0;
}

int parse_mac(const char *s, unsigned char *out)
{
	struct ether_addr mac;

	if (!ether_aton_r(s, &mac))
		return -EINVAL;
	memcpy(out, &mac, sizeof(mac));
	return 0;
}
