/* SPDX-License-Identifier: BSD-2-Clause */
/* An address and port, as text and as the gate's key. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/services.h"
#include "engine/addr.h"

static int parse_port(uint16_t *port, const char *s, const char **end)
{
	unsigned long v;
	char *e;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	v = strtoul(s, &e, 10);
	if (v < 1 || v > 65535)
		return -EINVAL;
	*port = (uint16_t)v;
	*end = e;
	return 0;
}

int services_parse_addr(struct weir_addr *a, const char *text, const char **end)
{
	const char *host = text, *colon, *rest;
	char buf[INET6_ADDRSTRLEN];
	size_t len;

	memset(a, 0, sizeof(*a));
	if (*text == '[') {
		host = text + 1;
		colon = strchr(host, ']');
		if (!colon || colon[1] != ':')
			return -EINVAL;
		len = (size_t)(colon - host);
		colon++;
		a->family = 6;
	} else {
		colon = strchr(host, ':');
		if (!colon)
			return -EINVAL;
		len = (size_t)(colon - host);
		a->family = len == 1 && *host == '*' ? 0 : 4;
	}
	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, host, len);
	buf[len] = '\0';
	if (a->family && inet_pton(a->family == 6 ? AF_INET6 : AF_INET, buf, a->addr) != 1)
		return -EINVAL;
	if (parse_port(&a->port, colon + 1, &rest))
		return -EINVAL;
	if (end)
		*end = rest;
	else if (*rest)
		return -EINVAL;
	return 0;
}

void services_format(const struct weir_addr *a, char *buf, size_t len)
{
	char host[INET6_ADDRSTRLEN];

	if (!a->family)
		snprintf(buf, len, "*:%u", a->port);
	else if (a->family == 4)
		snprintf(buf, len, "%s:%u", inet_ntop(AF_INET, a->addr, host, sizeof(host)),
			 a->port);
	else
		snprintf(buf, len, "[%s]:%u", inet_ntop(AF_INET6, a->addr, host, sizeof(host)),
			 a->port);
}

void services_key(struct weir_service_key *k, const struct weir_addr *a)
{
	memset(k, 0, sizeof(*k));
	addr_mapped(k->addr, a);
	k->port = htons(a->port);
}
