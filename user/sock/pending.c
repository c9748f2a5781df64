/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in for what user/tcp declares and has not yet; a strong definition wins. */
#include "tcp/tcp.h"

#define WEAK __attribute__((weak))

WEAK size_t tcp_send_urgent(struct tcp_conn *c, const void *data, size_t len)
{
	return tcp_send(c, data, len);
}

WEAK bool tcp_recv_urgent(const struct tcp_conn *c, uint64_t *ahead)
{
	(void)c;
	(void)ahead;
	return false;
}

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
