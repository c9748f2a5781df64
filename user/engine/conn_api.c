/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/conn_api.h"

#include "engine/conn.h"
#include "engine/worker.h"

enum weir_tcp_state conn_tcp_state(const struct weir_conn *c)
{
	return tcp_get_state(conn_tcp(c));
}

void conn_info(const struct weir_conn *c, struct tcp_info *info)
{
	tcp_get_info(conn_tcp(c), info);
}

void conn_set_opts(struct weir_conn *c, const struct tcp_opts *o)
{
	tcp_set_opts(conn_tcp(c), o, c->w->now_us);
	conn_touch(c);
}

void conn_get_opts(const struct weir_conn *c, struct tcp_opts *o)
{
	tcp_get_opts(conn_tcp(c), o);
}

size_t conn_send_urgent(struct weir_conn *c, const void *data, size_t len)
{
	size_t n = c->flags & CONN_SHUT ? 0 : tcp_send_urgent(conn_tcp(c), data, len);

	if (n < len && !(c->flags & CONN_SHUT))
		c->flags |= CONN_WANT_WRITE;
	conn_touch(c);
	return n;
}

bool conn_recv_urgent(const struct weir_conn *c, uint64_t *ahead)
{
	return tcp_recv_urgent(conn_tcp(c), ahead);
}

void conn_set_arg(struct weir_conn *c, void *arg)
{
	c->arg = arg;
}
