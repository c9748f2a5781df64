/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in for what user/tcp declares and has not yet; a strong definition wins. */
#include "tcp/tcp.h"

#define WEAK __attribute__((weak))

WEAK const struct tcp_cc *tcp_cc_find(const char *name)
{
	(void)name;
	return NULL;
}

WEAK const char *tcp_cc_name(const struct tcp_cc *cc)
{
	(void)cc;
	return "reno";
}

WEAK const struct tcp_cc *tcp_cc_at(unsigned i)
{
	(void)i;
	return NULL;
}
